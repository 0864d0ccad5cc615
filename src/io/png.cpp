#include "io/png.h"

#include <png.h>

#include "base/checked.h"
#include "base/error.h"

namespace hindscan {

std::string encode_png(uint32_t width, uint32_t height, std::span<const uint8_t> rgb) {
  check((Checked(width) * height * 3).value() == rgb.size() && !rgb.empty(), ErrorCode::kInternal,
        "[png] expected {} x {} x 3 bytes, found {}", width, height, rgb.size());
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = PNG_FORMAT_RGB;
  std::string out(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = out.size();
  const int ok = png_image_write_to_memory(&image, out.data(), &size, 0, rgb.data(), 0, nullptr);
  const std::string reason = static_cast<const char*>(image.message);
  png_image_free(&image);
  check(ok != 0, ErrorCode::kResource, "[png] cannot encode {} x {} pixels: {}", width, height, reason);
  out.resize(size);
  return out;
}

}  // namespace hindscan
