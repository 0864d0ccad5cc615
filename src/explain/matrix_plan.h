// A matrix request checked and resolved to token ranges.
#pragma once
#include <vector>

#include "explain/matrix.h"
#include "kernels/glr/element.h"

namespace hindscan {

struct MatrixPlan {
  int64_t T = 0;
  int layer = 0;
  TokenRange rows, cols;
  TokenRange window;  // tokens whose coefficients are needed
  bool fold = false;
};

MatrixPlan make_matrix_plan(const Model& model, const MatrixRequest& r);  // Error(kUsage)

bool has_bounds(const MatrixRequest& r);      // blocks known only between bounds in linear time
bool has_exact_sums(const MatrixRequest& r);  // blocks exact in linear time
kernels::glr::ElementMap element_map(MapKind map);
std::vector<int64_t> block_edges(int64_t T, int64_t blocks);  // [blocks + 1]

}  // namespace hindscan
