#include "hindscan/explanation.h"

#include <algorithm>

#include "api/impl.h"
#include "api/request.h"
#include "eval/explain_judged.h"
#include "explain/answers.h"
#include "explain/continuation.h"
#include "explain/sentence.h"
#include "explain/sources.h"
#include "explain/target_text.h"
#include "model/encode_text.h"

namespace hindscan {
namespace {

Explanation::Target target_of(const TargetReport& t) {
  Explanation::Target out{
      target_kind_name(t.kind), t.position, t.id,          answer_text(t), t.contrast_id, other_text(t),  t.logit,
      t.contrast_logit,         t.value(),  t.probability, t.measure,      t.also,        t.contrast_also};
  if (t.places() > 1) out.answer_from = t.first() + 1;
  return out;
}

Explanation::Array array_of(const MethodReport& m, const ScoreArray& a) {
  Explanation::Array out{.name = a.name,
                         .method = m.name,
                         .words = a.words,
                         .unit = a.unit,
                         .part_of = a.part_of,
                         .axes = a.axes,
                         .shape = a.shape,
                         .values = {},
                         .layers = {},
                         .sum = a.sum,
                         .state = a.state,
                         .no_token = a.no_token,
                         .completeness = {}};
  if (a.by_token()) out.values = a.tokens();
  if (a.by_layer_and_token()) out.layers = a.layers();
  if (a.completeness) out.completeness = {a.completeness->target, a.completeness->residual};
  return out;
}

Explanation::Method method_of(const MethodReport& m) {
  Explanation::Method out;
  out.name = m.name;
  out.words = m.words;
  out.targeted = m.targeted;
  for (const NamedShare& s : m.shares) out.shares[s.name] = s.value;
  out.skip_share = m.skip_share;
  if (const auto& c = m.causal)
    out.agreement = {c->edits, c->spearman, c->sign_agreement, c->spearman_interval, c->sign_interval,
                     c->first, c->last};
  out.label = m.label;
  out.trust = m.trust;
  if (m.effect_of) out.effect_of = edit_name(*m.effect_of);
  out.edited_first = m.edited_first;
  for (const Found f : m.found) out.measured.push_back(f == Found::kMeasured ? 1 : f == Found::kEstimated ? 0 : -1);
  return out;
}

Explanation::Hop hop_of(const Hop& hop) {
  Explanation::Hop out{hop.step, hop.of, target_of(hop.target), {}};
  for (const HopSource& s : hop.sources) out.sources.push_back({s.token, s.lost, s.measured, s.hop});
  return out;
}

ExplainRequest request_of(const Model& model, const ExplainOptions& options) {
  check(options.causal_edits >= 0, ErrorCode::kUsage, "[explain] expected causal_edits of 0 or more, found {}",
        options.causal_edits);
  ExplainRequest r;
  r.methods = parse_methods(options.methods);
  r.target = options.target;
  r.causal_edits = options.causal_edits;
  r.seed = options.seed;
  r.chunk = options.chunk;
  r.mem_limit = memory_limit(options.mem_limit);
  r.hops = options.hops;
  r.measure = options.measure;
  set_target(model, {options.target_token, options.contrast}, r);
  return r;
}

}  // namespace

Explanation LanguageModel::explain(std::string_view text) const { return explain(text, ExplainOptions{}); }

Explanation LanguageModel::explain(std::string_view text, const ExplainOptions& options) const {
  ExplainRequest r = request_of(impl_->model, options);
  r.tokens = encode_text(impl_->model, text, {.begins = options.after == nullptr || options.after->tokens() == 0});
  if (!options.continuation.empty()) set_continuation(impl_->model, options.continuation, r);
  return explained(std::move(r), options);
}

Explanation LanguageModel::explain(std::span<const float> features, const ExplainOptions& options) const {
  ExplainRequest r = request_of(impl_->model, options);
  r.features.assign(features.begin(), features.end());
  return explained(std::move(r), options);
}

Explanation LanguageModel::explained(ExplainRequest r, const ExplainOptions& options) const {
  CallerRequest caller(options.cancel, options.on_progress);
  r.progress = caller.progress();
  if (options.after != nullptr) r.state_in = &Session::state_of(*options.after, *this);
  auto out = std::make_shared<Explanation::Impl>();
  out->report = explain_judged(impl_->model, r);
  const ExplainReport& report = out->report;
  out->target = target_of(report.target);
  for (const TokenReport& t : report.tokens) out->tokens.push_back({t.id, t.text, t.bytes});
  for (const MethodReport& m : report.methods) {
    out->methods.push_back(method_of(m));
    for (const ScoreArray& a : m.arrays) out->arrays.push_back(array_of(m, a));
  }
  for (const LayerReport& l : report.layers)
    out->layers.push_back({l.layer, l.structure.kind, l.structure.words, l.max_residual, l.target_residual});
  for (const Hop& hop : report.hops) out->hops.push_back(hop_of(hop));
  return Explanation(std::move(out));
}

Explanation::Explanation(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

const std::vector<Explanation::Token>& Explanation::tokens() const { return impl_->tokens; }
const Explanation::Target& Explanation::target() const { return impl_->target; }
const std::vector<Explanation::Method>& Explanation::methods() const { return impl_->methods; }
const std::vector<Explanation::Array>& Explanation::arrays() const { return impl_->arrays; }
const std::vector<Explanation::Layer>& Explanation::layers() const { return impl_->layers; }
const std::vector<Explanation::Hop>& Explanation::hops() const { return impl_->hops; }
double Explanation::seconds() const { return impl_->report.seconds; }
int64_t Explanation::peak_bytes() const { return impl_->report.peak_bytes; }

const Explanation::Array& Explanation::scores(const std::string& method) const {
  const std::string& name = impl_->report.methods[shown_method(impl_->report, method)].name;
  return *std::find_if(arrays().begin(), arrays().end(), [&](const Array& a) { return a.method == name; });
}

const Explanation::Array& Explanation::array(const std::string& method, const std::string& name, bool by_layer) const {
  const std::string& asked = impl_->report.methods[shown_method(impl_->report, method)].name;
  std::string known;
  for (const Array& a : arrays()) {
    const bool layered = a.axes.size() > 1;
    if (a.method == asked && a.name == name && layered == by_layer) return a;
    known += fmt::format("{}{} {}{}", known.empty() ? "" : ", ", a.method, a.name, layered ? " by layer" : "");
  }
  fail(ErrorCode::kUsage, "[explanation] expected one of: {}; found '{}' '{}'{}", known, method, name,
       by_layer ? " by layer" : "");
}

static PieceBy piece_by(Explanation::By by) { return kPieces[static_cast<size_t>(by)]; }

std::vector<Explanation::Source> Explanation::top(size_t count, By by, const std::string& method) const {
  const MethodReport& m = impl_->report.methods[shown_method(impl_->report, method)];
  const auto most = static_cast<int64_t>(std::min(count, impl_->tokens.size()));
  std::vector<Source> out;
  for (const auto& s : strongest_sources(impl_->report, m, piece_by(by), most))
    out.push_back({s.piece.bytes, s.piece.first, s.piece.last, s.score, s.share});
  return out;
}

std::string Explanation::sentence(const std::string& method) const {
  const MethodReport& m = impl_->report.methods[shown_method(impl_->report, method)];
  return explain_sentence(impl_->report, m, PieceBy::kToken);
}

std::string Explanation::to_json(bool per_layer) const {
  return to_string(hindscan::to_json(impl_->report, per_layer));
}

}  // namespace hindscan
