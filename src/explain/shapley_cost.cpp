#include "explain/shapley_cost.h"

#include <algorithm>

#include "explain/cost_fit.h"
#include "explain/packed_run.h"
#include "explain/removals.h"
#include "explain/run_edits.h"

namespace hindscan {

std::vector<Edit> shapley_pieces(const Model& model, const ExplainRequest& r, const TargetReport& target, PieceBy by) {
  std::vector<Edit> pieces = removals(model, r.tokens, target.edits_end(), by);
  check(!pieces.empty(), ErrorCode::kUsage,
        "[shapley] expected a {} before the last token that may be taken out, found none; use a longer text",
        piece_by_name(by));
  return pieces;
}

ShapleyTexts shapley_texts(int64_t n, const MethodSpec& spec) {
  constexpr int64_t kMost = 20;  // pieces of which every set is thought of
  const int64_t sampled = 2 * spec.number("pairs") * (n + 1), all = n <= kMost ? int64_t{1} << n : sampled + 1;
  return all <= sampled ? ShapleyTexts{all, true} : ShapleyTexts{sampled, false};
}

double shapley_tokens(const Model& model, const ExplainRequest& r, int64_t end, const MethodSpec& spec) {
  const std::vector<Edit> pieces = removals(model, r.tokens, end, taken_out_by(model, r.tokens, spec));
  if (pieces.empty()) return 0;
  const auto texts = static_cast<double>(shapley_texts(std::ssize(pieces), spec).count);
  const auto stay = static_cast<double>(pieces.front().position + 1), out = static_cast<double>(end) - stay + 1;
  return texts * (stay + out / 2);
}

int64_t texts_of_an_order(int64_t tokens) {
  constexpr int64_t kMost = 64;
  return std::min<int64_t>(kMost, static_cast<int64_t>(whole_texts_at_once(tokens)));
}

double read_token_seconds(const Model& model, const ExplainRequest& r) {
  constexpr size_t kTokens = 256, kCopies = 4;
  const std::vector<int32_t> some(r.tokens.begin(),
                                  r.tokens.begin() + static_cast<std::ptrdiff_t>(std::min(kTokens, r.tokens.size())));
  PassRoom room;
  const double seconds = seconds_of([&] {
    std::vector<PackedSequence> texts(kCopies, {some, model.initial_state()});
    run_packed(model, texts, room);
  });
  return seconds / static_cast<double>(kCopies * some.size());
}

}  // namespace hindscan
