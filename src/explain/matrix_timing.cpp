// The seconds of a matrix, from matrices of a few tokens: the same part of fewer, read and filled in turn.
#include <algorithm>

#include "explain/cost_fit.h"
#include "explain/matrix_estimate.h"
#include "explain/matrix_fill.h"
#include "explain/text_state.h"

namespace hindscan {

namespace {

// Of a range of T tokens, that of n.
TokenRange scaled(const TokenRange& r, int64_t n, int64_t T) {
  const int64_t begin = std::min(r.begin * n / T, n - 1);
  return {begin, std::clamp((r.end * n + T - 1) / T, begin + 1, n)};
}

template <class R>
class MatrixSample {
 public:
  MatrixSample(const Model& model, const MatrixRequest& r, const MatrixPlan& p, const MatrixOutline& outline)
      : model_(model), r_(r), p_(p), outline_(outline), e_(outline.estimate), tokens_(tokens_read(p, outline.probe)) {}

  // Returns the seconds of reading and filling.
  double take(int64_t n) {
    MatrixPart part = part_of(r_, p_, outline_, n);
    MatrixRequest& few = part.request;
    SequenceState before;
    if (part.before > 0) {
      before = long_text_state(model_, r_.tokens, r_.state_in, outline_.probe, part.before);
      few.state_in = &before;
    }
    const MatrixPlan plan = make_matrix_plan(model_, few);
    Collected<R> c;
    const double reading = seconds_once([&] { c = collect<R>(model_, few, plan, e_.whole); });
    reading_.add(read_work(n, few.chunk), reading);
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
    return times * (reading_.seconds(read_work(tokens_, r_.chunk)) + filling_.seconds(fill_work(p_)));
  }

 private:
  Amounts read_work(int64_t end, int64_t chunk) const {
    const double tokens = static_cast<double>(end);
    const int64_t passes = (end + chunk - 1) / chunk;
    return {e_.whole ? tokens * tokens : static_cast<double>(passes), tokens};
  }
  Amounts fill_work(const MatrixPlan& p) const {
    const double tokens = static_cast<double>(p.window.end);
    return e_.by_entry ? Amounts{tokens, std::max(1.0, entries(p))} : Amounts{1, tokens};
  }

  const Model& model_;
  const MatrixRequest& r_;
  const MatrixPlan& p_;
  const MatrixOutline& outline_;
  const MatrixEstimate& e_;
  int64_t tokens_;
  CostFit reading_, filling_;
};

template <class R>
void time_typed(const Model& model, const MatrixRequest& r, const MatrixPlan& p, MatrixOutline& outline) {
  MatrixEstimate& e = outline.estimate;
  if (outline.probe.one_length || (p.window.begin == p.window.end && !e.whole)) return;
  MatrixSample<R> sample(model, r, p, outline);
  sample_growing(
      kFirstTokens, tokens_read(p, outline.probe), [&](int64_t n) { return sample.take(n); },
      [&] { return sample.seconds(); });
  const double guess = e.seconds;
  e.seconds = outline.seconds + sample.seconds();
  e.quadratic_seconds *= e.seconds / guess;
}

}  // namespace

MatrixPart part_of(const MatrixRequest& r, const MatrixPlan& p, const MatrixOutline& outline, int64_t n) {
  const int64_t T = tokens_read(p, outline.probe);
  MatrixPart part{r};
  MatrixRequest& few = part.request;
  few.tokens.resize(r.tokens.empty() ? 0 : static_cast<size_t>(n));
  few.features.resize(r.features.size() / static_cast<size_t>(p.T) * static_cast<size_t>(n));
  if (r.rows) few.rows = scaled(p.rows, n, T);
  if (r.cols) few.cols = scaled({p.cols.begin, std::min(p.cols.end, T)}, n, T);
  few.blocks = std::min(r.blocks, n);
  few.sums = outline.estimate.bounded ? Sums::kBounds : Sums::kExact;
  few.chunk = T > r.chunk ? std::min(r.chunk, (n + kSampleChunks - 1) / kSampleChunks) : n;
  few.progress = nullptr;
  if (!outline.probe.whole && !outline.probe.caches.empty()) part.before = (T - n) / 2;
  return part;
}

void time_matrix(const Model& model, const MatrixRequest& r, const MatrixPlan& p, MatrixOutline& outline) {
  model.compute() == DType::kF64 ? time_typed<double>(model, r, p, outline) : time_typed<float>(model, r, p, outline);
}

void improve_seconds(const Model& model, const MatrixRequest& r, const MatrixPlan& p, MatrixOutline& outline) {
  if (outline.estimate.seconds < kWorthTiming) return;
  const int64_t tokens = tokens_read(p, outline.probe);
  if (static_cast<double>(kFirstTokens) <= kSmallShare * static_cast<double>(tokens))
    time_matrix(model, r, p, outline);
  else
    outline = outline_matrix(model, r, p);  // all it needs is in memory by now
}

}  // namespace hindscan
