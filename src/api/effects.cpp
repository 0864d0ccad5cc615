#include "hindscan/effects.h"

#include "api/impl.h"
#include "api/request.h"
#include "explain/position_effects.h"
#include "explain/position_sentence.h"
#include "model/encode_text.h"

namespace hindscan {

static std::vector<Effects::Piece> pieces_given(const std::vector<Piece>& pieces) {
  std::vector<Effects::Piece> out;
  out.reserve(pieces.size());
  for (const Piece& p : pieces) out.push_back({p.first, p.last, p.bytes});
  return out;
}

Effects LanguageModel::effects(std::string_view text, const EffectsOptions& options) const {
  CallerRequest caller(options.cancel, options.on_progress);
  EffectsRequest r;
  r.tokens = encode_text(impl_->model, text, {.begins = options.after == nullptr || options.after->tokens() == 0});
  if (!options.by.empty()) r.by = parse_piece_by(options.by);
  r.max_tokens = options.max_tokens;
  r.mem_limit = memory_limit(options.mem_limit);
  r.progress = caller.progress();
  if (options.after != nullptr) r.state_in = &Session::state_of(*options.after, *this);
  PositionEffects e = position_effects(impl_->model, r);
  std::string sentence = effects_sentence(e);
  return {piece_by_name(e.by), pieces_given(e.pieces), pieces_given(e.answers),
          std::move(e.log_p),  std::move(e.lost),      std::move(sentence)};
}

}  // namespace hindscan
