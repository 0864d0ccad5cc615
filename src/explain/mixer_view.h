// What explain/ knows of a token mixer: its implicit attention as an operator on one recorded chunk. One class a kind
// of MixerDetail; a new kind adds a class here and nothing elsewhere in explain/.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "explain/mixer_chain.h"

namespace hindscan {

// What an adjoint carries from a chunk to the chunk before it; empty: zeros.
template <class R>
struct RowCarry {
  std::vector<R> numbers;  // adjoint of the carried state; attention: weights of the tokens before, the nearest last
  std::vector<R> pending;  // two taps: what the later chunk's first token gives to the write before it
};

// Maps are what alpha has one of each: channels or heads. Channels are those of the core's output.
template <class R>
class MixerView {
 public:
  virtual ~MixerView() = default;
  virtual int64_t maps() const = 0;
  virtual int64_t channels() const = 0;
  // out[j,m] = sum_i w[i] alpha[m,i,j] ([T, maps], overwritten), the mean over reads and writes where a token has
  // several; w null: the rows lie in later chunks and only what is carried reaches this one. Takes sum_j alpha v from
  // missing
  // ([channels]), read by read and write by write.
  virtual void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const = 0;
  // Contribution per channel of the state before the chunk, given the carry of row() ([channels], added to out).
  virtual void add_carried_in(const RowCarry<R>& carry, double* out) const = 0;
  // out[j] = sum_i r[i] mean_m alpha[m,i,j] ([T]).
  virtual void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const = 0;
  // sum_i w[i] y[i] ([channels], overwritten).
  virtual void weighted_output(const R* w, double* out) const = 0;
  // Independent recomputation in double: residual[t] = ||y_t - ref_t|| / ||ref_t||, or 0 where it is not checked.
  // S: double state, starts empty.
  virtual void forward_residual(std::vector<double>& S, double* residual) const = 0;
  // Whether other tools draw something else: the map without the rank-1 term of its transition.
  virtual bool has_key_dropping() const { return false; }
  virtual bool quadratic() const { return false; }  // a row product costs T^2

  const MixerOps& ops() const { return ops_; }
  int64_t tokens() const { return T_; }
  Var values() const { return ops_.values; }

  int layer = 0;
  std::string kind;   // structure, e.g. "glr.element"
  std::string notes;  // what is held besides coefficients: "normaliser frozen", "frozen gates"
  size_t mixer = 0;   // among ctx.mixers()
  size_t stage = 0;   // views of one stage run side by side, each on what the stages before left

 protected:
  MixerView(const Ctx& ctx, const MixerScope& scope, size_t core);
  // Runs f(segment, state) from the last segment to the first; state [n] is what is carried there.
  template <class F>
  void each_segment_back(std::vector<R>& carry, size_t n, F&& f) const;
  MixerOps ops_;
  int64_t T_;
  std::vector<Segment> segments_;
};

enum class Estimator : uint8_t { kExact, kKeyDropping };  // kKeyDropping: rank-1 terms left out, as other tools draw it

// Views of every mixer of the pass, first layer first. Error(kInternal) unless the pass holds one sequence.
template <class R>
std::vector<std::unique_ptr<MixerView<R>>> mixer_views(const Ctx& ctx, Estimator estimator = Estimator::kExact);

template <class R>
template <class F>
void MixerView<R>::each_segment_back(std::vector<R>& carry, size_t n, F&& f) const {
  carry.resize(n, R(0));
  std::vector<R> local;  // of the segments before a reset
  for (size_t s = segments_.size(); s-- > 0;) {
    const Segment& g = segments_[s];
    std::vector<R>* state = &carry;
    if (!g.carries_out) {
      local.assign(n, R(0));
      state = &local;
    }
    f(g, s, state->data());
    if (s == 0 && state == &local) carry = local;
    if (s == 0 && !g.carries_in) carry.assign(n, R(0));
  }
}

}  // namespace hindscan
