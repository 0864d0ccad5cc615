#include "io/torch_pickle.h"

#include "base/budget.h"
#include "base/error.h"
#include "base/utf8.h"
#include "io/byte_cursor.h"
#include "io/pickle_globals.h"
#include "io/pickle_objects.h"
#include "io/pickle_stack.h"

namespace hindscan {
namespace {

using Kind = PickleValue::Kind;

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

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, std::string_view label)
      : in_(bytes, label), bytes_(bytes), label_(label), stack_(label, bytes.size()) {}

  PickleData read() {
    stack_.require(in_.u8() == kProto && in_.u8() == 2, "a pickle of protocol 2, as torch.save writes by default");
    for (;;) {
      stack_.at(op_at_ = in_.at());
      const uint8_t op = in_.u8();
      if (op == kStop) break;
      step(op);
    }
    stack_.require(in_.left() == 0, "one value at the end");
    return stack_.finish();
  }

 private:
  void step(uint8_t op) {
    switch (op) {
      case kGlobalOp:
        return push_global();
      case kBinPut:
        return stack_.put(in_.u8());
      case kLongBinPut:
        return stack_.put(in_.u32());
      case kBinGet:
        return stack_.get(in_.u8());
      case kLongBinGet:
        return stack_.get(in_.u32());
      case kEmptyTuple:
        return stack_.push_items(Kind::kTuple, {});
      case kTupleOp:
        return stack_.push_items(Kind::kTuple, stack_.pop_to_mark());
      case kTuple1:
        return stack_.push_items(Kind::kTuple, stack_.pop_some(1));
      case kTuple2:
        return stack_.push_items(Kind::kTuple, stack_.pop_some(2));
      case kTuple3:
        return stack_.push_items(Kind::kTuple, stack_.pop_some(3));
      case kMark:
        return stack_.mark();
      case kBinUnicode:
        return push_text();
      case kBinInt:
        return stack_.push_int(static_cast<int32_t>(in_.u32()));
      case kBinInt1:
        return stack_.push_int(in_.u8());
      case kBinInt2:
        return stack_.push_int(in_.u16());
      case kLong1:
        return push_long();
      case kBinFloat:
        in_.take(8);
        return stack_.push({Kind::kFloat});
      case kNewTrue:
        return stack_.push_bool(true);
      case kNewFalse:
        return stack_.push_bool(false);
      case kNoneOp:
        return stack_.push({Kind::kNone});
      case kEmptyDict:
        return stack_.push_items(Kind::kDict, {});
      case kEmptyList:
        return stack_.push_items(Kind::kList, {});
      case kSetItem:
        return stack_.extend(Kind::kDict, stack_.pop_some(2));
      case kSetItems:
        return stack_.extend(Kind::kDict, stack_.pop_to_mark());
      case kAppend:
        return stack_.extend(Kind::kList, stack_.pop_some(1));
      case kAppends:
        return stack_.extend(Kind::kList, stack_.pop_to_mark());
      case kBinPersId:
        return push_pickle_storage(stack_);
      case kReduce:
        return reduce_pickle(stack_);
      case kBuild:
        return build_pickle(stack_);
      default:
        break;
    }
    fail(ErrorCode::kData,
         "[{}] expected one of the opcodes torch.save writes at byte {}, found 0x{:02x}; save the weights as "
         "safetensors instead",
         label_, op_at_, op);
  }

  // Opcodes with operands of their own in the bytes.
  void push_text() {
    const uint32_t size = in_.u32();
    stack_.count(size, limit::kPickleText, "bytes of a text");
    PickleValue v{Kind::kText};
    v.text = in_.text(size);
    stack_.require(valid_utf8(v.text), "valid UTF-8");
    stack_.push(std::move(v));
  }

  void push_long() {
    const uint8_t size = in_.u8();
    stack_.require(size <= 8, "an integer of at most 64 bits");
    const auto digits = in_.take(size);
    uint64_t n = size > 0 && (digits[size - 1] & 0x80u) != 0 ? ~uint64_t{0} : 0;  // sign
    for (size_t i = size; i-- > 0;) n = n << 8 | digits[i];
    stack_.push_int(static_cast<int64_t>(n));
  }

  std::string_view line() {
    const uint64_t begin = in_.at();
    while (in_.u8() != '\n') stack_.require(in_.at() - begin <= 256, "a name of at most 256 bytes");
    return {reinterpret_cast<const char*>(bytes_.data()) + begin, in_.at() - begin - 1};
  }

  void push_global() {
    const std::string_view module = line(), name = line();
    const std::string_view both(module.data(),
                                static_cast<size_t>(name.data() + name.size() - module.data()));  // "module\nname"
    if (const auto tag = pickle_tag(module, name)) {
      PickleValue v{Kind::kGlobal};
      v.number = *tag;
      v.text = both;
      return stack_.push(std::move(v));
    }
    std::string shown = std::string(module) + "." + std::string(name);
    for (char& c : shown) c = c >= 0x20 && c < 0x7f ? c : '?';
    fail(ErrorCode::kData,
         "[{}] expected a file of tensors at byte {} of the pickle, found a reference to {}, which is never executed; "
         "save the state_dict() alone, or safetensors",
         label_, op_at_, shown);
  }

  ByteCursor in_;
  std::span<const uint8_t> bytes_;
  std::string_view label_;
  uint64_t op_at_ = 0;
  PickleStack stack_;
};

}  // namespace

PickleData parse_torch_pickle(std::span<const uint8_t> pickle, std::string_view label) {
  return Reader(pickle, label).read();
}

}  // namespace hindscan
