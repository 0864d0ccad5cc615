// Roles add, split, concat, select, head broadcast: sums, and columns or rows put elsewhere.
#pragma once
#include "core/context.h"

namespace hindscan::ops {

Var add(Ctx& ctx, Var a, Var b);
Var split(Ctx& ctx, Var x, int64_t first, int64_t count);  // columns
// count columns of each part
Var split_strided(Ctx& ctx, Var x, int64_t parts, int64_t stride, int64_t first, int64_t count);
Var concat(Ctx& ctx, std::span<const Var> parts);                    // columns
Var select(Ctx& ctx, Var x, std::span<const int64_t> rows);          // [rows, C]
Var head_broadcast(Ctx& ctx, Var x, int64_t heads, int64_t repeat);  // each head repeat times, [T, heads*repeat*d]

}  // namespace hindscan::ops
