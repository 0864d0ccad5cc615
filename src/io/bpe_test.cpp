#include "io/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "io/bpe_long.h"
#include "io/tokenizer_test_support.h"

namespace hindscan {
namespace {

// The definition, quadratic: lowest rank, leftmost.
std::vector<int32_t> merge_by_definition(std::vector<int32_t> ids, const MergeTable& table) {
  for (;;) {
    size_t best = 0;
    MergeRule rule;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const MergeRule found = table.find(ids[i], ids[i + 1]);
      if (found.rank < rule.rank) best = i, rule = found;
    }
    if (rule.rank == UINT32_MAX) return ids;
    ids[best] = rule.merged;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

// Random tables, also such where a later merge makes a pair of a lower rank.
TEST(Bpe, LongWordsMergeByDefinition) {
  Rng rng(5);
  for (int round = 0; round < 400; ++round) {
    std::vector<MergeTable::Pair> pairs;
    int32_t next = 3;
    for (int k = 0; k < 30; ++k) {
      const auto left = static_cast<int32_t>(rng.below(static_cast<uint64_t>(next)));
      const auto right = static_cast<int32_t>(rng.below(static_cast<uint64_t>(next)));
      pairs.push_back({left, right, next++});
    }
    for (size_t i = pairs.size(); i > 1; --i) std::swap(pairs[i - 1], pairs[rng.below(i)]);
    const MergeTable table(pairs);
    std::vector<int32_t> ids(rng.below(500));
    const uint64_t letters = 1 + rng.below(3);
    for (auto& id : ids) id = static_cast<int32_t>(rng.below(letters));
    std::vector<int32_t> merged{-7};
    merged.insert(merged.end(), ids.begin(), ids.end());
    merge_long_word(merged, 1, table);
    ASSERT_EQ(merged[0], -7);
    merged.erase(merged.begin());
    ASSERT_EQ(merged, merge_by_definition(ids, table)) << round;
  }
}

TEST(Bpe, ShortAndLongWordsAgree) {
  Rng rng(6);
  const Tokenizer t =
      Tokenizer::from_json(to_string(tiny({"a a", "aa a", "a b", "b aa", "aa aa", "ab ab", "c c"})), "t");
  std::vector<MergeTable::Pair> pairs;
  for (const char* merge : {"a a", "aa a", "a b", "b aa", "aa aa", "ab ab", "c c"}) {
    const std::string text = merge;
    const size_t space = text.find(' ');
    const std::string left = text.substr(0, space), right = text.substr(space + 1);
    pairs.push_back({t.token_to_id(left), t.token_to_id(right), t.token_to_id(left + right)});
  }
  const MergeTable table(pairs);
  for (int round = 0; round < 300; ++round) {
    std::string word;
    for (uint64_t n = 1 + rng.below(120); n > 0; --n) word += static_cast<char>('a' + rng.below(3));
    std::vector<int32_t> ids;
    for (const char c : word) ids.push_back(t.token_to_id(std::string(1, c)));
    ASSERT_EQ(t.encode(word), merge_by_definition(ids, table)) << word;
  }
}

TEST(Bpe, MillionsOfOneLetterOnASmallStack) {
  std::vector<std::string> merges = {"A A", "AA AA", "AAAA AAAA"};
  const Tokenizer t = Tokenizer::from_json(to_string(tiny(merges)), "t");
  std::vector<int32_t> ids;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 64 * 1024);
  struct Work {
    const Tokenizer& tokenizer;
    std::vector<int32_t>& ids;
  } work{t, ids};
  pthread_t thread = {};
  const auto run = [](void* p) -> void* {
    auto& w = *static_cast<Work*>(p);
    w.ids = w.tokenizer.encode(std::string(5'000'003, 'A'));
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attr, run, &work), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attr);
  ASSERT_EQ(ids.size(), 625'002u);
  EXPECT_EQ(t.token_bytes(ids[0]), "AAAAAAAA");
  EXPECT_EQ(t.token_bytes(ids[ids.size() - 2]), "AA");
  EXPECT_EQ(t.token_bytes(ids.back()), "A");
}

TEST(MergeTable, LastOfEqualPairsWins) {
  const MergeTable table({{1, 2, 3}, {4, 5, 6}, {1, 2, 7}});
  EXPECT_EQ(table.find(1, 2).rank, 2u);
  EXPECT_EQ(table.find(1, 2).merged, 7);
  EXPECT_EQ(table.find(2, 1).rank, UINT32_MAX);
}

}  // namespace
}  // namespace hindscan
