// A method of attribution as the reverse walk drives it: chunk by chunk, from the target back to the first token.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "explain/mixer_view.h"
#include "explain/report.h"

namespace hindscan {

struct WalkSizes {
  int64_t T = 0;       // tokens of the request
  int64_t target = 0;  // position explained; later tokens do not exist for it
  int64_t layers = 0;  // mixers
  int64_t window = 0;  // first token whose adjoint is kept
};

// One recorded chunk. Its token `first + t` is row t of every array of the pass.
template <class R>
struct Chunk {
  Ctx& ctx;
  Var h;  // [count, d_model] after the final norm
  int64_t first, count;
  int64_t target_row;       // row of the target, or -1 when it lies in a later chunk
  std::span<const R> seed;  // [d_model] adjoint of h at the target
  const std::vector<std::unique_ptr<MixerView<R>>>& views;
};

template <class R>
class ReverseMethod {
 public:
  virtual ~ReverseMethod() = default;
  virtual void back(const Chunk<R>& chunk) = 0;  // the chunk with the target first
  // After the first tokens. state_in: what came before them, or null; target_value: the explained number.
  virtual MethodReport finish(const SequenceState* state_in, double target_value) = 0;
};

// Core rows of the target in every layer, and how well each adds up to the layer's output; always walked.
template <class R>
class RowScan {
 public:
  explicit RowScan(const WalkSizes& sizes);
  void back(const Chunk<R>& chunk);
  std::vector<double> residuals() const;        // [layers] ||sum - y|| / ||y|| at the target
  const ScoreMap& map() const { return map_; }  // "core"

 private:
  struct Layer {
    std::vector<R> carry;         // adjoint state
    std::vector<double> missing;  // [D] output at the target less what was found so far
    double norm = 0;
  };
  void start(const Chunk<R>& chunk, const MixerView<R>& view, Layer& layer) const;
  WalkSizes sizes_;
  std::vector<Layer> layers_;
  std::vector<R> scratch_;
  ScoreMap map_;
};

template <class R>
std::unique_ptr<ReverseMethod<R>> make_row(const WalkSizes& sizes, const RowScan<R>& core);
template <class R>
std::unique_ptr<ReverseMethod<R>> make_rollout(const WalkSizes& sizes);
template <class R>
std::unique_ptr<ReverseMethod<R>> make_gradient_x_input(const WalkSizes& sizes);
template <class R>
std::unique_ptr<ReverseMethod<R>> make_frozen(const WalkSizes& sizes);

// Shared by the methods that run the adjoint of the whole model.
// Adjoint at the end of the chunk: the seed at the target, zero elsewhere (so that carried adjoints go through).
template <class R>
void seed_output(const Chunk<R>& chunk);
// Sets what the chunk after this one left; the adjoint of the state before this one starts empty.
void set_carry(Ctx& ctx, const SequenceState& from_future);
// <a_t, b_t> of row t in double.
template <class R>
double row_dot(int64_t C, const R* a, const R* b);
// <state, adjoint> over all slots; slots split by mixer path count towards the state's slot.
double state_dot(const SequenceState* state, const SequenceState& adjoint);
// Scores of the chunk's tokens: embedding times its adjoint; keeps the adjoint of the window's tokens.
template <class R>
void embedding_scores(const Chunk<R>& chunk, const WalkSizes& sizes, std::vector<double>& scores,
                      std::vector<double>& window);

ScoreMap make_map(const char* fidelity, const WalkSizes& sizes);
// scores = mean over the layers.
void average_layers(const WalkSizes& sizes, ScoreMap& map);
double sum_of(const std::vector<double>& scores);

}  // namespace hindscan
