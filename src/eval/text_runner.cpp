#include "eval/text_runner.h"

#include <algorithm>
#include <cmath>

#include "base/signals.h"

namespace hindscan {

TextRunner::TextRunner(const Model& model, std::span<const int32_t> tokens, const TargetReport& target, int64_t most)
    : model_(model), target_(target), most_(most), runner_(model, most) {
  const std::vector<int32_t> whole(tokens.begin(), tokens.end());
  unedited_ = values({&whole, 1})[0];
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

void TextRunner::run(std::span<const std::vector<int32_t>> texts, std::vector<Outcome>& out) {
  throw_if_stopped();
  std::vector<SequenceState> states(texts.size(), model_.initial_state());
  std::vector<RunSequence> sequences;
  for (size_t i = 0; i < texts.size(); ++i) sequences.push_back({texts[i], &states[i]});
  texts_run_ += std::ssize(texts);
  const std::span<const float> logits = runner_.step(sequences);
  const int64_t V = model_.arch().head().rows();
  for (int64_t i = 0; i < std::ssize(texts); ++i) out.push_back(outcome(logits.data() + i * V));
}

std::vector<Outcome> TextRunner::values(std::span<const std::vector<int32_t>> texts) {
  constexpr int64_t kMostLogits = int64_t{1} << 24;
  std::vector<Outcome> out;
  int64_t tokens = 0;
  for (size_t first = 0, i = 0; i < texts.size(); ++i) {
    tokens += std::ssize(texts[i]);
    const auto count = static_cast<int64_t>(i + 1 - first);
    const bool full = tokens >= most_ || count * model_.arch().head().rows() >= kMostLogits;
    if (!full && i + 1 < texts.size()) continue;
    run(texts.subspan(first, static_cast<size_t>(count)), out);
    first = i + 1;
    tokens = 0;
  }
  return out;
}

}  // namespace hindscan
