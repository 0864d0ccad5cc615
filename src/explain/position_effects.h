// What the model's answer at every position of a short text loses without each word before it, all of it really run:
// entry (t, j) is how much less likely the word behind t becomes when word j is taken out. One reading for each j, from
// the state in front of it to the end of the text, answers for every later position at once.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "explain/pieces.h"
#include "io/json.h"

namespace hindscan {

struct EffectsEstimate {
  int64_t tokens = 0, pieces = 0;  // of the text; what is taken out, one at a time
  PieceBy by = PieceBy::kToken;    // of what kind that is
  int64_t read = 0;                // tokens that are read in all
  int64_t bytes = 0;
  double seconds = 0;
};
std::string to_text(const EffectsEstimate& estimate);  // one sentence

struct EffectsRequest {
  std::vector<int32_t> tokens;              // [T]
  std::optional<PieceBy> by;                // what is taken out and asked for; default: words, where there are any
  int64_t max_tokens = 2048;                // a longer text is refused, with what it would take
  const SequenceState* state_in = nullptr;  // what came before tokens[0]
  int64_t mem_limit = 0;                    // bytes; 0: what the machine has available
  ProgressSink* progress = nullptr;
  std::function<void(const EffectsEstimate&)> on_estimate;  // called before the run; may throw to stop it
};

// Row t asks for piece t + 1, the last one for what the model itself takes to be most likely behind the text; column j
// is the text without piece j. Of a piece of several tokens the log-probabilities add up.
struct PositionEffects {
  std::string model, weights;  // name, hash
  PieceBy by = PieceBy::kToken;
  std::vector<TokenReport> tokens;  // [T]
  std::vector<Piece> pieces;        // [n] taken out: all but what the tokenizer sets in front of the text
  std::vector<Piece> answers;       // [n] asked for: the piece behind each; the last one is no part of the text
  TokenReport next;                 // that last one
  std::vector<double> log_p;        // [n] of each row's answer with the whole text, nats
  std::vector<double> lost;         // [n, n] nats; 0 where nothing was asked
  double seconds = 0;

  int64_t size() const { return std::ssize(pieces); }
  // Without the very first token of all nothing stands before the second.
  int64_t first_row() const { return pieces.front().first > 0 ? 0 : 1; }
  bool asked(int64_t row, int64_t col) const { return col <= row && row >= first_row(); }
  double at(int64_t row, int64_t col) const { return lost[static_cast<size_t>(row * size() + col)]; }
};

// Error(kUsage) for a bad request, Error(kData) for a model that predicts no next token, Error(kResource) with the
// estimate for a text that is too long or does not fit mem_limit.
PositionEffects position_effects(const Model& model, const EffectsRequest& request);

Json to_json(const PositionEffects& effects);  // as docs/schemas/effects-1.json says

}  // namespace hindscan
