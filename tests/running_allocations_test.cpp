// A running pass keeps nothing of its ops: no adjoint, no node, no name. Shown by counting what is taken from the heap.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <new>
#include <set>

#include "arch_golden.h"
#include "core/ops/embedding.h"
#include "core/ops/ops_test_cases.h"

static thread_local int64_t taken = 0;

[[gnu::noinline]] void* operator new(std::size_t n) {
  ++taken;
  void* p = std::malloc(n);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace hindscan {
namespace {

constexpr int kTimes = 48;

// Of kTimes applications of an op to four rows, in the second of two passes.
int64_t taken_by(const OpCase& c, bool record) {
  const WeightTable weights = op_weights(c, DType::kF32);
  const std::vector<float> x = grid_features(c.by_token ? 4 : 7, c.channels, 5);
  Input input = op_input(c, x);
  SequenceState state;
  input.states = {&state};
  SlotNames names;
  CtxOptions o;
  o.record = record;
  o.in_place = !record;
  o.arena = &test_arena(0);
  o.scratch = &test_arena(1);
  o.names = &names;
  int64_t out = 0;
  for (int pass = 0; pass < 2; ++pass) {
    Ctx ctx(input, o);
    const Var from = ops::features(ctx);
    c.op(ctx, weights, from);
    const int64_t before = taken;
    for (int i = 0; i < kTimes; ++i) c.op(ctx, weights, from);
    out = taken - before;
    ctx.commit();
  }
  return out;
}

// Ops that list rows, tokens or sequences, or whose product of few rows is left to a library.
bool takes_by_itself(const std::string& name) {
  static const std::set<std::string> names = {"gather",    "scatter_add",    "insert_token",
                                              "linear_in", "linear_in rows", "block_linear"};
  return names.count(name) > 0 || name.starts_with("experts") || name.starts_with("pool") ||
         name.ends_with("in another order");
}

TEST(RunningPass, AnOpTakesNothingFromTheHeap) {
  for (const OpCase& c : all_cases()) {
    const int64_t running = taken_by(c, false), recorded = taken_by(c, true);
    EXPECT_TRUE(takes_by_itself(c.name) || running < kTimes / 4) << c.name << ": " << running;  // arrays grow in leaps
    EXPECT_GT(recorded - running, kTimes) << c.name << ": the count sees what a recorded pass keeps";
  }
}

// Whatever they capture.
TEST(RunningPass, ABlockAndItsMixerTakeNothingFromTheHeap) {
  const std::vector<float> x(12, 1.0f);
  Input input;
  input.features = x;
  input.feature_dim = 4;
  PassRoom room;
  CtxOptions o;
  o.use(room);
  Ctx ctx(input, o);
  Var h = ops::features(ctx);
  const std::array<Var, 16> wide = {0};
  const int64_t before = taken;
  for (int i = 0; i < kTimes; ++i)
    h = ctx.block(i, h, [wide](Ctx& c, Var u) { return c.mixer(u, [wide](Ctx&, Var v) { return v + wide[0]; }); });
  EXPECT_LT(taken - before, kTimes / 4);  // arrays grow in leaps
}

// What nodes hold at least: their inputs, their weights, and a closure over them.
int64_t held(const std::vector<OpNode>& nodes) {
  int64_t n = 0;
  for (const OpNode& node : nodes) {
    n += node.in.empty() ? 0 : 1;
    n += node.weights.empty() ? 0 : 1;
    n += node.in.empty() && node.weights.empty() ? 0 : 1;
  }
  return n;
}

// A pass over one token takes less than a recorded one by all that the nodes hold, whatever the family.
TEST(RunningPass, ATokenLeavesNoNodeBehind) {
  for (const std::string& name : architecture_names()) {
    for (const std::string& file : testing::golden_cases(name)) {
      const testing::ArchGolden golden(file);
      const Model model = golden.model<float>();
      const testing::Sequence first = golden.sequences()[0].part(0, 1);
      int64_t of[2] = {}, nodes = 0;
      SlotNames names;
      for (const bool record : {false, true, false, true}) {  // what only the first passes take does not count
        CtxOptions o;
        o.record = record;
        o.arena = &test_arena(0);
        o.scratch = &test_arena(1);
        o.names = &names;
        Ctx ctx(first.input(), o);
        const int64_t before = taken;
        model.arch().forward(ctx);
        of[record ? 1 : 0] = taken - before;
        nodes = held(ctx.nodes());
        EXPECT_EQ(nodes > 0, record) << file;
      }
      EXPECT_GE(of[1] - of[0], nodes) << file;
    }
  }
}

}  // namespace
}  // namespace hindscan
