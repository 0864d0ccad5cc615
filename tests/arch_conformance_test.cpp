// Every architecture of the registry against its golden files: logits, gradients and rows of an independent reference;
// one pass = any split = packed; the frozen operator adds up. Nothing here knows a family.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>

#include "arch_cases.h"
#include "arch_maps.h"
#include "base/cpu.h"

namespace hindscan {
namespace {

using testing::arch_cases;
using testing::golden_cases;
using testing::kGradient;
using testing::kLogits;
using testing::kSplit;
using testing::kType;
using testing::Packed;
using testing::run;
using testing::run_in_chunks;
using testing::Sequence;

TEST(ArchTable, EveryArchitectureHasAGoldenFile) {
  for (const std::string& name : architecture_names()) EXPECT_FALSE(golden_cases(name).empty()) << name;
}

TEST(ArchTable, EveryGoldenFileBelongsToAnArchitecture) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::golden_path("arch")))
    files += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(arch_cases().size(), files);
}

class Conformance : public testing::ArchTest {
 protected:
  template <class R>
  void logits() const {
    const Model model = golden_.model<R>();
    for (size_t s = 0; s < 2; ++s) {
      const std::vector<R> found = run<R>(model, golden_.sequences()[s]);
      EXPECT_TRUE(agree(found, golden_.logits(s), bar<R>(kLogits<R>, "logits"))) << "sequence " << s;
    }
  }

  template <class R>
  void expect_gradients(const Model& model, const GradTable& grads) const {
    std::set<std::string> used;
    for (size_t k = 0; k < model.weights().size(); ++k) {
      const Weight& w = model.weights()[k];
      const std::vector<double> ref = golden_.of_weight("grads.", w, &used);
      const std::span<const R> found(grads.of<R>(w), static_cast<size_t>(w.size()));
      EXPECT_TRUE(agree(found, std::span<const double>(ref), bar<R>(kGradient<R>, "grads"))) << w.name;
    }
    for (const TensorInfo& t : golden_.file().tensors())
      EXPECT_TRUE(!t.name.starts_with("grads.") || used.count(t.name)) << t.name << " is the gradient of no weight";
  }

  template <class R>
  void gradients(bool recompute) const {
    const Model model = golden_.model<R>();
    Packed both;
    std::vector<int32_t> targets;
    std::vector<float> weights;
    for (size_t s = 0; s < 2; ++s) {
      both.add(golden_.sequences()[s]);
      for (int32_t id : golden_.targets(s)) targets.push_back(id);
      for (float w : golden_.loss_weights(s)) weights.push_back(w);
    }
    Input input = both.all.input();
    input.cu_seqlens = both.cu;
    GradTable grads(model.weights(), kType<R>);
    grads.zero();
    const double loss = testing::add_gradients<R>(model, input, targets, weights, recompute, grads);
    EXPECT_TRUE(agree(loss, golden_.file().reals<double>("loss")[0], bar<R>(kLogits<R>, "logits")));
    expect_gradients<R>(model, grads);
  }

  // Reverse mode in time chunks: states forward, then the adjoint of the carried state from the last chunk to the
  // first.
  template <class R>
  void gradients_in_chunks(int64_t chunk) const {
    const Model model = golden_.model<R>();
    if (!per_token(model)) GTEST_SKIP() << "this model judges whole texts: it has no logits of every token";
    GradTable grads(model.weights(), kType<R>);
    grads.zero();
    for (size_t s = 0; s < 2; ++s) {
      const Sequence& sequence = golden_.sequences()[s];
      const std::vector<int32_t> targets = golden_.targets(s);
      const std::vector<float> weights = golden_.loss_weights(s);
      const int64_t T = sequence.length();
      std::vector<SequenceState> starts(1);
      for (int64_t t = 0; t + chunk < T; t += chunk) {
        SequenceState next = starts.back();
        run<R>(model, sequence.part(t, chunk), &next);
        starts.push_back(std::move(next));
      }
      SequenceState adjoint;
      for (size_t c = starts.size(); c-- > 0;) {
        const int64_t begin = static_cast<int64_t>(c) * chunk, n = std::min(chunk, T - begin);
        const Sequence part = sequence.part(begin, n);
        Input input = part.input();
        input.states = {&starts[c]};
        testing::add_gradients<R>(model, input,
                                  std::span(targets).subspan(static_cast<size_t>(begin), static_cast<size_t>(n)),
                                  std::span(weights).subspan(static_cast<size_t>(begin), static_cast<size_t>(n)),
                                  c % 2 == 0, grads, &adjoint);
      }
    }
    expect_gradients<R>(model, grads);
  }

  template <class R>
  void splits() const {
    const Model model = golden_.model<R>();
    if (!per_token(model)) GTEST_SKIP() << "this model judges whole texts: it has no logits of every token";
    for (const Sequence& sequence : golden_.sequences()) {
      const std::vector<R> whole = run<R>(model, sequence);
      for (int64_t chunk : {1, 4, 7, 16}) {
        SequenceState state;
        EXPECT_TRUE(agree(run_in_chunks<R>(model, sequence, chunk, state), whole, bar<R>(kSplit<R>, "largest")))
            << "chunks of " << chunk;
        EXPECT_EQ(state.tokens, sequence.length());
      }
      SequenceState state;  // a prompt, then one token at a time
      const int64_t prompt = sequence.length() / 2;
      std::vector<R> rows = run<R>(model, sequence.part(0, prompt), &state);
      const std::vector<R> steps = run_in_chunks<R>(model, sequence.from(prompt), 1, state);
      rows.insert(rows.end(), steps.begin(), steps.end());
      EXPECT_TRUE(agree(rows, whole, bar<R>(kSplit<R>, "largest"))) << "prompt and steps";
    }
  }

  template <class R>
  void expect_same_state(const SequenceState& found, const SequenceState& ref) const {
    ASSERT_EQ(found.slots().size(), ref.slots().size());
    for (const auto& [name, slot] : ref.slots()) {
      const auto* a = static_cast<const R*>(found.get(name, slot.shape, slot.dtype));
      const auto* b = static_cast<const R*>(ref.get(name, slot.shape, slot.dtype));
      ASSERT_NE(a, nullptr) << name;
      const size_t n = slot.bytes.size() / sizeof(R);
      EXPECT_TRUE(agree(std::span(a, n), std::span(b, n), bar<R>(kSplit<R>, "largest"))) << name;
    }
  }

  template <class R>
  void packed() const {
    const Model model = golden_.model<R>();
    const Sequence &first = golden_.sequences()[0], &second = golden_.sequences()[1];
    SequenceState end_first, end_second, a, b;
    std::vector<R> apart = run<R>(model, first, &end_first);
    const std::vector<R> rest = run<R>(model, second, &end_second);
    const int64_t V =
        static_cast<int64_t>(per_token(model) ? apart.size() : rest.size()) / (per_token(model) ? first.length() : 1);
    apart.insert(apart.end(), rest.begin(), rest.end());
    Packed both;
    both.add(first);
    both.add(second);
    Input input = both.all.input();
    input.cu_seqlens = both.cu;
    input.states = {&a, &b};
    EXPECT_TRUE(agree(run<R>(model, input), apart, bar<R>(kSplit<R>, "largest")));
    EXPECT_EQ(a.tokens, first.length());
    EXPECT_EQ(b.tokens, second.length());
    expect_same_state<R>(a, end_first);
    expect_same_state<R>(b, end_second);
    if (!per_token(model)) return;

    // The second parts of both, packed in the other order, each from its own state.
    SequenceState half_first, half_second;
    run<R>(model, first.part(0, 20), &half_first);
    run<R>(model, second.part(0, 4), &half_second);
    Packed ends;
    ends.add(second.from(4));
    ends.add(first.from(20));
    input = ends.all.input();
    input.cu_seqlens = ends.cu;
    input.states = {&half_second, &half_first};
    std::vector<R> expected(apart.begin() + (first.length() + 4) * V, apart.end());
    expected.insert(expected.end(), apart.begin() + 20 * V, apart.begin() + first.length() * V);
    EXPECT_TRUE(agree(run<R>(model, input), expected, bar<R>(kSplit<R>, "largest")));

    // One sequence with a reset where the second begins.
    std::vector<uint8_t> resets(static_cast<size_t>(both.all.length()), 0);
    resets[static_cast<size_t>(first.length())] = 1;
    SequenceState end;
    input = both.all.input();
    input.resets = resets;
    input.states = {&end};
    EXPECT_TRUE(agree(run<R>(model, input), apart, bar<R>(kSplit<R>, "largest")));
    expect_same_state<R>(end, end_second);
  }
};

TEST_P(Conformance, LogitsF32) { logits<float>(); }
TEST_P(Conformance, LogitsF64) { logits<double>(); }
TEST_P(Conformance, GradientsF32) { gradients<float>(false); }
TEST_P(Conformance, GradientsF64) { gradients<double>(false); }
TEST_P(Conformance, GradientsRecomputedF32) { gradients<float>(true); }
TEST_P(Conformance, GradientsRecomputedF64) { gradients<double>(true); }
TEST_P(Conformance, GradientsInTimeChunksF32) { gradients_in_chunks<float>(8); }
TEST_P(Conformance, GradientsInTimeChunksF64) {
  for (int64_t chunk : {1, 7}) gradients_in_chunks<double>(chunk);
}
TEST_P(Conformance, AnySplitF32) { splits<float>(); }
TEST_P(Conformance, AnySplitF64) { splits<double>(); }
TEST_P(Conformance, PackedF32) { packed<float>(); }
TEST_P(Conformance, PackedF64) { packed<double>(); }
TEST_P(Conformance, RowsF32) { testing::expect_rows<float>(golden_); }
TEST_P(Conformance, RowsF64) { testing::expect_rows<double>(golden_); }
TEST_P(Conformance, PublishedRowsF32) { testing::expect_published_rows<float>(golden_); }
TEST_P(Conformance, PublishedRowsF64) { testing::expect_published_rows<double>(golden_); }
TEST_P(Conformance, ValuePathIsTheTransposeF32) { testing::expect_transposed<float>(golden_); }
TEST_P(Conformance, ValuePathIsTheTransposeF64) { testing::expect_transposed<double>(golden_); }
TEST_P(Conformance, FrozenOperatorAddsUp) { testing::expect_complete(golden_, 0); }
TEST_P(Conformance, FrozenOperatorAddsUpWithAState) { testing::expect_complete(golden_, 11); }

TEST_P(Conformance, PathsAddUpToTheExactAdjoint) { testing::expect_paths(golden_); }

TEST_P(Conformance, SizesAreWhatTheModelHas) {
  const Model model = golden_.model<float>();
  const ArchitectureSizes sizes = model.arch().sizes();
  constexpr int64_t kTokens = 5;  // fewer than any window
  const Sequence part = golden_.sequences()[0].part(0, kTokens);
  SequenceState state;
  run<float>(model, part, &state);
  int64_t numbers = 0, maps = 0;
  for (const auto& [name, slot] : state.slots()) numbers += static_cast<int64_t>(slot.bytes.size() / sizeof(float));
  EXPECT_EQ(numbers, sizes.state_numbers + kTokens * sizes.cache_per_token);
  testing::Recorded<float> pass(model, part);
  for (const auto& view : mixer_views<float>(pass.ctx)) maps += view->maps();
  EXPECT_EQ(maps, sizes.attention_maps);
  const int64_t rows = per_token(model) ? kTokens : 1, columns = per_token(model) ? sizes.vocab_size : sizes.labels;
  EXPECT_EQ(static_cast<int64_t>(run<float>(model, part).size()), rows * columns);
}

// The public way to run a model: chunks, state in place, head with bias, scale and soft cap.
TEST_P(Conformance, RunnerGivesTheSameLogits) {
  const Model model = golden_.model<float>();
  const Sequence& sequence = golden_.sequences()[0];
  if (!per_token(model) || sequence.dim > 0) GTEST_SKIP() << "this model predicts no next token";
  const std::vector<double> ref = golden_.logits(0);
  const int64_t V = static_cast<int64_t>(ref.size()) / sequence.length();
  Runner runner(model, 10);
  SequenceState state;
  std::vector<float> rows(ref.size(), NAN);
  runner.logits(sequence.tokens, state, [&](int64_t first, int64_t count, const float* at) {
    std::copy(at, at + count * V, rows.begin() + first * V);
  });
  EXPECT_TRUE(agree(rows, ref, bar<float>(kSplit<float>, "largest")));
}

INSTANTIATE_TEST_SUITE_P(Table, Conformance, ::testing::ValuesIn(arch_cases()), testing::arch_case_name);

// The float tests once more on every instruction set below the one in use.
class ConformanceIsa : public ::testing::TestWithParam<Isa> {};
TEST_P(ConformanceIsa, ComputesTheSame) {
  if (std::getenv("HINDSCAN_FORCE_ISA") != nullptr)
    GTEST_SKIP() << "HINDSCAN_FORCE_ISA caps the instruction set already";
  if (GetParam() >= allowed_isa()) GTEST_SKIP() << "this machine has no larger instruction set to compare with";
  char program[PATH_MAX] = {};
  ASSERT_GT(::readlink("/proc/self/exe", program, sizeof program - 1), 0);
  const std::string command = fmt::format(
      "HINDSCAN_FORCE_ISA={} '{}' --gtest_brief=1 --gtest_filter='*.LogitsF32/*:*.GradientsF32/*:*.AnySplitF32/*' 2>&1",
      isa_name(GetParam()), program);
  FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  char buffer[4096];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
  EXPECT_EQ(::pclose(pipe), 0) << output;
  EXPECT_NE(output.find("PASSED"), std::string::npos) << output;
  EXPECT_EQ(output.find("PASSED  ] 0 tests"), std::string::npos) << output;
}
INSTANTIATE_TEST_SUITE_P(Levels, ConformanceIsa, ::testing::Values(Isa::kScalar, Isa::kSse4, Isa::kAvx2, Isa::kAvx512),
                         [](const auto& level) { return std::string(isa_name(level.param)); });

}  // namespace
}  // namespace hindscan
