#include "cli/heatmap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "explain/text_cuts.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

constexpr int kMaxTokenWidth = 40;

// Collects one line of tokens and, without colour, the line of bars below it.
class Lines {
 public:
  explicit Lines(const HeatmapStyle& style) : style_(style) {}

  // Tokens between two places where a line may end are kept until the next one: they stay together where they fit.
  void add(const Printable& p, double score, const HeatToken& token, bool may_begin_line) {
    if (may_begin_line) place_word();
    const bool framed = token.target;
    word_.push_back({framed ? "[" + p.text + "]" : p.text, p.width + (framed ? 2 : 0), score, token.marked});
    word_width_ += word_.back().width;
    if (!p.ends_line) return;
    place_word();
    end_line();
  }

  std::string finish() {
    place_word();
    if (column_ > 0) end_line();
    return std::move(out_);
  }

 private:
  struct Cell {
    std::string text;
    int width;
    double score;
    bool marked;
  };

  void place_word() {
    const bool fits_a_line = word_width_ <= style_.columns;
    if (fits_a_line && column_ > 0 && column_ + word_width_ > style_.columns) end_line();
    for (const Cell& c : word_) place(c);
    word_.clear();
    word_width_ = 0;
  }

  void place(const Cell& c) {
    if (column_ > 0 && column_ + c.width > style_.columns) end_line();
    const bool underlined = c.marked && style_.depth != ColorDepth::kNone;
    const std::string on =
        (underlined ? "\x1b[4m" : "") + sgr(score_color(c.score, style_.depth, style_.dark), style_.depth);
    tokens_ += on.empty() ? c.text : on + c.text + sgr_reset();
    bars_ += std::string(static_cast<size_t>(c.width), bar_char(c.score));
    if (c.marked && c.width > 0) bars_[bars_.size() - static_cast<size_t>(c.width)] = '|';
    column_ += c.width;
  }

  void end_line() {
    out_ += tokens_ + "\n";
    bars_.erase(bars_.find_last_not_of(' ') + 1);
    if (style_.depth == ColorDepth::kNone && !bars_.empty()) out_ += bars_ + "\n";
    tokens_.clear();
    bars_.clear();
    column_ = 0;
  }

  const HeatmapStyle& style_;
  std::vector<Cell> word_;
  std::string out_, tokens_, bars_;
  int column_ = 0, word_width_ = 0;
};

double relative(double score, double scale) { return std::isfinite(score) && scale > 0 ? score / scale : 0; }

}  // namespace

char bar_char(double score) {
  constexpr std::string_view up = " .:-=+*#%@", down = " 123456789";
  const double size = std::min(std::abs(score), 1.0);
  if (!(size >= 0.02)) return ' ';
  const auto level = static_cast<size_t>(std::clamp(std::ceil(size * 9), 1.0, 9.0));
  return score > 0 ? up[level] : down[level];
}

std::string render_heatmap(std::span<const HeatToken> tokens, double scale, const HeatmapStyle& style) {
  const int room = std::max(8, std::min(kMaxTokenWidth, style.columns - 2));
  Lines lines(style);
  std::string_view before;
  for (const HeatToken& t : tokens) {
    lines.add(t.bytes.empty() ? Printable{"\u2205", 1, false} : printable(t.bytes, room), relative(t.score, scale), t,
              may_break(before, t.bytes));
    before = t.bytes;
  }
  return lines.finish();
}

std::string heatmap_legend(double scale, const SignWords& signs, const HeatmapStyle& style) {
  if (style.depth == ColorDepth::kNone) {
    return fmt::format("bars: .:-=+*#%@ {}, digits 1..9 {}; full scale {:.3g}\n", signs.up, signs.down, scale);
  }
  std::string out = fmt::format("{:.3g} ", -scale);
  for (int i = -10; i <= 10; ++i) {
    const std::string on = sgr(score_color(i / 10.0, style.depth, style.dark), style.depth);
    out += on.empty() ? " " : on + " " + sgr_reset();
  }
  return out + fmt::format(" +{:.3g}   orange: {}, blue: {}\n", scale, signs.up, signs.down);
}

std::string sparkline(std::span<const double> values) {
  double top = 0;
  for (const double v : values) {
    if (std::isfinite(v)) top = std::max(top, std::abs(v));
  }
  std::string out;
  for (const double v : values) {
    const double share = top > 0 && std::isfinite(v) ? std::abs(v) / top : 0;
    const int level = std::clamp(static_cast<int>(std::ceil(share * 8)), 1, 8);  // U+2581 .. U+2588
    out += "\xe2\x96";
    out += static_cast<char>(0x80 + level);
  }
  return out;
}

}  // namespace hindscan::cli
