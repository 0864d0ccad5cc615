#include "train/trainer.h"

#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "core/ops/linear.h"
#include "core/ops/losses.h"
#include "train/schedule.h"

namespace hindscan {

static size_t peak_resident_bytes() {
  rusage usage = {};
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<size_t>(usage.ru_maxrss) * 1024 : 0;
}

Trainer::Trainer(Model model, TrainOptions options, std::unique_ptr<BatchSource> source)
    : model_(std::move(model)),
      options_(std::move(options)),
      source_(std::move(source)),
      grads_(model_.weights(), DType::kF32),
      optimizer_(model_.weights()),
      states_(static_cast<size_t>(options_.streams())) {
  const int64_t vocab = model_.arch().sizes().vocab_size;
  check(source_->vocab_size() <= vocab, ErrorCode::kData,
        "[train] expected token ids below the model's vocabulary of {}, found up to {}; take the model's tokenizer",
        vocab, source_->vocab_size() - 1);
  const bool labelled = model_.arch().sizes().labels > 0;
  check(labelled == source_->labelled(), ErrorCode::kUsage, "[train] expected {}",
        labelled ? "labelled sequences for a classifier; take the task classify and name the file of their labels"
                 : "a classifier for labelled sequences, found a language model");
  if (options_.gemm == DType::kBF16) model_.weights().make_bf16();
}

Input Trainer::input_of(const Batch& batch) {
  Input input;
  input.tokens = batch.tokens;
  input.features = batch.features;
  input.feature_dim = batch.feature_dim;
  input.resets = batch.resets;
  input.cu_seqlens = batch.cu_seqlens;
  if (!input.cu_seqlens.empty()) return input;  // labelled: every sequence starts from zero
  for (int64_t b = 0; b <= options_.sequences; ++b) input.cu_seqlens.push_back(b * options_.length);
  for (size_t b = 0; b < batch.fresh.size(); ++b) {
    SequenceState& state = states_[static_cast<size_t>(first_stream_) + b];
    if (batch.fresh[b]) state.clear();
    input.states.push_back(&state);
  }
  return input;
}

void Trainer::seed_losses(Ctx& ctx, Var h, const Batch& batch, std::span<const float> weight,
                          std::span<double> losses) const {
  const LogitHead head = model_.arch().logit_head();
  if (batch.values.empty()) return ops::cross_entropy(ctx, head, h, batch.targets, weight, losses);
  ops::regression_loss(ctx, ops::linear(ctx, *head.weight, head.bias, h), batch.values, weight, losses);
}

CtxOptions Trainer::pass_options() {
  CtxOptions out;
  out.gemm = options_.gemm;
  out.finite = false;  // a step that overflows is skipped
  out.use(room_);
  return out;
}

// Adds this micro-step's share of the mean loss to the gradients; returns that share.
double Trainer::micro_step(const Batch& batch, double total_weight) {
  const Input input = input_of(batch);
  CtxOptions ctx_options = pass_options();
  ctx_options.record = true;
  ctx_options.recompute = options_.recompute;
  ctx_options.grads = &grads_;
  Ctx ctx(input, ctx_options);
  const Var h = model_.arch().forward(ctx);  // [B*L, d_model], labelled: [B, d_model]

  std::vector<float> weight(batch.mask.size());  // [rows of h], so that the losses' weighted sum is the mean
  for (size_t t = 0; t < weight.size(); ++t) weight[t] = static_cast<float>(batch.mask[t] / total_weight);
  std::vector<double> losses(batch.mask.size());  // [rows of h]
  seed_losses(ctx, h, batch, weight, losses);
  ctx.backward(training_rules());
  ctx.commit();
  tokens_ += input.length();
  double sum = 0;
  for (size_t t = 0; t < losses.size(); ++t) {
    if (batch.mask[t] != 0) sum += losses[t] * batch.mask[t];
  }
  return sum / total_weight;
}

double Trainer::accumulate_gradients() {
  std::vector<Batch> batches;
  double total_weight = 0;
  for (int64_t a = 0; a < options_.accumulation; ++a) {
    batches.push_back(source_->batch(step_, a));
    total_weight += std::accumulate(batches.back().mask.begin(), batches.back().mask.end(), 0.0);
  }
  grads_.zero();
  if (total_weight == 0) total_weight = 1;  // everything masked: loss 0, no gradient
  double loss = 0;
  for (size_t a = 0; a < batches.size(); ++a) {
    first_stream_ = static_cast<int64_t>(a) * options_.sequences;
    loss += micro_step(batches[a], total_weight);
  }
  return loss;
}

std::string Trainer::fault() {
  const std::string weight = find_non_finite(model_.weights());
  if (!weight.empty()) return "weight " + weight;
  const std::vector<SequenceState> before = states_;
  const Batch batch = source_->batch(step_, 0);
  first_stream_ = 0;
  const Input input = input_of(batch);
  Ctx ctx(input, pass_options());
  std::vector<double> losses(batch.mask.size());  // [rows of h]
  seed_losses(ctx, model_.arch().forward(ctx), batch, {}, losses);
  states_ = before;
  for (size_t t = 0; t < losses.size(); ++t) {
    if (batch.mask[t] != 0 && !std::isfinite(losses[t])) return "loss of the next batch";
  }
  return {};
}

StepRecord Trainer::step() {
  const auto start = std::chrono::steady_clock::now();
  StepRecord r;
  const int64_t tokens_before = tokens_;
  r.loss = accumulate_gradients();
  r.grad_norm = AdamWOptimizer::gradient_norm(model_.weights(), grads_);
  r.lr = learning_rate(options_, step_);
  r.skipped = !std::isfinite(r.loss) || !std::isfinite(r.grad_norm);
  if (r.skipped) {
    ++skipped_;
    ++skipped_in_row_;
    for (SequenceState& s : states_) s.clear();  // a state that is not finite would spoil every later step
  } else {
    skipped_in_row_ = 0;
    optimizer_.step(options_, r.lr, r.grad_norm, grads_, model_.weights());
  }
  r.step = ++step_;
  r.tokens = tokens_;
  r.step_tokens = tokens_ - tokens_before;
  r.peak_bytes = peak_resident_bytes();
  r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return r;
}

}  // namespace hindscan
