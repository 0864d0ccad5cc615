// Several sequences at once give what each gives alone, in every architecture that predicts tokens: in double to the
// last bit, in float as close as passes cut elsewhere are.
#include <gtest/gtest.h>

#include "arch_cases.h"

namespace hindscan {
namespace {

// What a sequence gives and leaves.
struct Given {
  std::vector<float> last, rows;  // [vocab], [T, vocab]
  std::vector<double> log_probs;
  SequenceState state;
};

// Sequences of unequal lengths: one of one token, one without any, three that go on from a state.
struct Batch {
  std::vector<std::vector<int32_t>> tokens;
  std::vector<SequenceState> starts;

  explicit Batch(const Model& model) {
    const int64_t lengths[] = {37, 5, 0, 1, 21}, before[] = {0, 9, 3, 0, 14}, vocab = model.arch().sizes().vocab_size;
    int64_t draw = 1;
    for (size_t s = 0; s < std::size(lengths); ++s) {
      std::vector<int32_t> all;
      for (int64_t i = 0; i < before[s] + lengths[s]; ++i)
        all.push_back(static_cast<int32_t>((draw = draw * 48271 % 2147483647) % vocab));
      starts.push_back(model.initial_state());
      if (before[s] > 0) Runner(model).step(std::span(all).first(static_cast<size_t>(before[s])), starts.back());
      tokens.emplace_back(all.begin() + before[s], all.end());
    }
  }

  std::vector<RunSequence> from(std::vector<SequenceState>& states, bool with_empty) const {
    std::vector<RunSequence> out;
    states = starts;
    for (size_t s = 0; s < tokens.size(); ++s) {
      if (with_empty || !tokens[s].empty()) out.push_back({tokens[s], &states[s]});
    }
    return out;
  }
};

std::vector<Given> one_after_the_other(const Model& model, const Batch& batch, int64_t chunk) {
  std::vector<Given> out(batch.tokens.size());
  Runner runner(model, chunk);
  for (size_t s = 0; s < out.size(); ++s) {
    const std::vector<int32_t>& tokens = batch.tokens[s];
    SequenceState of_rows = batch.starts[s], of_score = batch.starts[s];
    out[s].state = batch.starts[s];
    if (!tokens.empty()) {
      const auto last = runner.step(tokens, out[s].state);
      out[s].last.assign(last.begin(), last.end());
    }
    const int64_t V = model.arch().head().rows();
    runner.logits(tokens, of_rows, [&](int64_t first, int64_t count, const float* rows) {
      EXPECT_EQ(std::ssize(out[s].rows), first * V);
      out[s].rows.insert(out[s].rows.end(), rows, rows + count * V);
    });
    out[s].log_probs.resize(tokens.size());
    runner.score(tokens, of_score, out[s].log_probs);
  }
  return out;
}

void expect_same_bytes(const SequenceState& found, const SequenceState& ref) {
  EXPECT_EQ(found.tokens, ref.tokens);
  ASSERT_EQ(found.slots().size(), ref.slots().size());
  for (const auto& [name, slot] : ref.slots()) {
    EXPECT_EQ(found.slots().at(name).shape, slot.shape) << name;
    EXPECT_EQ(found.slots().at(name).bytes, slot.bytes) << name;
  }
}

std::vector<Given> at_once(const Model& model, const Batch& batch, int64_t chunk) {
  std::vector<Given> out(batch.tokens.size());
  std::vector<SequenceState> states, fed;
  std::vector<std::span<double>> log_probs;
  const int64_t V = model.arch().head().rows();
  Runner runner(model, chunk);
  runner.logits(batch.from(states, true), [&](size_t s, int64_t first, int64_t count, const float* rows) {
    EXPECT_EQ(std::ssize(out[s].rows), first * V);
    out[s].rows.insert(out[s].rows.end(), rows, rows + count * V);
  });
  for (size_t s = 0; s < out.size(); ++s) {
    out[s].log_probs.resize(batch.tokens[s].size());
    log_probs.emplace_back(out[s].log_probs);
  }
  runner.score(batch.from(states, true), log_probs);
  runner.feed(batch.from(fed, true));
  auto last = runner.step(batch.from(states, false)).begin();
  for (size_t s = 0; s < out.size(); ++s) {
    if (!batch.tokens[s].empty()) out[s].last.assign(last, last + V), last += V;
    out[s].state = states[s];
    expect_same_bytes(fed[s], states[s]);
  }
  return out;
}

void expect_bits(const Given& found, const Given& ref) {
  const auto last_row = ref.rows.end() - std::ssize(ref.last);
  EXPECT_EQ(ref.last, std::vector<float>(last_row, ref.rows.end())) << "a step gives the row of the last token";
  EXPECT_EQ(found.last, ref.last);
  EXPECT_EQ(found.rows, ref.rows);
  ASSERT_EQ(found.log_probs.size(), ref.log_probs.size());
  for (size_t t = 1; t < ref.log_probs.size(); ++t) EXPECT_EQ(found.log_probs[t], ref.log_probs[t]) << t;
  expect_same_bytes(found.state, ref.state);
}

void expect_close(const Given& found, const Given& ref, const Tolerance& bar) {
  EXPECT_TRUE(agree(found.last, ref.last, bar.or_empty()));
  EXPECT_TRUE(agree(found.rows, ref.rows, bar.or_empty()));
  ASSERT_EQ(found.log_probs.size(), ref.log_probs.size());
  for (size_t t = 1; t < ref.log_probs.size(); ++t)
    EXPECT_TRUE(agree(found.log_probs[t], ref.log_probs[t], tol::kF32LogProb)) << t;
  EXPECT_EQ(found.state.tokens, ref.state.tokens);
  ASSERT_EQ(found.state.slots().size(), ref.state.slots().size());
  for (const auto& [name, slot] : ref.state.slots()) {
    const auto values = [](const SequenceState::Slot& of) {
      const auto* begin = reinterpret_cast<const float*>(of.bytes.data());
      return std::vector<float>(begin, begin + of.bytes.size() / sizeof(float));
    };
    EXPECT_TRUE(agree(values(found.state.slots().at(name)), values(slot), bar.or_empty())) << name;
  }
}

class RunnerBatch : public testing::ArchTest {
 protected:
  static bool reads_text(const Model& model) {
    return model.arch().sizes().labels == 0 && model.arch().sizes().feature_dim == 0;
  }
};

TEST_P(RunnerBatch, InDoubleGivesTheSameBits) {
  const Model model = golden_.model<double>();
  if (!reads_text(model)) GTEST_SKIP() << "this model predicts no next token";
  const Batch batch(model);
  for (const int64_t chunk : {512, 16}) {  // all in one pass; some together, the long one in three parts
    const std::vector<Given> found = at_once(model, batch, chunk), ref = one_after_the_other(model, batch, chunk);
    for (size_t s = 0; s < ref.size(); ++s) {
      SCOPED_TRACE(fmt::format("sequence {} in chunks of {}", s, chunk));
      expect_bits(found[s], ref[s]);
    }
  }
}

TEST_P(RunnerBatch, InFloatIsAsCloseAsAnotherCut) {
  const Model model = golden_.model<float>();
  if (!reads_text(model)) GTEST_SKIP() << "this model predicts no next token";
  const Batch batch(model);
  const std::vector<Given> found = at_once(model, batch, 16), ref = one_after_the_other(model, batch, 16);
  for (size_t s = 0; s < ref.size(); ++s) {
    SCOPED_TRACE(fmt::format("sequence {}", s));
    expect_close(found[s], ref[s], golden_.bar<float>(tol::kF32Split, "largest"));
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, RunnerBatch, ::testing::ValuesIn(testing::arch_cases()),
                         testing::arch_case_name);

Model small() {
  return Model::create(architecture_preset(architecture_names()[0], {.d_model = 16, .n_layer = 1, .vocab_size = 40}),
                       DType::kF32, 3);
}

TEST(RunnerSequences, OneStateForTwoSequencesIsRefusedBeforeItMoves) {
  const Model model = small();
  const std::vector<int32_t> tokens = {1, 2};
  SequenceState state;
  const RunSequence twice[] = {{tokens, &state}, {tokens, &state}};
  EXPECT_THROW(Runner(model).feed(twice), Error);
  EXPECT_EQ(state.tokens, 0);
}

TEST(RunnerSequences, AStepNeedsATokenOfEachSequence) {
  const Model model = small();
  const std::vector<int32_t> tokens = {1, 2};
  SequenceState first, second;
  const RunSequence sequences[] = {{tokens, &first}, {{}, &second}};
  EXPECT_THROW(Runner(model).step(sequences), Error);
  EXPECT_EQ(first.tokens, 0);
}

TEST(RunnerSequences, ManySequencesShareAPassWithinTheChunk) {
  const Model model = small();
  const std::vector<int32_t> tokens = {1, 2, 3};
  std::vector<SequenceState> states(7);
  std::vector<RunSequence> sequences;
  sequences.reserve(states.size());
  for (SequenceState& s : states) sequences.push_back({tokens, &s});
  std::vector<int64_t> done;
  Runner runner(model, 7);
  runner.on_chunk = [&](int64_t tokens_done) { done.push_back(tokens_done); };
  runner.feed(sequences);
  EXPECT_EQ(done, (std::vector<int64_t>{6, 12, 18, 21}));
  for (const SequenceState& s : states) EXPECT_EQ(s.tokens, 3);
}

TEST(RunnerSequences, ASequenceWhoseLogitsAreNotFiniteIsNamed) {
  Model model = small();
  for (size_t i = 0; i < model.weights().size(); ++i) {
    Weight& w = model.weights()[i];
    if (&w == &model.arch().head()) static_cast<float*>(w.data)[5 * w.cols()] = NAN;  // of token 5
  }
  const std::vector<int32_t> tokens = {1, 2}, one = {3};
  SequenceState first, second;
  const RunSequence sequences[] = {{tokens, &first}, {one, &second}};
  try {
    Runner(model).step(sequences);
    ADD_FAILURE() << "logits that are no numbers were given";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("token 5 at position 1 of sequence 0"), std::string::npos) << e.message();
  }
}

}  // namespace
}  // namespace hindscan
