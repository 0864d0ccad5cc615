// The counterfactual scan beside the edits really run: skill (1 - squared error / squared effect, 0 where one says
// "nothing happens") and rank correlation by distance to the target, and its cost in forward passes of the same text.
//   bench_counterfactual [MODEL] --file BOOK [--tokens 400] [--texts 5] [--kind remove|replace] [--edits 80]
//                        [--window 4] [--tail 4] [--cost TOKENS]
//   bench_counterfactual MODEL --task NAME [--texts 12] [--tokens 64] [--kind remove|replace]: every token of a
//   generated
//                        text; any symbol stands in for it
// Edits whose window meets the target are exact and left out. Replacements are drawn from what the model expects there.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <map>
#include <optional>

#include "base/rng.h"
#include "eval/rank.h"
#include "explain/counterfactual_scan.h"
#include "explain/plausible_tokens.h"
#include "explain/run_edits.h"
#include "explain/target.h"
#include "io/text_file.h"
#include "model/encode_text.h"
#include "train/tasks.h"

namespace hindscan::bench {
namespace {

struct Options {
  std::string model = kBuiltInModel, file, task;
  int64_t tokens = 400, texts = 5, edits = 80, cost = 0;
  ScanReach reach;
  EditKind kind = EditKind::kRemove;
};

struct Bin {
  std::vector<double> predicted, linear, measured;
};

double skill(const std::vector<double>& predicted, const std::vector<double>& measured) {
  double error = 0, all = 0;
  for (size_t i = 0; i < measured.size(); ++i) {
    error += (predicted[i] - measured[i]) * (predicted[i] - measured[i]);
    all += measured[i] * measured[i];
  }
  return 1 - error / all;
}

int bin_of(int64_t distance) {
  return distance <= 8 ? 0 : distance <= 16 ? 1 : distance <= 48 ? 2 : distance <= 159 ? 3 : 4;
}
const char* bin_name(int bin) {
  constexpr const char* names[] = {"1-8", "9-16", "17-48", "49-159", "160-"};
  return names[bin];
}

double since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TargetReport target_of(const Model& model, const ExplainRequest& r) {
  ExplainRequest plain = r;
  plain.methods = parse_methods("row");
  return explain(model, plain).target;
}

std::vector<Edit> edits_of_all(const Model& model, const ExplainRequest& r, const Options& o, Rng& rng) {
  const auto vocab = static_cast<uint64_t>(model.arch().head().rows());
  std::vector<Edit> edits;
  for (size_t t = 0; t + 1 < r.tokens.size(); ++t) {
    const auto other = (static_cast<uint64_t>(r.tokens[t]) + 1 + rng.below(vocab - 1)) % vocab;
    edits.push_back({o.kind, static_cast<int64_t>(t), static_cast<int32_t>(other)});
  }
  return edits;
}

std::vector<Edit> edits_by_distance(const Model& model, const ExplainRequest& r, const Options& o, Rng& rng) {
  const int64_t T = std::ssize(r.tokens);
  std::optional<PlausibleTokens> plausible;
  if (o.kind == EditKind::kReplace) plausible.emplace(model, r.tokens);
  std::vector<Edit> edits;
  for (int64_t i = 0; i < o.edits; ++i) {
    const int64_t distance =
        std::clamp<int64_t>(std::llround(std::exp(rng.uniform() * std::log(static_cast<double>(T - 1)))),
                            o.reach.window + o.reach.tail, T - 1);
    Edit e{o.kind, T - 1 - distance, 0};
    if (plausible && e.position > 0) e.replacement = plausible->draw(e.position, rng);
    if (o.kind == EditKind::kRemove || e.position > 0) edits.push_back(e);
  }
  return edits;
}

void measure_text(const Model& model, const ExplainRequest& r, const Options& o, Rng& rng, std::map<int, Bin>& bins) {
  const int64_t T = std::ssize(r.tokens);
  const TargetReport target = target_of(model, r);
  const std::vector<Edit> edits = o.task.empty() ? edits_by_distance(model, r, o, rng) : edits_of_all(model, r, o, rng);
  const std::vector<double> truth = run_edits(model, r, target, edits);
  const std::vector<ScanResponse> scan = scan_edits(model, r, target, edits, o.reach);
  for (size_t i = 0; i < edits.size(); ++i) {
    if (scan[i].exact) continue;
    Bin& bin = bins[bin_of(T - 1 - edits[i].position)];
    bin.predicted.push_back(scan[i].change);
    bin.linear.push_back(scan[i].middle);
    bin.measured.push_back(truth[i]);
  }
}

void print(const std::map<int, Bin>& bins) {
  fmt::print("{:>8} {:>6} {:>9} {:>9} {:>12}\n", "distance", "edits", "skill", "spearman", "middle alone");
  for (const auto& [bin, b] : bins)
    fmt::print("{:>8} {:>6} {:>9.4f} {:>9.4f} {:>12.4f}\n", bin_name(bin), b.measured.size(),
               skill(b.predicted, b.measured), spearman(b.predicted, b.measured).value_or(NAN),
               skill(b.linear, b.measured));
}

void print_cost(const Model& model, ExplainRequest r, const Options& o) {
  r.tokens.resize(static_cast<size_t>(o.cost));
  const TargetReport target = target_of(model, r);
  std::vector<Edit> edits;
  for (int64_t t = 0; t + 1 < o.cost; ++t) edits.push_back({EditKind::kRemove, t, 0});
  double forward = 1e30, scored = 1e30, scan = 1e30;
  std::vector<ScanResponse> responses;
  std::vector<double> log_probs(r.tokens.size());
  for (int i = 0; i < 3; ++i) {
    auto start = std::chrono::steady_clock::now();
    SequenceState state = model.initial_state();
    const RunSequence all{r.tokens, &state};
    Runner(model).feed({&all, 1});
    forward = std::min(forward, since(start));
    state = model.initial_state();
    start = std::chrono::steady_clock::now();
    Runner(model).score(r.tokens, state, log_probs);
    scored = std::min(scored, since(start));
    start = std::chrono::steady_clock::now();
    responses = scan_edits(model, r, target, edits, o.reach);
    scan = std::min(scan, since(start));
  }
  fmt::print("{} tokens, all removed one by one: {:.3f} s\n", o.cost, scan);
  fmt::print("  {:.1f} passes with the logits of every token ({:.3f} s), {:.1f} without ({:.3f} s)\n", scan / scored,
             scored, scan / forward, forward);
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (!key.starts_with("--")) {
      o.model = key;
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    const int64_t number = std::atoll(value.c_str());
    if (key == "--file") o.file = value;
    if (key == "--task") o.task = value;
    if (key == "--tokens") o.tokens = number;
    if (key == "--texts") o.texts = number;
    if (key == "--edits") o.edits = number;
    if (key == "--cost") o.cost = number;
    if (key == "--window") o.reach.window = number;
    if (key == "--tail") o.reach.tail = number;
    if (key == "--kind" && value == "replace") o.kind = EditKind::kReplace;
  }
  return o;
}

}  // namespace

// The last question of each text.
static std::vector<ExplainRequest> texts_of_task(const Options& o) {
  constexpr uint64_t kHeldOutSeed = 20261122;  // not a seed of training
  const TaskBatch batch = make_task(o.task)->generate(kHeldOutSeed, 0, o.texts, o.tokens);
  std::vector<ExplainRequest> out(static_cast<size_t>(o.texts));
  for (const Gold& gold : batch.gold) {
    ExplainRequest& r = out[static_cast<size_t>(gold.sequence)];
    const int32_t* row = batch.tokens.data() + gold.sequence * batch.length;
    r.tokens.assign(row, row + gold.position + 1);
    r.target_id = batch.targets[static_cast<size_t>(gold.sequence * batch.length + gold.position)];
  }
  return out;
}

static void measure_task(const Model& model, const Options& o) {
  Rng rng(1, "counterfactual");
  std::map<int, Bin> bins;
  for (const ExplainRequest& r : texts_of_task(o)) measure_text(model, r, o, rng, bins);
  fmt::print("{}: {} texts of {}, {}, window {}, tail {}\n", model.name(), o.texts, o.task, edit_name(o.kind),
             o.reach.window, o.reach.tail);
  print(bins);
}

static int run(int argc, char** argv) {
  const Options o = parse(argc, argv);
  const Model model = Model::load(o.model);
  if (!o.task.empty()) {
    measure_task(model, o);
    return 0;
  }
  const std::vector<int32_t> book = encode_text(model, read_text_file(o.file, uint64_t{1} << 30), kInsideText);
  Rng rng(1, "counterfactual");
  ExplainRequest r;
  if (o.cost > 0) {
    r.tokens = book;
    print_cost(model, r, o);
    return 0;
  }
  std::map<int, Bin> bins;
  for (int64_t i = 0; i < o.texts; ++i) {
    const auto at = static_cast<std::ptrdiff_t>(rng.below(static_cast<uint64_t>(std::ssize(book) - o.tokens)));
    r.tokens.assign(book.begin() + at, book.begin() + at + o.tokens);
    measure_text(model, r, o, rng, bins);
  }
  fmt::print("{}: {} texts of {} tokens, {}, window {}, tail {}\n", model.name(), o.texts, o.tokens, edit_name(o.kind),
             o.reach.window, o.reach.tail);
  print(bins);
  return 0;
}

}  // namespace hindscan::bench

int main(int argc, char** argv) {
  try {
    return hindscan::bench::run(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench_counterfactual: {}\n", e.what());
    return 70;
  }
}
