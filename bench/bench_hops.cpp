// How well the steps back from an answer find what it was copied from: answers that are copies of copies.
//   bench_hops [MODEL_DIR [texts [length]]]    without arguments: the two-hop model of the repository
#include <fmt/format.h>
#include <hindscan_paths.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>

#include "base/error.h"
#include "eval/bootstrap.h"
#include "eval/rank.h"
#include "explain/report.h"
#include "train/tasks.h"

namespace hindscan {
namespace {

// Of one text: how well the sources of the final answer, and of the answer in between, stand before all other tokens.
struct Found {
  double last = 0, between = 0;  // average precision
  bool path = false;             // the answer in between was found, and its letter in the text
};

double precision(const Hop& hop, const std::vector<int64_t>& sources) {
  std::vector<double> sizes;
  std::vector<char> gold;
  for (int64_t t = 0; t <= hop.target.position; ++t) {
    sizes.push_back(std::abs(hop.lost[static_cast<size_t>(t)]));
    gold.push_back(std::find(sources.begin(), sources.end(), t) != sources.end());
  }
  return average_precision(sizes, gold).value_or(0);
}

Found find(const Model& model, const TaskBatch& batch, const Gold& first, const Gold& last) {
  const auto row = batch.tokens.begin() + last.sequence * batch.length;
  ExplainRequest r;
  r.tokens.assign(row, row + last.position + 1);
  r.methods = parse_methods("scan:alternatives=0");
  r.hops = 2;
  const ExplainReport report = explain(model, r);
  Found out{precision(report.hops[0], last.sources), 0, false};
  for (const Hop& hop : report.hops) {
    if (hop.step != 2 || hop.target.position != first.position) continue;
    out.between = precision(hop, first.sources);
    out.path = std::any_of(hop.sources.begin(), hop.sources.end(),
                           [&](const HopSource& s) { return s.token == first.sources[0]; });
  }
  return out;
}

void print(const char* what, const std::vector<Found>& all, double (*figure)(const Found&)) {
  const auto mean = [&](std::span<const size_t> drawn) -> std::optional<double> {
    double sum = 0;
    for (const size_t i : drawn) sum += figure(all[i]);
    return sum / static_cast<double>(drawn.size());
  };
  std::vector<size_t> each(all.size());
  for (size_t i = 0; i < each.size(); ++i) each[i] = i;
  const auto interval = bootstrap_interval(all.size(), 1000, mean);
  fmt::print("{:52} {:.3f}{}\n", what, mean(each).value_or(0),
             interval ? fmt::format(" [{:.3f}, {:.3f}]", interval->low, interval->high) : "");
}

void run(const std::string& directory, int64_t texts, int64_t length) {
  constexpr uint64_t kHeldOutSeed = 20261122;  // not a seed of training
  const Model model = Model::load(directory);
  const auto task = make_task("two-hop");
  const TaskBatch batch = task->generate(kHeldOutSeed, 0, 4 * texts, length);
  std::vector<Found> all;
  // Texts with both questions in which the letter behind a source is another: else it takes its place, and nothing is
  // lost.
  const auto stands_alone = [&](const Gold& g) {
    const auto at = batch.tokens.begin() + g.sequence * length + g.sources[0];
    return at[0] != at[1];
  };
  for (size_t i = 0; i + 1 < batch.gold.size() && std::ssize(all) < texts; ++i) {
    const Gold &first = batch.gold[i], &last = batch.gold[i + 1];
    if (first.sequence == last.sequence && stands_alone(first) && stands_alone(last))
      all.push_back(find(model, batch, first, last));
  }
  fmt::print("model {}  {} texts of {} tokens\n", directory, all.size(), length);
  print("final answer: average precision of its sources", all, [](const Found& f) { return f.last; });
  print("answer in between: average precision of its sources", all, [](const Found& f) { return f.between; });
  print("texts whose whole path was found", all, [](const Found& f) { return f.path ? 1.0 : 0.0; });
}

}  // namespace
}  // namespace hindscan

int main(int argc, char** argv) {
  try {
    hindscan::run(argc > 1 ? argv[1] : std::string(HINDSCAN_SOURCE_DIR) + "/models/gold/two-hop",
                  argc > 2 ? std::atoll(argv[2]) : 200, argc > 3 ? std::atoll(argv[3]) : 64);
    return 0;
  } catch (const hindscan::Error& e) {
    fmt::print(stderr, "{}\n", e.message());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 70;
  }
}
