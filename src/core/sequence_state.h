// What a sequence carries from one pass to the next: per layer a conv past and a recurrent state, of constant size;
// under attention the keys and values of the tokens seen (of the last window - 1 where there is a window).
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/slot_names.h"
#include "kernels/dtype.h"

namespace hindscan {

// Copying forks the sequence. Also used for the adjoint of a state (same slots). One pass at a time reads a state.
class SequenceState {
 public:
  // Rows in front of those that a slot of rows holds itself, of an array that several states share and that outlives
  // them: [0, count) without [gap_begin, gap_end). Running passes read them; they are neither saved nor recorded.
  struct SharedRows {
    const void* data = nullptr;
    int64_t count = 0, gap_begin = 0, gap_end = 0;
  };
  struct Slot {
    std::vector<int64_t> shape;
    DType dtype = DType::kF32;
    std::vector<char> bytes;
    SharedRows shared = {};
  };
  struct Rows {
    const void* data = nullptr;
    int64_t count = 0;
  };
  int64_t tokens = 0;  // consumed so far

  // By name. Null when the slot is absent (a state of zeros). Error(kData) if shape or dtype differ.
  const void* get(const std::string& name, const std::vector<int64_t>& shape, DType dtype) const;
  // Zero-filled when new.
  void* put(const std::string& name, const std::vector<int64_t>& shape, DType dtype);
  // A slot of rows [count, width] whose number changes. Absent: no rows. Error(kData) if width or dtype differ.
  Rows rows(const std::string& name, int64_t width, DType dtype) const;

  // Makes the slot one of `rows` [count, width] behind shared ones.
  void put_behind(const std::string& name, const SharedRows& shared, int64_t width, DType dtype, int64_t count,
                  const void* rows);

  // The same by number: a name is looked up once for each SlotNames, its place remembered.
  const void* get(const SlotNames& names, const Carried& array, DType dtype);
  void* put(const SlotNames& names, const Carried& array, DType dtype);
  Rows rows(const SlotNames& names, const Carried& array, DType dtype);
  SharedRows shared_rows(const SlotNames& names, const Carried& array);  // none: count 0
  // The first of `count` new rows at the end; at least the last `keep` older rows stay (all if negative), the others go
  // when they outnumber those. Amortised constant per row.
  void* append_rows(const SlotNames& names, const Carried& array, DType dtype, int64_t count, int64_t keep);

  const std::map<std::string, Slot>& slots() const { return slots_; }
  bool empty() const { return slots_.empty(); }
  void clear();
  size_t bytes() const;

 private:
  // Where the slots with the numbers of one SlotNames are; a copy has other slots and starts anew.
  struct Places {
    Places() = default;
    Places(const Places&) {}
    Places(Places&& other) noexcept { *this = std::move(other); }
    Places& operator=(const Places& other);
    Places& operator=(Places&& other) noexcept;
    uint64_t of = 0;
    std::vector<Slot*> at;
  };
  Slot*& place(const SlotNames& names, int slot);  // null when the slot is absent
  Slot& make(const SlotNames& names, int slot);
  std::map<std::string, Slot> slots_;
  Places places_;
};

}  // namespace hindscan
