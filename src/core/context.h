// The coarse tape: one forward pass over packed sequences, and its adjoint under chosen rules.
// Ops are fused and named by role, because rules attach to roles (ARCHITECTURE.md lists role and adjoint of each).
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/function_ref.h"
#include "core/local_rule.h"
#include "core/mixer_detail.h"
#include "core/sequence_state.h"
#include "core/var.h"
#include "core/weights.h"
#include "kernels/pointwise.h"

namespace hindscan {

// What a pass reads: tokens or feature vectors of several sequences, packed without padding.
struct Input {
  std::span<const int32_t> tokens;  // [T]
  std::span<const float> features;  // [T, feature_dim], instead of tokens
  int64_t feature_dim = 0;
  std::vector<int64_t> cu_seqlens;     // [B+1], 0 .. T ascending; empty: one sequence
  std::span<const uint8_t> resets;     // [T] or empty; non-zero: the state is zero before this token
  std::vector<SequenceState*> states;  // [B] or empty: start from zero, drop the end
                                       // of a chained pass: states[0] is also where the first sequence starts
  int64_t length() const;
};

// A run of tokens of one sequence without a reset inside.
struct Segment {
  int64_t begin, end;
  int seq;
  bool carries_in;   // starts from the sequence's state
  bool carries_out;  // leaves the sequence's state
};

// Listener at a named point of the pass; may read or edit the [T, C] array in place.
struct TapView {
  std::string_view name;  // e.g. "blocks.3.mixer.k"; "embedding": what the pass starts from
  int64_t T, C;
  DType dtype;  // kF32 or kF64
  void* data;
};
using Tap = std::function<void(const TapView&)>;

// The rows of the sequences in a [T, C] array. Index 0 is the input's; gathering tokens makes others.
struct Layout {
  std::vector<int64_t> cu;  // [B+1]
  std::vector<Segment> segments;
};

struct OpNode {
  Role role = Role::kTap;
  std::vector<Var> in;
  Var out = kNoVar;
  std::vector<const Weight*> weights;  // in the op's order; entries may be null
  std::function<void(const LocalRule&)> adjoint;
  std::shared_ptr<const MixerDetail> mixer;  // roles glr, attention, nonlinear: what explain/ reads
  bool second_is_signal = false;             // in[1] is made of the input, not a coefficient
  void backward(const AdjointRules& rules) const { adjoint(resolve(rules, role, second_is_signal)); }
};

// A token mixer of a recorded pass: its nodes are nodes[first, last).
struct MixerScope {
  std::string where;  // "blocks.3.mixer"
  int layer = 0;
  size_t first = 0, last = 0;
  Var in = kNoVar, out = kNoVar;
  std::vector<std::pair<std::string, Var>> taps;  // full names, and what they show
};

// What the passes of one model leave to the next one: memory, and the names of what they carry.
struct PassRoom {
  Arena arena, scratch;
  SlotNames names;
};

struct CtxOptions {
  bool record = false;          // keep what the adjoint needs
  bool recompute = false;       // with record: blocks keep their input only and run again in the adjoint
  DType compute = DType::kF32;  // kF32, or kF64 on the reference kernels
  DType gemm = DType::kF32;     // kBF16: products from bf16 copies (WeightTable::make_bf16)
  GradTable* grads = nullptr;   // weight gradients go here when the rules ask for them
  Tap tap;                      // called at every tap when set
  Arena* arena = nullptr;       // of the tape; reused between passes, reset by the constructor
  Arena* scratch = nullptr;     // of single ops; reused between passes
  SlotNames* names = nullptr;   // of the carried arrays; of passes of one model only, kept between them
  bool in_place = false;        // without record: states advance during the pass, commit() only counts tokens;
                                // a pass that throws leaves them unusable
  bool chained = false;         // every sequence goes on from what the one before it leaves: cut into tokens, a text
                                // shows its state, and the adjoint of it, at every border (attention: at the end only)
  bool finite = true;           // Error(kData) that names the first array which leaves the finite numbers
  void use(PassRoom& room) { arena = &room.arena, scratch = &room.scratch, names = &room.names; }
};

class Ctx {
 public:
  Ctx(const Input& input, CtxOptions options);
  ~Ctx();
  Ctx(const Ctx&) = delete;
  Ctx& operator=(const Ctx&) = delete;

  // The frame of a family; what it computes with are the ops of core/ops, one header a role.
  using Body = FunctionRef<Var(Ctx&, Var)>;
  Var tap(std::string_view name, Var x);  // name is relative to the open scopes
  Var mixer(Var u, Body body);
  // A residual block, the unit of recomputation: a pass that recomputes keeps a copy of body, others call it once.
  // uses: arrays from before the block that body reads besides x.
  template <class F>
  Var block(int layer, Var x, std::span<const Var> uses, const F& body) {
    return options_.record && options_.recompute ? block_twice(layer, x, uses, body) : block_once(layer, x, body);
  }
  template <class F>
  Var block(int layer, Var x, const F& body) {
    return block(layer, x, {}, body);
  }
  void set_embedding(Var x) { embedding_ = x; }  // what embedding() gives instead

  // Moves what the sequences carry into Input::states. Call once, after the forward pass, and after backward() if any.
  void commit();

  // Adjoint. Seed one or more outputs, then run back through the tape.
  template <class R>
  R* grad(Var v);  // [T, C], zero at first use
  bool has_grad(Var v) const { return slots_[static_cast<size_t>(v)].has_grad; }
  void backward(const AdjointRules& rules);
  void backward(const AdjointRules& rules, size_t first_node, size_t last_node);
  void clear_grads(Var first = 0);  // forget the adjoint of every Var >= first
  // Adjoint of what the sequences carry. adjoint_in: of the state this pass leaves (set before backward; empty: zero);
  // adjoint_out: of the state it started from. Slots carry the path's name when the rules split paths.
  std::vector<SequenceState> adjoint_in, adjoint_out;
  double bias_share = 0;  // sum over backward passes of <bias, adjoint>
  double skip_share = 0;  // sum over layers and passes of <D x, adjoint>

  // What explain/ sees.
  const std::vector<OpNode>& nodes() const { return nodes_; }
  const std::vector<MixerScope>& mixers() const { return mixers_; }
  int64_t rows(Var v) const { return slots_[static_cast<size_t>(v)].T; }
  int64_t cols(Var v) const { return slots_[static_cast<size_t>(v)].C; }
  template <class R>
  R* data(Var v) const {
    return static_cast<R*>(slots_[static_cast<size_t>(v)].data);
  }
  const Input& input() const { return input_; }
  const std::vector<Segment>& segments() const { return layouts_[0].segments; }
  const Layout& layout(Var v) const { return layouts_[static_cast<size_t>(slots_[static_cast<size_t>(v)].layout)]; }
  int64_t position(const Segment& s, Var v) const;  // of the segment's first token since its sequence (or reset) began
  DType compute() const { return options_.compute; }
  // What a sequence carried before this pass, null for zeros.
  const void* state_in(int seq, const std::string& name, const std::vector<int64_t>& shape) const;
  size_t peak_bytes() const { return arena_->peak(); }

  // What ops are made of: arrays of the pass, ...
  template <class F>
  auto with_real(F&& f) const {  // f of a number of the compute type
    return options_.compute == DType::kF64 ? f(double{}) : f(float{});
  }
  Var make(int64_t T, int64_t C, int layout = 0);
  Var make_like(Var x, int64_t C) { return make(rows(x), C, slots_[static_cast<size_t>(x)].layout); }  // [rows of x, C]
  int add_layout(Layout wanted);  // its index; equal ones are shared
  const CtxOptions& options() const { return options_; }
  Arena& arena() { return *arena_; }     // lives as long as the pass, or the block
  Arena& scratch() { return scratch_; }  // of one op
  Var embedding_instead() const { return embedding_; }
  // Stops a pass whose norm has divided an infinity down; scale [n] is what it multiplied with.
  template <class R>
  void check_norm(Var x, const Weight* w, int64_t n, const R* scale) const;

  // ... their adjoints, ...
  bool recording() const { return options_.record && !replaying_forward_; }
  // Notes how `out` was made. False in a running pass, which keeps no more of it; else set_adjoint() follows.
  bool record(Role role, std::span<const Var> in, Var out, std::initializer_list<const Weight*> weights,
              kernels::Act act = kernels::Act::kIdentity);
  bool record(Role role, std::initializer_list<Var> in, Var out, std::initializer_list<const Weight*> weights,
              kernels::Act act = kernels::Act::kIdentity) {
    return record(role, std::span(in.begin(), in.size()), out, weights, act);
  }
  void set_adjoint(std::function<void(const LocalRule&)> adjoint, std::shared_ptr<const MixerDetail> mixer = nullptr);
  template <class R>
  R* grad_target(Var v, bool* accumulate);  // like grad, but uninitialised with *accumulate = false at first use

  // ... and carried arrays. The next one of the pass: "blocks.3.mixer.conv", ".conv2" where the block has one already;
  // beside another: its name and ".part".
  Carried carry(std::string_view op, const SlotShape& shape);
  Carried carry_beside(const Carried& array, std::string_view part, const SlotShape& shape);
  const std::string& name_of(const Carried& array) const { return names_[array.slot]; }
  const SlotNames& names() const { return names_; }
  const void* state_in(int seq, const Carried& array) const;
  SequenceState* state_of(int seq) const;             // what it starts from; null: from zero, and the end is dropped
  const SequenceState& adjoint_after(int seq) const;  // of what the sequence leaves
  // Of a chained pass one segment that begins with the first sequence and ends in the last, and which that is; of
  // another pass the segments as they are, each ending in its own.
  const std::vector<Segment>& joined(const std::vector<Segment>& segments) const {
    return options_.chained ? chain_ : segments;
  }
  int last_of(int seq) const { return options_.chained ? static_cast<int>(pending_.size()) - 1 : seq; }
  template <class R>
  R* carry_out(int seq, const Carried& array);

 private:
  struct Slot {
    int64_t T = 0, C = 0;
    int layout = 0;
    void* data = nullptr;
    void* grad = nullptr;
    bool has_grad = false;
    Role role = Role::kTap;          // of the op that made it; kTap: not said
    const Weight* weight = nullptr;  // the op's first
    bool coefficient = false;        // made of coefficients, not of signals
  };
  int next_carried(std::string_view op, const std::string* name);
  Var block_once(int layer, Var x, Body body);
  Var block_twice(int layer, Var x, std::span<const Var> uses, const std::function<Var(Ctx&, Var)>& body);
  Var forget_interior(Var x, Body body);
  void open_block(int layer, int carried);
  Var close_block(Var y);  // y
  void run_block_back(Var x, Var y, Body body, const AdjointRules& rules);
  std::string where() const;
  Var checked(Var y) const;  // y, once it is known to be finite
  [[noreturn]] void fail_non_finite(const std::string& otherwise) const;

  CtxOptions options_;
  Input input_;
  std::vector<Layout> layouts_;
  std::vector<Segment> chain_;                  // of a chained pass: all its tokens as one
  mutable std::vector<SequenceState> pending_;  // a look-up remembers where the slots are
  std::unique_ptr<Arena> own_arena_, own_scratch_;
  Arena* arena_;
  Arena& scratch_;
  std::vector<Slot> slots_;
  std::vector<OpNode> nodes_;
  std::vector<MixerScope> mixers_;
  std::vector<std::pair<std::string, Var>> taps_;  // of the open mixer
  std::unique_ptr<SlotNames> own_names_;
  SlotNames& names_;
  int carried_ = 0;         // carried arrays asked for so far
  int block_carried_ = 0;   // of them, before the open block
  size_t block_begin_ = 0;  // first slot of the open block
  int layer_ = -1;
  bool in_block_ = false, in_mixer_ = false;
  Var embedding_ = kNoVar;
  bool replaying_forward_ = false;  // inside a block whose forward is not recorded (recompute)
  bool in_recompute_ = false;       // inside the second run of such a block
};

}  // namespace hindscan
