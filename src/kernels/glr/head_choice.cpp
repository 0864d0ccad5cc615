// Times of the sequential and the chunked algorithm, each a sum of terms in the shape fitted to measured runs (one core
// of an AVX-512 machine, T 1..4096, K and V 16..256, H 1..32; bench_glr prints how the choice does). Only the
// comparison matters, and it depends on nothing but the shape, so results are the same on every machine.
#include "kernels/glr/head_choice.h"

#include <algorithm>

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
    {143.7, .4361, 5.5, 0, .3527, .02632, .07552, 0, 0, 0, 0, 0, 0, 0, 0, .06374},
    {160.0, .1187, 22.16, .0047, .2414, .01466, 0, .1417, .001788, .3432, .005199, 0, .2809, .0243, 3.195, .04668}};
constexpr Pair kScalarBackward = {
    {256.3, .9878, 18.17, 2.713, .448, .0936, .1883, 0, 0, 0, 0, 0, 0, 0, 0, .323},
    {0, 0, 45.71, .7704, .6315, .0524, 0, .584, 0, .2307, .008753, 308.8, .8153, .4707, 3.782, .2136}};
constexpr Pair kRowForward = {
    {132.8, .3999, 6.792, 0, .4614, .0151, .8573, 0, 0, 0, 0, 0, 0, 0, 0, .03624},
    {174.6, .4199, 11.55, .6628, .1862, .02357, 0, 0, 0, 0, .004057, 0, .007128, .002714, 0, .044}};
constexpr Pair kRowBackward = {
    {278.4, 1.04, 30.04, 2.814, .3, .07612, 1.209, 0, 0, 0, 0, 0, 0, 0, 0, .4204},
    {0, 0, 44.47, 2.975, .9345, .05459, 0, 0, 0, .2521, .002775, 306.4, .9903, .4508, 1.68, .3012}};

double nanoseconds(const Cost& c, const HeadDims& d, bool row) {
  const double T = static_cast<double>(d.T * d.R), H = static_cast<double>(d.H), G = static_cast<double>(d.G),
               K = static_cast<double>(d.K), V = static_cast<double>(d.V);
  const double columns = static_cast<double>((d.V + 15) / 16 * 16), blocks = static_cast<double>((d.V + 31) / 32);
  const double length = row ? 32 : 64, m = std::min(T, length),
               chunks = static_cast<double>((d.T * d.R + (row ? 31 : 63)) / (row ? 32 : 64));
  const double state = H * K * V, large = d.K * d.V >= 16384 ? state : 0;
  const double bytes = std::max(0.0, 4 * (2 * T * H * V + 2 * T * G * K + (row ? T * H * K : 0)) - (1 << 20));
  return c.head * H + c.head_state * state + c.bytes * bytes +
         T * H * (c.token + c.token_k * K + c.token_v * columns + c.token_kv * K * columns + c.blocks * K * blocks) +
         T * H * m * (c.inside + c.inside_v * V) + T * G * K * (c.key + c.key_inside * m) +
         chunks * (c.chunk * H + c.chunk_state * state + c.chunk_large * large + c.chunk_key * G * K);
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
  return nanoseconds(pair.chunked, d, row) < nanoseconds(sequential, d, row);
}

}  // namespace hindscan::kernels::glr
