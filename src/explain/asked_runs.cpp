#include "explain/asked_runs.h"

#include <algorithm>
#include <cmath>

#include "base/signals.h"
#include "core/ops/losses.h"

namespace hindscan {

namespace {

// What a pass reads of one run.
struct Part {
  AskedRun* run;
  int64_t first, count;
};

// The next tokens of the first runs that are not read yet; done: of each.
std::vector<Part> next_parts(std::span<AskedRun> runs, std::vector<int64_t>& done, int64_t most) {
  std::vector<Part> parts;
  for (size_t r = 0; r < runs.size() && most > 0; ++r) {
    const int64_t count = std::min(most, std::ssize(runs[r].text.tokens) - done[r]);
    if (count == 0) continue;
    parts.push_back({&runs[r], done[r], count});
    done[r] += count;
    most -= count;
  }
  return parts;
}

int64_t read(const Model& model, std::span<const Part> parts, PassRoom& room) {
  std::vector<int32_t> asked;  // [rows]
  std::vector<RunSequence> runs;
  for (const Part& p : parts) {
    const auto first = static_cast<size_t>(p.first), count = static_cast<size_t>(p.count);
    const std::span<const int32_t> questions = p.run->asked.subspan(first, count);
    asked.insert(asked.end(), questions.begin(), questions.end());
    runs.push_back({std::span<const int32_t>(p.run->text.tokens).subspan(first, count), &p.run->text.state});
  }
  std::vector<double> nats(asked.size());  // [rows]
  run_pass(model, runs, room,
           [&](Ctx& ctx, Var h) { ops::cross_entropy(ctx, model.arch().logit_head(), h, asked, {}, nats); });
  auto nat = nats.begin();
  for (const Part& p : parts) {
    for (int64_t t = 0; t < p.count; ++t, ++nat) {
      check(std::isfinite(*nat), ErrorCode::kData,
            "[{}] expected a finite log-probability, found {}; the weights or the state are damaged or too large",
            model.arch().logit_head().weight->name, -*nat);
      p.run->log_p[static_cast<size_t>(p.first + t)] = -*nat;
    }
  }
  return std::ssize(asked);
}

}  // namespace

void ask(const Model& model, std::span<AskedRun> runs, int64_t most, PassRoom& room,
         const std::function<void(int64_t)>& on_pass) {
  for (AskedRun& r : runs) {
    check(r.asked.size() == r.text.tokens.size(), ErrorCode::kInternal, "[ask] expected {} questions, found {}",
          r.text.tokens.size(), r.asked.size());
    r.log_p.assign(r.asked.size(), NAN);
  }
  std::vector<int64_t> done(runs.size(), 0);
  for (;;) {
    const std::vector<Part> parts = next_parts(runs, done, most);
    if (parts.empty()) return;
    throw_if_stopped();
    const int64_t rows = read(model, parts, room);
    if (on_pass) on_pass(rows);
  }
}

}  // namespace hindscan
