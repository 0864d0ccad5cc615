#include "model/load_weights.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/counted.h"

namespace hindscan {

namespace {

std::optional<DType> float_type(TensorDType t) {
  switch (t) {
    case TensorDType::kF32:
      return DType::kF32;
    case TensorDType::kBF16:
      return DType::kBF16;
    case TensorDType::kF16:
      return DType::kF16;
    case TensorDType::kF64:
      return DType::kF64;
    default:
      return std::nullopt;
  }
}

double element(std::span<const uint8_t> bytes, DType type, int64_t i) {
  const uint8_t* at = bytes.data() + static_cast<size_t>(i) * dtype_size(type);
  if (type == DType::kF64) {
    double v;
    std::memcpy(&v, at, sizeof v);
    return v;
  }
  if (type == DType::kF32) {
    float v;
    std::memcpy(&v, at, sizeof v);
    return v;
  }
  uint16_t v;
  std::memcpy(&v, at, sizeof v);
  return type == DType::kBF16 ? bf16_to_float(v) : f16_to_float(v);
}

void put(Weight& w, int64_t i, double v) {
  if (w.dtype == DType::kF64) static_cast<double*>(w.data)[i] = v;
  if (w.dtype == DType::kF32) static_cast<float*>(w.data)[i] = static_cast<float>(v);
  if (w.dtype == DType::kBF16) static_cast<uint16_t*>(w.data)[i] = float_to_bf16(static_cast<float>(v));
  if (w.dtype == DType::kF16) static_cast<uint16_t*>(w.data)[i] = float_to_f16(static_cast<float>(v));
}

struct Match {
  Weight* weight;
  TensorStore::Entry entry;
  bool transposed = false;           // stored as [cols, rows]
  const StoredView* view = nullptr;  // stored inside another tensor

  bool in_order() const { return !transposed && view == nullptr; }

  DType type() const { return *float_type(entry.info->dtype); }
  // Where element i of the weight lies in the file.
  int64_t place(int64_t i) const {
    if (view != nullptr) return view->place(i);
    if (!transposed) return i;
    const int64_t cols = weight->cols();  // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): element i is in one of them
    return i % cols * weight->rows() + i / cols;
  }
};

void store(const Match& m) {
  Weight& w = *m.weight;
  const DType type = m.type();
  if (type == w.dtype && m.in_order()) {
    if (!m.entry.bytes.empty()) std::memcpy(w.data, m.entry.bytes.data(), m.entry.bytes.size());
    return;
  }
  for (int64_t i = 0; i < w.size(); ++i) put(w, i, element(m.entry.bytes, type, m.place(i)));
}

bool same_values(const Match& a, const Match& b) {
  if (a.entry.info->dtype != b.entry.info->dtype) return false;
  if (a.in_order() && b.in_order())
    return std::equal(a.entry.bytes.begin(), a.entry.bytes.end(), b.entry.bytes.begin());
  const size_t size = dtype_size(a.type());
  for (int64_t i = 0; i < a.weight->size(); ++i) {
    const size_t at_a = static_cast<size_t>(a.place(i)) * size, at_b = static_cast<size_t>(b.place(i)) * size;
    if (std::memcmp(a.entry.bytes.data() + at_a, b.entry.bytes.data() + at_b, size) != 0) return false;
  }
  return true;
}

// Dimensions of 1 hold nothing: [1, 1, C] and [C] are the same numbers in the same order.
template <class Int>
std::vector<uint64_t> squeezed(const std::vector<Int>& shape) {
  std::vector<uint64_t> out;
  for (const Int d : shape) {
    if (d != 1) out.push_back(static_cast<uint64_t>(d));
  }
  return out;
}

// What modules store besides weights; it follows from the configuration.
bool is_buffer(std::string_view name) {
  constexpr std::string_view kBuffers[] = {"rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached",
                                           "rotary_emb.scale",    "position_ids",          "causal_mask"};
  return std::any_of(std::begin(kBuffers), std::end(kBuffers), [&](std::string_view b) { return name.ends_with(b); });
}

// Finds every declared weight under its name or an alias; collects all problems before anything is allocated.
class Matcher {
 public:
  explicit Matcher(const TensorStore& files) : files_(files) {}

  std::vector<Match> match(WeightTable& table) {
    std::vector<Match> matches;
    for (size_t k = 0; k < table.size(); ++k) {
      Weight& w = table[k];
      if (w.size() == 0) continue;  // declared, and not used
      Match found{&w, {}};
      bool seen = try_name(w.name, false, found);
      std::set<std::string> tried{w.name};  // two publishers may call it the same
      for (const std::string& name : w.aliases) seen |= tried.insert(name).second && try_name(name, false, found);
      for (const std::string& name : w.transposed_aliases) seen |= try_name(name, true, found);
      for (const StoredView& view : w.views) seen |= try_name(view.name, false, found, &view);
      if (!seen) problem("{} [{}] is missing", w.name, fmt::join(w.shape, ", "));
      matches.push_back(found);
    }
    for (const std::string& name : files_.names()) {
      if (!used_.count(name) && !table.ignores(name) && !is_buffer(name))
        problem("{} is not a tensor of this architecture", name);
    }
    report();
    return matches;
  }

 private:
  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  // Whether there is such a tensor; `found` takes the first that fits.
  bool try_name(const std::string& name, bool transposed, Match& found, const StoredView* view = nullptr) {
    const Match m{found.weight, files_.find(name), transposed, view};
    if (!m.entry) return false;
    used_.insert(name);
    const Weight& w = *m.weight;
    const std::vector<int64_t> turned = {w.cols(), w.rows()};
    const std::vector<int64_t>& expected = view != nullptr ? view->shape : transposed ? turned : w.shape;
    if (squeezed(m.entry.info->shape) != squeezed(expected)) {
      problem("{} must be [{}] but is [{}]", name, fmt::join(expected, ", "), fmt::join(m.entry.info->shape, ", "));
    } else if (!float_type(m.entry.info->dtype)) {
      problem("{} must be a float tensor but is {}", name, tensor_dtype_name(m.entry.info->dtype));
    } else if (!found.entry) {
      found = m;
    } else if (!same_values(m, found)) {
      problem("{} is tied to {} but holds other values", name, found.entry.info->name);
    }
    return true;
  }

  void report() const {
    constexpr size_t kShown = 20;
    const size_t shown = std::min(problems_.size(), kShown);
    check(problems_.empty(), ErrorCode::kData, "[{}] {} not what the configuration describes:\n  {}{}", files_.label(),
          counted(problems_.size(), "tensor is", "tensors are"),
          fmt::join(problems_.begin(), problems_.begin() + static_cast<std::ptrdiff_t>(shown), "\n  "),
          shown < problems_.size() ? fmt::format("\n  ... and {} more", problems_.size() - shown) : "");
  }

  const TensorStore& files_;
  std::vector<std::string> problems_;
  std::set<std::string> used_;
};

DType stored_matrix_type(const std::vector<Match>& matches) {
  std::optional<DType> type;
  for (const Match& m : matches) {
    if (!m.weight->matrix) continue;
    const DType t = m.type();
    if (type && *type != t) return DType::kF32;  // mixed: the widest that loses nothing of 16 bit
    type = t;
  }
  return type && *type != DType::kF64 ? *type : DType::kF32;
}

}  // namespace

void load_weights(const TensorStore& files, std::optional<DType> matrix_type, WeightTable& table) {
  const std::vector<Match> matches = Matcher(files).match(table);
  table.allocate(matrix_type.value_or(stored_matrix_type(matches)));
  for (const Match& m : matches) store(m);
}

}  // namespace hindscan
