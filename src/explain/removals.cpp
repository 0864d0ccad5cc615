#include "explain/removals.h"

#include <algorithm>

#include "explain/token_text.h"

namespace hindscan {
namespace {

std::vector<TokenReport> texts_of(const Model& model, std::span<const int32_t> tokens) {
  std::vector<TokenReport> out;
  out.reserve(tokens.size());
  for (int32_t id : tokens) out.push_back(token_report(model, id));
  return out;
}

}  // namespace

PieceBy taken_out_by(const Model& model, std::span<const int32_t> tokens, const MethodSpec& scan) {
  const std::string by = scan.option("by");
  return by == "auto" ? readable_pieces(texts_of(model, tokens)) : parse_piece_by(by);
}

int64_t set_in_front(const Model& model, std::span<const int32_t> tokens) {
  if (!model.has_tokenizer()) return 0;
  const auto text =
      std::find_if_not(tokens.begin(), tokens.end(), [&](int32_t id) { return model.tokenizer().is_special(id); });
  return text - tokens.begin();
}

std::vector<Edit> removals(const Model& model, std::span<const int32_t> tokens, int64_t end, PieceBy by) {
  constexpr int64_t kMostWhole = 512;  // tokens of a text that is read whole for each of them
  const int64_t begin = set_in_front(model, tokens),
                first = model.arch().sizes().labels == 0 ? begin : std::max(begin, end - kMostWhole);
  std::vector<Edit> edits;
  if (first >= end) return edits;
  for (const Piece& p : pieces_of(texts_of(model, tokens), first, end, by)) {
    if (p.last - p.first < std::ssize(tokens))
      edits.push_back({.kind = EditKind::kRemove, .position = p.first, .count = p.last - p.first});
  }
  return edits;
}

bool replaces(const Model& model, PieceBy by, int64_t alternatives) {
  return alternatives > 0 && by == PieceBy::kToken && model.arch().sizes().labels == 0;
}

}  // namespace hindscan
