// Every structure of the gated linear recurrence: tokens per second of the sequential and the chunked forward pass,
// forward + backward and a row, beside the limits of the same run, and how often the automatic choice of algorithm was
// right.
//   bench_glr [grid [all]]  grid: also a grid of shapes, those where the choice cost more than 5 %, or all of them
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "kernels/glr/channel.h"
#include "kernels/glr/element.h"
#include "kernels/glr/head.h"
#include "machine.h"

namespace hindscan::bench {
namespace {

using namespace kernels::glr;

std::vector<float> random(int64_t n, float scale, float offset = 0.0f) {
  Rng rng(1);
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = scale * (static_cast<float>(rng.uniform()) - 0.5f) + offset;
  return v;
}

enum class Structure { kScalar, kRow, kRank1 };

// One layer's data; coefficients of the size that trained models have.
struct Heads {
  HeadDims d;
  Structure structure;
  std::vector<float> q, k, v, g, s, b, c, S, dy, y, dq, dk, dv, dg, ds, db, dc, dS;

  Heads(const HeadDims& dims, Structure which) : d(dims), structure(which) {
    const int64_t keys = d.T * d.G * d.K, values = d.T * d.H * d.V, rows = d.T * d.H * d.K;
    const float unit = 1.0f / std::sqrt(static_cast<float>(d.K));
    q = random(keys, 2.0f), k = random(keys, 3.4f * unit), v = random(values, 2.0f), dy = random(values, 2.0f);
    g = random(which == Structure::kScalar ? d.T * d.H : rows, 0.5f, -0.26f), s = random(d.T * d.H, 0.5f, 0.5f);
    if (which == Structure::kRank1) c = random(rows, 3.4f * unit), b = c;
    for (float& x : b) x *= -0.5f;
    S = random(d.H * d.K * d.V, 1.0f), dS = S, y = v, dv = v, dq = q, dk = k, dg = g, ds = s, db = b, dc = c;
  }
  HeadCoeffs<float> coeffs() const {
    HeadCoeffs<float> out{q.data(), k.data(), structure == Structure::kScalar ? DecayShape::kScalar : DecayShape::kRow,
                          g.data()};
    if (structure != Structure::kRow) out.s = s.data();
    if (structure == Structure::kRank1) out.b = b.data(), out.c = c.data();
    return out;
  }
  void forward(Algorithm algorithm) {
    std::copy(S.begin(), S.end(), dS.begin());
    head_forward(d, coeffs(), v.data(), dS.data(), y.data(), algorithm);
  }
  void backward(Algorithm algorithm) {
    std::copy(S.begin(), S.end(), dS.begin());
    HeadGrads<float> grads{dq.data(), dk.data(), dv.data(), dg.data()};
    if (structure != Structure::kRow) grads.ds = ds.data();
    if (structure == Structure::kRank1) grads.db = db.data(), grads.dc = dc.data();
    grads.dS = dS.data();
    head_backward(d, coeffs(), v.data(), S.data(), dy.data(), grads, algorithm);
  }
  void row() {
    std::vector<float> w(static_cast<size_t>(d.T * d.H)), out(w.size()), carry(static_cast<size_t>(d.H * d.K));
    std::fill(w.end() - d.H, w.end(), 1.0f);
    head_row_times(d, coeffs(), w.data(), carry.data(), out.data());
  }
};

// What the machine could do at most: two multiply-adds per state and token, and every sequence read or written once.
double limit(const Heads& p, const Machine& machine) {
  const double flops = 4.0 * static_cast<double>(p.d.H * p.d.K * p.d.V);
  const double floats = static_cast<double>(2 * p.d.G * p.d.K + 2 * p.d.H * p.d.V +
                                            (p.structure == Structure::kScalar ? p.d.H : p.d.H * p.d.K) +
                                            (p.structure == Structure::kRank1 ? 2 * p.d.H * p.d.K : 0));
  return std::min(machine.f32_gflops * 1e9 / flops, machine.read_gbs * 1e9 / (4 * floats));
}

void print_rate(const char* what, double tokens, double seconds, double most = 0) {
  fmt::print("  {:22} {:9.0f} tokens/s", what, tokens / seconds);
  if (most > 0) fmt::print(", {} of the limit", percent_of(tokens / seconds, most));
  fmt::print("\n");
}

constexpr size_t kLayers = 6;  // each with its own data, so that no cache holds them from one call to the next

// Seconds of step(layer), best over the layers and some rounds: short samples lose least to the rest of the machine.
template <class Layer, class Step>
double best_layer(std::vector<Layer>& layers, const Step& step) {
  double best = 1e30, spent = 0;
  for (int round = 0; round < 200 && (round < 4 || spent < 0.5); ++round) {
    for (Layer& layer : layers) {
      const double start = omp_get_wtime();
      step(layer);
      const double seconds = omp_get_wtime() - start;
      if (round > 0) best = std::min(best, seconds);
      spent += seconds;
    }
  }
  return best;
}

void bench_heads(const char* name, const HeadDims& dims, Structure structure, const Machine& machine) {
  std::vector<Heads> layers(kLayers, Heads(dims, structure));
  const Heads& p = layers[0];
  const double tokens = static_cast<double>(dims.T), most = limit(p, machine);
  fmt::print("{}: T {} H {} G {} K {} V {}, {}; one layer; limit {:.0f} tokens/s forward\n", name, dims.T, dims.H,
             dims.G, dims.K, dims.V, head_isa(), most);
  double forward[2], both[2];
  const Algorithm algorithms[] = {Algorithm::kSequential, Algorithm::kChunked};
  for (int i = 0; i < 2; ++i) {
    forward[i] = best_layer(layers, [&](Heads& layer) { layer.forward(algorithms[i]); });
    both[i] = forward[i] + best_layer(layers, [&](Heads& layer) { layer.backward(algorithms[i]); });
  }
  print_rate("forward, sequential", tokens, forward[0], most);
  print_rate("forward, chunked", tokens, forward[1], most);
  print_rate("forward+back, sequ.", tokens, both[0]);
  print_rate("forward+back, chunked", tokens, both[1]);
  print_rate("row (all heads)", tokens, best_layer(layers, [](Heads& layer) { layer.row(); }));
  const bool chunked = head_algorithm(p.d, p.coeffs()) == Algorithm::kChunked;
  fmt::print("  automatic: {}, {:.2f} of the better one's time\n", chunked ? "chunked" : "sequential",
             forward[chunked ? 1 : 0] / std::min(forward[0], forward[1]));
}

// Interleaved, so that both meet the same machine.
std::pair<double, double> compare(const std::function<void(Algorithm)>& step) {
  double best[2] = {1e30, 1e30}, spent = 0;
  for (int i = 0; i < 200 && (i < 4 || spent < 0.02); ++i) {
    for (const int which : {0, 1}) {
      const double start = omp_get_wtime();
      step(which == 0 ? Algorithm::kSequential : Algorithm::kChunked);
      const double seconds = omp_get_wtime() - start;
      best[which] = std::min(best[which], seconds), spent += seconds;
    }
  }
  return {best[0], best[1]};
}

bool whole_grid = false, every_shape = false;

void grid_of(const char* name, Structure structure) {
  std::vector<double> ratios;
  for (const int64_t T : {1, 4, 16, 64, 256, 1024, 4096}) {
    for (const int64_t K : {16, 64, 128, 256}) {
      for (const int64_t V : {16, 64, 128, 256}) {
        for (const int64_t H : {1, 4, 32}) {
          if (T * H * K * V > 300'000'000) continue;
          Heads p({T, H, structure == Structure::kScalar ? 1 : H, K, V}, structure);
          const auto [sequential, chunked] = compare([&](Algorithm a) { p.forward(a); });
          const bool choice = head_algorithm(p.d, p.coeffs()) == Algorithm::kChunked;
          ratios.push_back((choice ? chunked : sequential) / std::min(sequential, chunked));
          if (ratios.back() > 1.05 || every_shape) {
            fmt::print("  {} T {} H {} K {} V {}: sequential {:.1f} us, chunked {:.1f} us, chosen {}\n", name, T, H, K,
                       V, 1e6 * sequential, 1e6 * chunked, choice ? "chunked" : "sequential");
          }
        }
      }
    }
  }
  std::sort(ratios.begin(), ratios.end());
  const auto at = [&](double share) {
    return ratios[static_cast<size_t>(share * static_cast<double>(ratios.size() - 1))];
  };
  fmt::print(
      "{}: {} shapes, automatic choice over the better one: median {:.3f}, 90 % below {:.3f}, 99 % below {:.3f}, worst "
      "{:.3f}\n",
      name, ratios.size(), at(0.5), at(0.9), at(0.99), ratios.back());
}

void bench_element(int64_t T, int64_t D, int64_t N) {
  const std::vector<float> dt = random(T * D, 0.09f, 0.05f), A = random(D * N, 8.0f, -8.5f), B = random(T * N, 2.0f),
                           C = random(T * N, 2.0f), x = random(T * D, 2.0f);
  std::vector<float> S(static_cast<size_t>(D * N)), y = x, dx = x, ddt = x, dA = A, dB = B, dC = C, row = x;
  const ElementDims dims{T, D, N};
  const ElementCoeffs<float> c{dt.data(), A.data(), B.data(), C.data()};
  const double forward = best_seconds([&] { element_forward(dims, c, x.data(), S.data(), y.data()); });
  const double backward = best_seconds([&] {
    std::fill(S.begin(), S.end(), 0.0f);
    element_backward(dims, c, x.data(), S.data(), x.data(),
                     {dx.data(), ddt.data(), ddt.data(), dA.data(), dB.data(), dC.data(), S.data()});
  });
  fmt::print("element (Mamba-1): T {} D {} N {}; sequential only\n", T, D, N);
  print_rate("forward", static_cast<double>(T), forward);
  print_rate("forward+back", static_cast<double>(T), forward + backward);
  print_rate("row (all channels)", static_cast<double>(T),
             best_seconds([&] { element_row(dims, c, T - 1, row.data(), S.data()); }));
}

struct Channels {
  std::vector<float> g, w, v, S, y, dv, dg, dw, one;
};

void bench_channel(int64_t T, int64_t D, const Machine& machine) {
  const ChannelDims dims{T, D};
  const Channels data{random(T * D, 0.5f, -0.26f), random(T * D, 1.0f, 1.0f), random(T * D, 2.0f), random(D, 1.0f),
                      random(T * D, 1.0f),         random(T * D, 1.0f),       random(T * D, 1.0f), random(T * D, 1.0f),
                      random(T * D, 1.0f)};
  std::vector<Channels> layers(kLayers, data);
  const auto seconds = [&](const auto& step) {
    return best_layer(layers, [&](Channels& p) { step(p, ChannelCoeffs<float>{p.g.data(), p.w.data()}); });
  };
  const double tokens = static_cast<double>(T), most = machine.read_gbs * 1e9 / (4.0 * 4 * static_cast<double>(D));
  fmt::print("channel (RG-LRU): T {} D {}; sequential only, limit {:.0f} tokens/s forward\n", T, D, most);
  const double forward = seconds([&](Channels& p, const ChannelCoeffs<float>& c) {
    channel_forward(dims, c, p.v.data(), p.S.data(), p.y.data());
  });
  const double backward = seconds([&](Channels& p, const ChannelCoeffs<float>& c) {
    channel_backward(dims, c, p.v.data(), p.w.data(), p.y.data(),
                     {p.dv.data(), p.dg.data(), p.dw.data(), nullptr, nullptr, p.S.data()});
  });
  print_rate("forward", tokens, forward, most);
  print_rate("forward+back", tokens, forward + backward);
  print_rate("row (all channels)", tokens, seconds([&](Channels& p, const ChannelCoeffs<float>& c) {
               channel_row_times(dims, c, p.one.data(), p.S.data(), p.y.data());
             }));
}

void run() {
  const Machine machine = measure_machine();
  bench_heads("scalar (Mamba-2)", {512, 24, 1, 128, 64}, Structure::kScalar, machine);
  bench_heads("row (GLA, RWKV-6)", {512, 12, 12, 64, 64}, Structure::kRow, machine);
  bench_heads("row + rank 1 (KDA, RWKV-7)", {512, 12, 12, 64, 64}, Structure::kRank1, machine);
  bench_element(512, 1536, 16);
  bench_channel(512, 1536, machine);
  if (!whole_grid) return;
  grid_of("scalar", Structure::kScalar);
  grid_of("row", Structure::kRow);
  grid_of("rank 1", Structure::kRank1);
}

}  // namespace
}  // namespace hindscan::bench

int main(int argc, char** argv) {
  hindscan::bench::whole_grid = argc > 1 && std::string_view(argv[1]) == "grid";
  hindscan::bench::every_shape = argc > 2 && std::string_view(argv[2]) == "all";
  return hindscan::bench::run_main("bench_glr", hindscan::bench::run);
}
