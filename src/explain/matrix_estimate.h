// What a part of a matrix will take, before the whole text is read.
#pragma once
#include "explain/matrix_plan.h"

namespace hindscan {

double entries(const MatrixPlan& p);  // of its rows and columns, up to the diagonal

// Bytes, whether sums are bounded, and a guess of seconds, from a pass over a few tokens.
MatrixEstimate outline_matrix(const Model& model, const MatrixRequest& r, const MatrixPlan& p);

// Replaces the guess of seconds by what matrices of the first few tokens took, timed on this machine.
void time_matrix(const Model& model, const MatrixRequest& r, const MatrixPlan& p, MatrixEstimate& e);

}  // namespace hindscan
