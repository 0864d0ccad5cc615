// The adjoint of every smooth cell against central differences of its forward pass, heads and runs apart.
#include <vector>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "kernels/differences_test_support.h"
#include "kernels/nonlinear_recurrence.h"

namespace hindscan::kernels {
namespace {

using Numbers = std::vector<double>;

Numbers random_numbers(int64_t n, uint64_t seed) {
  Rng rng(seed);
  Numbers out(static_cast<size_t>(n));
  for (double& x : out) x = 0.7 * rng.normal();
  return out;
}

void check_cell(Cell cell, int64_t H) {
  SCOPED_TRACE(testing::Message() << "cell " << static_cast<int>(cell) << " heads " << H);
  const CellDims dims{cell, 5, H, 2};
  const std::vector<CellRun> runs = {{0, 3}, {3, 2}};
  const int64_t n = H * 2, width = cell_gates(cell) * n, states = cell_states(cell);
  Numbers x = random_numbers(5 * width, 1), hidden = random_numbers(width * 2, 2), bias = random_numbers(width, 3),
          state0 = random_numbers(2 * states * n, 4), y(static_cast<size_t>(5 * n)), last,
          tape(static_cast<size_t>(5 * cell_tape(cell) * n));
  if (cell == Cell::kSlstm) {
    for (double& s : state0) s = 1.5 + 0.1 * s;  // n > 0
  }
  const Numbers dy = random_numbers(5 * n, 5);
  Numbers dlast = random_numbers(2 * states * n, 6);
  for (int64_t i = 0; i < 2 * states * n; ++i) {  // sLSTM: c and n are scaled by m, which has no adjoint
    if (cell == Cell::kSlstm && i / n % states > 0) dlast[static_cast<size_t>(i)] = 0;
  }
  const auto loss = [&] {
    last = state0;
    cell_forward(dims, runs, CellWeights<double>{hidden.data(), bias.data()}, x.data(), last.data(), y.data(),
                 tape.data());
    return dot(y, dy) + dot(last, dlast);
  };
  loss();
  Numbers dx(x.size()), dhidden(hidden.size()), dbias(bias.size()), dstate = dlast;
  cell_backward(dims, runs, CellWeights<double>{hidden.data(), bias.data()}, tape.data(), state0.data(), y.data(),
                dy.data(), CellGrads<double>{dx.data(), dhidden.data(), dbias.data(), dstate.data()});
  EXPECT_TRUE(agree(dx, differences(x, loss), tol::kFiniteDifference));
  EXPECT_TRUE(agree(dhidden, differences(hidden, loss), tol::kFiniteDifference));
  EXPECT_TRUE(agree(dbias, differences(bias, loss), tol::kFiniteDifference));
  Numbers numeric = differences(state0, loss);
  for (int64_t i = 0; i < 2 * states * n; ++i) {
    if (cell == Cell::kSlstm && i / n % states == 3) numeric[static_cast<size_t>(i)] = 0;  // of m nothing is given back
  }
  EXPECT_TRUE(agree(dstate, numeric, tol::kFiniteDifference));
}

TEST(NonlinearRecurrenceGradient, EqualsCentralDifferences) {
  for (const int64_t H : {1, 2}) {
    for (const Cell cell : {Cell::kTanh, Cell::kGru, Cell::kLstm, Cell::kSlstm}) check_cell(cell, H);
  }
}

}  // namespace
}  // namespace hindscan::kernels
