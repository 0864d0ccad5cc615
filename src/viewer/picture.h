// A page to draw on: shapes by cairo, words of any script by Pango. It grows with what is drawn; units are points.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace hindscan::viewer {

struct Color {
  uint8_t r = 0, g = 0, b = 0;
};
inline constexpr Color kInk{0x1b, 0x1b, 0x1b}, kSoft{0x5a, 0x5a, 0x5a}, kLine{0xd4, 0xd4, 0xd4}, kPaper{255, 255, 255};

enum class Align : uint8_t { kLeft, kCenter, kRight };

struct TextStyle {
  double size = 13;  // points
  Color color = kInk;
  Align align = Align::kLeft;
  bool bold = false;
  bool upright = false;  // reads upwards: turned by a quarter
  double width = 0;      // > 0: wrapped into this width
};

struct Extent {
  double width = 0, height = 0;
};

class Picture {
 public:
  Picture();  // Error(kConfig) when the machine has no font
  ~Picture();
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;

  void fill(double x, double y, double width, double height, Color color);
  void frame(double x, double y, double width, double height, Color color, double line = 1);
  void line(double x1, double y1, double x2, double y2, Color color);
  // Untrusted bytes, made visible. (x, y): top left, middle or right, as aligned. Returns its extent as drawn.
  Extent text(double x, double y, std::string_view bytes, const TextStyle& style = {});
  Extent measure(std::string_view bytes, const TextStyle& style = {});
  // cells [rows, columns], the first row on top, without smoothing.
  void cells(double x, double y, double width, double height, int rows, int columns, std::span<const Color> cells);

  // PNG file at two pixels a point, at least `width` points wide, with a margin.
  std::string png(double width) const;

 private:
  struct Surface;
  std::unique_ptr<Surface> surface_;
};

// White at 0; orange up to 1, blue down to -1.
Color signed_color(double relative);
// Black or white, whichever reads better on it.
Color text_on(Color background);

}  // namespace hindscan::viewer
