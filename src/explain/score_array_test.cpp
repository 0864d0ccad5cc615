// Arrays know their axes, and faces find what belongs together.
#include "explain/score_array.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "explain/report.h"

namespace hindscan {
namespace {

TEST(ScoreArrays, AMapIsAnArrayForEachOfItsAxes) {
  std::vector<ScoreArray> arrays;
  append(arrays, {"model", "words", kTargetUnit}, {{1, 2, 4}, {1, 2, 3, 4, 5, 6}});
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_TRUE(arrays[0].by_token() && !arrays[0].by_layer_and_token());
  EXPECT_TRUE(arrays[1].by_layer_and_token() && !arrays[1].by_token());
  EXPECT_EQ(arrays[0].sum, 7);
  EXPECT_EQ(arrays[0].shape, (std::vector<uint64_t>{3}));
  EXPECT_EQ(arrays[1].shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(arrays[1].words, "words");
  EXPECT_EQ(layer_array({"model", "words", kTargetUnit, {}, "of a layer"}, {1, 2}, 2).words, "of a layer");
  append(arrays, {"selection", "words", kTargetUnit}, {{1, 2, 4}, {}});
  EXPECT_EQ(arrays.size(), 3u);
}

TEST(ScoreArrays, AViewIsWhatBearsOneName) {
  std::vector<ScoreArray> arrays;
  append(arrays, {"model", "", kTargetUnit}, {{1, 2}, {1, 2, 3, 4}});
  arrays.push_back(token_array({"selection", "", kTargetUnit}, {0, 1}));
  arrays.push_back(layer_array({"value-path", "", kTargetUnit, "model"}, {1, 2, 3, 4}, 2));
  ScoreArray other = token_array({"heads", "", kWeightUnit}, {1});
  other.axes = {"head"};
  arrays.push_back(other);
  const std::vector<ScoreView> views = views_of(arrays);
  ASSERT_EQ(views.size(), 3u);
  EXPECT_EQ(views[0].tokens, &arrays[0]);
  EXPECT_EQ(views[0].layers, &arrays[1]);
  EXPECT_EQ(views[1].layers, nullptr);
  EXPECT_EQ(views[2].tokens, nullptr);
  EXPECT_EQ(views[2].any().name, "value-path");
}

TEST(ScoreArrays, TheLargestSizeIsOfFiniteValues) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(largest_size(std::vector<double>{1, -3, 2, inf, -inf, std::nan("")}), 3);
  EXPECT_EQ(largest_size({}), 0);
}

TEST(ScoreArrays, AreFoundByNameAndAxes) {
  MethodReport m;
  append(m.arrays, {"core", "", kWeightUnit}, {{1, 2}, {1, 2, 3, 4}});
  m.arrays.push_back(token_array({"mixer", "", kWeightUnit}, {0, 1}));
  EXPECT_EQ(m.find("core"), &m.arrays[0]);
  EXPECT_EQ(m.find("core", true), &m.arrays[1]);
  EXPECT_EQ(m.find("mixer", true), nullptr);
  EXPECT_EQ(m.find("model"), nullptr);
  EXPECT_EQ(m.layers().size(), 4u);
  EXPECT_EQ(m.scores()[1], 2);
}

}  // namespace
}  // namespace hindscan
