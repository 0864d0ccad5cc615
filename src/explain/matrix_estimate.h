// What a part of a matrix will take, before the whole text is read.
#pragma once
#include "explain/matrix_plan.h"
#include "explain/pass_probe.h"

namespace hindscan {

double entries(const MatrixPlan& p);                               // of its rows and columns, up to the diagonal
int64_t tokens_read(const MatrixPlan& p, const PassProbe& probe);  // all up to its last row, at least

struct MatrixOutline {
  PassProbe probe;
  MatrixEstimate estimate;
  double seconds = 0;  // of these, for the outline itself
};

// Bytes, whether sums are bounded, and a guess of seconds, from a pass over a few tokens. Error(kUsage) for a layer
// that has no such map.
MatrixOutline outline_matrix(const Model& model, const MatrixRequest& r, const MatrixPlan& p);

// The same part of the matrix of n tokens, as it would be in the middle of those that are read.
struct MatrixPart {
  MatrixRequest request;
  int64_t before = 0;  // tokens read before its first one
};
MatrixPart part_of(const MatrixRequest& r, const MatrixPlan& p, const MatrixOutline& outline, int64_t n);

// Replaces the guess of seconds by what matrices of a few tokens took, timed on this machine.
void time_matrix(const Model& model, const MatrixRequest& r, const MatrixPlan& p, MatrixOutline& outline);
// The same where the guess is of a long time and parts are little of it; of a long time and few tokens, a second guess.
void improve_seconds(const Model& model, const MatrixRequest& r, const MatrixPlan& p, MatrixOutline& outline);

}  // namespace hindscan
