// The frame of a family in a pass: taps, mixers, and blocks, whose interior is forgotten or made again in the adjoint.
#include <cstring>

#include "base/threads.h"
#include "core/context.h"

namespace hindscan {

Var Ctx::tap(std::string_view name, Var x) {
  if (!options_.tap && !recording()) return x;
  const std::string scope = where(), full = scope.empty() ? std::string(name) : scope + "." + std::string(name);
  const Slot& s = slots_[static_cast<size_t>(x)];
  if (options_.tap) options_.tap({full, s.T, s.C, options_.compute, s.data});
  if (recording()) taps_.emplace_back(full, x);
  return x;
}

Var Ctx::mixer(Var u, Body body) {
  in_mixer_ = true;
  taps_.clear();
  const size_t first = nodes_.size();
  const Var out = tap("out", body(*this, u));
  if (recording() && !in_recompute_)
    mixers_.push_back({where(), layer_, first, nodes_.size(), u, out, std::move(taps_)});
  in_mixer_ = false;
  return out;
}

Var Ctx::block_once(int layer, Var x, Body body) {
  open_block(layer, carried_);
  // A running pass does not need the block's interior again.
  return close_block(options_.record ? checked(body(*this, x)) : forget_interior(x, body));
}

Var Ctx::block_twice(int layer, Var x, std::span<const Var> uses, const std::function<Var(Ctx&, Var)>& body) {
  open_block(layer, carried_);
  replaying_forward_ = true;
  const Var y = forget_interior(x, body);
  replaying_forward_ = false;
  const std::vector<Var> outer(uses.begin(), uses.end());
  const int carried = block_carried_;
  record(Role::kAdd, {x}, y, {});
  set_adjoint([this, layer, carried, x, y, outer, body](const LocalRule& rule) {
    with_real([&]<class R>(R) {  // adjoints that outlive the block's second run
      for (Var v : outer) grad<R>(v);
    });
    open_block(layer, carried);
    run_block_back(x, y, body, *rule.pass);
  });
  return close_block(y);
}

// carried: arrays asked for before the block, so that its second run asks for the same ones.
void Ctx::open_block(int layer, int carried) {
  reconsider_threads();
  layer_ = layer;
  carried_ = block_carried_ = carried;
  block_begin_ = slots_.size();
  in_block_ = true;
}

Var Ctx::close_block(Var y) {
  in_block_ = false;
  block_begin_ = slots_.size();
  return y;
}

Var Ctx::forget_interior(Var x, Body body) {
  const Var y = make_like(x, cols(x));  // a residual block keeps the shape
  const Arena::Mark mark = arena_->mark();
  const Var inner = checked(body(*this, x));
  check(rows(inner) == rows(y) && cols(inner) == cols(y), ErrorCode::kInternal,
        "[block {}] expected the shape [{}, {}] to be kept", layer_, rows(y), cols(y));
  std::memcpy(data<char>(y), data<char>(inner), static_cast<size_t>(rows(y) * cols(y)) * dtype_size(options_.compute));
  slots_.resize(static_cast<size_t>(y) + 1);
  arena_->release(mark);
  return y;
}

void Ctx::run_block_back(Var x, Var y, Body body, const AdjointRules& rules) {
  with_real([&]<class R>(R) { grad<R>(x); });  // outlives the mark below
  const size_t first_node = nodes_.size(), first_slot = slots_.size();
  const Arena::Mark mark = arena_->mark();
  in_recompute_ = true;
  const Var inner = body(*this, x);
  in_block_ = false;
  slots_[static_cast<size_t>(inner)].grad = slots_[static_cast<size_t>(y)].grad;
  slots_[static_cast<size_t>(inner)].has_grad = true;
  backward(rules, first_node, nodes_.size());
  in_recompute_ = false;
  nodes_.resize(first_node);
  slots_.resize(first_slot);
  arena_->release(mark);
}

}  // namespace hindscan
