#include "viewer/picture.h"

#include <fontconfig/fontconfig.h>
#include <pango/pangocairo.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/error.h"
#include "io/png.h"
#include "io/printable.h"

namespace hindscan::viewer {
namespace {

constexpr double kMargin = 16, kPixelsPerPoint = 2;
constexpr double kMaxPixels = 1 << 28;

template <auto Free>
struct Release {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using CairoSurface = std::unique_ptr<cairo_surface_t, Release<cairo_surface_destroy>>;
using Cairo = std::unique_ptr<cairo_t, Release<cairo_destroy>>;
using Layout = std::unique_ptr<PangoLayout, Release<g_object_unref>>;

void set_color(cairo_t* cairo, Color c) { cairo_set_source_rgb(cairo, c.r / 255.0, c.g / 255.0, c.b / 255.0); }

// Pango ends the process, or measures nonsense, when there is no font at all; the families it lists are there even
// then.
void require_fonts() {
  FcConfig* const config = FcInitLoadConfigAndFonts();
  const FcFontSet* const fonts = config == nullptr ? nullptr : FcConfigGetFonts(config, FcSetSystem);
  const bool any = fonts != nullptr && fonts->nfont > 0;
  if (config != nullptr) FcConfigDestroy(config);
  check(any, ErrorCode::kConfig,
        "[picture] expected at least one font on this machine, found none; install one, e.g. fonts-dejavu-core");
}

double linear(uint8_t channel) {
  const double v = channel / 255.0;
  return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
}

}  // namespace

struct Picture::Surface {
  CairoSurface recording{cairo_recording_surface_create(CAIRO_CONTENT_COLOR_ALPHA, nullptr)};
  Cairo cairo{cairo_create(recording.get())};

  Layout layout(std::string_view bytes, const TextStyle& style) const {
    Layout out(pango_cairo_create_layout(cairo.get()));
    PangoFontDescription* font = pango_font_description_from_string("sans-serif");
    pango_font_description_set_absolute_size(font, style.size * PANGO_SCALE);
    if (style.bold) pango_font_description_set_weight(font, PANGO_WEIGHT_BOLD);
    pango_layout_set_font_description(out.get(), font);
    pango_font_description_free(font);
    const std::string visible = printable(bytes).text;
    pango_layout_set_text(out.get(), visible.data(), static_cast<int>(visible.size()));
    if (style.width > 0) {
      pango_layout_set_width(out.get(), static_cast<int>(style.width * PANGO_SCALE));
      pango_layout_set_wrap(out.get(), PANGO_WRAP_WORD_CHAR);
    }
    return out;
  }
};

static Extent extent_of(PangoLayout* layout) {
  int width = 0, height = 0;
  pango_layout_get_size(layout, &width, &height);
  return {static_cast<double>(width) / PANGO_SCALE, static_cast<double>(height) / PANGO_SCALE};
}

Picture::Picture() {
  require_fonts();
  surface_ = std::make_unique<Surface>();
}
Picture::~Picture() = default;

void Picture::fill(double x, double y, double width, double height, Color color) {
  set_color(surface_->cairo.get(), color);
  cairo_rectangle(surface_->cairo.get(), x, y, width, height);
  cairo_fill(surface_->cairo.get());
}

void Picture::frame(double x, double y, double width, double height, Color color, double line) {
  set_color(surface_->cairo.get(), color);
  cairo_set_line_width(surface_->cairo.get(), line);
  cairo_rectangle(surface_->cairo.get(), x, y, width, height);
  cairo_stroke(surface_->cairo.get());
}

void Picture::line(double x1, double y1, double x2, double y2, Color color) {
  cairo_t* c = surface_->cairo.get();
  set_color(c, color);
  cairo_set_line_width(c, 1);
  cairo_move_to(c, x1, y1);
  cairo_line_to(c, x2, y2);
  cairo_stroke(c);
}

Extent Picture::measure(std::string_view bytes, const TextStyle& style) {
  return extent_of(surface_->layout(bytes, style).get());
}

Extent Picture::text(double x, double y, std::string_view bytes, const TextStyle& style) {
  cairo_t* c = surface_->cairo.get();
  const Layout layout = surface_->layout(bytes, style);
  const Extent e = extent_of(layout.get());
  const double back = style.align == Align::kLeft ? 0 : style.align == Align::kCenter ? e.width / 2 : e.width;
  cairo_save(c);
  cairo_translate(c, x, y);
  if (style.upright) cairo_rotate(c, -std::numbers::pi / 2);
  cairo_move_to(c, -back, 0);
  set_color(c, style.color);
  pango_cairo_show_layout(c, layout.get());
  cairo_restore(c);
  return style.upright ? Extent{e.height, e.width} : e;
}

void Picture::cells(double x, double y, double width, double height, int rows, int columns,
                    std::span<const Color> cells) {
  if (rows <= 0 || columns <= 0) return;
  const CairoSurface image(cairo_image_surface_create(CAIRO_FORMAT_RGB24, columns, rows));
  check(cairo_surface_status(image.get()) == CAIRO_STATUS_SUCCESS, ErrorCode::kResource,
        "[picture] expected at most 32767 x 32767 cells, found {} x {}; show fewer", rows, columns);
  uint8_t* data = cairo_image_surface_get_data(image.get());
  const int stride = cairo_image_surface_get_stride(image.get());
  for (int r = 0; r < rows; ++r) {
    auto* row = reinterpret_cast<uint32_t*>(data + static_cast<ptrdiff_t>(r) * stride);
    for (int k = 0; k < columns; ++k) {
      const Color& c = cells[static_cast<size_t>(r) * static_cast<size_t>(columns) + static_cast<size_t>(k)];
      row[k] = static_cast<uint32_t>(c.r) << 16 | static_cast<uint32_t>(c.g) << 8 | c.b;
    }
  }
  cairo_surface_mark_dirty(image.get());
  cairo_t* c = surface_->cairo.get();
  cairo_save(c);
  cairo_rectangle(c, x, y, width, height);
  cairo_clip(c);
  cairo_translate(c, x, y);
  cairo_scale(c, width / columns, height / rows);
  cairo_set_source_surface(c, image.get(), 0, 0);
  cairo_pattern_set_filter(cairo_get_source(c), CAIRO_FILTER_NEAREST);
  cairo_paint(c);
  cairo_restore(c);
}

std::string Picture::png(double width) const {
  double x = 0, y = 0, w = 0, h = 0;
  cairo_recording_surface_ink_extents(surface_->recording.get(), &x, &y, &w, &h);
  const double left = kMargin - std::min(x, 0.0), top = kMargin - std::min(y, 0.0);
  const auto columns = static_cast<int64_t>(std::ceil((left + std::max(x + w, width) + kMargin) * kPixelsPerPoint));
  const auto rows = static_cast<int64_t>(std::ceil((top + y + h + kMargin) * kPixelsPerPoint));
  check(static_cast<double>(columns) * static_cast<double>(rows) < kMaxPixels && columns < 32768 && rows < 32768,
        ErrorCode::kResource, "[picture] expected at most 32767 pixels a side, found {} x {}; show a part", columns,
        rows);
  const CairoSurface image(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(columns), static_cast<int>(rows)));
  const Cairo c(cairo_create(image.get()));
  set_color(c.get(), kPaper);
  cairo_paint(c.get());
  cairo_scale(c.get(), kPixelsPerPoint, kPixelsPerPoint);
  cairo_set_source_surface(c.get(), surface_->recording.get(), left, top);
  cairo_paint(c.get());
  cairo_surface_flush(image.get());
  check(cairo_status(c.get()) == CAIRO_STATUS_SUCCESS, ErrorCode::kResource, "[picture] {}; show a smaller part",
        cairo_status_to_string(cairo_status(c.get())));
  const uint8_t* data = cairo_image_surface_get_data(image.get());
  const int stride = cairo_image_surface_get_stride(image.get());
  std::vector<uint8_t> rgb;
  rgb.reserve(static_cast<size_t>(columns * rows) * 3);
  for (int64_t r = 0; r < rows; ++r) {
    const auto* row = reinterpret_cast<const uint32_t*>(data + r * stride);
    for (int64_t k = 0; k < columns; ++k) {
      for (const int shift : {16, 8, 0}) rgb.push_back(static_cast<uint8_t>(row[k] >> shift));
    }
  }
  return encode_png(static_cast<uint32_t>(columns), static_cast<uint32_t>(rows), rgb);
}

Color signed_color(double relative) {
  constexpr Color raise{0xd9, 0x5f, 0x02}, lower{0x2c, 0x5f, 0xb8};
  if (!std::isfinite(relative)) return kLine;
  const Color& arm = relative < 0 ? lower : raise;
  const double t = std::pow(std::min(std::abs(relative), 1.0), 0.7);
  const auto mix = [&](uint8_t end) { return static_cast<uint8_t>(std::lround(255 + (end - 255) * t)); };
  return {mix(arm.r), mix(arm.g), mix(arm.b)};
}

Color text_on(Color c) {
  return 0.2126 * linear(c.r) + 0.7152 * linear(c.g) + 0.0722 * linear(c.b) > 0.179 ? Color{} : kPaper;
}

}  // namespace hindscan::viewer
