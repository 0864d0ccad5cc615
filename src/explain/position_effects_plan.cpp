#include "explain/position_effects_plan.h"

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "base/memory.h"
#include "base/progress.h"
#include "explain/asked_runs.h"
#include "explain/cost_fit.h"
#include "explain/pass_probe.h"
#include "explain/removals.h"
#include "explain/token_text.h"
#include "explain/walk_plan.h"
#include "model/pass_cost.h"

namespace hindscan {

namespace {

constexpr int64_t kPass = 512;    // tokens
constexpr int64_t kTexts = 64;    // edited texts at once, where memory allows
constexpr int64_t kSample = 128;  // tokens that are timed

void check_model(const Model& model) {
  const ArchitectureSizes sizes = model.arch().sizes();
  check(sizes.feature_dim == 0, ErrorCode::kData,
        "[effects] expected a model that reads tokens, found one that reads vectors, which have no gap where one is "
        "taken out; 'hindscan explain' splits its answer over them");
  check(sizes.labels == 0, ErrorCode::kData,
        "[effects] expected a language model, found one that judges whole texts: it has one answer, not one at every "
        "position; 'hindscan explain' says what each word does to that answer");
}

// Tokens of the text itself, for what it goes on with and for what it asks, once more for the states in front of the
// pieces, and of every edited text.
int64_t tokens_read(int64_t tokens, const std::vector<Piece>& pieces) {
  int64_t all = 2 * tokens + pieces.back().first;
  for (const Piece& p : pieces) all += tokens - p.last + (p.first > 0 ? 1 : 0);
  return all;
}

// Seconds of a token early in the text, its question included.
double token_seconds(const Model& model, const EffectsRequest& r, int64_t pass) {
  const auto n = std::min(kSample, std::ssize(r.tokens));
  const std::vector<int32_t> some(r.tokens.begin(), r.tokens.begin() + n);
  PassRoom room;
  const double seconds = seconds_of([&] {
    AskedRun run{{some, model.initial_state()}, some};
    ask(model, {&run, 1}, pass, room);
  });
  return seconds / static_cast<double>(n);
}

// How much longer a token takes on average where attention reads all tokens before it.
double with_attention(const Model& model, const EffectsRequest& r, const PassProbe& probe) {
  const double before = r.state_in == nullptr ? 0 : static_cast<double>(r.state_in->tokens);
  const double pairs = before + static_cast<double>(r.tokens.size()) * 2 / 3;
  return 1 + pairs * probe.pair_flops / static_cast<double>(model.arch().flops_per_token());
}

int64_t logit_bytes(const Model& model, int64_t tokens) {
  return tokens * model.arch().head().rows() * static_cast<int64_t>(dtype_size(model.compute()));
}

void plan_memory(const Model& model, const EffectsRequest& r, const PassProbe& probe, EffectsPlan& plan) {
  const int64_t T = std::ssize(r.tokens), n = std::ssize(plan.pieces);
  const int64_t end = T + (r.state_in == nullptr ? 0 : r.state_in->tokens);
  const int64_t state = std::max<int64_t>(probe.state_bytes(end) + probe.cached() * end, 1);
  plan.pass = logit_rows(model, kPass);
  const int64_t result = 8 * n * n + T * static_cast<int64_t>(sizeof(TokenReport) + 3 * sizeof(Piece));
  const int64_t fixed =
      result + running_cost(model, r.tokens).of(plan.pass) + logit_bytes(model, plan.pass) + 3 * state;
  // Each text starts from a state and asks from another one; attention lines up its keys and values once more.
  const int64_t each = 4 * state;
  plan.texts = std::clamp((memory_within(r.mem_limit) - fixed) / each, int64_t{1}, std::min(n, kTexts));
  plan.estimate.bytes = fixed + each * plan.texts;
}

}  // namespace

EffectsPlan plan_effects(const Model& model, const EffectsRequest& r) {
  check_model(model);
  check_reading(model, "effects", r.tokens, {});
  check(r.max_tokens > 0, ErrorCode::kUsage, "[effects] expected a limit of 1 token or more, found {}", r.max_tokens);
  EffectsPlan plan;
  for (const int32_t id : r.tokens) plan.tokens.push_back(token_report(model, id));
  plan.by = r.by.value_or(readable_pieces(plan.tokens));
  plan.pieces = pieces_of(plan.tokens, set_in_front(model, r.tokens), std::ssize(plan.tokens), plan.by);
  check(plan.pieces.size() > 1, ErrorCode::kUsage,
        "[effects] expected at least two {0}s, one of them before what is asked for, found {1}; use a longer text{2}",
        piece_by_name(plan.by), plan.pieces.size(), plan.by == PieceBy::kToken ? "" : " or smaller pieces");
  WalkPlan reading;
  reading.tokens = r.tokens;
  const PassProbe probe = probe_pass(model, reading);
  plan_memory(model, r, probe, plan);
  EffectsEstimate& e = plan.estimate;
  e.tokens = std::ssize(r.tokens);
  e.pieces = std::ssize(plan.pieces);
  e.by = plan.by;
  e.read = tokens_read(e.tokens, plan.pieces);
  e.seconds = static_cast<double>(e.read) * token_seconds(model, r, plan.pass) * with_attention(model, r, probe);
  return plan;
}

void check_affordable(const EffectsRequest& r, const EffectsPlan& plan) {
  const EffectsEstimate& e = plan.estimate;
  check(e.tokens <= r.max_tokens, ErrorCode::kResource,
        "[effects] expected at most {}, found {}; use a shorter text, or raise the limit of tokens",
        counted(r.max_tokens, "token"), to_text(e));
  const int64_t limit = memory_within(r.mem_limit);
  check(e.bytes <= limit, ErrorCode::kResource,
        "[effects] expected at most {} MiB, found {}; use a shorter text, or allow more memory", limit >> 20,
        to_text(e));
}

std::string to_text(const EffectsEstimate& e) {
  return fmt::format("{}, read again without each of {}: {} tokens to read in all, about {} and {} MiB",
                     counted(e.tokens, "token"), counted(e.pieces, piece_by_name(e.by)),
                     format_count(static_cast<double>(e.read)), format_duration(std::ceil(e.seconds)),
                     (e.bytes >> 20) + 1);
}

}  // namespace hindscan
