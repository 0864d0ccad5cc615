// Times of the sequential and the chunked algorithm, each a sum of terms in the shape fitted to measured runs (one core
// of an AVX-512 machine, T 1..4096, K and V 16..256, H 1..32; bench_glr prints how the choice does). Only the
// comparison matters, and it depends on the shape and the instruction set alone.
#include "kernels/glr/head_choice.h"

#include <algorithm>

#include "base/cpu.h"
#include "kernels/glr/head_delta.h"

namespace hindscan::kernels::glr {
namespace {

// Nanoseconds per unit of each term. T counts reads (tokens times R), m is the length of a chunk or of the sequence.
struct Cost {
  double head, head_state;                            // H, H K V
  double token, token_k, token_v, token_kv, blocks;   // T H times 1, K, V, K V, K per 32 columns
  double inside, inside_v;                            // T H m times 1, V
  double key, key_inside;                             // T G K times 1, m
  double chunk, chunk_state, chunk_large, chunk_key;  // chunks times H, H K V, the same beyond 16,384, G K
  double bytes;                                       // of the sequences beyond 1 MiB
};

struct Pair {
  Cost sequential, chunked;
};

constexpr Pair kScalarForward = {
    {73.52, .1316, 0, 0, .3558, .04067, 0, 0, 0, 0, 0, 0, 0, 0, 0, .05832},
    {49.61, .1458, 44.51, .3606, 0, 0, 0, .0007694, .009253, .9842, .02268, .431, .004301, 0, 0, 0}};
constexpr Pair kScalarBackward = {
    {256.3, .9878, 18.17, 2.713, .448, .0936, .1883, 0, 0, 0, 0, 0, 0, 0, 0, .323},
    {0, 0, 45.71, .7704, .6315, .0524, 0, .584, 0, .2307, .008753, 308.8, .8153, .4707, 3.782, .2136}};
constexpr Pair kRowForward = {{167.6, .1279, 10.39, 0, .292, .04224, .04026, 0, 0, 0, 0, 0, 0, 0, 0, .0552},
                              {250.6, .04338, 4.807, 0, .2329, .0132, 0, 0, 0, .3044, .02475, 31, .2252, 0, 0, .03023}};
constexpr Pair kRowBackward = {
    {278.4, 1.04, 30.04, 2.814, .3, .07612, 1.209, 0, 0, 0, 0, 0, 0, 0, 0, .4204},
    {0, 0, 44.47, 2.975, .9345, .05459, 0, 0, 0, .2521, .002775, 306.4, .9903, .4508, 1.68, .3012}};

// How many of `of` hold n.
double pieces(int64_t n, int64_t of) {
  const int64_t count = (n + of - 1) / of;
  return static_cast<double>(count);
}

double nanoseconds(const Cost& c, const HeadDims& d, bool row) {
  const double T = static_cast<double>(d.T * d.R), H = static_cast<double>(d.H), G = static_cast<double>(d.G),
               K = static_cast<double>(d.K), V = static_cast<double>(d.V);
  const double columns = 16 * pieces(d.V, 16), blocks = pieces(d.V, 32);
  const double length = row ? 32 : 64, m = std::min(T, length), chunks = pieces(d.T * d.R, row ? 32 : 64);
  const double state = H * K * V, large = d.K * d.V >= 16384 ? state : 0;
  const double bytes = std::max(0.0, 4 * (2 * T * H * V + 2 * T * G * K + (row ? T * H * K : 0)) - (1 << 20));
  return c.head * H + c.head_state * state + c.bytes * bytes +
         T * H * (c.token + c.token_k * K + c.token_v * columns + c.token_kv * K * columns + c.blocks * K * blocks) +
         T * H * m * (c.inside + c.inside_v * V) + T * G * K * (c.key + c.key_inside * m) +
         chunks * (c.chunk * H + c.chunk_state * state + c.chunk_large * large + c.chunk_key * G * K);
}

// Row + rank 1; strips are 64 columns that the sequential kernel takes through all tokens at a time.
struct Rank1Cost {
  double head, head_state;                                   // H, H K V
  double token, token_kv, token_strip, token_k_strip;        // T H times 1, K V, strips, K strips
  double token_k, token_v;                                   // T H times K, V
  double chunk, chunk_k, chunk_v, chunk_state, chunk_large;  // chunks H times 1, K, V, K V, the same beyond 16,384
  double bytes, bytes_strip;                                 // beyond 1 MiB, times strips
};

struct Rank1Pair {
  Rank1Cost sequential, chunked;
};

constexpr Rank1Pair kRank1Forward = {{188, .2011, 35.47, .00477, .0001399, 2.267, 0, 0, 0, 0, 0, 0, 0, .1405, 0},
                                     {1035, 0, 0, 0, 0, 0, 0, 0, .01358, 76.12, 24.01, 0, 0, 0, 0}};
constexpr Rank1Pair kRank1Backward = {{1687, 1.49, 83.01, .08822, 34.91, .6038, 3.657, 1.049, 0, 0, 0, 0, 0, .4252, 0},
                                      {0, 0, 0, 0, 0, 0, 0, 0, 1971, 43.12, 20.3, 2.061, 0, .4359, 0}};
// b = -s k in every token (delta rules): the chunk's two writes are one.
constexpr Rank1Pair kTiedForward = {{535.1, .3953, 2.139, .02802, 13.22, 1.46, 0, 0, 0, 0, 0, 0, 0, .05376, .003016},
                                    {304.1, .3478, 0, 0, 0, 0, 0, 0, 506.7, 14.57, 5.91, .4268, .03028, .05348, 0}};
constexpr Rank1Pair kTiedBackward = {{1491, 1.557, 47.91, .08112, 53.62, .02002, 4.087, .9904, 0, 0, 0, 0, 0, .5074, 0},
                                     {0, 0, 0, 0, 0, 0, 0, 0, 1699, 42.03, 21.31, 1.957, .02216, .4945, 0}};

// Bytes of the sequences beyond what the second-level cache holds.
double far_bytes(const HeadDims& d) {
  return std::max<double>(0, static_cast<double>(8 * d.T * (d.H * (d.V + d.K) + d.G * d.K) - (1 << 20)));
}

double nanoseconds(const Rank1Cost& c, const HeadDims& d) {
  const double T = static_cast<double>(d.T), H = static_cast<double>(d.H), K = static_cast<double>(d.K);
  const double V = 16 * pieces(d.V, 16), strips = pieces(d.V, 64);
  const double chunks = pieces(d.T, 16), large = d.K * d.V >= 16384 ? K * V : 0;
  return H * (c.head + c.head_state * K * V) + far_bytes(d) * (c.bytes + c.bytes_strip * strips) +
         T * H *
             (c.token + c.token_kv * K * V + (c.token_strip + c.token_k_strip * K) * strips + c.token_k * K +
              c.token_v * V) +
         chunks * H * (c.chunk + c.chunk_k * K + c.chunk_v * V + c.chunk_state * K * V + c.chunk_large * large);
}

bool is_tied(const HeadDims& d, const HeadCoeffs<float>& c) {
  for (int64_t i = 0; d.T > 0 && i < d.K; ++i) {
    if (c.b[i] != -(c.s ? c.s[0] * c.k[i] : c.k[i])) return false;
  }
  return true;
}

}  // namespace

bool diagonal_chunked_exists(const HeadDims& d, const HeadCoeffs<float>& c) {
  return c.decay != DecayShape::kRow || d.R == 1;
}

bool diagonal_chunked_is_faster(const HeadDims& d, const HeadCoeffs<float>& c, bool backward) {
  const bool row = c.decay == DecayShape::kRow;
  const Pair& pair = row ? (backward ? kRowBackward : kRowForward) : (backward ? kScalarBackward : kScalarForward);
  Cost sequential = pair.sequential;
  if (c.decay == DecayShape::kNone) sequential.token_kv *= 2.0 / 3.0;  // two multiply-adds in place of three
  if (!backward && !row && d.T * d.R > 1 && d.T * d.R <= 8 && d.K >= 128)
    return false;  // a chunk would stay nearly empty
  return nanoseconds(pair.chunked, d, row) < nanoseconds(sequential, d, row);
}

bool rank1_chunked_is_faster(const HeadDims& d, const HeadCoeffs<float>& c, bool backward) {
  if (allowed_isa() < Isa::kAvx512) return delta_chunked_is_faster(d, c);
  if (!backward && d.K <= 16 && d.V <= 16 && far_bytes(d) < (8 << 20)) return false;
  const bool tied = is_tied(d, c);
  const Rank1Pair& pair = backward ? (tied ? kTiedBackward : kRank1Backward) : (tied ? kTiedForward : kRank1Forward);
  return nanoseconds(pair.chunked, d) < nanoseconds(pair.sequential, d);
}

}  // namespace hindscan::kernels::glr
