// What explain/ knows of a token mixer: its implicit attention as an operator on one recorded chunk. One class a
// structure; a new structure adds a class here and nothing elsewhere in explain/.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/context.h"
#include "kernels/glr/element.h"

namespace hindscan {

// Positions of a mixer's ops among the nodes of the pass; absent ops are npos.
struct MixerOps {
  static constexpr size_t npos = static_cast<size_t>(-1);
  size_t core = npos;        // the recurrence
  size_t conv = npos;        // convolution before the values
  size_t activation = npos;  // between convolution and values
  size_t skip = npos;        // D x after the recurrence
  size_t gate = npos;        // after that
};

template <class R>
class MixerView {
 public:
  virtual ~MixerView() = default;
  virtual int64_t channels() const = 0;
  virtual const MixerOps& ops() const = 0;
  virtual size_t carry_size() const = 0;  // numbers an adjoint carries from chunk to chunk
  // out[j] = sum_i r[i] mean_d alpha[d,i,j] ([T]); carry [carry_size] in: from the chunk after, out: for the one
  // before.
  virtual void row_times_mean(const R* r, R* carry, R* out) const = 0;
  // row[j,d] = alpha[d,t,j] ([T, D]); t < 0: the row lies in a later chunk and only what is carried reaches this one.
  virtual void row(int64_t t, R* carry, R* out) const = 0;
  // Contribution per channel of the state before the chunk, given the carry of row() ([D], added to out).
  virtual void add_carried_in(const R* carry, double* out) const = 0;
  virtual const R* values() const = 0;  // [T, D] what alpha multiplies
  virtual const R* output() const = 0;  // [T, D] what it gives
  // Independent recomputation in double: residual[t] = ||y_t - ref_t|| / ||ref_t||. S: double state, starts empty.
  virtual void forward_residual(std::vector<double>& S, double* residual) const = 0;

  int layer = 0;
  std::string kind;
};

// Views of every mixer of the pass, first layer first. Error(kUsage) names a structure that has no maps.
template <class R>
std::vector<std::unique_ptr<MixerView<R>>> mixer_views(const Ctx& ctx);

// The element structure: coefficients as the kernels take them.
template <class R>
class ElementView final : public MixerView<R> {
 public:
  ElementView(const Ctx& ctx, const MixerScope& scope);
  int64_t channels() const override { return dims_.D; }
  const MixerOps& ops() const override { return ops_; }
  size_t carry_size() const override { return A_.size(); }
  void row_times_mean(const R* r, R* carry, R* out) const override;
  void row(int64_t t, R* carry, R* out) const override;
  void add_carried_in(const R* carry, double* out) const override;
  const R* values() const override { return x_; }
  const R* output() const override { return y_; }
  void forward_residual(std::vector<double>& S, double* residual) const override;

  const kernels::glr::ElementDims& dims() const { return dims_; }
  const kernels::glr::ElementCoeffs<R>& coeffs() const { return coeffs_; }

 private:
  kernels::glr::ElementDims dims_;
  kernels::glr::ElementCoeffs<R> coeffs_;
  std::vector<R> A_;  // [D, N]
  const R* x_;        // [T, D]
  const R* y_;        // [T, D]
  const R* state_;    // [D, N] before the chunk, or null
  MixerOps ops_;
};

// The slope y/x of an activation node, [T, C], whatever function it is: its adjoint of ones with the slope frozen.
template <class R>
std::vector<R> frozen_slope(Ctx& ctx, const OpNode& activation);

}  // namespace hindscan
