// Sizes of the published SSD cases, and the head recurrence that computes them.
#pragma once
#include "kernels/glr/head.h"
#include "mamba_ssm_cases.h"

namespace hindscan {

using kernels::glr::Algorithm;
using kernels::glr::DecayShape;
using kernels::glr::HeadCoeffs;
using kernels::glr::HeadDims;
using kernels::glr::Read;

constexpr int64_t kBatch = 2, kTokens = 6, kChunk = 3, kHeads = 2, kP = 3, kN = 4, kChunks = kTokens / kChunk;

// A recurrence of `tokens` tokens with scalar decay g and write weight s, state [H, N, P].
template <class R>
struct Scan {
  HeadDims dims;
  std::vector<R> q, k, g, s, v, S;

  HeadCoeffs<R> coeffs(Read read = Read::kAfter) const {
    return {q.data(), k.data(), DecayShape::kScalar, g.data(), s.empty() ? nullptr : s.data(), nullptr, nullptr, read};
  }
  std::vector<R> run(Algorithm algorithm = Algorithm::kAuto, Read read = Read::kAfter) {
    std::vector<R> y = poison<R>(v.size());
    kernels::glr::head_forward(dims, coeffs(read), v.data(), S.data(), y.data(), algorithm);
    return y;
  }
};

// [H, P, N] as the package lays a state out <-> [H, N, P] as here.
template <class R>
std::vector<R> turned(const std::vector<R>& from, int64_t rows, int64_t cols) {
  std::vector<R> to(from.size());
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t at = static_cast<int64_t>(i), h = at / (rows * cols), r = at / cols % rows, c = at % cols;
    to[static_cast<size_t>((h * cols + c) * rows + r)] = from[i];
  }
  return to;
}
template <class R>
std::vector<R> state_of(const Tensor& states, int64_t index) {
  return turned(states.strided<R>(index * kHeads * kP * kN, 1, kHeads * kP * kN), kP, kN);
}

template <class R>
std::vector<R> at_most_zero(std::vector<R> g) {
  for (R& v : g) v = std::min(v, R(0));
  return g;
}

template <class R>
void append(const std::vector<R>& from, std::vector<R>& to) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace hindscan
