// Tiles and block sums of the heads structure, over the coefficients of a range of tokens.
#pragma once
#include <vector>

#include "core/ops/glr_heads.h"
#include "explain/mixer_view.h"

namespace hindscan {

template <class R>
class HeadWindow final : public MapWindow<R> {
 public:
  HeadWindow(bool fold, Estimator estimator) : MapWindow<R>(fold), dropping_(estimator == Estimator::kKeyDropping) {}
  int64_t maps() const override { return dims_.H; }
  double entry_flops() const override { return 2.0 * static_cast<double>(dims_.H * dims_.K * dims_.R * dims_.R); }
  void tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const override {
    if (this->folds_in() || (kind == MapKind::kChannel && dims_.R > 1)) return MapWindow<R>::tile(kind, map, I, J, out);
    kernels::glr::head_tile(dims(), coeffs(), head_map(kind), map, {I.begin, I.end}, {J.begin, J.end}, divided(), out);
  }
  bool block_sums(MapKind kind, int64_t map, const int64_t* edges, int64_t blocks, R* out) const override {
    if (this->fold_ || kind == MapKind::kAbs || kind == MapKind::kPositive || !inverse_.empty()) return false;
    kernels::glr::head_block_sums(dims(), coeffs(), kind == MapKind::kChannel ? map : -1, edges, blocks, out);
    return true;
  }

 private:
  kernels::glr::HeadDims dims() const {
    kernels::glr::HeadDims d = dims_;
    d.T = this->tokens_;
    return d;
  }
  kernels::glr::HeadCoeffs<R> coeffs() const {
    kernels::glr::HeadCoeffs<R> c = like_;
    c.q = q_.data();
    c.k = k_.data();
    c.g = this->maybe(g_);
    c.s = this->maybe(s_);
    c.b = this->maybe(b_);
    c.c = this->maybe(c_);
    if (c.read == kernels::glr::Read::kDecayed) c.u = this->maybe(u_);
    return c;
  }
  kernels::glr::HeadTileFold<R> divided() const { return {this->maybe(inverse_), nullptr}; }
  int64_t reads() const override { return dims_.R; }
  size_t own_bytes() const override {
    return (q_.size() + k_.size() + g_.size() + s_.size() + b_.size() + c_.size() + u_.size() + inverse_.size()) *
           sizeof(R);
  }
  void append_core(const MixerDetail& detail, int64_t from, int64_t to) override {
    const auto& d = detail_as<HeadDetail<R>>(detail);
    const HeadPass<R> pass{d.dims, d.coeffs, d.v};
    dims_ = d.dims;
    like_ = d.coeffs;
    const int64_t H = dims_.H, HK = H * dims_.K;
    if (from == 0 && d.previous != nullptr && !s_.empty()) {  // what this chunk's first token makes of the last write
      for (int64_t h = 0; h < H; ++h) s_[s_.size() - static_cast<size_t>(H - h)] += d.previous[h];
    }
    this->append_rows(d.coeffs.q, from, to, pass.qk(), q_);
    this->append_rows(d.coeffs.k, from, to, pass.qk(), k_);
    this->append_rows(d.coeffs.g, from, to, pass.gw(), g_);
    this->append_rows(d.coeffs.s, from, to, H, s_);
    if (!dropping_) this->append_rows(d.coeffs.b, from, to, HK, b_);
    if (!dropping_) this->append_rows(d.coeffs.c, from, to, HK, c_);
    if (d.coeffs.read == kernels::glr::Read::kDecayed) this->append_rows(d.coeffs.u, from, to, H, u_);
    for (int64_t i = from * H; d.divisor != nullptr && i < to * H; ++i) inverse_.push_back(R(1) / d.divisor[i]);
  }
  void one(int64_t map, int64_t read, int64_t write, TokenRange I, TokenRange J, R* out) const override {
    const int64_t pair = (read * dims_.R + write) * dims_.H + map;
    kernels::glr::head_tile(dims(), coeffs(), kernels::glr::HeadMap::kOne, pair, {I.begin, I.end}, {J.begin, J.end},
                            divided(), out);
  }

  bool dropping_;
  kernels::glr::HeadDims dims_{};
  kernels::glr::HeadCoeffs<R> like_{};                  // shapes, and what is no array over tokens
  std::vector<R> q_, k_, g_, s_, b_, c_, u_, inverse_;  // per token, as the kernels take them
};

}  // namespace hindscan
