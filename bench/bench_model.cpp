// Whole models with random weights: prefill, decode and explanation, beside the machine's limits of the same run.
//   bench_model
#include <fmt/format.h>

#include "base/rng.h"
#include "explain/report.h"
#include "kernels/gemm.h"
#include "machine.h"
#include "model/model.h"

namespace hindscan::bench {
namespace {

Model random_model(int64_t d_model, int64_t n_layer, int64_t vocab) {
  Config config;
  config.set("model_type", std::string("mamba"));
  config.set("hidden_size", d_model);
  config.set("num_hidden_layers", n_layer);
  config.set("vocab_size", vocab);
  return Model::create(config, DType::kF32, 1);
}

std::vector<int32_t> random_tokens(int64_t n, int64_t vocab) {
  Rng rng(2);
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  for (int32_t& t : tokens) t = static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocab)));
  return tokens;
}

// Logits of the last token. The limit: all products at the multiply-add peak, nothing else.
void bench_prefill(const Model& model, const Machine& machine, int64_t T) {
  const std::vector<int32_t> tokens = random_tokens(T, model.arch().sizes().vocab_size);
  Runner runner(model);
  const double seconds = best_seconds(
      [&] {
        SequenceState state;
        runner.step(tokens, state);
      },
      3.0, 10);
  const double head = 2.0 * static_cast<double>(model.arch().head().size());
  const double flops = (static_cast<double>(model.arch().flops_per_token()) - head) * static_cast<double>(T) + head;
  fmt::print("prefill {:5} tokens  {:7.1f} tok/s  {} of the f32 peak\n", T, static_cast<double>(T) / seconds,
             percent_of(1e-9 * flops / seconds, machine.f32_gflops));
}

// One token after another. The limit: reading every weight once per token.
void bench_decode(const Model& model) {
  constexpr int kTokens = 32;
  const std::vector<int32_t> tokens = random_tokens(kTokens, model.arch().sizes().vocab_size);
  Runner runner(model);
  SequenceState state;
  const double seconds = best_seconds(
      [&] {
        for (int32_t t : tokens) runner.step({&t, 1}, state);
      },
      3.0, 10);
  const double gigabytes = static_cast<double>(model.weights().bytes()) * kTokens / seconds * 1e-9;
  fmt::print("decode                {:7.1f} tok/s  {:5.1f} GB/s of weights, {} of the read bandwidth\n",
             kTokens / seconds, gigabytes, percent_of_read(gigabytes));
}

void bench_explain(const Model& model, int64_t T) {
  ExplainRequest request;
  request.tokens = random_tokens(T, model.arch().sizes().vocab_size);
  request.causal_edits = 0;
  for (const char* method : {"row", "rollout", "gradient-x-input", "frozen"}) {
    request.methods = parse_methods(method);
    const double seconds = best_seconds([&] { explain(model, request); }, 0, 3);
    fmt::print("explain {:5} tokens  {:7.1f} tok/s  {}\n", T, static_cast<double>(T) / seconds, method);
  }
}

void run() {
  const Machine machine = measure_machine();
  fmt::print("products: {}\n", kernels::gemm_isa());
  const Model model = random_model(768, 24, 50280);
  fmt::print("mamba-130m shape, random weights, f32, {:.1f} M parameters\n",
             static_cast<double>(model.weights().parameters()) * 1e-6);
  bench_prefill(model, machine, 512);
  bench_decode(model);
  bench_explain(model, 512);
}

}  // namespace
}  // namespace hindscan::bench

int main() { return hindscan::bench::run_main("bench_model", hindscan::bench::run); }
