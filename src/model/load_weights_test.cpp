// What a checkpoint may call its tensors, and how it may shape them.
#include "model/load_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hindscan {
namespace {

using ::testing::HasSubstr;

const std::vector<float> kSix = {1, 2, 3, 4, 5, 6};

WeightTable table(const std::string& ignored = "") {
  WeightTable t;
  Weight& w = t.add_matrix("w", {2, 3}, Init::zeros());
  w.aliases = {"w.alias"};
  w.transposed_aliases = {"w.turned"};
  t.add("b", {3}, Init::zeros());
  if (!ignored.empty()) t.ignore(ignored);
  return t;
}

std::vector<float> values(const Weight& w) { return {w.as<float>(), w.as<float>() + w.size()}; }

std::string refusal(const TensorStore& store, const std::string& ignored = "") {
  WeightTable t = table(ignored);
  try {
    load_weights(store, {}, t);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    return e.message();
  }
  return "accepted";
}

TEST(LoadWeights, NameAliasAndTransposedAliasGiveTheSameMatrix) {
  for (const std::string name : {"w", "w.alias", "w.turned"}) {
    TensorStore store("f");
    const bool turned = name == "w.turned";
    store.add_floats(name, turned ? std::vector<uint64_t>{3, 2} : std::vector<uint64_t>{2, 3},
                     turned ? std::vector<float>{1, 4, 2, 5, 3, 6} : kSix);
    store.add_floats("b", {1, 1, 3}, {7, 8, 9});
    WeightTable t = table();
    load_weights(store, {}, t);
    EXPECT_EQ(values(*t.find("w")), kSix) << name;
    EXPECT_EQ(values(*t.find("b")), (std::vector<float>{7, 8, 9}));
    WeightTable wide = table();
    load_weights(store, DType::kF64, wide);
    EXPECT_EQ(wide.find("w")->as<double>()[4], 5) << name;
  }
}

TEST(LoadWeights, TwoNamesOfOneMatrixMustAgree) {
  TensorStore store("f");
  store.add_floats("w", {2, 3}, kSix);
  store.add_floats("w.turned", {3, 2}, {1, 4, 2, 5, 3, 6});
  store.add_floats("b", {3}, {0, 0, 0});
  EXPECT_EQ(refusal(store), "accepted");
  store.replace("w.turned", {3, 2}, {1, 4, 2, 5, 3, 7});
  EXPECT_THAT(refusal(store), HasSubstr("w.turned is tied to w but holds other values"));
  // A first name of another shape must not be compared byte by byte with a longer one.
  store.replace("w", {1}, {1});
  EXPECT_THAT(refusal(store), HasSubstr("w must be [2, 3] but is [1]"));
}

TEST(LoadWeights, OnlyIgnoredTensorsAreLeftOver) {
  TensorStore store("f");
  store.add_floats("w", {2, 3}, kSix);
  store.add_floats("b", {3}, {0, 0, 0});
  store.add_floats("rosa.x", {1}, {0});
  EXPECT_THAT(refusal(store), HasSubstr("rosa.x is not a tensor of this architecture"));
  EXPECT_EQ(refusal(store, "rosa."), "accepted");
  EXPECT_EQ(refusal(store, ".x"), "accepted");
}

TEST(LoadWeights, WrongShapesAndTypesAreNamed) {
  TensorStore store("f");
  store.add_floats("w.turned", {2, 3}, kSix);
  TensorInfo info;
  info.name = "b";
  info.dtype = TensorDType::kI32;
  info.shape = {3};
  store.add(info, std::vector<uint8_t>(12));
  const std::string message = refusal(store);
  EXPECT_THAT(message, HasSubstr("[f] 2 tensors are not"));
  EXPECT_THAT(message, HasSubstr("w.turned must be [3, 2] but is [2, 3]"));
  EXPECT_THAT(message, HasSubstr("b must be a float tensor but is I32"));
}

}  // namespace
}  // namespace hindscan
