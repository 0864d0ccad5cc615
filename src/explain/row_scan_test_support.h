// Views whose rows find nothing: what is missing is all that the row has to explain.
#pragma once
#include <algorithm>
#include <memory>

#include "explain/reverse_method.h"

namespace hindscan {

class FindsNothing final : public MixerView<double> {
 public:
  FindsNothing(const Ctx& ctx, const MixerScope& scope, size_t core, const MixerView<double>& real)
      : MixerView(ctx, scope, core, {"nothing", "", "", ""}), real_(real) {
    mixer = real.mixer;
  }
  int64_t maps() const override { return real_.maps(); }
  int64_t channels() const override { return real_.channels(); }
  void row(const double*, RowCarry<double>&, double* out, double*) const override {
    std::fill_n(out, tokens() * maps(), 0.0);
  }
  void add_carried_in(const RowCarry<double>&, double*) const override {}
  void row_times_mean(const double*, RowCarry<double>&, double*) const override {}
  void weighted_output(const double* w, double* out) const override { real_.weighted_output(w, out); }
  void forward_residual(std::vector<double>&, double*) const override {}
  bool lead(int64_t, Transition<double>&) const override { return false; }
  void carry(const Transition<double>&, double*) const override {}
  std::unique_ptr<MapWindow<double>> window(bool, Estimator) const override { return nullptr; }

 private:
  const MixerView<double>& real_;
};

inline Views<double> views_that_find_nothing(const Ctx& ctx, const Views<double>& real) {
  Views<double> views;
  for (const auto& view : real)
    views.push_back(std::make_unique<FindsNothing>(ctx, ctx.mixers()[view->mixer], view->ops().core, *view));
  return views;
}

}  // namespace hindscan
