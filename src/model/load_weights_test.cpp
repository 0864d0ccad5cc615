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

TEST(LoadWeights, PartsOfOneTensorInAnyOrder) {
  WeightTable t;
  for (int64_t part = 0; part < 2; ++part) {  // rows 1 and 0 of one tensor
    Weight& w = t.add(part == 0 ? "first" : "second", {3}, Init::zeros());
    w.views = {{"both", {2, 3}, [part](int64_t i) { return 3 * (1 - part) + i; }}};
  }
  TensorStore store("f");
  store.add_floats("both", {2, 3}, kSix);
  load_weights(store, {}, t);
  EXPECT_EQ(values(*t.find("first")), (std::vector<float>{4, 5, 6}));
  EXPECT_EQ(values(*t.find("second")), (std::vector<float>{1, 2, 3}));
  store.replace("both", {3, 2}, kSix);
  EXPECT_THROW(load_weights(store, {}, t), Error);
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

// RWKV-4's head has one name at both of its publishers.
TEST(LoadWeights, AProblemOfANameThatTwoPublishersUseIsSaidOnce) {
  WeightTable t;
  t.add_matrix("w", {2, 3}, Init::zeros()).aliases = {"head", "head"};
  TensorStore store("f");
  store.add_floats("w", {2, 3}, kSix);
  store.add_floats("head", {2, 3}, {0, 0, 0, 0, 0, 0});
  try {
    load_weights(store, {}, t);
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.message(),
              "[f] 1 tensor is not what the configuration describes:\n  head is tied to w but holds other values");
  }
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

// A table whose weights lie below one module, as most families' do.
WeightTable rooted() {
  WeightTable t;
  t.add_matrix("backbone.layers.0.mixer.w", {2, 3}, Init::zeros()).aliases = {"backbone.layers.0.mixer.v"};
  t.add("lm_head.weight", {3}, Init::zeros());
  return t;
}

TEST(CaseB, WrappersAroundTheModelAreSeenThrough) {
  const std::pair<const char*, const char*> kNames[] = {
      {"backbone.layers.0.mixer.w", "lm_head.weight"},
      {"layers.0.mixer.w", "lm_head.weight"},
      {"module.backbone.layers.0.mixer.w", "module.lm_head.weight"},
      {"_orig_mod.backbone.layers.0.mixer.w", "_orig_mod.lm_head.weight"},
      {"backbone.layers.0._orig_mod.mixer.w", "lm_head.weight"},
      {"module._orig_mod.model.backbone.layers.0.mixer.v", "module._orig_mod.model.lm_head.weight"},
      {"model.layers.0.mixer.w", "model.lm_head.weight"},
  };
  for (const auto& [matrix, head] : kNames) {
    TensorStore store("f");
    store.add_floats(matrix, {2, 3}, kSix);
    store.add_floats(head, {3}, {7, 8, 9});
    WeightTable t = rooted();
    use_declared_names(t, store);
    load_weights(store, {}, t);
    EXPECT_EQ(values(*t.find("backbone.layers.0.mixer.w")), kSix) << matrix;
  }
  TensorStore twice("f");
  twice.add_floats("layers.0.mixer.w", {2, 3}, kSix);
  twice.add_floats("module.backbone.layers.0.mixer.w", {2, 3}, kSix);
  EXPECT_THROW(use_declared_names(rooted(), twice), Error);
}

TEST(CaseB, BuffersAreNoWeights) {
  TensorStore store("f");
  store.add_floats("w", {2, 3}, kSix);
  store.add_floats("b", {3}, {0, 0, 0});
  store.add_floats("model.layers.0.self_attn.rotary_emb.inv_freq", {2}, {1, 2});
  EXPECT_EQ(refusal(store), "accepted");
  store.add_floats("model.layers.0.self_attn.other.inv_freqs", {2}, {1, 2});
  EXPECT_THAT(refusal(store), HasSubstr("other.inv_freqs is not a tensor of this architecture"));
}

TEST(CaseC3, WeightsAreCountedAgainstTheFileBeforeTheyTakeMemory) {
  WeightTable t;
  t.expect_from("f", 3);
  const auto declare = [&] {
    for (int64_t i = 0; i < 3'000'000; ++i) t.add(fmt::format("experts.{}", i), {1}, Init::zeros());
  };
  EXPECT_THROW(declare(), Error);
  EXPECT_LT(t.size(), 2000u);
}

TEST(CaseC6, AShapeThatWrapsToNothingIsRefused) {
  WeightTable t;
  EXPECT_THROW(t.add("w", {int64_t{1} << 32, int64_t{1} << 32}, Init::zeros()), Error);  // 2^64 wraps to 0
  EXPECT_THROW(t.add("w", {int64_t{1} << 62, 4, 0, -1}, Init::zeros()), Error);
  EXPECT_THROW(t.add("w", {int64_t{1} << 49}, Init::zeros()), Error);
  EXPECT_EQ(t.add("w", {0, int64_t{1} << 40}, Init::zeros()).size(), 0);
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
