#include "model/file_format.h"

#include "base/error.h"
#include "base/formats.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/tensor_store.h"
#include "io/zip_reader.h"

namespace hindscan {
namespace {

FileFormat of_json(const std::string& path) {
  const Json json = load_json(path);
  const auto text = [&](std::string_view key) {
    const Json* value = json.is_object() ? json.find(key) : nullptr;
    return value != nullptr && value->is_string() ? value->as_string() : std::string();
  };
  return {text("schema"), text("weights")};
}

FileFormat of_tensors(FileBytes bytes, const std::string& path) {
  TensorStore store(path);
  store.add_metadata(SafetensorsFile::from_bytes(std::move(bytes), path));
  const std::string model = store.metadata("hindscan.format");
  if (!model.empty()) return {model, store.metadata("hindscan.weights")};
  return {store.metadata("format"), store.metadata("weights")};
}

// An NPZ from before there were versions has the arrays of its kind and no "format".
FileFormat of_npz(std::span<const uint8_t> file, const std::string& path) {
  const std::string name = npz_text(file, "format", path);
  for (const ZipEntry& entry : parse_zip(file, path)) {
    check(!name.empty() || (entry.name != "layer_residuals.npy" && entry.name != "edges.npy"), ErrorCode::kData,
          "[{}] expected an NPZ that names its format ({} or {}), found one without; write it again with -o", path,
          format::kExplainNpz, format::kMatrixNpz);
  }
  return {name, npz_text(file, "weights", path)};
}

bool starts_as_json(std::span<const uint8_t> bytes) {
  size_t at = 0;
  while (at < bytes.size() && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t')) ++at;
  return at < bytes.size() && bytes[at] == '{';
}

}  // namespace

std::optional<FileFormat> file_format(const std::string& path) {
  if (real_fs().kind(path) != FileKind::kRegular) return {};
  FileBytes bytes = FileBytes::load(path);
  FileFormat found;
  if (starts_as_json(bytes.bytes())) {
    found = of_json(path);
  } else if (path.ends_with(".npz") && looks_like_zip(bytes.bytes())) {
    found = of_npz(bytes.bytes(), path);
  } else if (bytes.bytes().size() > 8 && bytes.bytes()[8] == '{') {
    found = of_tensors(std::move(bytes), path);
  }
  const std::string_view today = format::current(found.name);
  if (today.empty()) return {};
  format::expect(path, today, found.name);
  return found;
}

}  // namespace hindscan
