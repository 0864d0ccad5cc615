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
#include "core/local_rule.h"
#include "core/mixer_detail.h"
#include "core/op_inputs.h"
#include "core/sequence_state.h"
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

// A sequence of tokens read in another order: output token i of each sequence is its token index[i].
struct TokenOrder {
  std::vector<int64_t> index;   // [L_out], each in 0..L_in-1; tokens may be left out or repeated
  std::vector<uint8_t> resets;  // [L_out] or empty; non-zero: recurrences start from zero before this token
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
  bool finite = true;           // Error(kData) that names the first array which leaves the finite numbers
};

class Ctx {
 public:
  Ctx(const Input& input, CtxOptions options);
  ~Ctx();
  Ctx(const Ctx&) = delete;
  Ctx& operator=(const Ctx&) = delete;

  // signal: linear in x under every rule
  Var embedding(const Weight& table);                      // [T, d_model]; features pass through
  void set_embedding(Var x) { embedding_ = x; }            // what embedding() gives instead
  Var features();                                          // [T, feature_dim] the input as it is
  Var linear(const Weight& w, const Weight* bias, Var x);  // [T, out]
  Var linear_rows(const Weight& w, const Weight* bias, Var x, int64_t first, int64_t count);  // rows of w only
  Var linear_in(const Weight& w, Var x, int64_t first, int64_t count);  // x w[first, first+count), w [in, out]
  Var linear_in(const Weight& w, Var x);                                // [T, out], w stored [in, out]
  Var block_linear(const Weight& w, const Weight* bias, Var x);         // w [H, in, out] per head: [T, H*out]
  Var expert_linear(const Weight& w, const Weight* bias, int64_t expert, Var x);  // w [E, out, in]
  Var causal_conv1d(const Weight& w, const Weight* bias, Var x);                  // [T, C], w [C, 1, K]
  Var skip(const Weight& d, Var base, Var x);  // base + D x; d [C], or [H] with C % H == 0
  Var beside(Var x);                           // x on its way around the core: the value path
  Var skip(const CurrentToken& in, Var base);  // base + sum_head(q u k) v, beside the recurrence
  Var add(Var a, Var b);
  Var scale(double factor, Var x);
  Var channel_scale(const Weight& w, Var x);                              // [T, C] w [C]
  Var rank_expand(const Weight& w, Var x, int64_t heads, int64_t ranks);  // w [H,R,P]: [T,H*P] -> [T,R*H*P]
  Var rank_reduce(const Weight& w, Var x, int64_t heads, int64_t ranks);  // the transpose: [T,R*H*P] -> [T,H*P]
  Var split(Var x, int64_t first, int64_t count);                         // columns
  Var split_strided(Var x, int64_t parts, int64_t stride, int64_t first, int64_t count);  // count columns of each part
  Var concat(std::span<const Var> parts);                                                 // columns
  Var select(Var x, std::span<const int64_t> rows);                                       // [rows, C]
  Var head_broadcast(Var x, int64_t heads, int64_t repeat);  // each head repeat times, [T, heads*repeat*d]
  Var token_shift(Var x);                                    // row t-1 of x, carried from pass to pass
  // order: other tokens, same channels
  Var gather_tokens(Var x, const TokenOrder& order);                 // [B*L_out, C]
  Var scatter_add_tokens(Var x, const TokenOrder& order, Var like);  // the transpose; rows of `like`
  Var pool_tokens(Var x, const TokenOrder& order, int64_t window);   // means of `window` tokens of the order
  Var insert_token(const Weight& token, Var x, int64_t position);    // [B*(L+1), C]; a class token
  // a coefficient acts on a signal: coeff [T, C], or [T, H] for the heads of a [T, H*d] signal
  Var gate(Var signal, Var gate);       // after the mixer core: two signal paths meet
  Var modulate(Var coeff, Var signal);  // before it, or coefficient by coefficient
  Var lerp(Var a, Var b, Var coeff);    // a + coeff (b - a)
  Var mix(Var x, Var previous, const Weight& mu, Var delta, bool mu_of_x);  // x + (previous - x)(mu + delta); mu_of_x:
                                                                            // mu x + (1 - mu) previous; delta or kNoVar
  Var head_dot(Var a, Var b, const Weight* w, int64_t heads);               // [T, H] sum of a w b over the head
  // non-linear
  Var activation(kernels::Act kind, Var x);
  Var soft_cap(double cap, Var x);                                            // cap tanh(x / cap)
  Var decay(Var x, const Weight& bias);                                       // step dt = softplus(x + bias)
  Var decay(Var x, const Weight& bias, double low, double high);              // clamped to [low, high]
  Var decay_rate(RateMap map, Var x, const Weight& w, double factor = 1);     // factor * f(w) x, w [n], C % n == 0
  Var decay_map(DecayMap map, Var x, const Weight* bias, double factor = 1);  // factor * f(x + bias); x kNoVar: f(bias)
  Var decay_constant(std::span<const double> g);                              // [T, n] the same row for every token
  Var decay_bound(Var x, const Weight& lower, int64_t layer);                 // HGRN2: log(b + (1 - b) sigmoid(x))
  Var phase(Var angle, Var dt, int64_t heads);  // Mamba-3: running sum of pi tanh(angle) dt
  // norms
  Var rmsnorm(const Weight* w, Var x, double eps);  // w null: weightless
  Var norm(const NormOptions& options, const Weight* w, const Weight* bias, Var x);
  // rotation of pairs of channels
  Var rope(const Rope& rope, Var x);                              // by the position in the sequence
  Var rotate(Var x, Var theta, int64_t heads, bool interleaved);  // by theta [T, heads_theta * S]
  // mixers
  struct GlrElement {
    Var q, k, v;          // C [T,N], B [T,N], x [T,D]
    Var dt;               // [T, D]
    const Weight* A_log;  // [D, N], A = -exp(A_log)
  };
  Var glr(const GlrElement& in);                  // [T, D]
  Var glr(const GlrHeads& in);                    // [T, R*H*V]
  Var glr(const GlrChannel& in);                  // [T, D]
  Var glr(const GlrWkv4& in);                     // [T, D]
  Var glr(const GlrMlstm& in);                    // [T, H*V]
  Var softmax_attention(const Attention& in);     // [T, heads*v_dim]
  Var nonlinear_recurrence(const Nonlinear& in);  // [T, H*d]
  // experts
  Var moe_route(Var logits, const Route& route);                      // [T, E] weights, zero where not routed
  std::vector<int64_t> routed_rows(Var route, int64_t expert) const;  // rows with a weight
  Var combine_experts(Var route, std::span<const int64_t> experts, std::span<const Var> parts, int64_t channels);
  // structure
  Var tap(std::string_view name, Var x);                                   // name is relative to the open scopes
  Var block(int layer, Var x, const std::function<Var(Ctx&, Var)>& body);  // residual block, unit of recomputation
  // uses: arrays from before the block that body reads besides x.
  Var block(int layer, Var x, std::span<const Var> uses, const std::function<Var(Ctx&, Var)>& body);
  Var mixer(Var u, const std::function<Var(Ctx&, Var)>& body);
  // ends. Losses in nats per position, never [T, vocab] at once; weight[t] multiplies the adjoint of loss t (0:
  // masked). With record, the adjoint of h (and of head, with grads) is accumulated at once: call backward()
  // afterwards.
  void cross_entropy(const LogitHead& head, Var h, std::span<const int32_t> targets, std::span<const float> weight,
                     std::span<double> losses);

  Var pool(Pool kind, Var x);  // [B, C] one row a sequence
  // Mean squared error per row against targets [rows, C of h]; record as in cross_entropy.
  void regression_loss(Var h, std::span<const float> targets, std::span<const float> weight, std::span<double> losses);

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
  // What a sequence carried before this pass, null for zeros; by name for readers of a recorded pass.
  const void* state_in(int seq, const Carried& array) const;
  const void* state_in(int seq, const std::string& name, const std::vector<int64_t>& shape) const;
  const std::string& name_of(const Carried& array) const { return names_[array.slot]; }
  size_t peak_bytes() const { return arena_->peak(); }

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
  template <class F>
  auto with_real(F&& f) const {
    return options_.compute == DType::kF64 ? f(double{}) : f(float{});
  }
  Var make(int64_t T, int64_t C, int layout = 0);
  Var make_like(Var x, int64_t C) { return make(rows(x), C, slots_[static_cast<size_t>(x)].layout); }  // [rows of x, C]
  // The next carried array: "blocks.3.mixer.conv", ".conv2" where the block has one already.
  Carried carry(std::string_view op, const SlotShape& shape);
  Carried carry_beside(const Carried& array, std::string_view part, const SlotShape& shape);  // its name and ".part"
  int next_carried(std::string_view op, const std::string* name);
  SequenceState* state_of(int seq) const;  // null: starts from zero, the end is dropped
  // Notes how `out` was made. False in a running pass, which keeps no more of it; else set_adjoint() follows.
  bool record(Role role, std::span<const Var> in, Var out, std::initializer_list<const Weight*> weights,
              kernels::Act act = kernels::Act::kIdentity);
  bool record(Role role, std::initializer_list<Var> in, Var out, std::initializer_list<const Weight*> weights,
              kernels::Act act = kernels::Act::kIdentity) {
    return record(role, std::span(in.begin(), in.size()), out, weights, act);
  }
  void set_adjoint(std::function<void(const LocalRule&)> adjoint, std::shared_ptr<const MixerDetail> mixer = nullptr);
  bool recording() const { return options_.record && !replaying_forward_; }
  Var reorder(Var x, const TokenOrder& order, int* layout);
  Var forget_interior(Var x, const std::function<Var(Ctx&, Var)>& body);
  void open_block(int layer, int carried);
  void run_block_back(Var x, Var y, const std::function<Var(Ctx&, Var)>& body, const AdjointRules& rules);
  std::string where() const;
  template <class R>
  R* carry_out(int seq, const Carried& array);
  template <class R>
  void linear_forward(const Weight& w, int64_t first, int64_t count, int64_t M, const R* x, R* y);  // y [M, count]
  template <class R>
  void linear_backward(const Weight& w, int64_t first, int64_t count, int64_t M, const R* x, const R* dy, R* dx,
                       R dx_beta, bool want_dw);
  template <class R>
  R* grad_target(Var v, bool* accumulate);  // like grad, but uninitialised with *accumulate = false at first use
  template <class R>
  void bias_backward(const Weight& bias, int64_t first, int64_t M, int64_t C, const R* dy, const LocalRule& rule);
  const uint16_t* to_bf16(const float* x, int64_t n);  // in scratch_
  Var checked(Var y) const;                            // y, once it is known to be finite
  template <class R>
  void check_norm(Var x, const Weight* w, int64_t n, const R* scale) const;
  [[noreturn]] void fail_non_finite(const std::string& otherwise) const;

  CtxOptions options_;
  Input input_;
  std::vector<Layout> layouts_;
  std::vector<SequenceState> pending_;
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
