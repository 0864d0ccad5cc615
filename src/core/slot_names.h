// The carried arrays of a model by number: its passes ask for them in one order, so that a name is made once and a
// state finds the array by its number afterwards. Files and explanations use the names.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

// One carried array: its number in the pass's SlotNames and its shape for one sequence (rows that grow: [any, width]).
struct Carried {
  int slot = -1;
  std::vector<int64_t> shape;
  int64_t size() const;
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
