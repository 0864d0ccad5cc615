// Table of acceptance 4: how well each method finds gold sources, predicts token edits and sees resets.
//   bench_gold [MODEL_DIR TASK [examples] [length]]    without arguments: the three gold models of the repository
#include <fmt/format.h>
#include <hindscan_paths.h>

#include <cstdlib>
#include <exception>

#include "base/error.h"
#include "eval/gold.h"
#include "train/tasks.h"

namespace hindscan {

// Resets are the tokens that clear: selectors that are not letters of the answer's alphabet.
static std::vector<GoldExample> gold_examples(const Task& task, int64_t count, int64_t length) {
  constexpr uint64_t kHeldOutSeed = 20261122;  // not a seed of training
  const TaskBatch batch = task.generate(kHeldOutSeed, 0, count, length);
  std::vector<GoldExample> out;
  int64_t last_sequence = -1;
  for (size_t i = batch.gold.size(); i-- > 0;) {  // the last question of each sequence
    const Gold& gold = batch.gold[i];
    if (gold.sequence == last_sequence) continue;
    last_sequence = gold.sequence;
    const int32_t* row = batch.tokens.data() + gold.sequence * batch.length;
    GoldExample e;
    e.tokens.assign(row, row + gold.position + 1);
    e.position = gold.position;
    e.answer = batch.targets[static_cast<size_t>(gold.sequence * batch.length + gold.position)];
    e.sources = gold.sources;
    for (int64_t s : gold.selectors) {
      if (task.symbols()[static_cast<size_t>(row[s])] == '#') e.resets.push_back(s);
    }
    out.push_back(std::move(e));
  }
  return out;
}

static std::string number(const std::optional<double>& v) { return v ? fmt::format("{:6.3f}", *v) : "     -"; }

static void print_table(const std::string& model, const Task& task, const GoldTable& table) {
  fmt::print("model {}  task {}  examples {}  accuracy {:.3f}  max_residual {:.1e}  frozen conserves within {:.1e}\n",
             model, task.name(), table.examples, table.accuracy, table.max_residual, table.max_conservation);
  fmt::print("{:18} {:>6} {:>6} {:>8} {:>6} {:>9} {:>7}\n", "method", "AUC", "AP", "spearman", "sign", "reset AUC",
             "resets");
  for (const GoldRow& r : table.rows) {
    fmt::print("{:18} {} {}   {} {}    {} {:7}  {}\n", r.name, number(r.auc), number(r.average_precision),
               number(r.spearman), number(r.sign_agreement), number(r.reset_auc), r.reset_examples, r.label);
  }
}

static void run_one(const std::string& directory, const std::string& name, int64_t count, int64_t length) {
  const Model model = Model::load(directory);
  const auto task = make_task(name);
  print_table(directory, *task, gold_table(model, gold_examples(*task, count, length), {}));
}

static int run(int argc, char** argv) {
  if (argc == 1) {
    for (const char* name : {"selective-copy", "induction", "reset"}) {
      run_one(std::string(HINDSCAN_SOURCE_DIR) + "/models/gold/" + name, name, 30, 64);
    }
    return 0;
  }
  if (argc == 2) {
    fmt::print(stderr, "usage: {} [MODEL_DIR TASK [examples] [length]]\n", argv[0]);
    return 2;
  }
  run_one(argv[1], argv[2], argc > 3 ? std::atoll(argv[3]) : 100, argc > 4 ? std::atoll(argv[4]) : 64);
  return 0;
}

}  // namespace hindscan

int main(int argc, char** argv) {
  try {
    return hindscan::run(argc, argv);
  } catch (const hindscan::Error& e) {
    fmt::print(stderr, "{}\n", e.message());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 70;
  }
}
