#include "explain/mixer_chain.h"

#include <algorithm>
#include <cmath>

namespace hindscan {

namespace {

// The op of the scope that made v, or npos when v comes from outside.
size_t producer(const Ctx& ctx, const MixerScope& scope, Var v) {
  for (size_t i = scope.first; i < scope.last; ++i) {
    if (ctx.nodes()[i].out == v) return i;
  }
  return MixerOps::npos;
}

bool same_width(const Ctx& ctx, const OpNode& node) { return ctx.cols(node.in[0]) == ctx.cols(node.out); }

void follow_back(const Ctx& ctx, const MixerScope& scope, MixerOps& ops) {
  Var v = ops.values;
  while (ops.conv == MixerOps::npos) {
    const size_t at = producer(ctx, scope, v);
    if (at == MixerOps::npos) break;
    const OpNode& node = ctx.nodes()[at];
    if (node.role == Role::kConv)
      ops.conv = at;
    else if (node.role == Role::kActivation && ops.activation == MixerOps::npos)
      ops.activation = at;
    else if (node.role != Role::kSplit && !(node.role == Role::kScale && same_width(ctx, node)))
      break;
    ops.before.push_back(at);
    v = node.in[0];
  }
  ops.source = v;
  std::reverse(ops.before.begin(), ops.before.end());
}

// Whether the op takes v as its signal, channel by channel.
bool passes(const Ctx& ctx, const OpNode& node, Var v) {
  const auto at = [&](size_t i) { return i < node.in.size() && node.in[i] == v; };
  switch (node.role) {
    case Role::kSkip:
    case Role::kGate:
    case Role::kNorm:
    case Role::kActivation:
      return at(0);
    case Role::kScale:
      return at(0) && same_width(ctx, node);
    case Role::kModulate:
      return at(1);
    case Role::kAdd:
      return node.in.size() == 2 && (at(0) || at(1));
    default:
      return false;
  }
}

void follow_on(const Ctx& ctx, const MixerScope& scope, MixerOps& ops) {
  Var v = ctx.nodes()[ops.core].out;
  for (size_t i = ops.core + 1; i < scope.last; ++i) {
    const OpNode& node = ctx.nodes()[i];
    if (!passes(ctx, node, v)) {
      if (std::find(node.in.begin(), node.in.end(), v) != node.in.end()) break;  // mixes channels
      continue;
    }
    if (node.role == Role::kSkip) ops.skip = i;
    if (node.role == Role::kGate) ops.gate = i;
    ops.after.push_back(i);
    v = node.out;
  }
  ops.result = v;
}

// w / std per entry of a norm ([T, C]) from its frozen adjoint: a one-hot seed tells whether it centres, over how many
// channels, and the scale of its channel.
template <class R>
std::vector<R> norm_factor(Ctx& ctx, const OpNode& norm) {
  const int64_t T = ctx.rows(norm.out), C = ctx.cols(norm.out);
  const size_t n = static_cast<size_t>(T * C);
  const auto adjoint = [&](auto&& seed) {
    ctx.clear_grads();
    seed(ctx.grad<R>(norm.out));
    norm.backward(frozen_rules());
    std::vector<R> dx(ctx.grad<R>(norm.in[0]), ctx.grad<R>(norm.in[0]) + n);
    ctx.clear_grads();
    return dx;
  };
  const auto one_hot = [&](int64_t first, int64_t step) {
    return adjoint([&](R* seed) {
      for (int64_t t = 0; t < T; ++t) {
        for (int64_t c = first; c < C; c += step) seed[t * C + c] = R(1);
      }
    });
  };
  if (T == 0) return {};
  std::vector<R> factor = one_hot(0, C);  // [T, C]
  int64_t group = 1;
  for (int64_t c = 1; c < C; ++c) {
    if (factor[static_cast<size_t>(c)] != R(0)) group = c + 1;
  }
  if (group == 1) return one_hot(0, 1);  // no centring
  // Channel by channel of a group: own entry less what centring gives every other.
  std::vector<R> out(n);
  for (int64_t c = 0; c < group; ++c) {
    const std::vector<R> dx = one_hot(c, group);
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t at = t * C + c; at < (t + 1) * C; at += group)
        out[static_cast<size_t>(at)] = dx[static_cast<size_t>(at)] - dx[static_cast<size_t>(c == 0 ? at + 1 : at - 1)];
    }
  }
  return out;
}

}  // namespace

MixerOps find_mixer_ops(const Ctx& ctx, const MixerScope& scope, size_t core) {
  MixerOps ops;
  ops.core = core;
  ops.values = ctx.nodes()[core].mixer->values;
  follow_back(ctx, scope, ops);
  follow_on(ctx, scope, ops);
  return ops;
}

static constexpr const char* kPartNames[] = {"conv", "activation", "gate"};

MixerPart parse_mixer_part(const std::string& name) {
  for (size_t p = 0; p < std::size(kPartNames); ++p) {
    if (name == kPartNames[p]) return static_cast<MixerPart>(p);
  }
  fail(ErrorCode::kUsage, "[matrix] expected conv, activation or gate to leave out, found '{}'", name);
}

MixerOps without(const Ctx& ctx, MixerOps ops, const std::vector<MixerPart>& parts) {
  for (size_t p = 0; p < parts.size(); ++p) {
    const MixerPart part = parts[p];
    if (std::count(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(p), part) > 0) continue;  // named twice
    const Role role = part == MixerPart::kConv ? Role::kConv : Role::kActivation;
    const auto left = part == MixerPart::kGate
                          ? static_cast<size_t>(ops.gate != MixerOps::npos)
                          : std::erase_if(ops.before, [&](size_t i) { return ctx.nodes()[i].role == role; });
    check(left > 0, ErrorCode::kUsage,
          "[matrix] expected a layer with a part '{}' to leave out, found none; leave it in",
          kPartNames[static_cast<size_t>(part)]);
    if (part == MixerPart::kGate) ops.passed = ops.gate;
  }
  return ops;
}

template <class R>
static void hand_on(Ctx& ctx, const OpNode& node) {
  const R* dy = ctx.grad<R>(node.out);
  R* dx = ctx.grad<R>(node.in[0]);
  for (int64_t i = 0; i < ctx.rows(node.out) * ctx.cols(node.out); ++i) dx[i] += dy[i];
}

template <class R>
void chain_backward(Ctx& ctx, const OpNode& node) {
  AdjointRules rules = frozen_rules();
  rules.skip = false;
  if (node.role != Role::kNorm) return node.backward(rules);
  const size_t n = static_cast<size_t>(ctx.rows(node.out) * ctx.cols(node.out));
  const std::vector<R> dy(ctx.grad<R>(node.out), ctx.grad<R>(node.out) + n), factor = norm_factor<R>(ctx, node);
  R* dx = ctx.grad<R>(node.in[0]);
  for (size_t i = 0; i < n; ++i) dx[i] += factor[i] * dy[i];
}

template <class R>
std::vector<R> result_factor(Ctx& ctx, const MixerOps& ops) {
  if (ops.after.empty()) return {};
  const Var out = ctx.nodes()[ops.core].out;
  const size_t n = static_cast<size_t>(ctx.rows(out) * ctx.cols(out));
  ctx.clear_grads();
  std::fill_n(ctx.grad<R>(ops.result), n, R(1));
  for (size_t i = ops.after.size(); i-- > 0;) {
    const OpNode& node = ctx.nodes()[ops.after[i]];
    if (ops.after[i] == ops.passed)
      hand_on<R>(ctx, node);
    else
      chain_backward<R>(ctx, node);
  }
  std::vector<R> factor(ctx.grad<R>(out), ctx.grad<R>(out) + n);  // [T, D]
  ctx.clear_grads();
  return factor;
}

// Column of the wide array that each column of a split shows.
template <class R>
static std::vector<int64_t> split_columns(Ctx& ctx, const OpNode& split) {
  const int64_t count = ctx.cols(split.out);
  ctx.clear_grads();
  R* seed = ctx.grad<R>(split.out);  // [T, count], the column's number in the first row
  for (int64_t c = 0; c < count; ++c) seed[c] = static_cast<R>(c + 1);
  split.backward(frozen_rules());
  const R* dx = ctx.grad<R>(split.in[0]);
  std::vector<int64_t> columns(static_cast<size_t>(count));
  for (int64_t c = 0; c < ctx.cols(split.in[0]); ++c) {
    if (dx[c] != R(0)) columns[static_cast<size_t>(dx[c]) - 1] = c;
  }
  ctx.clear_grads();
  return columns;
}

template <class R>
ValueFold<R> value_fold(Ctx& ctx, const MixerOps& ops) {
  ValueFold<R> fold;
  const int64_t T = ctx.rows(ops.values), D = ctx.cols(ops.values);
  if (T == 0) return fold;
  std::vector<int64_t> column(static_cast<size_t>(D));
  for (int64_t c = 0; c < D; ++c) column[static_cast<size_t>(c)] = c;
  for (size_t i = ops.before.size(); i-- > 0;) {
    const OpNode& node = ctx.nodes()[ops.before[i]];
    if (node.role == Role::kSplit) {
      const std::vector<int64_t> wide = split_columns<R>(ctx, node);
      for (int64_t& c : column) c = wide[static_cast<size_t>(c)];
      continue;
    }
    if (node.role == Role::kConv) {
      const Weight& w = *node.weights[0];
      fold.K = w.shape.back();
      for (int64_t c : column) fold.conv.insert(fold.conv.end(), w.as<R>() + c * fold.K, w.as<R>() + (c + 1) * fold.K);
      continue;
    }
    ctx.clear_grads();
    const int64_t C = ctx.cols(node.out);
    std::fill_n(ctx.grad<R>(node.out), T * C, R(1));
    node.backward(frozen_rules());
    const R* slope = ctx.grad<R>(node.in[0]);  // [T, C]
    const bool first = fold.slope.empty();
    fold.slope.resize(static_cast<size_t>(T * D), R(1));
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t c = 0; c < D; ++c) {
        R& to = fold.slope[static_cast<size_t>(t * D + c)];
        const R s = slope[t * C + column[static_cast<size_t>(c)]];
        to = first ? s : to * s;
      }
    }
    ctx.clear_grads();
  }
  return fold;
}

#define HS_INSTANTIATE(R)                                          \
  template void chain_backward<R>(Ctx&, const OpNode&);            \
  template std::vector<R> result_factor<R>(Ctx&, const MixerOps&); \
  template ValueFold<R> value_fold<R>(Ctx&, const MixerOps&);
HS_INSTANTIATE(float)
HS_INSTANTIATE(double)
#undef HS_INSTANTIATE

}  // namespace hindscan
