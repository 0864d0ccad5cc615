#include "eval/text_runner.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "base/signals.h"

namespace hindscan {

namespace {

constexpr int64_t kMostLogits = int64_t{1} << 24;  // of the versions of a pass

int64_t tokens_of(const std::vector<int32_t>& tokens) { return std::ssize(tokens); }

bool before(const Edit& a, const Edit& b) {
  return std::tie(a.position, a.kind, a.replacement) < std::tie(b.position, b.kind, b.replacement);
}

}  // namespace

TextRunner::TextRunner(const Model& model, std::span<const int32_t> tokens, const TargetReport& target, int64_t most)
    : model_(model), tokens_(tokens), target_(target), most_(most), runner_(model, most) {
  unedited_ = values({{{tokens.begin(), tokens.end()}}})[0];
}

Outcome TextRunner::outcome(const float* logits) const {
  const int64_t V = model_.arch().head().rows();
  const double top = static_cast<double>(*std::max_element(logits, logits + V));
  double sum = 0;
  for (int64_t v = 0; v < V; ++v) sum += std::exp(static_cast<double>(logits[v]) - top);
  const double own = static_cast<double>(logits[target_.id]);
  return {target_.contrast_id ? own - static_cast<double>(logits[*target_.contrast_id]) : own,
          own - top - std::log(sum)};
}

bool TextRunner::is_full(const std::vector<Version>& versions, int64_t tokens) const {
  return tokens >= most_ || std::ssize(versions) * model_.arch().head().rows() >= kMostLogits;
}

void TextRunner::run(std::vector<Version>& versions, std::vector<Outcome>& out) {
  if (versions.empty()) return;
  throw_if_stopped();
  std::vector<RunSequence> sequences;
  for (Version& v : versions) sequences.push_back({v.tokens, &v.state});
  texts_run_ += std::ssize(versions);
  const std::span<const float> logits = runner_.step(sequences);
  const int64_t V = model_.arch().head().rows();
  for (int64_t i = 0; i < std::ssize(versions); ++i) out.push_back(outcome(logits.data() + i * V));
  versions.clear();
}

std::vector<Outcome> TextRunner::changes(std::span<const Edit> edits) {
  std::vector<size_t> order(edits.size()), place(edits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return before(edits[a], edits[b]); });
  SequenceState state = model_.initial_state();
  int64_t at = 0, queued = 0, different = 0;
  std::vector<Version> versions;
  std::vector<Outcome> found;
  for (size_t i = 0; i < order.size(); ++i) {
    const Edit& e = edits[order[i]];
    if (i > 0 && !before(edits[order[i - 1]], e)) {  // the same once more
      place[order[i]] = static_cast<size_t>(different - 1);
      continue;
    }
    for (; at < e.position; ++at) {
      const RunSequence next{tokens_.subspan(static_cast<size_t>(at), 1), &state};
      runner_.feed({&next, 1});
    }
    Version v{{}, state};
    if (e.kind == EditKind::kReplace) v.tokens.push_back(e.replacement);
    if (e.kind == EditKind::kRemove) ++v.state.tokens;
    const std::span<const int32_t> rest = tokens_.subspan(static_cast<size_t>(e.position) + 1);
    v.tokens.insert(v.tokens.end(), rest.begin(), rest.end());
    queued += tokens_of(v.tokens);
    versions.push_back(std::move(v));
    place[order[i]] = static_cast<size_t>(different++);
    if (!is_full(versions, queued)) continue;
    run(versions, found);
    queued = 0;
  }
  run(versions, found);
  std::vector<Outcome> out;
  for (const size_t p : place)
    out.push_back({found[p].contrast - unedited_.contrast, found[p].log_p - unedited_.log_p});
  return out;
}

std::vector<Outcome> TextRunner::values(std::span<const std::vector<int32_t>> texts) {
  std::vector<Version> versions;
  std::vector<Outcome> out;
  int64_t queued = 0;
  for (const std::vector<int32_t>& text : texts) {
    versions.push_back({text, model_.initial_state()});
    queued += tokens_of(text);
    if (!is_full(versions, queued)) continue;
    run(versions, out);
    queued = 0;
  }
  run(versions, out);
  return out;
}

}  // namespace hindscan
