// Slots of rows that grow: appended, bounded, found again.
#include "core/sequence_state.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hindscan {
namespace {

void append(SequenceState& state, float value, int64_t count, int64_t keep) {
  float* rows = static_cast<float*>(state.append_rows("k", 2, DType::kF32, count, keep));
  for (int64_t i = 0; i < 2 * count; ++i) rows[i] = value;
}

TEST(SequenceState, RowsGrow) {
  SequenceState state;
  EXPECT_EQ(state.rows("k", 2, DType::kF32).count, 0);
  append(state, 1, 3, -1);
  append(state, 2, 0, -1);
  append(state, 3, 2, -1);
  const SequenceState::Rows rows = state.rows("k", 2, DType::kF32);
  ASSERT_EQ(rows.count, 5);
  EXPECT_EQ(static_cast<const float*>(rows.data)[5], 1);
  EXPECT_EQ(static_cast<const float*>(rows.data)[6], 3);
  EXPECT_EQ(state.slots().at("k").shape, (std::vector<int64_t>{5, 2}));
}

TEST(SequenceState, AtLeastTheKeptRowsStayAndAtMostTwiceAsMany) {
  SequenceState state;
  for (int step = 0; step < 50; ++step) {
    append(state, static_cast<float>(step), 1, 4);
    const SequenceState::Rows rows = state.rows("k", 2, DType::kF32);
    const float* last = static_cast<const float*>(rows.data) + 2 * (rows.count - 1);
    EXPECT_LE(rows.count, 9);
    EXPECT_GE(rows.count, std::min(step + 1, 5));
    for (int64_t i = 0; i < rows.count; ++i) EXPECT_EQ(last[-2 * i], static_cast<float>(step - i));
  }
  append(state, 7, 1, 0);
  EXPECT_EQ(state.rows("k", 2, DType::kF32).count, 1);
}

TEST(SequenceState, RowsOfAnotherShapeAreRefused) {
  SequenceState state;
  append(state, 1, 2, -1);
  EXPECT_THROW(state.rows("k", 3, DType::kF32), Error);
  EXPECT_THROW(state.rows("k", 2, DType::kF64), Error);
  EXPECT_THROW(state.append_rows("k", 3, DType::kF32, 1, -1), Error);
}

}  // namespace
}  // namespace hindscan
