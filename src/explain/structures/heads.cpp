// State [K, V] per head: scalar, row and row + rank 1 transitions, several reads and writes a token, two taps.
#include <algorithm>

#include "explain/residual.h"
#include "explain/structures.h"
#include "explain/structures/heads_window.h"
#include "explain/structures/state_frame.h"
#include "kernels/glr/extended.h"
#include "kernels/glr/head_transition.h"

namespace hindscan {

namespace {

namespace glr = kernels::glr;

// One map per head; R reads of R writes a token each.
template <class R>
class HeadView final : public MixerView<R> {
 public:
  HeadView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator estimator);
  int64_t maps() const override { return d_.dims.H; }
  int64_t channels() const override { return d_.dims.R * d_.dims.H * d_.V_out; }
  int64_t reads() const override { return d_.dims.R; }
  int64_t writes() const override { return d_.dims.R; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override { this->weighted_rows(w, channels(), d_.y, out); }
  void forward_residual(std::vector<double>& S, double* residual) const override;
  bool has_key_dropping() const override { return d_.key_dropping; }
  bool lead(int64_t t, Transition<R>& to) const override;
  void carry(const Transition<R>& to, R* change) const override;
  void align(SequenceState& edited, const SequenceState& to) const override {
    if (d_.divisor != nullptr) align_to_maximum<R>(edited, to, this->states(), this->state() + ".max");
    if (d_.turned.pairs > 0)
      turn_back<R>(edited, to, this->slot("phase"), d_.turned.interleaved, d_.dims.K,
                   {{this->state(), d_.dims.V}, {this->state() + ".k_prev", 1}});
  }
  std::unique_ptr<MapWindow<R>> window(bool fold, Estimator estimator) const override {
    return std::make_unique<HeadWindow<R>>(fold, estimator);
  }

 private:
  // weights [T, R, H] or null -> out [T, R, H]
  void times(const R* weights, RowCarry<R>& carry, size_t first, R* out) const;
  void fill_weights(const R* w, int64_t read, R* weights) const;
  void divided_residual(std::vector<double>& S, double* residual) const;
  const HeadDetail<R>& d_;
  HeadPass<R> pass_;
  const R* state_;  // [H, K, V] before the chunk, or null
};

template <class R>
StructureName head_name(const HeadDetail<R>& d) {
  StructureName name{"glr.scalar", "recurrence with a decay for each head", "", ""};
  if (d.coeffs.b != nullptr)
    name = {"glr.rank1", "recurrence that erases before it writes (delta rule)", "", ""};
  else if (d.coeffs.decay == glr::DecayShape::kRow)
    name = {"glr.row", "recurrence with a decay for each key channel", "", ""};
  if (d.divisor == nullptr) return name;
  name.notes = "normaliser frozen";
  name.held = "what the output is divided by counts as the constant it was on this text";
  return name;
}

template <class R>
HeadView<R>::HeadView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator estimator)
    : MixerView<R>(ctx, scope, core, head_name(detail_as<HeadDetail<R>>(*ctx.nodes()[core].mixer))),
      d_(detail_as<HeadDetail<R>>(*ctx.nodes()[core].mixer)),
      pass_{d_.dims, d_.coeffs, d_.v},
      state_(static_cast<const R*>(ctx.state_in(0, d_.state, d_.state_shape))) {
  if (estimator == Estimator::kKeyDropping) pass_.coeffs.b = pass_.coeffs.c = nullptr;
}

// The read asked for, as weights of the kernel's row product.
template <class R>
void HeadView<R>::fill_weights(const R* w, int64_t read, R* weights) const {
  const auto& d = d_.dims;
  std::fill_n(weights, d.T * d.R * d.H, R(0));
  for (int64_t t = 0; t < d.T; ++t) {
    for (int64_t h = 0; w[t] != R(0) && h < d.H; ++h) {
      weights[(t * d.R + read) * d.H + h] = d_.divisor == nullptr ? w[t] : w[t] / d_.divisor[t * d.H + h];
    }
  }
}

// The state at carry.numbers[first...] [H, K].
template <class R>
void HeadView<R>::times(const R* weights, RowCarry<R>& carry, size_t first, R* out) const {
  const auto& d = d_.dims;
  const int64_t HK = d.H * d.K, W = d.R * d.H;
  std::vector<R> state(carry.numbers.begin() + static_cast<std::ptrdiff_t>(first),
                       carry.numbers.begin() + static_cast<std::ptrdiff_t>(first) + HK);
  std::vector<R> late(static_cast<size_t>(W),
                      R(0));  // [R, H] what the later chunk's first token makes of the last write
  for (int64_t i = 0; !carry.pending.empty() && d.T > 0 && i < W; ++i) {
    const int64_t h = i % d.H, key = ((d.T - 1) * d.R + i / d.H) * d.G + h / (d.H / d.G);
    double sum = 0;
    for (int64_t k = 0; k < d.K; ++k)
      sum += static_cast<double>(state[static_cast<size_t>(h * d.K + k)]) *
             static_cast<double>(d_.coeffs.k[key * d.K + k]);
    late[static_cast<size_t>(i)] = static_cast<R>(sum * static_cast<double>(carry.pending[static_cast<size_t>(h)]));
  }
  this->each_segment_back(state, static_cast<size_t>(HK), [&](const Segment& g, size_t, R* S) {
    glr::head_row_times(pass_.dims_of(g), pass_.at(g.begin), weights == nullptr ? nullptr : weights + g.begin * W, S,
                        out + g.begin * W);
  });
  for (int64_t i = 0; d.T > 0 && i < W; ++i) out[(d.T - 1) * W + i] += late[static_cast<size_t>(i)];
  std::copy(state.begin(), state.end(), carry.numbers.begin() + static_cast<std::ptrdiff_t>(first));
}

template <class R>
void HeadView<R>::row(const R* w, RowCarry<R>& carry, R* out, double* missing) const {
  const auto& d = d_.dims;
  const size_t HK = static_cast<size_t>(d.H * d.K), n = static_cast<size_t>(d.T * d.R * d.H);
  carry.numbers.resize(static_cast<size_t>(d.R) * HK, R(0));  // [R, H, K] a state for each read
  std::vector<R> weights(w == nullptr ? 0 : n), alpha(n);     // [T, R, H]
  std::fill_n(out, d.T * d.H, R(0));
  const R mean = R(1) / static_cast<R>(d.R * d.R);
  for (int64_t read = 0; read < d.R; ++read) {
    if (w != nullptr) fill_weights(w, read, weights.data());
    times(w == nullptr ? nullptr : weights.data(), carry, static_cast<size_t>(read) * HK, alpha.data());
    for (int64_t i = 0; i < d.T * d.R * d.H; ++i) {
      const int64_t h = i % d.H, t = i / (d.R * d.H);
      const R a = alpha[static_cast<size_t>(i)];
      out[t * d.H + h] += mean * a;
      double* miss = missing + (read * d.H + h) * d_.V_out;
      for (int64_t e = 0; e < d_.V_out; ++e) miss[e] -= static_cast<double>(a) * static_cast<double>(d_.v[i * d.V + e]);
    }
  }
  if (d_.previous != nullptr) carry.pending.assign(d_.previous, d_.previous + d.H);
}

template <class R>
void HeadView<R>::add_carried_in(const RowCarry<R>& carry, double* out) const {
  const auto& d = d_.dims;
  for (int64_t i = 0; i < d.R * d.H * d.K; ++i) {
    const int64_t read = i / (d.H * d.K), h = i / d.K % d.H;
    const double a = static_cast<double>(carry.numbers[static_cast<size_t>(i)]);
    const R* S = d_.S0 + (i % (d.H * d.K)) * d.V;
    for (int64_t e = 0; e < d_.V_out; ++e) out[(read * d.H + h) * d_.V_out + e] += a * static_cast<double>(S[e]);
  }
}

template <class R>
void HeadView<R>::row_times_mean(const R* r, RowCarry<R>& carry, R* out) const {
  const auto& d = d_.dims;
  const int64_t W = d.R * d.H;
  carry.numbers.resize(static_cast<size_t>(d.H * d.K), R(0));
  std::vector<R> weights(static_cast<size_t>(d.T * W)), alpha(weights.size());  // [T, R, H], all reads alike
  for (int64_t t = 0; t < d.T; ++t) {
    for (int64_t i = 0; i < W; ++i)
      weights[static_cast<size_t>(t * W + i)] = d_.divisor == nullptr ? r[t] : r[t] / d_.divisor[t * d.H + i % d.H];
  }
  times(weights.data(), carry, 0, alpha.data());
  for (int64_t t = 0; t < d.T; ++t) {
    double sum = 0;
    for (int64_t i = t * W; i < (t + 1) * W; ++i) sum += static_cast<double>(alpha[static_cast<size_t>(i)]);
    out[t] = static_cast<R>(sum / static_cast<double>(W * d.R));
  }
  if (d_.previous != nullptr) carry.pending.assign(d_.previous, d_.previous + d.H);
}

void residual_of(const glr::HeadDims& d, const glr::HeadCoeffs<float>& c, const float* v, double* S, const float* y,
                 double* residual) {
  glr::head_forward_residual(d, c, v, S, y, residual);
}

void residual_of(const glr::HeadDims& d, const glr::HeadCoeffs<double>& c, const double* v, double* S, const double* y,
                 double* residual) {
  const int64_t W = d.R * d.H * d.V;
  std::vector<double> reference(static_cast<size_t>(d.T * W));  // [T, R, H, V]
  glr::head_forward_extended(d, c, v, S, reference.data());
  relative_rows(d.T, W, y, reference.data(), residual);
}

// With a divisor the recurrence runs once more in double and is divided by its own last column's normaliser as it was.
template <class R>
void HeadView<R>::divided_residual(std::vector<double>& S, double* residual) const {
  const auto& d = d_.dims;
  for (const Segment& g : this->segments_) {
    const glr::HeadDims here = pass_.dims_of(g);
    const auto wide = [](const R* p, int64_t n) {
      return p == nullptr ? std::vector<double>() : std::vector<double>(p, p + n);
    };
    const glr::HeadCoeffs<R> c = pass_.at(g.begin);
    const std::vector<double> q = wide(c.q, here.T * pass_.qk()), k = wide(c.k, here.T * pass_.qk()),
                              decay = wide(c.g, here.T * pass_.gw()), s = wide(c.s, here.T * d.H),
                              v = wide(d_.v + g.begin * pass_.vw(), here.T * pass_.vw());
    glr::HeadCoeffs<double> coeffs{q.data(), k.data(), c.decay};
    coeffs.g = decay.empty() ? nullptr : decay.data();
    coeffs.s = s.empty() ? nullptr : s.data();
    coeffs.read = c.read;
    if (!g.carries_in) std::fill(S.begin(), S.end(), 0.0);
    std::vector<double> reference(static_cast<size_t>(here.T * pass_.vw()));  // [T, R, H, V]
    glr::head_forward_extended(here, coeffs, v.data(), S.data(), reference.data());
    for (int64_t t = 0; t < here.T; ++t) {
      double error = 0, norm = 0;
      for (int64_t h = 0; h < d.H; ++h) {
        for (int64_t e = 0; e < d_.V_out; ++e) {
          const int64_t token = g.begin + t;
          const double ref = reference[static_cast<size_t>((t * d.H + h) * d.V + e)] /
                             static_cast<double>(d_.divisor[token * d.H + h]);
          const double y = static_cast<double>(d_.y[(token * d.H + h) * d_.V_out + e]);
          error += (y - ref) * (y - ref);
          norm += ref * ref;
        }
      }
      residual[g.begin + t] = relative(error, norm);
    }
  }
}

template <class R>
void HeadView<R>::forward_residual(std::vector<double>& S, double* residual) const {
  const size_t n = static_cast<size_t>(d_.dims.H * d_.dims.K * d_.dims.V);
  if (S.empty()) {
    S.assign(d_.S0, d_.S0 + n);
  } else if (d_.previous != nullptr) {  // what the first token still writes of the one before it
    for (size_t i = 0; i < n; ++i)
      S[i] += static_cast<double>(d_.S0[i]) - (state_ == nullptr ? 0.0 : static_cast<double>(state_[i]));
  }
  if (d_.divisor != nullptr) return divided_residual(S, residual);
  for (size_t i = 0; i < this->segments_.size(); ++i) {
    const Segment& g = this->segments_[i];
    const R* start = d_.S0 + i * n;
    if (i > 0) std::copy(start, start + n, S.begin());
    residual_of(pass_.dims_of(g), pass_.at(g.begin), d_.v + g.begin * pass_.vw(), S.data(), d_.y + g.begin * pass_.vw(),
                residual + g.begin);
  }
}

template <class R>
bool HeadView<R>::lead(int64_t t, Transition<R>& to) const {
  glr::lead_transition(pass_.dims, pass_.at(t), to.numbers);
  if (this->starts_anew(t)) glr::forget_before(pass_.coeffs, to.numbers);
  return true;
}

template <class R>
void HeadView<R>::carry(const Transition<R>& to, R* change) const {
  glr::apply_transition(pass_.dims, pass_.coeffs, to.numbers, change);
}

}  // namespace

HS_STRUCTURE_VIEW(heads, HeadView)

}  // namespace hindscan
