// What explain/ knows of a token mixer: its implicit attention as an operator on one recorded chunk. A structure (how
// the state goes from token to token) is one file in structures/ and one line in structures.def; nothing else learns of
// it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "explain/later_reads.h"
#include "explain/map_window.h"
#include "explain/mixer_chain.h"

namespace hindscan {

// What an adjoint carries from a chunk to the chunk before it; empty: zeros.
template <class R>
struct RowCarry {
  std::vector<R> numbers;  // adjoint of the carried state; attention: weights of the tokens before, the nearest last
  std::vector<R> pending;  // two taps: what the later chunk's first token gives to the write before it
};

// How a change of the state at one border goes on to a later one under the transitions that this text had, as the
// structure keeps it; empty: no token lies between.
template <class R>
struct Transition {
  std::vector<R> numbers;
};

// How reports call a structure.
struct StructureName {
  std::string kind;   // "glr.element"
  std::string words;  // "recurrence with a decay for each state and channel"
  std::string notes;  // what its maps hold besides the coefficients, "normaliser frozen"; empty: nothing
  std::string held;   // the same as a sentence
};

// What a structure costs beside a constant for each token.
struct MixerCost {
  double pair_flops = 0;  // of each pair of tokens, where a token reads all before it
  int64_t cached = 0;     // bytes of each token in the state
  int64_t window = 0;     // > 0: of the last so many tokens only
};

// Maps are what alpha has one of each: channels or heads. Channels are those of the core's output.
template <class R>
class MixerView {
 public:
  virtual ~MixerView() = default;
  virtual int64_t maps() const = 0;
  virtual int64_t channels() const = 0;
  virtual int64_t reads() const { return 1; }   // of a token
  virtual int64_t writes() const { return 1; }  // of a token
  // out[j,m] = sum_i w[i] alpha[m,i,j] ([T, maps], overwritten), the mean over reads and writes where a token has
  // several; w null: the rows lie in later chunks and only what is carried reaches this one. Takes sum_j alpha v from
  // missing ([channels]), read by read and write by write.
  virtual void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const = 0;
  // The row of one token whose own step is left out: it neither decays nor writes, as in the code released with arXiv
  // 2403.01590. False, and nothing done, where that code has no such structure.
  virtual bool row_without_own_step(const R* /*w*/, RowCarry<R>& /*carry*/, R* /*out*/) const { return false; }
  // Contribution per channel of the state before the chunk, given the carry of row() ([channels], added to out).
  virtual void add_carried_in(const RowCarry<R>& carry, double* out) const = 0;
  // out[j] = sum_i r[i] mean_m alpha[m,i,j] ([T]).
  virtual void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const = 0;
  // sum_i w[i] y[i] ([channels], overwritten).
  virtual void weighted_output(const R* w, double* out) const = 0;
  // Independent recomputation in double: residual[t] = ||y_t - ref_t|| / ||ref_t||, or 0 where it is not checked.
  // S: double state, starts empty.
  virtual void forward_residual(std::vector<double>& S, double* residual) const = 0;
  // Puts token t in front of a transition: then it starts before t. False, and untouched, where states do not follow
  // each other linearly.
  virtual bool lead(int64_t t, Transition<R>& transition) const = 0;
  // The change of the state where the transition starts ([state numbers] of one of states()) becomes that where it
  // ends.
  virtual void carry(const Transition<R>& transition, R* change) const = 0;
  // Slots of the state that a transition carries alike.
  virtual std::vector<std::string> states() const { return {state_slot_}; }
  // Adds the chunk, which begins with token `first` of its text and was run back, to what later tokens read directly;
  // stays null where the adjoint of the state says it.
  virtual void add_reads(Ctx& /*ctx*/, int64_t /*first*/, std::unique_ptr<LaterReads<R>>& /*reads*/) const {}
  // What an edited text carries, in the terms of another that stands at the same border: where states are kept relative
  // to something of their own (a running maximum), they are made relative to the other's.
  virtual void align(SequenceState& /*edited*/, const SequenceState& /*to*/) const {}
  // Collects coefficients for tiles and block sums; fold: with what stands around the core.
  virtual std::unique_ptr<MapWindow<R>> window(bool fold, Estimator estimator) const = 0;
  virtual bool folds() const { return true; }          // whether what stands around the core folds into its map
  virtual bool reads_itself() const { return false; }  // its gates read the output of the token before
  // Whether other tools draw something else: the map without the rank-1 term of its transition.
  virtual bool has_key_dropping() const { return false; }
  virtual MixerCost cost() const { return {}; }

  const StructureName& name() const { return name_; }
  const MixerOps& ops() const { return ops_; }
  int64_t tokens() const { return T_; }
  Var values() const { return ops_.values; }
  // The tap whose zeros in a token's row take its write away, "blocks.3.mixer.k". Error(kInternal) for none.
  const std::string& write_tap() const;
  const std::string& state() const { return state_slot_; }  // slot of the carried state
  std::string slot(std::string_view name) const { return where_ + "." + std::string(name); }  // another of the mixer

  int layer = 0;
  size_t mixer = 0;  // among ctx.mixers()
  size_t stage = 0;  // views of one stage run side by side, each on what the stages before left

 protected:
  MixerView(const Ctx& ctx, const MixerScope& scope, size_t core, StructureName name);
  // Runs f(segment, index, state) from the last segment to the first; state [n] is what is carried there.
  template <class F>
  void each_segment_back(std::vector<R>& carry, size_t n, F&& f) const;
  bool starts_anew(int64_t t) const { return has_resets_ && forgotten_before(t); }  // what came before token t is gone
  void weighted_rows(const R* w, int64_t C, const R* y, double* out) const;         // sum_i w[i] y[i], y [T, C]
  MixerOps ops_;
  int64_t T_;
  std::vector<Segment> segments_;

 private:
  bool forgotten_before(int64_t t) const;
  bool has_resets_;
  StructureName name_;
  std::string where_, write_tap_, state_slot_;
};

// The detail of a node as its structure left it. Error(kInternal) for another.
template <class Detail>
const Detail& detail_as(const MixerDetail& detail) {
  const auto* found = dynamic_cast<const Detail*>(&detail);
  check(found != nullptr, ErrorCode::kInternal, "[{}] expected the coefficients of its own structure, found others",
        detail.state);
  return *found;
}

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
