// What the head of a model makes of a row that it reads: logits, and their soft cap.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/ops/losses.h"
#include "model/model.h"

namespace hindscan {

// Row of a matrix of any storage type, in double.
std::vector<double> weight_row(const Weight& w, int64_t row);

// Before the soft cap, of one token or class; h: [d_model].
double head_logit(const LogitHead& head, int32_t id, std::span<const double> h);
// Of all, [vocab or labels], as the model's compute type makes them.
std::vector<double> head_logits(const Model& model, std::span<const double> h);
double head_bias(const LogitHead& head, int32_t id);

double soft_capped(const LogitHead& head, double raw);
// Its derivative. held: the slope s of y = s x.
double soft_cap_slope(const LogitHead& head, double raw, bool held);

}  // namespace hindscan
