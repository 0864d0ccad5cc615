// Gated linear recurrence with a state S [K, V] per head: scalar, row (diagonal) and row + rank 1 transitions.
//   A_t = (I + b_t c_t^T) diag(exp g_t)        g: log decay <= 0, a scalar or a vector [K] per head; b, c absent:
//   diagonal S_t = A_t S_{t-1} + sum_r s_t k_{t,r} v_{t,r}^T kAfter:   y_{t,r} = q_{t,r}^T S_t kBefore:  y_{t,r} =
//   q_{t,r}^T  S_{t-1}     + sum_r' (q_{t,r}^T diag(u) k_{t,r'}) v_{t,r'}      (RWKV-5/6: u [H, K]) kDecayed: y_{t,r} =
//   q_{t,r}^T (A_t S_{t-1}) + sum_r' u_t (q_{t,r}^T k_{t,r'}) v_{t,r'}          (Mamba-3: u [T, H])
// Members: Mamba-2, RetNet, mLSTM, Mamba-3 (scalar); GLA, HGRN2, RWKV-5/6 (row); DeltaNet, Gated DeltaNet, KDA
// (b = -beta k, c = k, s = beta) and RWKV-7 (b = -kk*a, c = kk / exp g) (row + rank 1). R > 1 is MIMO: all R writes of
// a token happen before its R reads. Unrolled, y = alpha v + carried-in state with the implicit attention
//   alpha[h; t,r; j,r'] = q_{t,r}^T A_t ... A_{j+1} s_j k_{j,r'} for j < t (kBefore: the product stops at A_{t-1}).
// float: fast kernels, dispatched at run time; double: the reference in head_reference.h. Nothing here throws; results
// do not depend on the number of threads.
#pragma once
#include <cstdint>

namespace hindscan::kernels::glr {

enum class Read : uint8_t { kAfter, kBefore, kDecayed };
enum class DecayShape : uint8_t { kNone, kScalar, kRow };

struct HeadDims {
  int64_t T;      // tokens, >= 0
  int64_t H;      // heads (of v, y and the state)
  int64_t G;      // heads of q and k; H % G == 0, head h uses h / (H / G)
  int64_t K, V;   // state is [K, V]
  int64_t R = 1;  // writes and reads per token
};

template <class R>
struct HeadCoeffs {
  const R* q;  // [T, R, G, K]
  const R* k;  // [T, R, G, K]
  DecayShape decay = DecayShape::kNone;
  const R* g = nullptr;                // [T, H] (kScalar) or [T, H, K] (kRow), <= 0; -inf: forget all
  const R* s = nullptr;                // [T, H] write weight, or null: 1
  const R *b = nullptr, *c = nullptr;  // [T, H, K] rank-1 term, or both null
  Read read = Read::kAfter;
  const R* u = nullptr;  // kBefore: [H, K]; kDecayed: [T, H]; may be null (no current token)
};

// Which algorithm a float call runs. kAuto picks by shape; the others force one (kChunked falls back to kSequential
// where no chunked form exists: R > 1 with kRow or rank 1). algorithm_of names what kAuto would run.
enum class Algorithm : uint8_t { kAuto, kSequential, kChunked };
Algorithm head_algorithm(const HeadDims&, const HeadCoeffs<float>&);

// v [T, R, H, V]; y [T, R, H, V] is overwritten; S [H, K, V] is the carried-in state and leaves as the last state.
void head_forward(const HeadDims&, const HeadCoeffs<float>&, const float* v, float* S, float* y,
                  Algorithm = Algorithm::kAuto);
void head_forward(const HeadDims&, const HeadCoeffs<double>&, const double* v, double* S, double* y,
                  Algorithm = Algorithm::kAuto);

// Gradients: any pointer may be null (not wanted); all are accumulated (+=) except dS.
template <class R>
struct HeadGrads {
  R *dq = nullptr, *dk = nullptr;  // [T, R, G, K]
  R* dv = nullptr;                 // [T, R, H, V]
  R* dg = nullptr;                 // as g
  R* ds = nullptr;                 // [T, H] (s must not be null)
  R *db = nullptr, *dc = nullptr;  // [T, H, K]
  R* du = nullptr;                 // as u
  R* dS = nullptr;  // [H, K, V] in: adjoint of the final state; out: adjoint of the initial state (required)
};
// Exact adjoint with chunk checkpoints and recomputation; S0 [H, K, V] is the initial state of the forward pass.
void head_backward(const HeadDims&, const HeadCoeffs<float>&, const float* v, const float* S0, const float* dy,
                   const HeadGrads<float>&, Algorithm = Algorithm::kAuto);
void head_backward(const HeadDims&, const HeadCoeffs<double>&, const double* v, const double* S0, const double* dy,
                   const HeadGrads<double>&, Algorithm = Algorithm::kAuto);

// dv += alpha^T dy with every coefficient constant; dS as in HeadGrads. Needs no forward state.
void head_value_adjoint(const HeadDims&, const HeadCoeffs<float>&, const float* dy, float* dS, float* dv);
void head_value_adjoint(const HeadDims&, const HeadCoeffs<double>&, const double* dy, double* dS, double* dv);

// out[j,r',h] = sum_{t,r} w[t,r,h] alpha[h; t,r; j,r'], both [T, R, H]; out is overwritten. w null: zeros (only what is
// carried). carry [H, K] in: adjoint key vector from the tokens after; out: for the tokens before. O(T R H K).
// With w one-hot this is a row of every head; contribution of the state before the chunk: carry . S0.
void head_row_times(const HeadDims&, const HeadCoeffs<float>&, const float* w, float* carry, float* out);
void head_row_times(const HeadDims&, const HeadCoeffs<double>&, const double* w, double* carry, double* out);

struct TileRange {
  int64_t begin, end;
};
enum class HeadMap : uint8_t { kMean, kMeanAbs, kMeanPositive, kOne };
// Entries alpha[I, J] of one head (kOne; with R > 1 `head` counts head + H (r_out R + r_in)) or reduced over heads,
// reads and writes; out [I, J] row-major, zero above the diagonal. gate [T, H] or null multiplies row t of head h
// before the reduction; slope [T, H] or null multiplies column j.
template <class R>
struct HeadTileFold {
  const R* gate = nullptr;
  const R* slope = nullptr;
};
void head_tile(const HeadDims&, const HeadCoeffs<float>&, HeadMap, int64_t head, TileRange I, TileRange J,
               const HeadTileFold<float>&, float* out);
void head_tile(const HeadDims&, const HeadCoeffs<double>&, HeadMap, int64_t head, TileRange I, TileRange J,
               const HeadTileFold<double>&, double* out);

// out [blocks, blocks]: sum of alpha over rows of block p and columns of block q (edges [blocks + 1] ascending), of one
// head or (head < 0) the mean over heads; R = 1 or the mean over reads and writes. O(T H K) plus the composition of
// block operators (rank 1: K x K chunk operators, O(T H K^2)).
void head_block_sums(const HeadDims&, const HeadCoeffs<float>&, int64_t head, const int64_t* edges, int64_t blocks,
                     float* out);
void head_block_sums(const HeadDims&, const HeadCoeffs<double>&, int64_t head, const int64_t* edges, int64_t blocks,
                     double* out);

// Independent double recomputation of a float pass: residual[t] = ||y_t - ref_t|| / ||ref_t||. S [H, K, V] double
// state.
void head_forward_residual(const HeadDims&, const HeadCoeffs<float>&, const float* v, double* S, const float* y,
                           double* residual);

const char* head_isa();

}  // namespace hindscan::kernels::glr
