#include "io/torch_file.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "base/budget.h"
#include "base/checked.h"
#include "base/counted.h"
#include "base/error.h"
#include "io/torch_pickle.h"
#include "io/zip_reader.h"

namespace hindscan {
namespace {

using Kind = PickleValue::Kind;

// A tensor is listed here, in the file's index and in the model's store.
constexpr uint64_t kTensorBytes = 3 * sizeof(TorchTensor) + 2 * 64;

class TorchParser {
 public:
  TorchParser(std::span<const uint8_t> file, std::string_view label)
      : file_(file), label_(label), budget_(label, file.size()) {}

  std::vector<TorchTensor> parse(bool verify_crc) {
    for (ZipEntry& e : parse_zip(file_, label_)) {
      if (verify_crc) check_crc(file_, e, label_);
      std::string name = e.name;
      entries_.emplace(std::move(name), std::move(e));
    }
    find_prefix();
    const ZipEntry& pickle = entries_.at(prefix_ + "data.pkl");
    check(pickle.end - pickle.begin <= limit::kPickleBytes, ErrorCode::kData,
          "[{}] expected a data.pkl of at most {} bytes, found {}", label_, limit::kPickleBytes,
          pickle.end - pickle.begin);
    if (!verify_crc) check_crc(file_, pickle, label_);
    data_ = parse_torch_pickle(bytes_of(pickle), label_);
    visit(state_dict(), 0);
    check(!tensors_.empty(), ErrorCode::kData,
          "[{}] expected a dict of named tensors, found none; save the state_dict()", label_);
    return std::move(tensors_);
  }

 private:
  std::span<const uint8_t> bytes_of(const ZipEntry& e) const { return file_.subspan(e.begin, e.end - e.begin); }
  const PickleValue& value(PickleRef r) const { return data_.values[r]; }

  // torch.save puts everything under one folder, named after the file.
  void find_prefix() {
    constexpr std::string_view kPickle = "/data.pkl";
    for (const auto& [name, entry] : entries_) {
      if (!name.ends_with(kPickle) || name.find('/') != name.size() - kPickle.size()) continue;
      check(prefix_.empty(), ErrorCode::kData, "[{}] expected one data.pkl, found two", label_);
      prefix_ = name.substr(0, name.size() - kPickle.size() + 1);
    }
    check(!prefix_.empty(), ErrorCode::kData,
          "[{}] expected data.pkl inside the archive, found none; it is no torch.save file", label_);
    check(!entries_.contains(prefix_ + "constants.pkl"), ErrorCode::kData,
          "[{}] expected saved weights, found a TorchScript program; save its state_dict()", label_);
    const auto order = entries_.find(prefix_ + "byteorder");
    if (order == entries_.end()) return;
    const std::span<const uint8_t> text = bytes_of(order->second);
    const std::string_view found(reinterpret_cast<const char*>(text.data()), text.size());
    check(found == "little", ErrorCode::kData,
          "[{}] expected little-endian numbers, found another byte order; save it again on this machine", label_);
  }

  // The root, or the one dict of weights a training checkpoint wraps.
  PickleRef state_dict() const {
    const PickleValue& root = value(data_.root);
    if (root.kind != Kind::kDict) return data_.root;
    for (size_t i = 1; i < root.items.size(); i += 2) {
      if (value(root.items[i]).kind == Kind::kTensor) return data_.root;
    }
    for (const std::string_view wanted : {"state_dict", "model_state_dict", "model", "module", "weights"}) {
      for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
        const PickleValue &key = value(root.items[i]), &inner = value(root.items[i + 1]);
        if (key.kind == Kind::kText && key.text == wanted && inner.kind == Kind::kDict) return root.items[i + 1];
      }
    }
    return data_.root;
  }

  // Values may be shared and may even hold themselves: depth and number of visits are bounded.
  void visit(PickleRef r, size_t depth) {
    const PickleValue& v = value(r);
    visits_ += 1 + v.items.size();
    check(depth <= limit::kNesting && visits_ <= limit::kPickleValues, ErrorCode::kData,
          "[{}] expected at most {} values, nested at most {} deep, found more", label_, limit::kPickleValues,
          limit::kNesting);
    if (v.kind == Kind::kTensor) return add(data_.tensors[v.index]);
    if (v.kind == Kind::kList || v.kind == Kind::kTuple) {
      for (size_t i = 0; i < v.items.size(); ++i) visit_named(std::to_string(i), v.items[i], depth);
    }
    if (v.kind != Kind::kDict) return;
    for (size_t i = 0; i + 1 < v.items.size(); i += 2) {
      const PickleValue& key = value(v.items[i]);
      if (key.kind == Kind::kText) visit_named(key.text, v.items[i + 1], depth);
      if (key.kind == Kind::kInt) visit_named(std::to_string(key.number), v.items[i + 1], depth);
    }
  }

  void visit_named(std::string_view name, PickleRef r, size_t depth) {
    const Kind kind = value(r).kind;
    if (kind != Kind::kTensor && kind != Kind::kDict && kind != Kind::kList && kind != Kind::kTuple) return;
    const size_t before = path_.size();
    check(before + name.size() < limit::kTensorName, ErrorCode::kData,
          "[{}] expected tensor names of at most {} bytes, found a longer one", label_, limit::kTensorName);
    if (before > 0) path_ += '.';
    path_ += name;
    visit(r, depth + 1);
    path_.resize(before);
  }

  void add(const PickleTensor& t) {
    check(!path_.empty(), ErrorCode::kData, "[{}] expected a dict of named tensors, found a single tensor; save a dict",
          label_);
    name_bytes_ += path_.size();
    // Shared values can give one tensor any number of names; honest files name each once or twice.
    const uint64_t most = std::min(limit::kTensors, 1024 + 4 * static_cast<uint64_t>(data_.tensors.size()));
    check(tensors_.size() < most && name_bytes_ <= most * 128, ErrorCode::kData,
          "[{}] expected at most {} tensors with names of 128 bytes on average, found more", label_, most);
    check(names_.insert(path_).second, ErrorCode::kData, "[{}] expected each tensor once, found '{}' twice", label_,
          path_);
    budget_.take(1, kTensorBytes + 4 * path_.size(), "tensors");
    const PickleStorage& storage = data_.storages[t.storage];
    const ZipEntry& entry = storage_entry(storage);
    TorchTensor out;
    out.info.name = path_;
    out.info.dtype = storage.dtype;
    out.info.shape = t.shape;
    out.stride = t.stride;
    place(t, storage, entry, out);
    tensors_.push_back(std::move(out));
  }

  const ZipEntry& storage_entry(const PickleStorage& storage) const {
    const auto it = storage.key.size() <= limit::kTensorName
                        ? entries_.find(prefix_ + "data/" + std::string(storage.key))
                        : entries_.end();
    check(it != entries_.end(), ErrorCode::kData,
          "[{}] '{}': expected its data in the archive, found none; fetch it again", label_, path_);
    const auto bytes = checked_mul(storage.elements, tensor_dtype_size(storage.dtype));
    const uint64_t found = it->second.end - it->second.begin;
    const std::string elements = fmt::format("{} element", tensor_dtype_name(storage.dtype));
    check(bytes == found, ErrorCode::kData, "[{}] '{}': expected a storage of {}, found {}", label_, path_,
          counted(storage.elements, elements), counted(found, "byte"));
    return it->second;
  }

  // First and last element the view touches must lie in its storage.
  void place(const PickleTensor& t, const PickleStorage& storage, const ZipEntry& entry, TorchTensor& out) const {
    Checked elements = 1, last = t.offset, expected = 1;
    bool empty = false;
    for (size_t d = t.shape.size(); d-- > 0;) {
      const uint64_t n = t.shape[d];
      empty = empty || n == 0;
      if (n > 1 && expected.value() != t.stride[d]) out.contiguous = false;
      if (n > 1) last = last + Checked(n - 1) * t.stride[d];
      elements = elements * n;
      expected = expected * n;
    }
    const uint64_t size = tensor_dtype_size(storage.dtype);
    const auto bytes = (elements * size).value();
    const bool inside = last.ok() && (empty ? t.offset <= storage.elements : *last.value() < storage.elements);
    check(bytes && inside, ErrorCode::kData,
          "[{}] '{}': expected a view inside its storage of {} elements, found one that leaves it", label_, path_,
          storage.elements);
    // A stride of 0 repeats elements; no saved weight needs more memory than the file holds.
    check(*bytes <= file_.size(), ErrorCode::kData,
          "[{}] '{}': expected at most as many elements as the file holds, found a view of {} bytes", label_, path_,
          *bytes);
    if (empty) out.contiguous = true;
    out.info.begin = entry.begin + t.offset * size;
    out.info.end = empty ? out.info.begin : entry.begin + (*last.value() + 1) * size;
    if (!out.contiguous) {
      gathered_bytes_ += *bytes;
      check(gathered_bytes_ <= file_.size(), ErrorCode::kData,
            "[{}] expected views that repeat no data, found {} bytes of them in a file of {}", label_, gathered_bytes_,
            file_.size());
    }
  }

  std::span<const uint8_t> file_;
  std::string_view label_;
  Budget budget_;
  std::map<std::string, ZipEntry, std::less<>> entries_;
  std::string prefix_, path_;
  PickleData data_;
  std::vector<TorchTensor> tensors_;
  std::set<std::string, std::less<>> names_;
  uint64_t visits_ = 0, name_bytes_ = 0;
  mutable uint64_t gathered_bytes_ = 0;
};

}  // namespace

bool looks_like_torch(std::span<const uint8_t> file) {
  const bool safetensors = file.size() > 8 && file[8] == '{';  // its length may begin as a pickle does
  return looks_like_zip(file) || (!safetensors && file.size() >= 2 && file[0] == 0x80 && file[1] <= 5);
}

std::vector<TorchTensor> parse_torch(std::span<const uint8_t> file, std::string_view label, bool verify_crc) {
  check(looks_like_zip(file) || !looks_like_torch(file), ErrorCode::kData,
        "[{}] expected a zip archive, found the format of PyTorch before 1.6; load it there and torch.save it again, "
        "or convert it to "
        "safetensors",
        label);
  return TorchParser(file, label).parse(verify_crc);
}

std::vector<uint8_t> gather(std::span<const uint8_t> file, const TorchTensor& t) {
  const size_t size = tensor_dtype_size(t.info.dtype), n = t.info.elements(), rank = t.info.shape.size();
  std::vector<uint8_t> out(n * size);
  std::vector<uint64_t> index(rank, 0);
  uint64_t from = t.info.begin;
  for (size_t i = 0; i < n; ++i) {
    std::memcpy(out.data() + i * size, file.data() + from, size);
    for (size_t d = rank; d-- > 0;) {
      from += t.stride[d] * size;
      if (++index[d] < t.info.shape[d]) break;
      from -= t.stride[d] * t.info.shape[d] * size;  // may wrap, and wraps back
      index[d] = 0;
    }
  }
  return out;
}

TorchFile TorchFile::open(const std::string& path, LoadMode mode, bool verify_crc) {
  return from_bytes(FileBytes::load(path, mode), path, verify_crc);
}

TorchFile TorchFile::from_bytes(FileBytes file, const std::string& path, bool verify_crc) {
  TorchFile result;
  result.file_ = std::move(file);
  for (TorchTensor& t : parse_torch(result.file_.bytes(), path, verify_crc)) {
    if (!t.contiguous) result.gathered_.emplace(t.info.name, gather(result.file_.bytes(), t));
    result.infos_.push_back(std::move(t.info));
  }
  return result;
}

std::span<const uint8_t> TorchFile::bytes(const TensorInfo& tensor) const {
  const auto it = gathered_.find(tensor.name);
  return it != gathered_.end() ? std::span<const uint8_t>(it->second)
                               : file_.bytes().subspan(tensor.begin, tensor.end - tensor.begin);
}

}  // namespace hindscan
