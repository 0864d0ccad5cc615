// Where the rows of an array stand in the text: models may gather, repeat, insert and pool tokens.
#pragma once
#include <vector>

#include "core/context.h"

namespace hindscan {

class Orders {
 public:
  // h: the output of the pass. Runs the adjoints of the ops that reorder, so adjoints of the pass are forgotten.
  template <class R>
  static Orders of(Ctx& ctx, Var h);
  bool trivial() const { return links_.empty(); }
  // Weight of each row of reference() in row `row` of the output ([rows], one-hot unless the output is pooled).
  std::vector<double> target(int64_t row) const;
  // Rows of the array that is pooled, or of the output; in the text's order where the model keeps it.
  Var reference() const { return reference_; }
  Var text() const { return text_; }
  // Weights or scores per row of `from`, moved to the rows of `to`.
  std::vector<double> move(Var from, Var to, std::vector<double> rows) const;

 private:
  struct Entry {
    int64_t row;  // of the parent
    double weight;
  };
  using Rows = std::vector<std::vector<Entry>>;  // child = P parent
  struct Link {                                  // how the rows of a frame come from those of its parent
    size_t parent;
    Rows map;
    int64_t parent_rows;
  };
  explicit Orders(const Ctx& ctx) : ctx_(&ctx) {}
  template <class R>
  static Rows map_of(Ctx& ctx, const OpNode& node);
  bool undoes(const Link& link, const Rows& map) const;
  size_t frame(Var v) const { return links_.empty() ? 0 : frames_[static_cast<size_t>(v)]; }
  std::vector<double> lift(const Link& link, const std::vector<double>& child) const;
  std::vector<double> lower(const Link& link, const std::vector<double>& parent) const;
  const Ctx* ctx_;
  std::vector<size_t> frames_;  // by Var; 0: the text's rows, f: links_[f - 1]
  std::vector<Link> links_;
  Rows pooled_;  // output rows over reference rows; empty: the same rows
  Var reference_ = kNoVar, text_ = kNoVar;
};

// Whether the pass needs the whole text at once, so that it cannot be walked in chunks.
bool needs_whole_text(const Ctx& ctx);
// What the pass starts from: embedded tokens, or features.
Var embedding_of(const Ctx& ctx);
// What a norm makes of the input where nothing else reads it, else kNoVar. Such a model does not see the input's size:
// input times exact gradient is near zero there, whatever the token does.
Var normed_input(const Ctx& ctx);

}  // namespace hindscan
