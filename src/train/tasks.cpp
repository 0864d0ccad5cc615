#include "train/tasks.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "io/json.h"

namespace hindscan {
namespace {

constexpr int32_t kLetters = 8;  // ids 0..7 are "a".."h"

int32_t letter(Rng& rng) { return static_cast<int32_t>(rng.below(kLetters)); }

// Distinct positions below n, ascending.
std::vector<int64_t> choose(Rng& rng, int64_t n, int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(n));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) std::swap(all[i], all[i + rng.below(all.size() - i)]);
  all.resize(static_cast<size_t>(count));
  std::sort(all.begin(), all.end());
  return all;
}

// "..a....f..b.|..???": letters among noise; the i-th "?" is answered by the i-th letter.
class SelectiveCopy final : public Task {
 public:
  std::string name() const override { return "selective-copy"; }
  std::string symbols() const override { return "abcdefgh.?"; }

 private:
  static constexpr int32_t kNoise = 8, kAsk = 9;
  static constexpr int64_t kItems = 4;
  int64_t min_length() const override { return 2 * kItems; }

  void fill(Rng& rng, const Row& row) const override {
    const int64_t body = row.length - kItems;
    std::fill(row.tokens, row.tokens + body, kNoise);
    const std::vector<int64_t> places = choose(rng, body, kItems);
    for (int64_t at : places) row.tokens[at] = letter(rng);
    for (int64_t i = 0; i < kItems; ++i) {
      const int64_t source = places[static_cast<size_t>(i)];
      row.tokens[body + i] = kAsk;
      row.ask(body + i, row.tokens[source], {source});
    }
  }
};

// "cafe!bdah...!": random letters, one of them after the mark; the mark at the end is answered by that letter.
class Induction final : public Task {
 public:
  std::string name() const override { return "induction"; }
  std::string symbols() const override { return "abcdefgh!"; }

 private:
  static constexpr int32_t kMark = 8;
  int64_t min_length() const override { return 4; }

  void fill(Rng& rng, const Row& row) const override {
    for (int64_t t = 0; t < row.length; ++t) row.tokens[t] = letter(rng);
    const auto mark = static_cast<int64_t>(rng.below(static_cast<uint64_t>(row.length - 3)));
    row.tokens[mark] = kMark;
    row.tokens[row.length - 1] = kMark;
    row.ask(row.length - 1, row.tokens[mark + 1], {mark + 1});
  }
};

// ".a..c.?..#..?": a letter replaces what is stored, "#" clears it; "?" is answered by the letter stored, or "#".
class Reset final : public Task {
 public:
  std::string name() const override { return "reset"; }
  std::string symbols() const override { return "abcdefgh.?#"; }

 private:
  static constexpr int32_t kNoise = 8, kAsk = 9, kClear = 10;
  int64_t min_length() const override { return 2; }

  void fill(Rng& rng, const Row& row) const override {
    int64_t last = -1;  // token that decides what is stored
    for (int64_t t = 0; t < row.length; ++t) {
      const double u = rng.uniform();
      row.tokens[t] = t == 0 || u < 0.12 ? letter(rng) : u < 0.18 ? kClear : u < 0.26 ? kAsk : kNoise;
      if (t == row.length - 1) row.tokens[t] = kAsk;
      if (row.tokens[t] < kLetters || row.tokens[t] == kClear) {
        last = t;
      } else if (row.tokens[t] == kAsk) {
        row.ask(t, row.tokens[last], {last}, {last});
      }
    }
  }
};

// "caf!bdah?bgfe=B": "?" is answered by the letter after "!" and "=" by the capital of the letter after "?", whatever
// that is: in every other sequence it is no answer but any letter, so that the second copy is one of what was written.
class TwoHop final : public Task {
 public:
  std::string name() const override { return "two-hop"; }
  std::string symbols() const override { return "abcdefghABCDEFGH!?="; }

 private:
  static constexpr int32_t kMark = 16, kFirst = 17, kSecond = 18;
  int64_t min_length() const override { return 8; }

  void fill(Rng& rng, const Row& row) const override {
    for (int64_t t = 0; t < row.length; ++t) row.tokens[t] = letter(rng);
    const int64_t last = row.length - 1, half = row.length / 2;
    const auto below = [&](int64_t n) { return static_cast<int64_t>(rng.below(static_cast<uint64_t>(n))); };
    const int64_t mark = below(half - 2), first = half + below(last - half - 2);
    row.tokens[mark] = kMark;
    row.tokens[first] = kFirst;
    row.tokens[last] = kSecond;
    if (below(2) == 0) {
      row.tokens[first + 1] = row.tokens[mark + 1];
      row.ask(first, row.tokens[mark + 1], {mark + 1, mark});
    }
    row.ask(last, row.tokens[first + 1] + kLetters, {first + 1, first});
  }
};

}  // namespace

void Task::Row::ask(int64_t position, int32_t answer, std::vector<int64_t> sources,
                    std::vector<int64_t> selectors) const {
  targets[position] = answer;
  mask[position] = 1.0f;
  gold->push_back({0, position, std::move(sources), std::move(selectors)});
}

TaskBatch Task::generate(uint64_t seed, uint64_t first, int64_t sequences, int64_t length) const {
  check(length >= min_length(), ErrorCode::kUsage, "[{}] expected sequences of at least {} tokens, found {}", name(),
        min_length(), length);
  TaskBatch out;
  out.sequences = sequences;
  out.length = length;
  const auto n = static_cast<size_t>(sequences * length);
  out.tokens.assign(n, 0);
  out.targets.assign(n, 0);
  out.mask.assign(n, 0.0f);
  for (int64_t s = 0; s < sequences; ++s) {
    Rng rng(mix64(seed ^ mix64(first + static_cast<uint64_t>(s))), name());
    std::vector<Gold> gold;
    const int64_t at = s * length;
    fill(rng, {out.tokens.data() + at, out.targets.data() + at, out.mask.data() + at, length, &gold});
    for (Gold& g : gold) {
      g.sequence = s;
      out.gold.push_back(std::move(g));
    }
  }
  return out;
}

std::string Task::tokenizer_json() const {
  Json vocab = Json::object();
  for (size_t i = 0; i < symbols().size(); ++i) vocab.set(std::string(1, symbols()[i]), i);
  const Json level = Json::object()
                         .set("type", "ByteLevel")
                         .set("add_prefix_space", false)
                         .set("trim_offsets", true)
                         .set("use_regex", false);
  Json json = Json::object();
  json.set("version", "1.0").set("truncation", nullptr).set("padding", nullptr).set("added_tokens", Json::array());
  json.set("normalizer", nullptr).set("pre_tokenizer", level).set("post_processor", nullptr).set("decoder", level);
  json.set("model", Json::object().set("type", "BPE").set("vocab", vocab).set("merges", Json::array()));
  return to_string(json, {.indent = 2}) + "\n";
}

std::vector<std::string> task_names() { return {"selective-copy", "induction", "reset", "two-hop"}; }

std::unique_ptr<Task> make_task(const std::string& name) {
  if (name == "selective-copy") return std::make_unique<SelectiveCopy>();
  if (name == "induction") return std::make_unique<Induction>();
  if (name == "reset") return std::make_unique<Reset>();
  if (name == "two-hop") return std::make_unique<TwoHop>();
  fail(ErrorCode::kUsage, "[task] expected one of {}, found \"{}\"", fmt::join(task_names(), ", "), name);
}

TaskScore task_score(const Model& model, const Task& task, int64_t length, int64_t sequences) {
  constexpr uint64_t kTestSeed = 0x7e57;  // mixed with the sequence number: another list than any training seed's
  const TaskBatch batch = task.generate(kTestSeed, 0, sequences, length);
  Runner runner(model);
  TaskScore out{0, std::ssize(batch.gold)};
  const int64_t vocab = model.arch().sizes().vocab_size;
  for (int64_t s = 0; s < sequences; ++s) {
    SequenceState state;
    const std::span<const int32_t> row(batch.tokens.data() + s * length, static_cast<size_t>(length));
    runner.logits(row, state, [&](int64_t first, int64_t count, const float* logits) {
      for (int64_t t = 0; t < count; ++t) {
        const auto at = static_cast<size_t>(s * length + first + t);
        if (batch.mask[at] == 0) continue;
        const float* best = std::max_element(logits + t * vocab, logits + (t + 1) * vocab);
        out.right += best - (logits + t * vocab) == batch.targets[at];
      }
    });
  }
  return out;
}

TaskSource::TaskSource(std::unique_ptr<Task> task, const TrainOptions& o)
    : task_(std::move(task)),
      seed_(o.seed),
      sequences_(o.sequences),
      accumulation_(o.accumulation),
      length_(o.length) {}

Batch TaskSource::batch(int64_t step, int64_t micro) const {
  const auto first = static_cast<uint64_t>((step * accumulation_ + micro) * sequences_);
  TaskBatch t = task_->generate(seed_, first, sequences_, length_);
  Batch out;
  out.tokens = std::move(t.tokens);
  out.targets = std::move(t.targets);
  out.mask = std::move(t.mask);
  out.fresh.assign(static_cast<size_t>(sequences_), 1);
  return out;
}

uint64_t TaskSource::hash() const { return xxh64(task_->name() + ":1"); }

}  // namespace hindscan
