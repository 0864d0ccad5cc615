// The .npy reader: a strict subset of what NumPy writes, and texts inside an .npz.
#include <charconv>

#include "base/budget.h"
#include "base/checked.h"
#include "base/error.h"
#include "io/npy_header.h"
#include "io/zip_reader.h"

namespace hindscan {
namespace {

constexpr size_t kMaxText = 200;

// The text between `key` and `end`, e.g. 'descr': '<f4'.
std::string_view field(std::string_view header, std::string_view key, std::string_view begin, char end,
                       std::string_view label) {
  const size_t at = header.find(key);
  size_t pos = at == std::string_view::npos ? at : at + key.size();
  while (pos < header.size() && header[pos] == ' ') ++pos;
  const bool found = pos < header.size() && header.substr(pos).starts_with(begin);
  const size_t stop = found ? header.find(end, pos + begin.size()) : std::string_view::npos;
  check(stop != std::string_view::npos, ErrorCode::kData, "[{}] expected {} in the npy header, found none", label, key);
  return header.substr(pos + begin.size(), stop - pos - begin.size());
}

std::vector<uint64_t> parse_shape(std::string_view text, std::string_view label) {
  std::vector<uint64_t> shape;
  const char* p = text.data();
  const char* const end = text.data() + text.size();
  const auto skip = [&](char c) {
    while (p < end && *p == c) ++p;
  };
  for (skip(' '); p < end; skip(' ')) {
    uint64_t dim = 0;
    const auto result = std::from_chars(p, end, dim);
    p = result.ptr;
    skip(' ');
    const bool separated = p == end || *p == ',';
    check(result.ec == std::errc() && separated && shape.size() < limit::kRank, ErrorCode::kData,
          "[{}] expected a shape like (2, 3) of rank at most {}, found ({})", label, limit::kRank, text.substr(0, 100));
    shape.push_back(dim);
    if (p < end) ++p;
  }
  return shape;
}

// "<U12" -> 12 characters; 0 for any other type.
size_t characters(std::string_view descr) {
  size_t n = 0;
  if (descr.starts_with("<U")) std::from_chars(descr.data() + 2, descr.data() + descr.size(), n);
  return n;
}

// descr and shape of a file, and the bytes behind its header.
struct Parts {
  std::string_view descr;
  std::vector<uint64_t> shape;
  std::span<const uint8_t> bytes;
};

Parts parts_of(std::span<const uint8_t> file, std::string_view label) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  check(text.size() >= kNpyPrefix && text.starts_with(kNpyMagic) && text[6] == 1, ErrorCode::kData,
        "[{}] expected a version 1 .npy file, found something else", label);
  const size_t length = file[8] | static_cast<size_t>(file[9]) << 8;
  check(length <= text.size() - kNpyPrefix, ErrorCode::kData, "[{}] expected {} bytes of npy header, found {}", label,
        length, text.size() - kNpyPrefix);
  const std::string_view header = text.substr(kNpyPrefix, length);
  const std::string_view descr = field(header, "'descr':", "'", '\'', label);
  const std::string_view by_columns = field(header, "'fortran_order':", "", ',', label);
  check(by_columns == "False", ErrorCode::kData,
        "[{}] expected rows one after the other ('fortran_order': False), found {}; save np.ascontiguousarray(array)",
        label, by_columns.substr(0, 20));
  return {descr, parse_shape(field(header, "'shape':", "(", ')', label), label), file.subspan(kNpyPrefix + length)};
}

}  // namespace

NpyArray parse_npy(std::span<const uint8_t> file, std::string_view label) {
  Parts parts = parts_of(file, label);
  NpyArray array{"", NpyType::kFloat32, std::move(parts.shape), parts.bytes};
  for (const NpyTypeRow& row : kNpyTypes) {
    if (parts.descr != row.descr || row.type == NpyType::kText) continue;
    array.type = row.type;
    Checked bytes = row.size;
    for (const uint64_t dim : array.shape) bytes = bytes * dim;
    check(bytes.value() == array.bytes.size(), ErrorCode::kData, "[{}] expected the bytes its shape says, found {}",
          label, array.bytes.size());
    return array;
  }
  fail(ErrorCode::kData, "[{}] expected type <f4, <f8, <i4, <i8 or |u1, found '{}'; save one array of numbers", label,
       parts.descr.substr(0, 20));
}

std::string npz_text(std::span<const uint8_t> file, std::string_view name, std::string_view label) {
  for (const ZipEntry& entry : parse_zip(file, label)) {
    if (entry.name != std::string(name) + ".npy") continue;
    check_crc(file, entry, label);
    const Parts parts = parts_of(file.subspan(entry.begin, entry.end - entry.begin), label);
    const size_t n = characters(parts.descr);
    if (n == 0 || n > kMaxText || !parts.shape.empty() || parts.bytes.size() != 4 * n) return "";
    std::string out;
    for (size_t i = 0; i < n; ++i) out += static_cast<char>(parts.bytes[4 * i]);  // ours are ASCII
    return out;
  }
  return "";
}

}  // namespace hindscan
