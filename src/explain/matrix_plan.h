// A matrix request checked and resolved to token ranges.
#pragma once
#include <vector>

#include "explain/matrix.h"

namespace hindscan {

struct MatrixPlan {
  int64_t T = 0;
  int layer = 0;
  TokenRange rows, cols;
  TokenRange window;  // tokens whose coefficients are needed
  bool fold = false;
};

MatrixPlan make_matrix_plan(const Model& model, const MatrixRequest& r);  // Error(kUsage)

int64_t matrix_tokens(const Model& model, const MatrixRequest& r);
std::vector<int64_t> block_edges(int64_t T, int64_t blocks);  // [blocks + 1]

}  // namespace hindscan
