// Role pool: one row a sequence.
#pragma once
#include "core/context.h"

namespace hindscan {

enum class Pool : uint8_t { kMean, kLast, kFirst, kMax };

namespace ops {

Var pool(Ctx& ctx, Pool kind, Var x);  // [B, C]

}  // namespace ops
}  // namespace hindscan
