#include "explain/matrix.h"

#include "api/impl.h"
#include "api/request.h"
#include "hindscan/matrix.h"
#include "model/encode_text.h"

namespace hindscan {

static Sums sums_of(const std::string& name) {
  check(name == "auto" || name == "exact" || name == "bounds", ErrorCode::kUsage,
        "[matrix] expected sums auto, exact or bounds, found '{}'", name);
  return name == "exact" ? Sums::kExact : name == "bounds" ? Sums::kBounds : Sums::kAuto;
}

static std::optional<TokenRange> range_of(const std::optional<std::pair<int64_t, int64_t>>& range) {
  return range ? std::optional(TokenRange{range->first, range->second}) : std::nullopt;
}

Matrix LanguageModel::matrix(std::string_view text, const MatrixOptions& options) const {
  CallerRequest caller(options.cancel, options.on_progress);
  MatrixRequest r;
  r.tokens = encode_text(impl_->model, text, {.begins = options.after == nullptr || options.after->tokens() == 0});
  r.layer = options.layer;
  r.mixer = options.mixer;
  parse_map(options.map, r);
  r.fidelity = options.whole_mixer ? Fidelity::kMixer : Fidelity::kCore;
  for (const std::string& part : options.without) r.without.push_back(parse_mixer_part(part));
  r.estimator = options.key_dropping ? Estimator::kKeyDropping : Estimator::kExact;
  r.rows = range_of(options.rows);
  r.cols = range_of(options.cols);
  r.blocks = options.blocks;
  r.sums = sums_of(options.sums);
  r.chunk = options.chunk;
  r.mem_limit = memory_limit(options.mem_limit);
  r.progress = caller.progress();
  if (options.after != nullptr) r.state_in = &Session::state_of(*options.after, *this);
  MatrixResult m = hindscan::matrix(impl_->model, r);
  return {m.rows,  m.cols,           std::move(m.values), std::move(m.lower), std::move(m.upper), std::move(m.edges),
          m.layer, m.structure.kind, m.structure.words};
}

}  // namespace hindscan
