// What a part of a matrix is said to take before it is computed.
#include "explain/matrix_estimate.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"

namespace hindscan {
namespace {

MatrixRequest request_of(const std::vector<int32_t>& tokens, MapKind map = MapKind::kMean) {
  MatrixRequest r;
  r.tokens = tokens;
  r.layer = 1;
  r.map = map;
  return r;
}

TEST(Matrix, EstimateGrowsWithTheRequest) {
  const Model model = tiny_model(DType::kF32);
  MatrixRequest r = request_of(distinct_tokens(130), MapKind::kAbs);
  const MatrixEstimate whole = estimate_matrix(model, r);
  r.rows = TokenRange{100, 101};
  const MatrixEstimate row = estimate_matrix(model, r);
  EXPECT_EQ(row.rows, 1);
  EXPECT_LT(row.bytes, whole.bytes);
}

// An estimate of a map that is not there is refused before parts of it are timed.
TEST(Matrix, EstimatesAreOfMapsThatTheLayerHas) {
  const Model model = tiny_model(DType::kF32);
  MatrixRequest r = request_of(distinct_tokens(20), MapKind::kChannel);
  EXPECT_GT(estimate_matrix(model, r).seconds, 0);
  r.channel = 1 << 30;
  for (const int64_t blocks : {0, 4}) {
    r.blocks = blocks;
    EXPECT_THROW(estimate_matrix(model, r), Error) << blocks;
  }
}

// Timing reads the state before the text: one that does not belong to the model tells whether it does.
TEST(Matrix, WhatDoesNotFitIsNotTimed) {
  const Model model = tiny_model(DType::kF32);
  SequenceState wrong;
  const SequenceState right = state_after(model, distinct_tokens(3));
  for (const auto& [name, slot] : right.slots()) wrong.put(name, {1}, slot.dtype);
  MatrixRequest r = request_of(distinct_tokens(20));
  r.state_in = &wrong;
  EXPECT_THROW(estimate_matrix(model, r), Error);
  r.mem_limit = 1000;
  EXPECT_GT(estimate_matrix(model, r).bytes, r.mem_limit);
}

TEST(Matrix, LongGuessesAreTimedWherePartsAreLittleOfThem) {
  const Model model = tiny_model(DType::kF32);
  constexpr double kMark = -5;  // a second outline takes its own time instead
  const auto improved = [&](int64_t T, double seconds) {
    MatrixRequest r = request_of(std::vector<int32_t>());
    r.tokens.assign(static_cast<size_t>(T), 7);
    const MatrixPlan plan = make_matrix_plan(model, r);
    MatrixOutline outline = outline_matrix(model, r, plan);
    outline.seconds = kMark, outline.estimate.seconds = seconds;
    improve_seconds(model, r, plan, outline);
    return outline;
  };
  EXPECT_EQ(improved(20, 2).estimate.seconds, 2);
  const MatrixOutline few = improved(20, 100), many = improved(400, 100);
  EXPECT_GT(few.seconds, 0);
  EXPECT_NE(few.estimate.seconds, 100);
  EXPECT_EQ(many.seconds, kMark);
  EXPECT_NE(many.estimate.seconds, 100);
}

// Rows from the head of a text are timed as its head: nothing is read behind the last one.
TEST(Matrix, PartsThatAreTimedLieInWhatIsRead) {
  const Model model = tiny_model(DType::kF32);
  MatrixRequest r = request_of(std::vector<int32_t>());
  r.tokens.assign(20000, 7);
  r.rows = TokenRange{50, 100}, r.cols = TokenRange{0, 20000};
  const MatrixPlan plan = make_matrix_plan(model, r);
  MatrixOutline outline = outline_matrix(model, r, plan);
  outline.probe.caches = {{"blocks.1.mixer.k", 8, 0}};
  EXPECT_EQ(tokens_read(plan, outline.probe), 100);
  const MatrixPart part = part_of(r, plan, outline, 20);
  EXPECT_EQ(part.before, 40);
  EXPECT_EQ(part.request.tokens.size(), 20u);
  EXPECT_EQ(part.request.rows->begin, 10);
  EXPECT_EQ(part.request.rows->end, 20);
  EXPECT_EQ(part.request.cols->begin, 0);
  EXPECT_EQ(part.request.cols->end, 20);
  outline.probe.whole = true;
  EXPECT_EQ(part_of(r, plan, outline, 2000).request.rows->end, 10);
}

// What the seconds of tiles grow with: entries on and below the diagonal, by hand.
TEST(Matrix, EntriesAreThoseUpToTheDiagonal) {
  const Model model = tiny_model(DType::kF32);
  MatrixRequest r = request_of(distinct_tokens(20));
  const auto count = [&](TokenRange rows, TokenRange cols) {
    r.rows = rows, r.cols = cols;
    return entries(make_matrix_plan(model, r));
  };
  EXPECT_EQ(count({0, 20}, {0, 20}), 210);
  EXPECT_EQ(count({19, 20}, {0, 20}), 20);
  EXPECT_EQ(count({2, 5}, {3, 9}), 1 + 2);
  EXPECT_EQ(count({0, 3}, {10, 12}), 0);
}

TEST(Matrix, TokensBeforeTheTextCountInTheGuess) {
  const Model model = random_model(config_of("llama"), DType::kF32);
  MatrixRequest r = request_of(some_tokens());
  const auto guess = [&] {
    const MatrixOutline o = outline_matrix(model, r, make_matrix_plan(model, r));
    return o.estimate.quadratic_seconds / o.probe.seconds;
  };
  const double alone = guess();
  const SequenceState before = state_after(model, some_tokens());
  r.state_in = &before;
  EXPECT_TRUE(agree(guess(), 3 * alone, tol::kF64Absolute.times(10)));
}

}  // namespace
}  // namespace hindscan
