#include "core/context.h"

#include <algorithm>
#include <cstring>

#include "base/threads.h"

namespace hindscan {

int64_t Input::length() const {
  if (feature_dim > 0) return static_cast<int64_t>(features.size()) / feature_dim;
  return static_cast<int64_t>(tokens.size());
}

static void check_input(const Input& in, const std::vector<int64_t>& cu) {
  const int64_t T = in.length();
  check(in.feature_dim >= 0 && (in.feature_dim == 0 || static_cast<int64_t>(in.features.size()) == T * in.feature_dim),
        ErrorCode::kUsage, "[input] {} feature numbers are not a multiple of feature_dim {}", in.features.size(),
        in.feature_dim);
  check(cu.front() == 0 && cu.back() == T && std::is_sorted(cu.begin(), cu.end()), ErrorCode::kUsage,
        "[input] cu_seqlens must ascend from 0 to {}, found {}", T, fmt::join(cu, ", "));
  check(in.states.empty() || in.states.size() + 1 == cu.size(), ErrorCode::kUsage,
        "[input] expected {} states, found {}", cu.size() - 1, in.states.size());
  check(in.resets.empty() || static_cast<int64_t>(in.resets.size()) == T, ErrorCode::kUsage,
        "[input] expected {} reset flags, found {}", T, in.resets.size());
}

static std::vector<Segment> make_segments(const Input& in, const std::vector<int64_t>& cu) {
  std::vector<Segment> out;
  for (size_t b = 0; b + 1 < cu.size(); ++b) {
    int64_t begin = cu[b];
    bool carries_in = true;
    for (int64_t t = cu[b]; t < cu[b + 1]; ++t) {
      if (in.resets.empty() || in.resets[static_cast<size_t>(t)] == 0) continue;
      if (t > begin) out.push_back({begin, t, static_cast<int>(b), carries_in, false});
      begin = t;
      carries_in = false;
    }
    out.push_back({begin, cu[b + 1], static_cast<int>(b), carries_in, true});
  }
  return out;
}

Ctx::Ctx(const Input& input, CtxOptions options)
    : options_(std::move(options)),
      input_(input),
      own_arena_(options_.arena == nullptr ? std::make_unique<Arena>() : nullptr),
      own_scratch_(options_.scratch == nullptr ? std::make_unique<Arena>() : nullptr),
      arena_(options_.arena == nullptr ? own_arena_.get() : options_.arena),
      scratch_(options_.scratch == nullptr ? *own_scratch_ : *options_.scratch),
      own_names_(options_.names == nullptr ? std::make_unique<SlotNames>() : nullptr),
      names_(options_.names == nullptr ? *own_names_ : *options_.names) {
  check(!options_.in_place || !options_.record, ErrorCode::kInternal,
        "[ctx] states advance in place only without record");
  check(!options_.chained ||
            (!options_.in_place && input.resets.empty() && (input.states.empty() || input.states[0] != nullptr)),
        ErrorCode::kInternal,
        "[ctx] a chained pass has a first state or none, advances none in place, and has no resets");
  std::vector<int64_t> cu = input.cu_seqlens.empty() ? std::vector<int64_t>{0, input.length()} : input.cu_seqlens;
  check_input(input, cu);
  std::vector<Segment> segments = make_segments(input, cu);
  if (options_.chained) chain_ = {{0, input.length(), 0, true, true}};
  pending_.resize(cu.size() - 1);
  adjoint_in.resize(cu.size() - 1);
  adjoint_out.resize(cu.size() - 1);
  layouts_.push_back({std::move(cu), std::move(segments)});
  arena_->reset();
}

Ctx::~Ctx() = default;

Var Ctx::make(int64_t T, int64_t C, int layout) {
  Slot slot;
  slot.T = T;
  slot.C = C;
  slot.layout = layout;
  slot.data = arena_->allocate(static_cast<size_t>(T * C) * dtype_size(options_.compute));
  slots_.push_back(slot);
  return static_cast<Var>(slots_.size() - 1);
}

static bool same_layout(const Layout& a, const Layout& b) {
  return a.cu == b.cu && std::equal(a.segments.begin(), a.segments.end(), b.segments.begin(), b.segments.end(),
                                    [](const Segment& x, const Segment& y) {
                                      return x.begin == y.begin && x.end == y.end && x.seq == y.seq &&
                                             x.carries_in == y.carries_in && x.carries_out == y.carries_out;
                                    });
}

int Ctx::add_layout(Layout wanted) {
  for (size_t i = 0; i < layouts_.size(); ++i) {
    if (same_layout(layouts_[i], wanted)) return static_cast<int>(i);
  }
  layouts_.push_back(std::move(wanted));
  return static_cast<int>(layouts_.size()) - 1;
}

bool Ctx::record(Role role, std::span<const Var> in, Var out, std::initializer_list<const Weight*> weights,
                 kernels::Act act) {
  Slot& made = slots_[static_cast<size_t>(out)];
  made.role = role;
  made.weight = weights.size() == 0 ? nullptr : *weights.begin();
  if (!recording()) return false;
  const auto coefficient = [this](Var v) { return slots_[static_cast<size_t>(v)].coefficient; };
  made.coefficient = makes_coefficient(role, act, !in.empty() && std::all_of(in.begin(), in.end(), coefficient));
  OpNode& node = nodes_.emplace_back();
  node.role = role;
  node.in.assign(in.begin(), in.end());
  node.out = out;
  node.weights.assign(weights.begin(), weights.end());
  node.second_is_signal = in.size() > 1 && !coefficient(in[1]);
  return true;
}

void Ctx::set_adjoint(std::function<void(const LocalRule&)> adjoint, std::shared_ptr<const MixerDetail> mixer) {
  nodes_.back().adjoint = std::move(adjoint);
  nodes_.back().mixer = std::move(mixer);
}

// name: of the array, null: made of where the pass is.
int Ctx::next_carried(std::string_view op, const std::string* name) {
  if (carried_ == names_.size())
    names_.add(layer_, op, name == nullptr ? where() + "." + std::string(op) : *name, block_carried_);
  check(names_.is(carried_, layer_, op), ErrorCode::kInternal,
        "[ctx] expected {} of layer {} as carried array {} of every pass with these names, found {}", op, layer_,
        carried_, names_[carried_]);
  return carried_++;
}

Carried Ctx::carry(std::string_view op, const SlotShape& shape) { return {next_carried(op, nullptr), shape}; }

Carried Ctx::carry_beside(const Carried& array, std::string_view part, const SlotShape& shape) {
  if (carried_ < names_.size()) return {next_carried(part, nullptr), shape};
  const std::string name = name_of(array) + "." + std::string(part);
  return {next_carried(part, &name), shape};
}

int64_t Ctx::position(const Segment& s, Var v) const {
  if (!s.carries_in || &layout(v) != &layouts_[0] || input_.states.empty()) return 0;
  const SequenceState* state = input_.states[options_.chained ? 0 : static_cast<size_t>(s.seq)];
  return (state == nullptr ? 0 : state->tokens) + (options_.chained ? s.begin : 0);
}

std::string Ctx::where() const {
  std::string out = in_block_ ? fmt::format("blocks.{}", layer_) : "";
  if (in_mixer_) out += in_block_ ? ".mixer" : "mixer";
  return out;
}

template <class R>
R* Ctx::grad_target(Var v, bool* accumulate) {
  Slot& s = slots_[static_cast<size_t>(v)];
  if (s.grad == nullptr) s.grad = arena_->allocate(static_cast<size_t>(s.T * s.C) * sizeof(R));
  *accumulate = s.has_grad;
  s.has_grad = true;
  return static_cast<R*>(s.grad);
}
template float* Ctx::grad_target<float>(Var, bool*);
template double* Ctx::grad_target<double>(Var, bool*);

template <class R>
R* Ctx::grad(Var v) {
  bool accumulate = false;
  R* g = grad_target<R>(v, &accumulate);
  const Slot& s = slots_[static_cast<size_t>(v)];
  if (!accumulate) std::memset(g, 0, static_cast<size_t>(s.T * s.C) * sizeof(R));
  return g;
}
template float* Ctx::grad<float>(Var);
template double* Ctx::grad<double>(Var);

void Ctx::clear_grads(Var first) {
  for (size_t i = static_cast<size_t>(first); i < slots_.size(); ++i) slots_[i].has_grad = false;
}

void Ctx::backward(const AdjointRules& rules) { backward(rules, 0, nodes_.size()); }

void Ctx::backward(const AdjointRules& rules, size_t first_node, size_t last_node) {
  for (size_t i = last_node; i-- > first_node;) {
    reconsider_threads();
    if (has_grad(nodes_[i].out)) nodes_[i].backward(rules);
  }
}

SequenceState* Ctx::state_of(int seq) const {
  if (options_.chained && seq > 0) return &pending_[static_cast<size_t>(seq) - 1];
  return input_.states.empty() ? nullptr : input_.states[static_cast<size_t>(seq)];
}

const SequenceState& Ctx::adjoint_after(int seq) const {
  const size_t next = static_cast<size_t>(seq) + 1;
  return options_.chained && next < adjoint_out.size() ? adjoint_out[next] : adjoint_in[static_cast<size_t>(seq)];
}

const void* Ctx::state_in(int seq, const Carried& array) const {
  SequenceState* state = state_of(seq);
  return state == nullptr ? nullptr : state->get(names_, array, options_.compute);
}

const void* Ctx::state_in(int seq, const std::string& name, const std::vector<int64_t>& shape) const {
  return state_of(seq) == nullptr ? nullptr : state_of(seq)->get(name, shape, options_.compute);
}

template <class R>
R* Ctx::carry_out(int seq, const Carried& array) {
  SequenceState* state = options_.in_place ? state_of(seq) : nullptr;
  if (state == nullptr)
    state = &pending_[static_cast<size_t>(seq)];
  else
    state->get(names_, array, options_.compute);  // refuses the state of another model before it is written to
  return static_cast<R*>(state->put(names_, array, options_.compute));
}
template float* Ctx::carry_out<float>(int, const Carried&);
template double* Ctx::carry_out<double>(int, const Carried&);

void Ctx::commit() {
  const std::vector<int64_t>& cu = layouts_[0].cu;
  const int64_t start = options_.chained && !input_.states.empty() ? input_.states[0]->tokens : 0;
  for (size_t b = 0; b < input_.states.size(); ++b) {
    if (input_.states[b] == nullptr) continue;
    const int64_t seen = options_.chained ? start + cu[b + 1] : input_.states[b]->tokens + cu[b + 1] - cu[b];
    if (!options_.in_place) *input_.states[b] = std::move(pending_[b]);
    input_.states[b]->tokens = seen;
    pending_[b] = {};
  }
}

}  // namespace hindscan
