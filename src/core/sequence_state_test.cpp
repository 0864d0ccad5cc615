// Slots by number and by name; rows that grow: appended, bounded, found again.
#include "core/sequence_state.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hindscan {
namespace {

// Numbers for arrays of one layer.
struct Names : SlotNames {
  Names(std::initializer_list<const char*> names) {
    for (const char* name : names) add(0, "op", name, 0);
  }
};

void append(SequenceState& state, float value, int64_t count, int64_t keep, int64_t width = 2) {
  static const Names names{"k"};
  float* rows = static_cast<float*>(state.append_rows(names, {0, {0, width}}, DType::kF32, count, keep));
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
  int64_t most = 0;
  for (int step = 0; step < 50; ++step) {
    append(state, static_cast<float>(step), 1, 4);
    const SequenceState::Rows rows = state.rows("k", 2, DType::kF32);
    most = std::max(most, rows.count);
    const float* last = static_cast<const float*>(rows.data) + 2 * (rows.count - 1);
    EXPECT_LE(rows.count, 9);
    EXPECT_GE(rows.count, std::min(step + 1, 5));
    for (int64_t i = 0; i < rows.count; ++i) EXPECT_EQ(last[-2 * i], static_cast<float>(step - i));
  }
  EXPECT_EQ(most, 9) << "rows move in leaps, not at every step";
  append(state, 7, 1, 0);
  EXPECT_EQ(state.rows("k", 2, DType::kF32).count, 1);
}

TEST(SequenceState, RowsOfAnotherShapeAreRefused) {
  SequenceState state;
  append(state, 1, 2, -1);
  EXPECT_THROW(state.rows("k", 3, DType::kF32), Error);
  EXPECT_THROW(state.rows("k", 2, DType::kF64), Error);
  EXPECT_THROW(append(state, 1, 1, -1, 3), Error);
}

float& number(SequenceState& state, const SlotNames& names, int slot) {
  return *static_cast<float*>(state.put(names, {slot, {1}}, DType::kF32));
}

float named(const SequenceState& state, const char* name) {
  const auto* value = static_cast<const float*>(state.get(name, {1}, DType::kF32));
  return value == nullptr ? -1 : *value;
}

TEST(SequenceState, ANumberMeansItsName) {
  const Names names{"a", "b"}, others{"b", "c", "a"};
  SequenceState state;
  EXPECT_EQ(state.get(names, {1, {1}}, DType::kF32), nullptr);
  number(state, names, 0) = 1;
  number(state, names, 1) = 2;
  EXPECT_EQ(number(state, others, 0), 2);
  EXPECT_EQ(number(state, others, 2), 1);
  EXPECT_EQ(state.get(others, {1, {1}}, DType::kF32), nullptr);
  number(state, others, 1) = 3;
  EXPECT_EQ(named(state, "a"), 1);
  EXPECT_EQ(named(state, "b"), 2);
  EXPECT_EQ(named(state, "c"), 3);
  EXPECT_THROW(state.get(names, {0, {2}}, DType::kF32), Error);
  EXPECT_THROW(state.get(names, {0, {1}}, DType::kF64), Error);
}

TEST(SequenceState, AForkIsApartAndAMovedStateIsWhole) {
  const Names names{"a"};
  SequenceState state;
  number(state, names, 0) = 1;
  SequenceState fork = state, assigned;
  number(assigned, names, 0) = 9;
  assigned = state;
  number(fork, names, 0) = 2;
  number(assigned, names, 0) = 3;
  EXPECT_EQ(named(state, "a"), 1);
  EXPECT_EQ(named(fork, "a"), 2);
  EXPECT_EQ(named(assigned, "a"), 3);
  SequenceState moved = std::move(fork);
  number(moved, names, 0) = 4;
  EXPECT_EQ(named(moved, "a"), 4);
  fork = SequenceState();
  number(fork, names, 0) = 5;
  EXPECT_EQ(named(moved, "a"), 4);
  moved.clear();
  EXPECT_EQ(moved.get(names, {0, {1}}, DType::kF32), nullptr);
}

TEST(SlotNames, ASecondArrayOfABlockGetsANameOfItsOwn) {
  SlotNames names, later;
  names.add(0, "conv", "blocks.0.conv", 0);
  names.add(0, "conv", "blocks.0.conv", 0);
  names.add(0, "conv", "blocks.0.conv", 0);
  EXPECT_EQ(names[0], "blocks.0.conv");
  EXPECT_EQ(names[1], "blocks.0.conv2");
  EXPECT_EQ(names[2], "blocks.0.conv3");
  EXPECT_TRUE(names.is(1, 0, "conv"));
  EXPECT_FALSE(names.is(1, 1, "conv"));
  EXPECT_FALSE(names.is(1, 0, "glr"));
  EXPECT_NE(names.id(), later.id());
}

}  // namespace
}  // namespace hindscan
