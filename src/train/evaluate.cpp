#include "train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/signals.h"
#include "train/data.h"
#include "train/source.h"

namespace hindscan {

HeldOutSet::HeldOutSet(std::string_view text, const Model& model) {
  const TextEncoder encoder = make_encoder(model);
  for (std::string_view document : split_documents(text)) {
    documents_.push_back(encoder.encode(document));
    tokens_ += static_cast<int64_t>(documents_.back().size());
  }
  log_unknown(encoder);
  check(tokens_ > 0, ErrorCode::kData, "[held-out text] expected text, found none");
}

HeldOut HeldOutSet::evaluate(const Model& model, int64_t max_tokens, ProgressSink* progress) const {
  const double part =
      max_tokens <= 0 ? 1.0 : std::min(1.0, static_cast<double>(max_tokens) / static_cast<double>(tokens_));
  HeldOut out;
  RunningMean nats;
  ProgressTask task(progress, "held-out loss", "tokens", static_cast<uint64_t>(part * static_cast<double>(tokens_)));
  Runner runner(model);
  uint64_t done = 0;
  runner.on_chunk = [&](int64_t in_document) {
    throw_if_stopped();
    task.set(done + static_cast<uint64_t>(in_document));
  };
  for (const std::vector<int32_t>& document : documents_) {
    const auto count = static_cast<size_t>(std::ceil(part * static_cast<double>(document.size())));
    const std::span<const int32_t> tokens(document.data(), count);
    SequenceState state;
    std::vector<double> log_probs(count);
    runner.score(tokens, state, log_probs);
    // Nothing comes before the first token: it costs the log of the vocabulary's size. One that the tokenizer sets
    // before every text is no part of it.
    const bool given = model.tokenizer().is_special(tokens[0]);
    log_probs[0] = -std::log(static_cast<double>(model.arch().sizes().vocab_size));
    for (size_t t = given ? 1 : 0; t < count; ++t) nats.add(-log_probs[t]);
    for (int32_t id : tokens) {
      const bool special = model.tokenizer().is_special(id);
      out.bytes += special ? 0 : static_cast<int64_t>(model.tokenizer().token_bytes(id).size());
    }
    out.tokens += static_cast<int64_t>(count) - given;
    done += count;
  }
  out.nats_per_token = nats.mean();
  out.interval = nats.interval();
  out.bits_per_byte =
      nats.mean() * static_cast<double>(out.tokens) / std::numbers::ln2 / static_cast<double>(out.bytes);
  return out;
}

}  // namespace hindscan
