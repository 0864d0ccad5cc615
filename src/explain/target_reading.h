// What a target reads of the head at each of its places, the tokens that it names among them.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "explain/report.h"
#include "explain/target_measure.h"

namespace hindscan {

// At one place.
struct HeadReading {
  std::vector<int32_t> rows;
  std::vector<double> raw, logits;   // of these rows, before and behind the soft cap
  std::vector<size_t> own, against;  // where in rows
  ReadLogits read() const { return {logits, own, against}; }
};

// Own tokens at a place of the answer, the first one first; of the other answer.
std::vector<int32_t> named_ids(const TargetReport& target, size_t place);
std::vector<int32_t> contrast_ids(const TargetReport& target);

// h: [places, d_model].
HeadReading read_head(const Model& model, const TargetReport& target, std::span<const double> h, size_t place);
// Of a target whose raw logits are known.
HeadReading known_reading(const Model& model, const TargetReport& target, size_t place);
// The place's row, [d_model].
std::span<const double> row_at(const TargetReport& target, std::span<const double> h, size_t place);

}  // namespace hindscan
