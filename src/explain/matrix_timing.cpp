// The seconds of a matrix, from matrices of the first few tokens: the same part of fewer, read and filled in turn.
#include <algorithm>

#include "explain/cost_fit.h"
#include "explain/matrix_estimate.h"
#include "explain/matrix_fill.h"
#include "explain/text_state.h"

namespace hindscan {

namespace {

TokenRange scaled(const TokenRange& r, int64_t n, int64_t T) {
  const int64_t begin = std::min(r.begin * n / T, n - 1);
  return {begin, std::clamp((r.end * n + T - 1) / T, begin + 1, n)};
}

// The request for its first n tokens.
MatrixRequest part_of(const MatrixRequest& r, const MatrixPlan& p, bool bounded, int64_t n, int64_t F) {
  MatrixRequest few = r;
  few.tokens.resize(F > 0 ? 0 : static_cast<size_t>(n));
  few.features.resize(static_cast<size_t>(F * n));
  if (r.rows) few.rows = scaled(p.rows, n, p.T);
  if (r.cols) few.cols = scaled(p.cols, n, p.T);
  few.blocks = std::min(r.blocks, n);
  few.sums = bounded ? Sums::kBounds : Sums::kExact;
  few.progress = nullptr;
  return few;
}

template <class R>
class MatrixSample {
 public:
  MatrixSample(const Model& model, const MatrixRequest& r, const MatrixPlan& p, const MatrixEstimate& e,
               const PassProbe& probe)
      : model_(model), r_(r), p_(p), e_(e), probe_(probe) {}

  // Returns the seconds of reading and filling.
  double take(int64_t n) {
    MatrixRequest few = part_of(r_, p_, e_.bounded, n, model_.arch().sizes().feature_dim);
    SequenceState before;
    if (!e_.whole && !probe_.caches.empty()) {  // attention costs what it does in the middle of the text
      before = long_text_state(model_, r_.tokens, r_.state_in, probe_, (p_.T - n) / 2);
      few.state_in = &before;
    }
    few.chunk = p_.window.end > r_.chunk ? std::min(r_.chunk, (n + kSampleChunks - 1) / kSampleChunks) : n;
    const MatrixPlan plan = make_matrix_plan(model_, few);
    if (plan.window.begin == plan.window.end && !e_.whole) return 0;
    Collected<R> c;
    const double reading = seconds_once([&] { c = collect<R>(model_, few, plan, e_.whole); });
    reading_.add(read_work(plan.window.end, few.chunk), reading);
    MatrixResult out;
    out.rows = few.blocks > 0 ? few.blocks : plan.rows.end - plan.rows.begin;
    out.cols = few.blocks > 0 ? few.blocks : plan.cols.end - plan.cols.begin;
    if (few.blocks > 0) out.edges = block_edges(n, few.blocks);
    const double filling = seconds_once([&] {
      out.values.assign(static_cast<size_t>(out.rows * out.cols), 0.0f);
      fill_matrix(c, few, plan, e_.bounded, out);
    });
    filling_.add(fill_work(plan), filling);
    return reading + filling;
  }

  double seconds() const {
    const double times = r_.estimator == Estimator::kExact ? 1 : 2;  // the exact matrix is made beside it
    return times * (reading_.seconds(read_work(p_.window.end, r_.chunk)) + filling_.seconds(fill_work(p_)));
  }

 private:
  Amounts read_work(int64_t end, int64_t chunk) const {
    const double tokens = static_cast<double>(end);
    return e_.whole ? Amounts{tokens * tokens, tokens}
                    : Amounts{static_cast<double>((end + chunk - 1) / chunk), tokens};
  }
  Amounts fill_work(const MatrixPlan& p) const {
    const double tokens = static_cast<double>(p.window.end);
    return e_.by_entry ? Amounts{tokens, entries(p)} : Amounts{1, tokens};
  }

  const Model& model_;
  const MatrixRequest& r_;
  const MatrixPlan& p_;
  const MatrixEstimate& e_;
  const PassProbe& probe_;
  CostFit reading_, filling_;
};

template <class R>
void time_typed(const Model& model, const MatrixRequest& r, const MatrixPlan& p, MatrixEstimate& e) {
  const PassProbe probe = probe_pass(model, plan_reading(model, r));
  if (probe.one_length || (p.window.begin == p.window.end && !e.whole)) return;
  MatrixSample<R> sample(model, r, p, e, probe);
  sample_growing(
      16, p.T, [&](int64_t n) { return sample.take(n); }, [&] { return sample.seconds(); });
  const double guess = e.seconds;
  e.seconds = sample.seconds();
  e.quadratic_seconds *= e.seconds / guess;
}

}  // namespace

void time_matrix(const Model& model, const MatrixRequest& r, const MatrixPlan& p, MatrixEstimate& e) {
  model.compute() == DType::kF64 ? time_typed<double>(model, r, p, e) : time_typed<float>(model, r, p, e);
}

}  // namespace hindscan
