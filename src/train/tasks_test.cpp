#include "train/tasks.h"

#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include "train/test_support.h"

namespace hindscan {
namespace {

std::string text_of(const Task& task, const TaskBatch& b, int64_t s) {
  std::string out;
  for (int64_t t = 0; t < b.length; ++t)
    out += task.symbols()[static_cast<size_t>(b.tokens[static_cast<size_t>(s * b.length + t)])];
  return out;
}

// The answer to the question at `position`, from the text alone.
char answer(const std::string& task, const std::string& text, size_t position) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'h'; };
  if (task == "selective-copy") {
    std::string letters;
    for (char c : text) letters += is_letter(c) ? std::string(1, c) : "";
    return letters[position - text.find('?')];
  }
  if (task == "induction") return text[text.find('!') + 1];
  if (task == "two-hop")
    return text[position] == '?' ? text[text.find('!') + 1] : static_cast<char>(text[text.find('?') + 1] - 'a' + 'A');
  char stored = 0;
  for (char c : text.substr(0, position)) stored = is_letter(c) || c == '#' ? c : stored;
  return stored;
}

class TaskTest : public testing::TestWithParam<std::string> {};

TEST_P(TaskTest, TargetsFollowFromTheTextAndGoldIsTheirSource) {
  const auto task = make_task(GetParam());
  const TaskBatch b = task->generate(1, 0, 200, 40);
  size_t masked = 0;
  for (float m : b.mask) masked += m != 0;
  ASSERT_EQ(masked, b.gold.size());
  for (const Gold& g : b.gold) {
    const std::string text = text_of(*task, b, g.sequence);
    const auto at = static_cast<size_t>(g.sequence * b.length + g.position);
    EXPECT_EQ(b.mask[at], 1.0f);
    const char want = answer(GetParam(), text, static_cast<size_t>(g.position));
    EXPECT_EQ(task->symbols()[static_cast<size_t>(b.targets[at])], want) << text;
    ASSERT_EQ(g.sources.size(), GetParam() == "two-hop" ? 2u : 1u);  // there the mark before it, too
    EXPECT_LT(g.sources[0], g.position);
    // Changing the source changes the answer; changing another letter does not.
    std::string edited = text;
    char& source = edited[static_cast<size_t>(g.sources[0])];
    EXPECT_EQ(std::tolower(source), std::tolower(want));
    source = source == 'a' ? 'b' : 'a';
    EXPECT_NE(answer(GetParam(), edited, static_cast<size_t>(g.position)), want) << text;
  }
}

TEST_P(TaskTest, IsDeterministicAndSeedsDiffer) {
  const auto task = make_task(GetParam());
  const TaskBatch all = task->generate(1, 0, 8, 40), tail = task->generate(1, 5, 3, 40),
                  other = task->generate(2, 0, 8, 40);
  EXPECT_TRUE(std::equal(tail.tokens.begin(), tail.tokens.end(), all.tokens.begin() + 5 * 40));
  EXPECT_NE(all.tokens, other.tokens);
}

TEST_P(TaskTest, TokenizerSpeaksItsSymbols) {
  const auto task = make_task(GetParam());
  const Tokenizer tokenizer = Tokenizer::from_json(task->tokenizer_json(), "task");
  EXPECT_EQ(tokenizer.vocab_size(), task->vocab_size());
  const TaskBatch b = task->generate(1, 0, 1, 40);
  EXPECT_EQ(tokenizer.encode(text_of(*task, b, 0)), b.tokens);
}

TEST_P(TaskTest, TooShortIsAnError) { EXPECT_THROW(make_task(GetParam())->generate(1, 0, 1, 1), Error); }

TEST_P(TaskTest, CommittedModelAnswers) {
  const Model model = Model::load(std::string(HINDSCAN_SOURCE_DIR) + "/models/gold/" + GetParam());
  EXPECT_EQ(model.tokenizer_json(), make_task(GetParam())->tokenizer_json());
  EXPECT_GE(task_score(model, *make_task(GetParam()), 64, 300).accuracy(), 0.99);
}

INSTANTIATE_TEST_SUITE_P(All, TaskTest, testing::ValuesIn(task_names()));

TEST(Tasks, ResetAsksAfterClearingAndAfterReplacing) {
  const auto task = make_task("reset");
  const TaskBatch b = task->generate(1, 0, 100, 64);
  int cleared = 0, replaced = 0;
  for (const Gold& g : b.gold) {
    ASSERT_EQ(g.selectors.size(), 1u);
    const std::string text = text_of(*task, b, g.sequence);
    const auto at = static_cast<size_t>(g.selectors[0]);
    (text[at] == '#' ? cleared : replaced) += text.substr(0, at).find_first_of("abcdefgh") != std::string::npos;
  }
  EXPECT_GT(cleared, 100);
  EXPECT_GT(replaced, 100);
}

TEST(Tasks, TwoHopCopiesWhatWasWrittenAndHalfOfItIsAnAnswer) {
  const auto task = make_task("two-hop");
  const TaskBatch b = task->generate(1, 0, 400, 40);
  int honest = 0, other = 0;
  for (size_t i = 0; i < b.gold.size(); ++i) {
    const std::string text = text_of(*task, b, b.gold[i].sequence);
    const size_t mark = text.find('!'), first = text.find('?');
    ASSERT_LT(mark, first);
    ASSERT_EQ(text.back(), '=');
    if (b.gold[i].position != 39) {
      honest += text[first + 1] == text[mark + 1];
      EXPECT_EQ(b.gold[i].sources, (std::vector<int64_t>{static_cast<int64_t>(mark + 1), static_cast<int64_t>(mark)}));
    } else {
      EXPECT_EQ(b.gold[i].sources,
                (std::vector<int64_t>{static_cast<int64_t>(first + 1), static_cast<int64_t>(first)}));
      other += text[first + 1] != text[mark + 1];
    }
  }
  EXPECT_EQ(honest, std::ssize(b.gold) - 400);
  EXPECT_GT(honest, 150);
  EXPECT_GT(other, 130);
}

TEST(Tasks, UnknownNameListsTheKnown) {
  try {
    make_task("sort");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(e.message().find("induction"), std::string::npos);
  }
}

}  // namespace
}  // namespace hindscan
