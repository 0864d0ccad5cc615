// The numbers of a matrix result, from coefficients that were collected.
#pragma once
#include <algorithm>

#include "explain/matrix_collect.h"

namespace hindscan {

constexpr int64_t kTile = 512;  // rows that are computed at once, and columns at least
constexpr int64_t kTileEntries =
    kTile * (int64_t{1} << 13);  // to go back over tokens between rows and columns takes time
inline int64_t tile_cols(int64_t rows) { return kTileEntries / std::clamp<int64_t>(rows, 1, kTile); }

// out: rows, cols and edges are set, values are zeros. bounded: lower and upper instead of values.
template <class R>
void fill_matrix(const Collected<R>& c, const MatrixRequest& r, const MatrixPlan& p, bool bounded, MatrixResult& out);

}  // namespace hindscan
