#include "train/data.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <set>

#include "base/testing/compare.h"
#include "train/test_support.h"

namespace hindscan {
namespace {

TextEncoder byte_encoder(std::atomic<int>* calls = nullptr) {
  TextEncoder e;
  e.encode = [calls](std::string_view text) {
    if (calls != nullptr) ++*calls;
    std::vector<int32_t> ids;
    for (char c : text) ids.push_back(1 + static_cast<unsigned char>(c));
    return ids;
  };
  e.separator = 0;
  e.hash = 5;
  return e;
}

TEST(Data, SplitsDocuments) {
  EXPECT_EQ(split_documents("one\n<|endoftext|>\ntwo\nlines<|endoftext|>three"),
            (std::vector<std::string_view>{"one\n", "two\nlines", "three"}));
  EXPECT_EQ(split_documents("<|endoftext|>\n\n<|endoftext|><|endoftext|>\n"), std::vector<std::string_view>{});
  EXPECT_EQ(split_documents(""), std::vector<std::string_view>{});
}

TEST(Data, CachesTokensAndNoticesDamageAndChange) {
  const Scratch dir;
  const std::string file = dir.at("a.txt"), cache = dir.at("cache");
  std::ofstream(file) << "abc<|endoftext|>\nde";
  std::atomic<int> calls = 0;
  const TextEncoder encoder = byte_encoder(&calls);
  const Corpus first = load_corpus(real_fs(), {file}, encoder, cache, nullptr);
  EXPECT_EQ(first.tokens, (std::vector<int32_t>{98, 99, 100, 0, 101, 102, 0}));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(load_corpus(real_fs(), {file}, encoder, cache, nullptr).tokens, first.tokens);
  EXPECT_EQ(calls, 2);

  const std::string stored = cache + "/" + real_fs().list(cache).at(0);
  const std::string bytes = real_fs().read(stored, 1 << 20);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] ^= 4;
    std::ofstream(stored, std::ios::binary) << damaged;
    EXPECT_EQ(load_corpus(real_fs(), {file}, encoder, cache, nullptr).tokens, first.tokens) << "byte " << at;
  }
  std::ofstream(stored, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  EXPECT_EQ(load_corpus(real_fs(), {file}, encoder, cache, nullptr).tokens, first.tokens);

  std::ofstream(file) << "xyz";
  const Corpus changed = load_corpus(real_fs(), {file}, encoder, cache, nullptr);
  EXPECT_EQ(changed.tokens.size(), 4u);
  EXPECT_NE(changed.hash, first.hash);
}

TEST(Data, ErrorsOfTheEncoderArrive) {
  const Scratch dir;
  std::ofstream(dir.at("a.txt")) << "abc<|endoftext|>de";
  TextEncoder bad = byte_encoder();
  bad.encode = [](std::string_view) -> std::vector<int32_t> { fail(ErrorCode::kData, "[text] bad"); };
  EXPECT_THROW(load_corpus(real_fs(), {dir.at("a.txt")}, bad, dir.path(), nullptr), Error);
  EXPECT_THROW(load_corpus(real_fs(), {dir.at("none.txt")}, bad, dir.path(), nullptr), Error);
}

std::multiset<std::vector<int32_t>> documents_of(const Corpus& c) {
  std::multiset<std::vector<int32_t>> out;
  std::vector<int32_t> document;
  for (int32_t t : c.tokens) {
    document.push_back(t);
    if (t == c.separator) out.insert(std::exchange(document, {}));
  }
  return out;
}

TEST(Data, ShuffleKeepsDocumentsWhole) {
  Corpus a = test::random_corpus(3000, 3);
  a.tokens.back() = 0;
  Corpus b = a, c = a;
  shuffle_documents(b, 1);
  shuffle_documents(c, 2);
  EXPECT_NE(a.tokens, b.tokens);
  EXPECT_NE(b.tokens, c.tokens);
  EXPECT_EQ(documents_of(a), documents_of(b));
  EXPECT_EQ(documents_of(a), documents_of(c));
}

TEST(TextSource, StreamsAreContiguousAndCoverTheirParts) {
  TrainOptions o;
  o.sequences = 3;
  o.accumulation = 2;
  o.length = 10;
  Corpus corpus;
  corpus.tokens.resize(607);
  for (size_t i = 0; i < corpus.tokens.size(); ++i) corpus.tokens[i] = static_cast<int32_t>(i + 1);
  corpus.separator = 0;
  const TextSource source(corpus, o);
  ASSERT_EQ(source.windows(), 10);
  std::set<int32_t> starts;
  for (int64_t micro = 0; micro < 2; ++micro) {
    for (size_t b = 0; b < 3; ++b) {
      for (int64_t step = 0; step < 25; ++step) {
        const Batch now = source.batch(step, micro);
        ASSERT_EQ(now.tokens.size(), 30u);
        for (size_t t = 10 * b; t < 10 * b + 10; ++t) EXPECT_EQ(now.targets[t], now.tokens[t] + 1);
        EXPECT_EQ(now.fresh[b], step % 10 == 0);
        if (step % 10 != 0) {
          EXPECT_EQ(source.batch(step - 1, micro).targets[10 * b + 9], now.tokens[10 * b]);
        }
        if (step < 10) {
          EXPECT_TRUE(starts.insert(now.tokens[10 * b]).second);
        }
      }
    }
  }
  EXPECT_EQ(starts.size(), 60u);
}

TEST(TextSource, ResetsAfterSeparatorsAndMasksTheirPrediction) {
  TrainOptions o;
  o.sequences = 2;
  o.length = 8;
  const Corpus corpus = test::random_corpus(400, 12);
  const TextSource source(corpus, o);
  int resets = 0;
  for (int64_t step = 0; step < 2 * source.windows(); ++step) {
    const Batch b = source.batch(step, 0), before = source.batch(std::max<int64_t>(step - 1, 0), 0);
    for (size_t t = 0; t < b.tokens.size(); ++t) {
      EXPECT_EQ(b.mask[t], b.tokens[t] == 0 ? 0.0f : 1.0f);
      if (t % 8 != 0) {
        EXPECT_EQ(b.resets[t], b.tokens[t - 1] == 0);
      }
      if (t % 8 == 0 && step % source.windows() != 0) {
        EXPECT_EQ(b.resets[t], before.tokens[t + 7] == 0);
      }
      resets += b.resets[t];
    }
  }
  EXPECT_GT(resets, 3);
}

TEST(TextSource, ForgetsAtTheGivenRate) {
  TrainOptions o;
  o.sequences = 4;
  o.length = 8;
  o.forget = 0.25;
  const TextSource source(test::random_corpus(40000, 12), o);
  int fresh = 0, all = 0;
  for (int64_t step = 1; step < 1000; ++step) {
    for (uint8_t f : source.batch(step, 0).fresh) {
      fresh += f;
      ++all;
    }
  }
  EXPECT_TRUE(agree(static_cast<double>(fresh) / all, 0.25, tol::kFrequency.times(2.5)));
  o.carry = false;
  EXPECT_EQ(TextSource(test::random_corpus(4000, 12), o).batch(3, 0).fresh, (std::vector<uint8_t>{1, 1, 1, 1}));
}

TEST(TextSource, TooLittleTextIsAClearError) {
  TrainOptions o;
  o.sequences = 4;
  o.length = 100;
  try {
    TextSource source(test::random_corpus(300, 1), o);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_NE(e.message().find("401"), std::string::npos) << e.message();
  }
  EXPECT_THROW(TextSource(Corpus(), o), Error);
}

}  // namespace
}  // namespace hindscan
