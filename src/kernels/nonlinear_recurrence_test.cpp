// Runs that go step by step together give what each gives alone; what the op tests see of a cell is not repeated here.
#include "kernels/nonlinear_recurrence.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/testing/compare.h"
#include "base/testing/draws.h"
#include "base/testing/sensitivity.h"

namespace hindscan::kernels {
namespace {

const Cell kCells[] = {Cell::kTanh, Cell::kRelu, Cell::kGru, Cell::kLstm, Cell::kSlstm};

template <class R>
struct Outcome {
  std::vector<R> y, state, dx, dhidden, dbias, dstate, frozen_dx;
};

template <class R>
Outcome<R> run(const CellDims& dims, CellRuns runs) {
  const int64_t n = dims.H * dims.d, width = cell_gates(dims.cell) * n, size = cell_states(dims.cell) * n,
                count = static_cast<int64_t>(runs.size());
  const std::vector<R> x = draws<R>(dims.T * width, 1, Law::kNormal, 0.7),
                       hidden = draws<R>(width * dims.d, 2, Law::kNormal, 0.7),
                       bias = draws<R>(width, 3, Law::kNormal, 0.7), dy = draws<R>(dims.T * n, 4, Law::kNormal, 0.7);
  std::vector<R> state0(static_cast<size_t>(count * size), R(0));
  for (int64_t i = 0; i < count * size; ++i)
    state0[static_cast<size_t>(i)] = static_cast<R>(0.5 + 0.1 * static_cast<double>(i % 5));
  const CellWeights<R> w{hidden.data(), bias.data()};
  Outcome<R> r;
  const R nan = std::numeric_limits<R>::quiet_NaN();
  std::vector<R> tape(static_cast<size_t>(dims.T * cell_tape(dims.cell) * n), nan);
  r.y.assign(static_cast<size_t>(dims.T * n), nan);
  r.state = state0;
  cell_forward(dims, runs, w, x.data(), r.state.data(), r.y.data(), tape.data());
  r.dx.assign(x.size(), R(0)), r.dhidden.assign(hidden.size(), R(0)), r.dbias.assign(bias.size(), R(0)),
      r.dstate.assign(state0.size(), R(1));
  cell_backward(dims, runs, w, tape.data(), state0.data(), r.y.data(), dy.data(),
                {r.dx.data(), r.dhidden.data(), r.dbias.data(), r.dstate.data()});
  r.frozen_dx.assign(x.size(), R(0));
  std::vector<R> dstate(state0.size(), R(1));
  cell_frozen_adjoint(dims, runs, w, tape.data(), dy.data(), {r.frozen_dx.data(), nullptr, nullptr, dstate.data()});
  return r;
}

template <class R>
void check_together(int64_t H, const Tolerance& bar) {
  const std::vector<CellRun> runs = {{0, 3},  {3, 0},  {3, 7},  {10, 1}, {11, 7}, {18, 2},
                                     {20, 1}, {21, 1}, {22, 4}, {26, 2}, {28, 2}};
  for (const Cell cell : kCells) {
    const CellDims dims{cell, 30, H, 5};
    const Outcome<R> together = run<R>(dims, runs);
    Outcome<R> alone = together;
    std::fill(alone.dhidden.begin(), alone.dhidden.end(), R(0));
    std::fill(alone.dbias.begin(), alone.dbias.end(), R(0));
    const int64_t n = H * 5, width = cell_gates(cell) * n, size = cell_states(cell) * n;
    for (size_t k = 0; k < runs.size(); ++k) {
      std::vector<CellRun> one(runs.size(), {0, 0});  // the same states, one run with tokens
      one[k] = runs[k];
      const Outcome<R> r = run<R>(dims, one);
      const auto take = [&](const std::vector<R>& from, std::vector<R>& to, int64_t each, int64_t first,
                            int64_t count) {
        std::copy_n(from.begin() + first * each, count * each, to.begin() + first * each);
      };
      take(r.y, alone.y, n, runs[k].begin, runs[k].length);
      take(r.dx, alone.dx, width, runs[k].begin, runs[k].length);
      take(r.frozen_dx, alone.frozen_dx, width, runs[k].begin, runs[k].length);
      take(r.state, alone.state, size, static_cast<int64_t>(k), 1);
      take(r.dstate, alone.dstate, size, static_cast<int64_t>(k), 1);
      for (size_t i = 0; i < r.dhidden.size(); ++i) alone.dhidden[i] += r.dhidden[i];
      for (size_t i = 0; i < r.dbias.size(); ++i) alone.dbias[i] += r.dbias[i];
    }
    SCOPED_TRACE(testing::Message() << "cell " << static_cast<int>(cell) << " heads " << H);
    EXPECT_TRUE(agree(together.y, alone.y, bar));
    EXPECT_TRUE(agree(together.state, alone.state, bar));
    EXPECT_TRUE(agree(together.dx, alone.dx, bar));
    EXPECT_TRUE(agree(together.frozen_dx, alone.frozen_dx, bar));
    EXPECT_TRUE(agree(together.dhidden, alone.dhidden, bar.times(10)));
    EXPECT_TRUE(agree(together.dbias, alone.dbias, bar.times(10)));
    EXPECT_TRUE(agree(together.dstate, alone.dstate, bar));
  }
}

TEST(NonlinearRecurrence, RunsTogetherGiveWhatEachGivesAlone) {
  for (const int64_t H : {1, 3}) {
    check_together<double>(H, tol::kF64Cell);
    check_together<float>(H, tol::kF32Cell);
  }
}

TEST(NonlinearRecurrence, ThreadsDoNotChangeTheResult) {
  const CellDims dims{Cell::kLstm, 48, 1, 400};
  const std::vector<CellRun> runs = {{0, 6}, {6, 6}, {12, 6}, {18, 6}, {24, 6}, {30, 6}, {36, 6}, {42, 6}};
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const Outcome<float> one = run<float>(dims, runs);
  omp_set_num_threads(3);
  const Outcome<float> three = run<float>(dims, runs);
  omp_set_num_threads(before);
  EXPECT_EQ(one.y, three.y);
  EXPECT_EQ(one.dx, three.dx);
  EXPECT_EQ(one.dhidden, three.dhidden);
}

}  // namespace
}  // namespace hindscan::kernels
