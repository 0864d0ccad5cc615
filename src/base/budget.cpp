#include "base/budget.h"

#include <algorithm>

#include "base/checked.h"
#include "base/counted.h"
#include "base/error.h"
#include "base/memory.h"

namespace hindscan {

Budget::Budget(std::string_view label, uint64_t file_bytes)
    : label_(label),
      all_(std::max(limit::kFloorBytes, checked_mul(file_bytes, limit::kBytesPerByte).value_or(UINT64_MAX))),
      left_(all_) {}

Budget Budget::of_machine(std::string_view label) {
  Budget out(label, 0);
  out.all_ = out.left_ = static_cast<uint64_t>(std::max<int64_t>(available_memory(), 0));
  return out;
}

void Budget::take(uint64_t count, uint64_t each, std::string_view what) {
  const uint64_t bytes = checked_mul(count, each).value_or(UINT64_MAX);
  check(bytes <= left_, ErrorCode::kResource,
        "[{}] expected to need at most {} of memory, found {} that need {} more; the file is damaged or no model's",
        label_, allowed_size(all_), what, needed_size(bytes - left_));
  left_ -= bytes;
}

void Budget::count(uint64_t found, uint64_t most, std::string_view what) const {
  check(found <= most, ErrorCode::kData, "[{}] expected at most {} {}, found {}", label_, most, what, found);
}

uint64_t Budget::product(std::initializer_list<uint64_t> factors, uint64_t most, std::string_view what) const {
  Checked all = 1;
  for (const uint64_t f : factors) all = all * f;
  check(all.ok() && *all.value() <= most, ErrorCode::kData, "[{}] expected at most {} {}, found {}", label_, most, what,
        fmt::join(factors, " x "));
  return *all.value();
}

Budget::Level::Level(Budget& budget, uint64_t most, std::string_view what) : budget_(budget) {
  check(budget.depth_ < most, ErrorCode::kData, "[{}] expected {} nested at most {} deep, found deeper", budget.label_,
        what, most);
  ++budget.depth_;
}

}  // namespace hindscan
