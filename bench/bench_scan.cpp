// The element recurrence (Mamba-1) in the shape of mamba-130m, beside the machine's peaks of the same run.
//   bench_scan
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "kernels/glr/element.h"
#include "machine.h"

namespace hindscan::bench {
namespace {

using namespace kernels::glr;

// One layer's data; every layer has its own, so that no cache holds them from one call to the next.
struct Layer {
  ElementDims dims;
  std::vector<float> dt, x, y, dy, grad;  // [T, D]
  std::vector<float> A, S, dS, dA;        // [D, N]
  std::vector<float> B, C, dB, dC;        // [T, N]

  explicit Layer(const ElementDims& s) : dims(s) {
    const size_t td = static_cast<size_t>(s.T * s.D), dn = static_cast<size_t>(s.D * s.N),
                 tn = static_cast<size_t>(s.T * s.N);
    Rng rng(1);
    const auto random = [&](size_t n) {
      std::vector<float> v(n);
      for (float& value : v) value = static_cast<float>(rng.uniform()) - 0.5f;
      return v;
    };
    dt = random(td), x = random(td), dy = random(td), y = grad = std::vector<float>(td);
    for (float& v : dt) v = 1e-3f * std::pow(100.0f, v + 0.5f);
    A.resize(dn), S = random(dn), dS = dA = std::vector<float>(dn);
    for (size_t i = 0; i < dn; ++i) A[i] = -static_cast<float>(i % static_cast<size_t>(s.N) + 1);
    B = random(tn), C = random(tn), dB = dC = std::vector<float>(tn);
  }
  ElementCoeffs<float> coeffs() const { return {dt.data(), A.data(), B.data(), C.data()}; }

  void forward() { element_forward(dims, coeffs(), x.data(), S.data(), y.data()); }
  void backward() {
    std::fill(dS.begin(), dS.end(), 0.0f);
    element_backward(dims, coeffs(), x.data(), S.data(), dy.data(),
                     {grad.data(), y.data(), y.data(), dA.data(), dB.data(), dC.data(), dS.data()});
  }
  void value_adjoint() { element_value_adjoint(dims, coeffs(), dy.data(), dS.data(), grad.data()); }
  void row_times_mean() {
    std::fill(dS.begin(), dS.end(), 0.0f);
    element_row_times_mean(dims, coeffs(), dy.data(), dS.data(), y.data());
  }
  void residual() {
    std::vector<double> out(static_cast<size_t>(dims.T));
    element_forward_residual(dims, coeffs(), x.data(), nullptr, y.data(), out.data());
  }
};

// Multiply-add slots per state update: two for the range of exp, seven for its polynomial and scale, and the
// recurrence.
constexpr double kForwardSlots = 13;

void bench_layers(const char* name, std::vector<Layer>& layers, const Machine& machine,
                  const std::function<void(Layer&)>& step, double slots = 0) {
  const ElementDims& s = layers[0].dims;
  const double tokens = static_cast<double>(s.T);
  const double seconds = best_seconds([&] {
    for (Layer& layer : layers) step(layer);
  });
  const double updates = tokens * static_cast<double>(s.D * s.N) * static_cast<double>(layers.size()) / seconds;
  fmt::print("{:16} T {:4} D {:4} N {:2}  {:7.3f} ms per token for {} layers, {:5.2f} G state updates/s", name, s.T,
             s.D, s.N, 1e3 * seconds / tokens, layers.size(), updates * 1e-9);
  if (slots > 0) fmt::print(", {} of the multiply-add slots", percent_of(updates * slots * 2e-9, machine.f32_gflops));
  fmt::print("\n");
}

void bench_shape(const ElementDims& dims, size_t count, const Machine& machine) {
  std::vector<Layer> layers(count, Layer(dims));
  bench_layers(
      "forward", layers, machine, [](Layer& l) { l.forward(); }, kForwardSlots);
  if (dims.T == 1) return;
  bench_layers("backward", layers, machine, [](Layer& l) { l.backward(); });
  bench_layers(
      "value adjoint", layers, machine, [](Layer& l) { l.value_adjoint(); }, kForwardSlots);
  bench_layers(
      "row times mean", layers, machine, [](Layer& l) { l.row_times_mean(); }, kForwardSlots);
  bench_layers("residual, f64", layers, machine, [](Layer& l) { l.residual(); });
}

// Maps of one layer: every entry is a sum over all channels and states.
void bench_maps(int64_t T) {
  const Layer layer({T, 1536, 16});
  std::vector<float> tile(static_cast<size_t>(T * T)), upper(128 * 128), lower(upper.size());
  for (const auto& [name, map] : {std::pair{"mean", ElementMap::kMean}, {"mean |.|", ElementMap::kMeanAbs}}) {
    const double seconds = best_seconds(
        [&, kind = map] {
          element_tile(layer.dims, layer.coeffs(), kind, 0, {0, T}, {0, T}, {}, tile.data());
        },
        0.4, 5);
    fmt::print("map, {:9} {} x {} tokens: {:.3f} s\n", name, T, T, seconds);
  }
  std::vector<int64_t> edges;
  for (int64_t k = 0; k <= 128; ++k) edges.push_back(T * k / 128);
  const double sums =
      best_seconds([&] { element_block_sums(layer.dims, layer.coeffs(), -1, edges.data(), 128, lower.data()); });
  const double bounds = best_seconds([&] {
    element_block_bounds(layer.dims, layer.coeffs(), ElementMap::kMeanAbs, edges.data(), 128, lower.data(),
                         upper.data());
  });
  fmt::print("128 x 128 block sums of it: {:.1f} ms, bounds of the sums of |.|: {:.1f} ms\n", 1e3 * sums, 1e3 * bounds);
}

void run() {
  const Machine machine = measure_machine();
  fmt::print("scan: {}\n", element_isa());
  bench_shape({512, 1536, 16}, 24, machine);  // mamba-130m, prefill
  bench_shape({1, 1536, 16}, 24, machine);    // and one step
  bench_shape({512, 512, 16}, 8, machine);    // training of the built-in model
  bench_maps(1024);
}

}  // namespace
}  // namespace hindscan::bench

int main() { return hindscan::bench::run_main("bench_scan", hindscan::bench::run); }
