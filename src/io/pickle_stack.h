// The machine a pickle runs on: values, the stack with its marks, and the memo. All of it is drawn from one budget.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "io/torch_pickle.h"

namespace hindscan {

class PickleStack {
 public:
  using Kind = PickleValue::Kind;
  PickleStack(std::string_view label, uint64_t bytes) : label_(label), budget_(label, bytes) {}

  void at(uint64_t byte) { op_at_ = byte; }  // where the opcode of the moment stands, for messages
  // Error(kData) unless ok.
  void require(bool ok, std::string_view expected) const;
  void count(uint64_t number, uint64_t most, std::string_view what) const { budget_.count(number, most, what); }

  PickleData data;
  PickleValue& value(PickleRef r) { return data.values[r]; }

  void push(PickleValue v);
  void push_again(PickleRef r);  // a value that is there already
  void push_int(int64_t n);
  void push_bool(bool b);
  void push_items(Kind kind, std::vector<PickleRef> items);

  void mark();
  std::vector<PickleRef> pop_to_mark();
  std::vector<PickleRef> pop_some(size_t n);
  void extend(Kind kind, const std::vector<PickleRef>& items);  // the container below the items takes them
  PickleValue* top() { return stack_.empty() ? nullptr : &value(stack_.back()); }

  void put(uint32_t slot);
  void get(uint32_t slot);
  PickleData finish();  // the one value left is the root

 private:
  std::string_view label_;
  Budget budget_;
  uint64_t op_at_ = 0;
  std::vector<PickleRef> stack_, memo_;
  std::vector<size_t> marks_;
};

}  // namespace hindscan
