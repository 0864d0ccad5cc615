#include "viewer/matrix_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "explain/score_array.h"
#include "viewer/axes.h"
#include "viewer/picture.h"

namespace hindscan::viewer {
namespace {

constexpr double kSide = 640, kMaxCell = 24, kGap = 12;
constexpr int64_t kMaxCells = 512;  // more rows or columns share a cell, which shows the strongest
constexpr double kNamedCell = 11;   // smallest cell whose row is named; of smaller ones only some are
constexpr int kSomeLabels = 20;
const TextStyle kSmall{.size = 11, .color = kSoft};

// [rows, cols] drawn as [height, width] cells; one of no finite value stays as it is.
std::vector<Color> shrunk(const MatrixPicture& m, int64_t height, int64_t width, double top) {
  std::vector<double> strongest(static_cast<size_t>(height * width), NAN);
  for (int64_t r = 0; r < m.rows; ++r) {
    for (int64_t c = 0; c < m.cols; ++c) {
      const auto v = static_cast<double>(m.values[static_cast<size_t>(r * m.cols + c)]);
      double& cell = strongest[static_cast<size_t>(r * height / m.rows * width + c * width / m.cols)];
      if (std::isfinite(v) && !(std::abs(v) <= std::abs(cell))) cell = v;
    }
  }
  std::vector<Color> out;
  out.reserve(strongest.size());
  for (const double v : strongest) out.push_back(signed_color(top > 0 ? v / top : v));
  return out;
}

// Which rows or columns get a label: all when cells are large, else some.
std::vector<int64_t> labelled(int64_t count, double cell) {
  return ticks(0, count, cell >= kNamedCell ? static_cast<int>(count) + 1 : kSomeLabels);
}

std::string label(const std::vector<std::string>& names, const std::vector<int64_t>& numbers, int64_t i) {
  const auto at = static_cast<size_t>(i);
  const std::string number = at < numbers.size() ? fmt::format("{}", numbers[at]) : fmt::format("{}", i);
  return at < names.size() ? fmt::format("{} {}", names[at], number) : number;
}

}  // namespace

std::string matrix_png(const MatrixPicture& m) {
  check(m.rows > 0 && m.cols > 0 && m.values.size() == static_cast<size_t>(m.rows * m.cols), ErrorCode::kUsage,
        "[picture] expected a matrix with rows and columns, found {} x {}", m.rows, m.cols);
  Picture page;
  std::vector<double> values(m.values.begin(), m.values.end());
  const double top = largest_size(values);
  double y = page.text(0, 0, m.title, {.size = 18, .bold = true, .width = kSide}).height + 4;
  y += page.text(0, y, m.subtitle, {.size = 12, .color = kSoft, .width = kSide}).height + kGap;

  const double cell = std::min(kMaxCell, kSide / static_cast<double>(std::max(m.rows, m.cols)));
  const double width = cell * static_cast<double>(m.cols), height = cell * static_cast<double>(m.rows);
  double names = 0;
  for (const int64_t r : labelled(m.rows, cell))
    names = std::max(names, page.measure(label(m.row_names, m.row_numbers, r), kSmall).width);
  const double x = names + 24;
  const int64_t rows = std::min(m.rows, kMaxCells), cols = std::min(m.cols, kMaxCells);
  page.cells(x, y, width, height, static_cast<int>(rows), static_cast<int>(cols), shrunk(m, rows, cols, top));
  page.frame(x, y, width, height, kLine);

  page.text(0, y + height / 2, m.row_axis, {.size = 11, .color = kSoft, .align = Align::kCenter, .upright = true});
  for (const int64_t r : labelled(m.rows, cell))
    page.text(x - 5, y + cell * (static_cast<double>(r) + 0.5) - 7, label(m.row_names, m.row_numbers, r),
              {.size = 11, .color = kSoft, .align = Align::kRight});
  double deepest = 0;
  for (const int64_t c : labelled(m.cols, cell)) {
    const std::string text = label(m.col_names, m.col_numbers, c);
    deepest = std::max(deepest, page.measure(text, kSmall).width);
    page.text(x + cell * (static_cast<double>(c) + 0.5) - 7, y + height + 4, text,
              {.size = 11, .color = kSoft, .align = Align::kRight, .upright = true});
  }
  y += height + deepest + 10;
  y += page.text(x + width / 2, y, m.column_axis, {.size = 11, .color = kSoft, .align = Align::kCenter}).height + kGap;
  draw_scale(page, x, y, top, m.low, m.high);
  return page.png(kSide);
}

}  // namespace hindscan::viewer
