// "rollout": r <- r (I + Abar_l) from the last layer to the first, Abar_l the channel mean of alpha with full mixing
// (arXiv 2403.01590 eq. 21-22 for one row, unnormalised). Exact evaluation of a heuristic: not a decomposition.
#include "explain/methods.h"

namespace hindscan {

namespace {

template <class R>
class Rollout final : public ReverseMethod<R> {
 public:
  explicit Rollout(const WalkSizes& sizes)
      : sizes_(sizes), carries_(static_cast<size_t>(sizes.layers)), map_(make_map("core", sizes)) {}

  void back(const Chunk<R>& chunk) override {
    const size_t n = static_cast<size_t>(chunk.count);
    std::vector<R> r(n, R(0)), moved(n);  // [count]
    if (chunk.target_row >= 0) r[static_cast<size_t>(chunk.target_row)] = R(1);
    for (size_t l = chunk.views.size(); l-- > 0;) {
      carries_[l].resize(chunk.views[l]->carry_size(), R(0));
      chunk.views[l]->row_times_mean(r.data(), carries_[l].data(), moved.data());
      float* row = map_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first;
      for (size_t t = 0; t < n; ++t) {
        row[t] = static_cast<float>(moved[t]);
        r[t] += moved[t];
      }
    }
    for (size_t t = 0; t < n; ++t) map_.scores[static_cast<size_t>(chunk.first) + t] = static_cast<double>(r[t]);
  }

  MethodReport finish(const SequenceState*, double) override {
    MethodReport report;
    report.name = method_name(Method::kRollout);
    report.maps = {std::move(map_)};
    report.sum = sum_of(report.scores());
    return report;
  }

 private:
  WalkSizes sizes_;
  std::vector<std::vector<R>> carries_;  // per layer
  ScoreMap map_;
};

}  // namespace

template <class R>
std::unique_ptr<ReverseMethod<R>> make_rollout(const WalkSizes& sizes) {
  return std::make_unique<Rollout<R>>(sizes);
}
template std::unique_ptr<ReverseMethod<float>> make_rollout<float>(const WalkSizes&);
template std::unique_ptr<ReverseMethod<double>> make_rollout<double>(const WalkSizes&);

}  // namespace hindscan
