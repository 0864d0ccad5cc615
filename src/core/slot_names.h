// The carried arrays of a model by number: its passes ask for them in one order, so that a name is made once and a
// state finds the array by its number afterwards. Files and explanations use the names.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

// At most three dimensions, held without a heap.
class SlotShape {
 public:
  SlotShape() = default;
  SlotShape(std::initializer_list<int64_t> dims) : rank_(dims.size()) {
    std::copy_n(dims.begin(), std::min(rank_, dims_.size()), dims_.begin());
  }
  int64_t operator[](size_t i) const { return dims_[i]; }
  operator std::span<const int64_t>() const { return {dims_.data(), rank_}; }  // NOLINT(google-explicit-constructor)
  std::vector<int64_t> list() const { return {dims_.begin(), dims_.begin() + static_cast<std::ptrdiff_t>(rank_)}; }
  int64_t size() const;

 private:
  std::array<int64_t, 3> dims_{};
  size_t rank_ = 0;
};

// One carried array: its number in the pass's SlotNames and its shape for one sequence (rows that grow: [any, width]).
struct Carried {
  int slot = -1;
  SlotShape shape;
  int64_t size() const { return shape.size(); }
};

class SlotNames {
 public:
  SlotNames();
  SlotNames(const SlotNames&) = delete;  // a state takes two with one id for the same
  SlotNames& operator=(const SlotNames&) = delete;
  uint64_t id() const { return id_; }  // of no other in this process
  int size() const { return static_cast<int>(slots_.size()); }
  const std::string& operator[](int slot) const { return slots_[static_cast<size_t>(slot)].name; }
  // The next number, for `name`, or "name2" where one from number `since` on has it already.
  void add(int layer, std::string_view op, const std::string& name, int since);
  // Whether the number was given to this op of this layer.
  bool is(int slot, int layer, std::string_view op) const;

 private:
  struct Slot {
    int layer;
    std::string op, name;
  };
  bool taken(const std::string& name, int since) const;
  uint64_t id_;
  std::vector<Slot> slots_;
};

}  // namespace hindscan
