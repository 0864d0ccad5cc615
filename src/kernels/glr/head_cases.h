// The table of shapes and options that every head test runs over.
#pragma once
#include <vector>

#include "kernels/glr/head_test_support.h"

namespace hindscan::kernels::glr {

// Dims are {T, H, G, K, V, R}.
inline std::vector<HeadCase> head_cases() {
  constexpr DecayShape kNone = DecayShape::kNone, kScalar = DecayShape::kScalar, kRow = DecayShape::kRow;
  constexpr Read kAfter = Read::kAfter, kBefore = Read::kBefore, kDecayed = Read::kDecayed;
  return {
      {"linear", {17, 2, 1, 5, 3, 1}, kNone},
      {"linear_before_u", {9, 2, 2, 4, 7, 1}, kNone, false, kBefore, true, true},
      {"retnet", {63, 2, 2, 8, 9, 1}, kScalar},
      {"mamba2", {130, 4, 2, 7, 5, 1}, kScalar, false, kAfter, true},
      {"mamba2_wide", {70, 3, 1, 33, 35, 1}, kScalar, false, kAfter, true},
      {"scalar_shared", {9, 6, 1, 3, 2, 1}, kScalar, false, kAfter, true},  // more heads a group than one task takes
      {"scalar_before", {66, 2, 1, 6, 4, 1}, kScalar, false, kBefore, true, true},
      {"scalar_reset", {67, 2, 2, 6, 5, 1}, kScalar, false, kAfter, true, false, 0.01, 60.0, 0.05},
      {"scalar_fast", {65, 1, 1, 6, 5, 1}, kScalar, false, kDecayed, true, true, 1.0, 80.0},
      {"mamba3", {63, 2, 1, 6, 5, 1}, kScalar, false, kDecayed, true, true},
      {"mamba3_mimo", {33, 2, 1, 6, 5, 3}, kScalar, false, kDecayed, true, true},
      {"mimo_after", {35, 2, 2, 5, 4, 3}, kScalar, false, kAfter, true},
      {"mimo_before", {18, 2, 2, 5, 4, 2}, kScalar, false, kBefore, false, true},
      {"gla", {130, 2, 1, 7, 5, 1}, kRow},
      {"gla_wide", {37, 2, 2, 34, 33, 1}, kRow, false, kAfter, true},
      {"gla_reset", {67, 2, 2, 6, 5, 1}, kRow, false, kAfter, false, false, 0.01, 60.0, 0.02},
      {"gla_fast", {65, 1, 1, 6, 5, 1}, kRow, false, kAfter, true, false, 1.0, 80.0},
      {"rwkv6", {63, 2, 2, 8, 9, 1}, kRow, false, kBefore, false, true},
      {"rwkv6_fast", {63, 1, 1, 8, 3, 1}, kRow, false, kBefore, true, true, 0.1, 80.0, 0.01},
      {"row_decayed", {40, 2, 1, 5, 6, 1}, kRow, false, kDecayed, true, true},
      {"row_mimo", {12, 2, 1, 5, 4, 3}, kRow, false, kDecayed, true, true},
      {"deltanet", {63, 2, 2, 7, 5, 1}, kNone, true, kAfter, true},
      {"gated_deltanet", {130, 4, 2, 7, 5, 1}, kScalar, true, kAfter, true},
      {"kda", {63, 2, 1, 9, 5, 1}, kRow, true, kAfter, true},
      {"rwkv7", {66, 2, 2, 8, 8, 1}, kRow, true, kAfter, false},
      {"delta_reset", {35, 2, 1, 6, 5, 1}, kRow, true, kBefore, true, true, 0.01, 60.0, 0.02},
      {"delta_decayed", {20, 1, 1, 5, 3, 1}, kScalar, true, kDecayed, true, true},
      {"delta_mimo", {12, 2, 1, 5, 4, 3}, kRow, true, kAfter, true},
      {"empty", {0, 2, 1, 3, 3, 1}, kScalar},
      {"one_token", {1, 2, 1, 17, 19, 1}, kScalar, false, kAfter, true},
      {"one_token_row", {1, 2, 2, 5, 3, 1}, kRow, false, kBefore, false, true},
      {"one_token_delta", {1, 1, 1, 5, 3, 1}, kRow, true},
      {"two_tokens", {2, 1, 1, 3, 1, 1}, kRow, false, kDecayed},
      {"one_state", {17, 2, 1, 1, 1, 1}, kScalar},
  };
}

inline std::string head_case_name(const ::testing::TestParamInfo<HeadCase>& info) { return info.param.name; }

}  // namespace hindscan::kernels::glr
