// One class for each kind of MixerDetail.
#pragma once
#include "core/ops/glr_heads.h"
#include "explain/mixer_view.h"

namespace hindscan {

// One map per channel, N states each.
template <class R>
class ElementView final : public MixerView<R> {
 public:
  ElementView(const Ctx& ctx, const MixerScope& scope, size_t core);
  int64_t maps() const override { return d_.dims.D; }
  int64_t channels() const override { return d_.dims.D; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override;
  void forward_residual(std::vector<double>& S, double* residual) const override;
  const kernels::glr::ElementDims& dims() const { return d_.dims; }
  const kernels::glr::ElementCoeffs<R>& coeffs() const { return d_.coeffs; }

 private:
  kernels::glr::ElementDims dims_of(const Segment& g) const { return {g.end - g.begin, d_.dims.D, d_.dims.N}; }
  kernels::glr::ElementCoeffs<R> at(int64_t t) const;
  const ElementDetail<R>& d_;
  const R* state_;  // [D, N] before the chunk, or null
};

// One map per channel, one state each; divided by the normaliser where there is one.
template <class R>
class ChannelView final : public MixerView<R> {
 public:
  ChannelView(const Ctx& ctx, const MixerScope& scope, size_t core);
  int64_t maps() const override { return d_.dims.D; }
  int64_t channels() const override { return d_.dims.D; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override;
  void forward_residual(std::vector<double>& S, double* residual) const override;
  const ChannelDetail<R>& detail() const { return d_; }

 private:
  void times(const R* w, RowCarry<R>& carry, R* out) const;  // [T, D]
  const ChannelDetail<R>& d_;
  const R* state_;  // [D] before the chunk, or null
};

// One map per head; R reads of R writes a token each.
template <class R>
class HeadView final : public MixerView<R> {
 public:
  HeadView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator estimator);
  int64_t maps() const override { return d_.dims.H; }
  int64_t channels() const override { return d_.dims.R * d_.dims.H * d_.V_out; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override;
  void forward_residual(std::vector<double>& S, double* residual) const override;
  bool has_key_dropping() const override { return d_.key_dropping; }
  const HeadDetail<R>& detail() const { return d_; }
  const HeadPass<R>& pass() const { return pass_; }

 private:
  // weights [T, R, H] or null -> out [T, R, H]
  void times(const R* weights, RowCarry<R>& carry, size_t first, R* out) const;
  void fill_weights(const R* w, int64_t read, R* weights) const;
  void divided_residual(std::vector<double>& S, double* residual) const;
  const HeadDetail<R>& d_;
  HeadPass<R> pass_;
  const R* state_;  // [H, K, V] before the chunk, or null
};

// One map per head over all cached tokens. A row is linear in their number, a row product quadratic.
template <class R>
class SoftmaxView final : public MixerView<R> {
 public:
  SoftmaxView(const Ctx& ctx, const MixerScope& scope, size_t core);
  int64_t maps() const override { return d_.heads; }
  int64_t channels() const override { return d_.heads * d_.d_v; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override;
  void forward_residual(std::vector<double>& S, double* residual) const override;
  bool quadratic() const override { return d_.window == 0; }
  const SoftmaxDetail<R>& detail() const { return d_; }

 private:
  // p[k - first] for keys first..past + t of row t; returns first.
  int64_t probabilities(int64_t t, int64_t head, std::vector<double>& p) const;
  bool one_segment() const;
  void add_rows(const R* w, std::vector<double>& sums) const;
  std::vector<double> row_sums(const R* w, std::vector<double> sums) const;  // sums [past + T, heads] plus w^T p
  const SoftmaxDetail<R>& d_;
};

// Recurrences that read their own output: one map per head, rows of the cell with its gates frozen, means over
// channels. Channels are the heads' means, since a cell mixes the channels of a head.
template <class R>
class NonlinearView final : public MixerView<R> {
 public:
  NonlinearView(const Ctx& ctx, const MixerScope& scope, size_t core);
  int64_t maps() const override { return d_.dims.H; }
  int64_t channels() const override { return d_.dims.H; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override;
  void forward_residual(std::vector<double>& S, double* residual) const override;
  const NonlinearDetail<R>& detail() const { return d_; }

 private:
  void adjoint(const R* w, RowCarry<R>& carry, std::vector<R>& dx, std::vector<R>& dbias) const;
  const NonlinearDetail<R>& d_;
  const R* state_;  // [states, H*d] before the chunk, or null
};

}  // namespace hindscan
