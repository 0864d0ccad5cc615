// The tape itself, on a small mixer stack in f64: packing, resets, names of carried arrays, taps.
#include <gtest/gtest.h>

#include <cmath>

#include "base/testing/compare.h"
#include "core/context_test_support.h"

namespace hindscan {
namespace {

TEST(Ctx, PackedSequencesEqualSeparateOnes) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(12, 1);
  Input packed = features(x);
  packed.cu_seqlens = {0, 3, 3, 12};
  const Pass all = run(toy, packed, exact_rules());
  const std::span<const float> xs(x);
  const Pass first = run(toy, features(xs.subspan(0, 3 * Toy::kD)), exact_rules());
  const Pass rest = run(toy, features(xs.subspan(3 * Toy::kD)), exact_rules());
  std::vector<double> y = first.y;
  y.insert(y.end(), rest.y.begin(), rest.y.end());
  EXPECT_TRUE(agree(all.y, y, tol::kF64Absolute));
}

TEST(Ctx, ResetInsideASequenceStartsAnew) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(9, 2);
  std::vector<uint8_t> resets(9, 0);
  resets[4] = 1;
  Input in = features(x);
  in.resets = resets;
  const Pass whole = run(toy, in, exact_rules());
  const Pass tail = run(toy, features(std::span<const float>(x).subspan(4 * Toy::kD)), exact_rules());
  EXPECT_TRUE(agree(std::vector<double>(whole.y.begin() + 4 * Toy::kD, whole.y.end()), tail.y, tol::kF64Absolute));
}

// The same arrays by the same numbers, whatever went before; another model's passes are refused.
TEST(Ctx, NamesOfCarriedArraysAreMadeOnce) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(12, 5);
  SlotNames names;
  SequenceState kept, fresh;
  CtxOptions o;
  o.compute = DType::kF64;
  for (int64_t t = 0; t < 12; t += 4) {
    Input in = features(std::span(x).subspan(static_cast<size_t>(t * Toy::kD), 4 * Toy::kD));
    for (SequenceState* state : {&kept, &fresh}) {
      o.in_place = state == &kept;
      o.names = state == &kept ? &names : nullptr;
      in.states = {state};
      Ctx c(in, o);
      toy.forward(c);
      c.commit();
    }
    EXPECT_EQ(names.size(), 4);
  }
  EXPECT_EQ(names[0], "blocks.0.mixer.conv");
  EXPECT_EQ(names[3], "blocks.1.mixer.glr");
  ASSERT_EQ(kept.slots().size(), 4u);
  for (const auto& [name, slot] : fresh.slots()) EXPECT_EQ(kept.slots().at(name).bytes, slot.bytes) << name;
  o.names = &names;
  Input in = features(x);
  Ctx other(in, o);
  EXPECT_THROW(ops::token_shift(other, ops::embedding(other, *toy.head)), Error);
}

TEST(Ctx, TheStateOfAnotherModelIsRefusedBeforeItIsWrittenTo) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(4, 5);
  SequenceState other;
  for (const char* name : {"blocks.0.mixer.conv", "blocks.0.mixer.glr"})
    *static_cast<float*>(other.put(name, {1}, DType::kF32)) = 3;
  CtxOptions o;
  o.compute = DType::kF64;
  o.in_place = true;
  Input in = features(x);
  in.states = {&other};
  const std::vector<uint8_t> resets = {1, 0, 0, 0};  // its numbers would not be read
  in.resets = resets;
  Ctx c(in, o);
  EXPECT_THROW(toy.forward(c), Error);
  for (const auto& [name, slot] : other.slots()) EXPECT_EQ(slot.bytes.size(), sizeof(float)) << name;
}

TEST(Ctx, TapsReadAndEdit) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(6, 9);
  const Pass plain = run(toy, features(x), exact_rules());
  std::vector<std::string> names;
  CtxOptions o;
  o.compute = DType::kF64;
  o.tap = [&](const TapView& v) {
    names.emplace_back(v.name);
    if (!v.name.ends_with(".k")) return;
    double* k = static_cast<double*>(v.data);
    for (int64_t n = 0; n < v.C; ++n) k[3 * v.C + n] = 0;  // drop the write of token 3
  };
  Ctx c(features(x), o);
  const Var y = toy.forward(c);
  EXPECT_EQ(names, (std::vector<std::string>{"embedding", "blocks.0.mixer.k", "blocks.0.mixer.out", "blocks.1.mixer.k",
                                             "blocks.1.mixer.out"}));
  for (int64_t i = 0; i < 3 * Toy::kD; ++i) EXPECT_EQ(c.data<double>(y)[i], plain.y[static_cast<size_t>(i)]);
  EXPECT_NE(c.data<double>(y)[3 * Toy::kD], plain.y[3 * Toy::kD]);
}

TEST(Ctx, RefusesWhatDoesNotFit) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(3, 10);
  Input in = features(x);
  in.cu_seqlens = {0, 5};
  EXPECT_THROW(Ctx(in, {}), Error);
  in.cu_seqlens = {0, 2, 1, 3};
  EXPECT_THROW(Ctx(in, {}), Error);
  const std::vector<int32_t> tokens = {1, 11};
  Input ids;
  ids.tokens = tokens;
  CtxOptions o;
  o.compute = DType::kF64;
  Ctx c(ids, o);
  EXPECT_THROW(ops::embedding(c, *toy.head), Error);
}

}  // namespace
}  // namespace hindscan
