#include "explain/orders.h"

#include <algorithm>
#include <utility>

#include "core/rules.h"

namespace hindscan {

bool needs_whole_text(const Ctx& ctx) {
  return std::any_of(ctx.nodes().begin(), ctx.nodes().end(),
                     [](const OpNode& n) { return n.role == Role::kOrder || n.role == Role::kPool; });
}

Var embedding_of(const Ctx& ctx) {
  for (const OpNode& node : ctx.nodes()) {
    if (node.role == Role::kEmbedding) return node.out;
  }
  fail(ErrorCode::kInternal, "[explain] expected an embedding in the pass, found none");
}

Var normed_input(const Ctx& ctx) {
  const Var input = embedding_of(ctx);
  const OpNode* reader = nullptr;
  for (const OpNode& node : ctx.nodes()) {
    if (std::find(node.in.begin(), node.in.end(), input) == node.in.end()) continue;
    if (reader != nullptr) return kNoVar;
    reader = &node;
  }
  return reader != nullptr && reader->role == Role::kNorm ? reader->out : kNoVar;
}

// One-hot seeds, a channel for each of a batch of rows: row i of the output shows up in channel i of the adjoint. A
// pool may weigh channels differently; its map is their mean.
template <class R>
Orders::Rows Orders::map_of(Ctx& ctx, const OpNode& node) {
  const Var in = node.in[0];
  const int64_t rows = ctx.rows(node.out), C = ctx.cols(node.out), from = ctx.rows(in);
  const bool pool = node.role == Role::kPool;
  const int64_t batch = pool ? 1 : C;
  Rows map(static_cast<size_t>(rows));
  for (int64_t first = 0; first < rows; first += batch) {
    ctx.clear_grads();
    R* seed = ctx.grad<R>(node.out);
    for (int64_t i = first; i < std::min(first + batch, rows); ++i) {
      if (pool)
        std::fill_n(seed + i * C, C, R(1) / static_cast<R>(C));
      else
        seed[i * C + i - first] = R(1);
    }
    node.backward(frozen_rules());
    const R* dx = ctx.grad<R>(in);  // [from, C]
    for (int64_t j = 0; j < from; ++j) {
      for (int64_t i = first; i < std::min(first + batch, rows); ++i) {
        double weight = 0;
        for (int64_t c = pool ? 0 : i - first; c < (pool ? C : i - first + 1); ++c)
          weight += static_cast<double>(dx[j * C + c]);
        if (weight != 0) map[static_cast<size_t>(i)].push_back({j, weight});
      }
    }
  }
  ctx.clear_grads();
  return map;
}

// Whether `map` takes the rows of a frame back to where they came from: its transpose, as scatter_add_tokens has it.
bool Orders::undoes(const Link& link, const Rows& map) const {
  if (static_cast<int64_t>(map.size()) != link.parent_rows) return false;
  size_t found = 0, wanted = 0;
  for (const auto& row : link.map) wanted += row.size();
  for (size_t i = 0; i < map.size(); ++i) {
    for (const Entry& e : map[i]) {
      const auto& back = link.map[static_cast<size_t>(e.row)];
      if (std::none_of(back.begin(), back.end(), [&](const Entry& b) { return b.row == static_cast<int64_t>(i); }))
        return false;
      ++found;
    }
  }
  return found == wanted;
}

template <class R>
Orders Orders::of(Ctx& ctx, Var h) {
  Orders out(ctx);
  out.text_ = embedding_of(ctx);
  out.reference_ = h;
  constexpr size_t kUnknown = static_cast<size_t>(-1);  // constants of no particular order
  out.frames_.assign(static_cast<size_t>(h) + 1, kUnknown);
  for (const OpNode& node : ctx.nodes()) {
    size_t& frame = out.frames_[static_cast<size_t>(node.out)];
    if (node.role == Role::kEmbedding) frame = 0;
    for (size_t i = 0; frame == kUnknown && i < node.in.size(); ++i)
      frame = out.frames_[static_cast<size_t>(node.in[i])];
    if (node.role == Role::kPool) {
      out.pooled_ = map_of<R>(ctx, node);
      out.reference_ = node.in[0];
    }
    if (node.role != Role::kOrder) continue;
    Rows map = map_of<R>(ctx, node);
    if (frame > 0 && out.undoes(out.links_[frame - 1], map)) {
      frame = out.links_[frame - 1].parent;
      continue;
    }
    out.links_.push_back({frame, std::move(map), ctx.rows(node.in[0])});
    frame = out.links_.size();
  }
  return out;
}
template Orders Orders::of<float>(Ctx&, Var);
template Orders Orders::of<double>(Ctx&, Var);

std::vector<double> Orders::lift(const Link& link, const std::vector<double>& child) const {
  std::vector<double> out(static_cast<size_t>(link.parent_rows), 0.0);
  for (size_t i = 0; i < child.size(); ++i) {
    for (const Entry& e : link.map[i]) out[static_cast<size_t>(e.row)] += e.weight * child[i];
  }
  return out;
}

std::vector<double> Orders::lower(const Link& link, const std::vector<double>& parent) const {
  std::vector<double> out(link.map.size(), 0.0);
  for (size_t i = 0; i < out.size(); ++i) {
    for (const Entry& e : link.map[i]) out[i] += e.weight * parent[static_cast<size_t>(e.row)];
  }
  return out;
}

std::vector<double> Orders::target(int64_t row) const {
  std::vector<double> out(static_cast<size_t>(ctx_->rows(reference_)), 0.0);
  if (pooled_.empty()) {
    out[static_cast<size_t>(row)] = 1;
    return out;
  }
  for (const Entry& e : pooled_[static_cast<size_t>(row)]) out[static_cast<size_t>(e.row)] += e.weight;
  return out;
}

// Up to the frame both come from, then down.
std::vector<double> Orders::move(Var from, Var to, std::vector<double> rows) const {
  size_t at = frame(from);
  std::vector<size_t> line{frame(to)};  // the end and what it comes from
  while (line.back() != 0) line.push_back(links_[line.back() - 1].parent);
  auto meet = std::find(line.begin(), line.end(), at);
  for (; meet == line.end(); meet = std::find(line.begin(), line.end(), at)) {
    rows = lift(links_[at - 1], rows);
    at = links_[at - 1].parent;
  }
  while (meet != line.begin()) rows = lower(links_[*--meet - 1], rows);
  return rows;
}

}  // namespace hindscan
