#include "io/torch_pickle.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/budget.h"
#include "base/error.h"
#include "base/utf8.h"
#include "io/byte_cursor.h"

namespace hindscan {
namespace {

using Kind = PickleValue::Kind;

// Lists double while they grow: a value is there twice for a moment.
constexpr uint64_t kValueBytes = 2 * sizeof(PickleValue) + 2 * sizeof(PickleRef);

enum Opcode : uint8_t {
  kProto = 0x80,
  kGlobalOp = 'c',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kEmptyTuple = ')',
  kTupleOp = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kMark = '(',
  kBinUnicode = 'X',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kBinFloat = 'G',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kNoneOp = 'N',
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBuild = 'b',
  kStop = '.'
};

enum Tag : int64_t { kOrderedDict, kRebuildTensor, kRebuildParameter, kFirstStorage };

struct GlobalRow {
  const char* name;
  int64_t tag;
};
// Storage tags are kFirstStorage + the dtype.
constexpr int64_t storage_tag(TensorDType t) { return kFirstStorage + static_cast<int64_t>(t); }
constexpr GlobalRow kGlobals[] = {
    {"collections OrderedDict", kOrderedDict},
    {"torch._utils _rebuild_tensor_v2", kRebuildTensor},
    {"torch._utils _rebuild_parameter", kRebuildParameter},
    {"torch DoubleStorage", storage_tag(TensorDType::kF64)},
    {"torch FloatStorage", storage_tag(TensorDType::kF32)},
    {"torch HalfStorage", storage_tag(TensorDType::kF16)},
    {"torch BFloat16Storage", storage_tag(TensorDType::kBF16)},
    {"torch LongStorage", storage_tag(TensorDType::kI64)},
    {"torch IntStorage", storage_tag(TensorDType::kI32)},
    {"torch ShortStorage", storage_tag(TensorDType::kI16)},
    {"torch CharStorage", storage_tag(TensorDType::kI8)},
    {"torch ByteStorage", storage_tag(TensorDType::kU8)},
    {"torch BoolStorage", storage_tag(TensorDType::kBool)},
};

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, std::string_view label)
      : in_(bytes, label), bytes_(bytes), label_(label), budget_(label, bytes.size()) {}

  PickleData read() {
    require(in_.u8() == kProto && in_.u8() == 2, "a pickle of protocol 2, as torch.save writes by default");
    for (;;) {
      op_at_ = in_.at();
      const uint8_t op = in_.u8();
      if (op == kStop) break;
      step(op);
    }
    require(stack_.size() == 1 && marks_.empty() && in_.left() == 0, "one value at the end");
    data_.root = stack_[0];
    return std::move(data_);
  }

 private:
  void step(uint8_t op) {
    switch (op) {
      case kGlobalOp:
        return push_global();
      case kBinPut:
        return put(in_.u8());
      case kLongBinPut:
        return put(in_.u32());
      case kBinGet:
        return get(in_.u8());
      case kLongBinGet:
        return get(in_.u32());
      case kEmptyTuple:
        return push_items(Kind::kTuple, {});
      case kTupleOp:
        return push_items(Kind::kTuple, pop_to_mark());
      case kTuple1:
        return push_items(Kind::kTuple, pop_some(1));
      case kTuple2:
        return push_items(Kind::kTuple, pop_some(2));
      case kTuple3:
        return push_items(Kind::kTuple, pop_some(3));
      case kMark:
        return mark();
      case kBinUnicode:
        return push_text();
      case kBinInt:
        return push_int(static_cast<int32_t>(in_.u32()));
      case kBinInt1:
        return push_int(in_.u8());
      case kBinInt2:
        return push_int(in_.u16());
      case kLong1:
        return push_long();
      case kBinFloat:
        in_.take(8);
        return push({Kind::kFloat});
      case kNewTrue:
        return push_bool(true);
      case kNewFalse:
        return push_bool(false);
      case kNoneOp:
        return push({Kind::kNone});
      case kEmptyDict:
        return push_items(Kind::kDict, {});
      case kEmptyList:
        return push_items(Kind::kList, {});
      case kSetItem:
        return extend(Kind::kDict, pop_some(2));
      case kSetItems:
        return extend(Kind::kDict, pop_to_mark());
      case kAppend:
        return extend(Kind::kList, pop_some(1));
      case kAppends:
        return extend(Kind::kList, pop_to_mark());
      case kBinPersId:
        return push_storage();
      case kReduce:
        return reduce();
      case kBuild:
        return build();
      default:
        break;
    }
    fail(ErrorCode::kData,
         "[{}] expected one of the opcodes torch.save writes at byte {}, found 0x{:02x}; save the weights as "
         "safetensors instead",
         label_, op_at_, op);
  }

  void require(bool ok, std::string_view expected) const {
    check(ok, ErrorCode::kData,
          "[{}] expected {} at byte {} of the pickle, found something else; save the weights as safetensors instead",
          label_, expected, op_at_);
  }

  PickleValue& value(PickleRef r) { return data_.values[r]; }

  void push(PickleValue v) {
    budget_.count(stack_.size() + 1, limit::kPickleStack, "values on the stack");
    budget_.count(data_.values.size() + 1, limit::kPickleValues, "values");
    budget_.take(1, kValueBytes, "values");
    stack_.push_back(static_cast<PickleRef>(data_.values.size()));
    data_.values.push_back(std::move(v));
  }
  void push_int(int64_t n) {
    PickleValue v{Kind::kInt};
    v.number = n;
    push(std::move(v));
  }
  void push_bool(bool b) {
    PickleValue v{Kind::kBool};
    v.number = b;
    push(std::move(v));
  }
  void push_items(Kind kind, std::vector<PickleRef> items) {
    PickleValue v{kind};
    v.items = std::move(items);
    push(std::move(v));
  }

  void push_text() {
    const uint32_t size = in_.u32();
    budget_.count(size, limit::kPickleText, "bytes of a text");
    PickleValue v{Kind::kText};
    v.text = in_.text(size);
    require(valid_utf8(v.text), "valid UTF-8");
    push(std::move(v));
  }

  void push_long() {
    const uint8_t size = in_.u8();
    require(size <= 8, "an integer of at most 64 bits");
    const auto digits = in_.take(size);
    uint64_t n = size > 0 && (digits[size - 1] & 0x80u) != 0 ? ~uint64_t{0} : 0;  // sign
    for (size_t i = size; i-- > 0;) n = n << 8 | digits[i];
    push_int(static_cast<int64_t>(n));
  }

  std::string_view line() {
    const uint64_t begin = in_.at();
    while (in_.u8() != '\n') require(in_.at() - begin <= 256, "a name of at most 256 bytes");
    return {reinterpret_cast<const char*>(bytes_.data()) + begin, in_.at() - begin - 1};
  }

  void push_global() {
    const std::string_view module = line(), name = line();
    const std::string_view both(module.data(),
                                static_cast<size_t>(name.data() + name.size() - module.data()));  // "module\nname"
    for (const GlobalRow& row : kGlobals) {
      const size_t space = std::strcspn(row.name, " ");
      if (std::string_view(row.name, space) != module || std::string_view(row.name + space + 1) != name) continue;
      PickleValue v{Kind::kGlobal};
      v.number = row.tag;
      v.text = both;
      return push(std::move(v));
    }
    std::string shown = std::string(module) + "." + std::string(name);
    for (char& c : shown) c = c >= 0x20 && c < 0x7f ? c : '?';
    fail(ErrorCode::kData,
         "[{}] expected a file of tensors at byte {} of the pickle, found a reference to {}, which is never executed; "
         "save the "
         "state_dict() alone, "
         "or safetensors",
         label_, op_at_, shown);
  }

  void put(uint32_t slot) {
    require(!stack_.empty() && (marks_.empty() || marks_.back() < stack_.size()), "a value to remember");
    require(slot < limit::kPickleValues && slot <= memo_.size() + 65536, "memo numbers in order");
    if (slot >= memo_.size()) memo_.resize(slot + 1, kUnset);
    memo_[slot] = stack_.back();
  }
  void get(uint32_t slot) {
    require(slot < memo_.size() && memo_[slot] != kUnset, "a remembered value");
    budget_.count(stack_.size() + 1, limit::kPickleStack, "values on the stack");
    stack_.push_back(memo_[slot]);
  }

  void mark() {
    budget_.count(marks_.size() + 1, limit::kNesting, "open marks");
    marks_.push_back(stack_.size());
  }
  std::vector<PickleRef> pop_to_mark() {
    require(!marks_.empty(), "a mark");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleRef> out(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return out;
  }
  std::vector<PickleRef> pop_some(size_t n) {
    const size_t floor = marks_.empty() ? 0 : marks_.back();
    require(stack_.size() >= floor + n, fmt::format("{} value{} on the stack", n, n == 1 ? "" : "s"));
    std::vector<PickleRef> out(stack_.end() - static_cast<std::ptrdiff_t>(n), stack_.end());
    stack_.resize(stack_.size() - n);
    return out;
  }

  // The container below the items takes them.
  void extend(Kind kind, const std::vector<PickleRef>& items) {
    require(!stack_.empty() && (marks_.empty() || marks_.back() < stack_.size()), "a container");
    PickleValue& to = value(stack_.back());
    require(to.kind == kind, kind == Kind::kDict ? "a dict" : "a list");
    require(kind != Kind::kDict || items.size() % 2 == 0, "a value for every key");
    to.items.insert(to.items.end(), items.begin(), items.end());
  }

  // ("storage", <class>, key, device, elements)
  void push_storage() {
    const PickleValue& id = value(pop_some(1)[0]);
    require(id.kind == Kind::kTuple && id.items.size() == 5, "a storage");
    const PickleValue &word = value(id.items[0]), &type = value(id.items[1]), &key = value(id.items[2]),
                      &elements = value(id.items[4]);
    require(word.kind == Kind::kText && word.text == "storage" && type.kind == Kind::kGlobal &&
                type.number >= kFirstStorage && key.kind == Kind::kText && value(id.items[3]).kind == Kind::kText &&
                elements.kind == Kind::kInt && elements.number >= 0,
            "a storage");
    PickleValue v{Kind::kStorage};
    v.index = static_cast<uint32_t>(data_.storages.size());
    data_.storages.push_back(
        {key.text, static_cast<TensorDType>(type.number - kFirstStorage), static_cast<uint64_t>(elements.number)});
    push(std::move(v));
  }

  void reduce() {
    const std::vector<PickleRef> both = pop_some(2);
    const PickleValue &function = value(both[0]), &arguments = value(both[1]);
    require(function.kind == Kind::kGlobal && arguments.kind == Kind::kTuple,
            "one of the three constructors torch.save writes");
    const std::vector<PickleRef>& a = arguments.items;
    if (function.number == kOrderedDict) {
      require(a.empty(), "an empty OrderedDict");
      PickleValue v{Kind::kDict};
      v.ordered = true;
      return push(std::move(v));
    }
    if (function.number == kRebuildParameter) {
      require(a.size() == 3 && value(a[0]).kind == Kind::kTensor, "a parameter");
      budget_.count(stack_.size() + 1, limit::kPickleStack, "values on the stack");
      stack_.push_back(a[0]);
      return;
    }
    require(function.number == kRebuildTensor, "one of the three constructors torch.save writes");
    push_tensor(a);
  }

  // (storage, offset, size, stride, requires_grad, hooks[, metadata])
  void push_tensor(const std::vector<PickleRef>& a) {
    require((a.size() == 6 || a.size() == 7) && value(a[0]).kind == Kind::kStorage && value(a[1]).kind == Kind::kInt,
            "a tensor");
    PickleTensor t;
    t.storage = value(a[0]).index;
    require(value(a[1]).number >= 0, "an offset of 0 or more");
    t.offset = static_cast<uint64_t>(value(a[1]).number);
    t.shape = dimensions(a[2]);
    t.stride = dimensions(a[3]);
    require(t.shape.size() == t.stride.size(), "a stride for every dimension");
    PickleValue v{Kind::kTensor};
    v.index = static_cast<uint32_t>(data_.tensors.size());
    data_.tensors.push_back(std::move(t));
    push(std::move(v));
  }

  std::vector<uint64_t> dimensions(PickleRef tuple) {
    const PickleValue& v = value(tuple);
    require(v.kind == Kind::kTuple && v.items.size() <= limit::kRank, "at most 8 dimensions");
    std::vector<uint64_t> out;
    for (const PickleRef r : v.items) {
      require(value(r).kind == Kind::kInt && value(r).number >= 0, "sizes and strides of 0 or more");
      out.push_back(static_cast<uint64_t>(value(r).number));
    }
    return out;
  }

  // The one state torch.save sets: _metadata (module versions) of a state_dict. It is dropped.
  void build() {
    const PickleValue& state = value(pop_some(1)[0]);
    require(!stack_.empty() && value(stack_.back()).kind == Kind::kDict && value(stack_.back()).ordered,
            "an OrderedDict");
    require(state.kind == Kind::kDict && state.items.size() == 2 && value(state.items[0]).kind == Kind::kText &&
                value(state.items[0]).text == "_metadata",
            "_metadata as the only state");
  }

  static constexpr PickleRef kUnset = UINT32_MAX;
  ByteCursor in_;
  std::span<const uint8_t> bytes_;
  std::string_view label_;
  Budget budget_;
  uint64_t op_at_ = 0;
  PickleData data_;
  std::vector<PickleRef> stack_, memo_;
  std::vector<size_t> marks_;
};

}  // namespace

PickleData parse_torch_pickle(std::span<const uint8_t> pickle, std::string_view label) {
  return Reader(pickle, label).read();
}

}  // namespace hindscan
