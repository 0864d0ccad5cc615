// What a pass starts from: rows of a table, or feature vectors.
#pragma once
#include "core/context.h"

namespace hindscan::ops {

Var embedding(Ctx& ctx, const Weight& table);  // [T, d_model]; features pass through
Var features(Ctx& ctx);                        // [T, feature_dim] the input as it is

}  // namespace hindscan::ops
