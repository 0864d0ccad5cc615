// A method of attribution as the walk drives it: on the way forward, on the way back from the target to the first
// token, over walks of its own, and by edits that are run again.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "explain/edit.h"
#include "explain/mixer_view.h"
#include "explain/orders.h"
#include "explain/report.h"

namespace hindscan {

struct WalkSizes {
  int64_t T = 0;       // tokens of the request
  int64_t end = 0;     // tokens read: up to and with the target, or all of them
  int64_t layers = 0;  // mixers
  int64_t window = 0;  // first token whose adjoint is kept
};

template <class R>
using Views = std::vector<std::unique_ptr<MixerView<R>>>;

// One recorded chunk. Its token `first + t` is row t of every array in the text's order.
template <class R>
struct Chunk {
  Ctx& ctx;
  Var h;  // what the head reads: [count, d_model], or [1, d_model] of a pooled text
  int64_t first, count;
  int64_t target_row;              // row of h that is explained, or -1 when it lies in a later chunk
  int64_t seed_row;                // the first of those with a seed: an answer of several tokens has as many
  std::span<const R> seed;         // [rows, d_model] adjoint from that row on; empty: none lies in this chunk
  std::span<const R> frozen_seed;  // the same with the soft cap of the head held at its slope
  const Views<R>& views;
  const Orders& orders;
  double value = 0;  // of the target, where target_row is one

  // Weight of each row of v's array in the explained row of h; empty: none lies in this chunk.
  std::vector<R> weights(Var v) const;
  std::vector<R> moved(Var from, Var to, std::vector<R> rows) const;
  // Scores of the rows of v's array as those of the chunk's tokens: to[0 ... count).
  void store(Var v, std::vector<double> rows, float* to) const;
};

template <class R>
class ReverseMethod {
 public:
  virtual ~ReverseMethod() = default;
  // Every chunk on the way forward, the first one first; what a target adds is not known yet.
  virtual void forward(Ctx& /*ctx*/, const Views<R>& /*views*/, int64_t /*first*/) {}
  virtual void back(const Chunk<R>& /*chunk*/) {}  // every chunk on the way back, that with the target first
  // What its own walks start from, after the shared one.
  virtual void prepare(const Model& /*model*/, const ExplainRequest& /*request*/) {}
  // Walks of its own after the shared one, over embeddings (or features) that it changes.
  virtual int walks() const { return 0; }
  virtual void change(int /*walk*/, int64_t /*first*/, int64_t /*count*/, int64_t /*C*/, R* /*rows*/) {}  // [count, C]
  virtual void back_again(int /*walk*/, const Chunk<R>& /*chunk*/) {}
  // Edits of tokens in [first, last) before the target that are run again, after the walks; then with what they did.
  virtual std::vector<Edit> edits(int64_t /*first*/, int64_t /*last*/) const { return {}; }
  virtual void measured(std::span<const Edit> /*edits*/) {}
  // What it runs for itself once the target is known, after all of these.
  virtual void run(const Model& /*model*/, const ExplainRequest& /*request*/, const TargetReport& /*target*/,
                   ProgressSink& /*progress*/) {}
  // After the first tokens; the name and what the table says are added by the walk. state_in: what came before, or
  // null.
  virtual MethodReport finish(const SequenceState* state_in, const TargetReport& target) = 0;
};

template <class R>
class RowScan;

// What a method starts from.
template <class R>
struct MethodContext {
  const WalkSizes& sizes;
  const MethodSpec& spec;
  const Views<R>& views;   // of the first chunk
  const RowScan<R>& core;  // the core rows, whatever is asked for
};

// make_<id><R>(context) of each line of methods.def, at the end of its file.
#define HS_METHOD(id, ...) \
  template <class R>       \
  std::unique_ptr<ReverseMethod<R>> make_##id(const MethodContext<R>& context);
#include "explain/methods.def"
#undef HS_METHOD

#define HS_REVERSE_METHOD(id, Class)                                                     \
  template <class R>                                                                     \
  std::unique_ptr<ReverseMethod<R>> make_##id(const MethodContext<R>& context) {         \
    return std::make_unique<Class<R>>(context);                                          \
  }                                                                                      \
  template std::unique_ptr<ReverseMethod<float>> make_##id(const MethodContext<float>&); \
  template std::unique_ptr<ReverseMethod<double>> make_##id(const MethodContext<double>&);

// The method of a spec. Error(kUsage) for what the model has nothing of.
template <class R>
std::unique_ptr<ReverseMethod<R>> make_method(const MethodContext<R>& context);

// Shared by the methods that run the adjoint of the whole model.
// Adjoint at the end of the chunk: the seed at its rows, zero elsewhere (so that carried adjoints go through).
template <class R>
void seed_output(const Chunk<R>& chunk, std::span<const R> seed);
// Sets what the chunk after this one left; the adjoint of the state before this one starts empty.
void set_carry(Ctx& ctx, const SequenceState& from_future);
// The exact adjoint of the whole chunk; carry: what the chunk after this one left, then what this one leaves.
template <class R>
void back_exactly(const Chunk<R>& chunk, SequenceState& carry);
// <a_t, b_t> of row t in double.
template <class R>
double row_dot(int64_t C, const R* a, const R* b);
// The adjoint that has arrived at v, which starts from zero again; empty: none has.
template <class R>
std::vector<R> set_aside(Ctx& ctx, Var v);
template <class R>
void put_back(Ctx& ctx, Var v, const std::vector<R>& aside);
// <x_t, adjoint_t> of every row of v.
template <class R>
std::vector<double> held_by_rows(Ctx& ctx, Var v);
// <state, adjoint> over all slots; slots split by mixer path count towards the state's slot.
double state_dot(const SequenceState* state, const SequenceState& adjoint);
// Scores of the chunk's tokens: embedding times its adjoint; keeps the adjoint of the window's tokens.
template <class R>
void embedding_scores(const Chunk<R>& chunk, const WalkSizes& sizes, std::vector<double>& scores,
                      std::vector<double>& window);
// Row of the layer maps that stands for a mixer scope: its first view, or npos when it has none.
template <class R>
size_t layer_of_scope(const Views<R>& views, size_t mixer);

ScoreMap make_map(const WalkSizes& sizes);
// scores = mean over the layers.
void average_layers(const WalkSizes& sizes, ScoreMap& map);

}  // namespace hindscan
