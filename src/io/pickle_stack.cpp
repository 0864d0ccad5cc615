#include "io/pickle_stack.h"

#include <utility>

#include "base/counted.h"
#include "base/error.h"

namespace hindscan {

// Lists double while they grow: a value is there twice for a moment.
static constexpr uint64_t kValueBytes = 2 * sizeof(PickleValue) + 2 * sizeof(PickleRef);
static constexpr PickleRef kUnset = UINT32_MAX;

void PickleStack::require(bool ok, std::string_view expected) const {
  check(ok, ErrorCode::kData,
        "[{}] expected {} at byte {} of the pickle, found something else; save the weights as safetensors instead",
        label_, expected, op_at_);
}

void PickleStack::push(PickleValue v) {
  budget_.count(stack_.size() + 1, limit::kPickleStack, "values on the stack");
  budget_.count(data.values.size() + 1, limit::kPickleValues, "values");
  budget_.take(1, kValueBytes, "values");
  stack_.push_back(static_cast<PickleRef>(data.values.size()));
  data.values.push_back(std::move(v));
}

void PickleStack::push_again(PickleRef r) {
  budget_.count(stack_.size() + 1, limit::kPickleStack, "values on the stack");
  stack_.push_back(r);
}

void PickleStack::push_int(int64_t n) {
  PickleValue v{Kind::kInt};
  v.number = n;
  push(std::move(v));
}

void PickleStack::push_bool(bool b) {
  PickleValue v{Kind::kBool};
  v.number = b;
  push(std::move(v));
}

void PickleStack::push_items(Kind kind, std::vector<PickleRef> items) {
  PickleValue v{kind};
  v.items = std::move(items);
  push(std::move(v));
}

void PickleStack::mark() {
  budget_.count(marks_.size() + 1, limit::kNesting, "open marks");
  marks_.push_back(stack_.size());
}

std::vector<PickleRef> PickleStack::pop_to_mark() {
  require(!marks_.empty(), "a mark");
  const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleRef> out(from, stack_.end());
  stack_.erase(from, stack_.end());
  marks_.pop_back();
  return out;
}

std::vector<PickleRef> PickleStack::pop_some(size_t n) {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  require(stack_.size() >= floor + n, counted(n, "value") + " on the stack");
  std::vector<PickleRef> out(stack_.end() - static_cast<std::ptrdiff_t>(n), stack_.end());
  stack_.resize(stack_.size() - n);
  return out;
}

void PickleStack::extend(Kind kind, const std::vector<PickleRef>& items) {
  require(!stack_.empty() && (marks_.empty() || marks_.back() < stack_.size()), "a container");
  PickleValue& to = value(stack_.back());
  require(to.kind == kind, kind == Kind::kDict ? "a dict" : "a list");
  require(kind != Kind::kDict || items.size() % 2 == 0, "a value for every key");
  to.items.insert(to.items.end(), items.begin(), items.end());
}

void PickleStack::put(uint32_t slot) {
  require(!stack_.empty() && (marks_.empty() || marks_.back() < stack_.size()), "a value to remember");
  require(slot < limit::kPickleValues && slot <= memo_.size() + 65536, "memo numbers in order");
  if (slot >= memo_.size()) memo_.resize(slot + 1, kUnset);
  memo_[slot] = stack_.back();
}

void PickleStack::get(uint32_t slot) {
  require(slot < memo_.size() && memo_[slot] != kUnset, "a remembered value");
  push_again(memo_[slot]);
}

PickleData PickleStack::finish() {
  require(stack_.size() == 1 && marks_.empty(), "one value at the end");
  data.root = stack_[0];
  return std::move(data);
}

}  // namespace hindscan
