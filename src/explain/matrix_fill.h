// The numbers of a matrix result, from coefficients that were collected.
#pragma once
#include <algorithm>

#include "explain/matrix_collect.h"

namespace hindscan {

// Computed at once: to go back over the tokens between rows and columns takes time, so tiles are wide.
constexpr int64_t kTile = 128;  // rows, and columns at least
constexpr int64_t kTileEntries = int64_t{1} << 20;
inline int64_t tile_cols(int64_t rows) { return kTileEntries / std::clamp<int64_t>(rows, 1, kTile); }

// out: rows, cols and edges are set, values are zeros. bounded: lower and upper instead of values.
template <class R>
void fill_matrix(const Collected<R>& c, const MatrixRequest& r, const MatrixPlan& p, bool bounded, MatrixResult& out);

}  // namespace hindscan
