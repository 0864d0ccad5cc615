// The report as JSON, schema hindscan.explain/3.
#include "explain/report.h"

#include <algorithm>

#include "base/formats.h"
#include "explain/answers.h"
#include "explain/target_measure.h"
#include "explain/token_text.h"
#include "io/interval_json.h"

namespace hindscan {

const char* target_kind_name(TargetKind kind) {
  constexpr const char* names[] = {"token", "class", "number"};
  return names[static_cast<size_t>(kind)];
}

static Json target_json(const TargetReport& target) {
  Json out = Json::object();
  out.set("kind", target_kind_name(target.kind))
      .set("unit", target.kind == TargetKind::kNumber ? "number" : target_measure(target.measure).unit);
  out.set("position", target.position).set("id", target.id).set("text", answer_text(target));
  out.set("contrast_id", target.contrast_id);
  out.set("contrast_text", target.contrast_id ? Json(other_text(target)) : Json(nullptr));
  out.set("logit", target.logit);
  out.set("contrast_logit", target.contrast_id ? Json(target.contrast_logit) : Json(nullptr));
  out.set("probability", target.probability);
  if (!target.earlier.empty()) out.set("answer_from", target.first() + 1);
  if (target.measure != "logit") out.set("measure", target.measure).set("value", target.value());
  if (!target.also.empty()) out.set("also", target.also);
  if (!target.contrast_also.empty()) out.set("contrast_also", target.contrast_also);
  return out;
}

static Json causal_json(const CausalReport& causal) {
  Json out = Json::object();
  out.set("edits", causal.edits);
  out.set("spearman", causal.spearman);
  out.set("spearman_interval", interval_json(causal.spearman_interval));
  out.set("sign_agreement", causal.sign_agreement);
  out.set("sign_interval", interval_json(causal.sign_interval));
  out.set("window", Json::array().push(causal.first).push(causal.last));
  return out;
}

// Row-major values as nested arrays, one level for each axis.
template <class V>
static Json nested(std::span<const V> values, std::span<const uint64_t> shape) {
  if (shape.size() < 2) return std::vector<V>(values.begin(), values.end());
  Json out = Json::array();
  const size_t each = shape[0] == 0 ? 0 : values.size() / shape[0];
  for (size_t i = 0; i < shape[0]; ++i) out.push(nested(values.subspan(i * each, each), shape.subspan(1)));
  return out;
}

static Json array_json(const MethodReport& m, const ScoreArray& a) {
  Json axes = Json::array();
  for (const std::string& axis : a.axes) axes.push(axis);
  Json out = Json::object();
  out.set("name", a.name).set("method", m.name).set("words", a.words).set("axes", std::move(axes)).set("unit", a.unit);
  if (!a.part_of.empty()) out.set("part_of", a.part_of);
  if (a.by_token()) out.set("sum", a.sum).set("state", a.state).set("no_token", a.no_token);
  out.set("completeness",
          a.completeness
              ? Json::object().set("target", a.completeness->target).set("residual", a.completeness->residual)
              : Json(nullptr));
  return out.set("values",
                 std::visit([&](const auto& v) { return nested(std::span(v), std::span(a.shape)); }, a.values));
}

// Of each token how its score came about; null where nothing was asked.
static Json found_json(const MethodReport& m) {
  Json out = Json::array();
  for (const Found f : m.found) {
    if (f == Found::kNotAsked)
      out.push(Json(nullptr));
    else
      out.push(f == Found::kMeasured ? "measured" : "estimated");
  }
  return out;
}

static Json method_json(const MethodReport& m) {
  Json shares = Json::object();
  for (const NamedShare& share : m.shares) shares.set(share.name, share.value);
  Json out = Json::object();
  out.set("name", m.name).set("words", m.words).set("targeted", m.targeted).set("shares", std::move(shares));
  out.set("skip_share", m.skip_share);
  out.set("causal", m.causal ? causal_json(*m.causal) : Json(nullptr));
  if (!m.label.empty()) out.set("label", m.label);
  if (m.effect_of) out.set("effect_of", edit_name(*m.effect_of)).set("found", found_json(m));
  if (!m.edited_first.empty()) out.set("edited_first", m.edited_first);
  for (const auto& [key, value] : m.details.members()) out.set(key, value);
  return out;
}

const ScoreArray* MethodReport::find(std::string_view array, bool by_layer) const {
  const auto it = std::find_if(arrays.begin(), arrays.end(), [&](const ScoreArray& a) {
    return a.name == array && (by_layer ? a.by_layer_and_token() : a.by_token());
  });
  return it == arrays.end() ? nullptr : &*it;
}

std::span<const float> MethodReport::layers() const {
  const ScoreArray* named = find(total().name, true);
  return named == nullptr ? std::span<const float>() : named->layers();
}

size_t shown_method(const ExplainReport& report, const std::string& name) {
  std::vector<std::string> asked;
  for (const MethodReport& m : report.methods) asked.push_back(m.name);
  if (!name.empty()) return find_method(asked, name);
  // Effects of edits that were asked of every token.
  const auto tells_effects = [&](const MethodReport& m) {
    return m.effect_of && report.target.removable() > 0 &&
           std::count(m.found.begin(), m.found.end(), Found::kNotAsked) <=
               std::ssize(m.found) - report.target.removable();
  };
  const auto effects = std::find_if(report.methods.begin(), report.methods.end(), tells_effects);
  if (effects != report.methods.end()) return static_cast<size_t>(effects - report.methods.begin());
  const auto adds_up = [](const MethodReport& m) { return m.total().completeness.has_value(); };
  const auto found = std::find_if(report.methods.begin(), report.methods.end(), adds_up);
  return found == report.methods.end() ? 0 : static_cast<size_t>(found - report.methods.begin());
}

const MethodReport* layered_method(const ExplainReport& report, const MethodReport& shown) {
  if (!shown.layers().empty()) return &shown;
  const auto found = std::find_if(report.methods.begin(), report.methods.end(),
                                  [](const MethodReport& m) { return m.targeted && !m.layers().empty(); });
  return found == report.methods.end() ? nullptr : &*found;
}

static Json hop_json(const Hop& hop) {
  Json sources = Json::array();
  for (const HopSource& s : hop.sources) {
    Json source = Json::object();
    source.set("token", s.token).set("lost", s.lost).set("found", s.measured ? "measured" : "estimated");
    sources.push(std::move(source.set("hop", s.hop ? Json(static_cast<int64_t>(*s.hop)) : Json(nullptr))));
  }
  Json out = Json::object();
  out.set("step", hop.step).set("of", hop.of ? Json(static_cast<int64_t>(*hop.of)) : Json(nullptr));
  return out.set("target", target_json(hop.target)).set("sources", std::move(sources));
}

static bool has_layers(const ScoreArray& a) {
  return std::find(a.axes.begin(), a.axes.end(), kLayerAxis) != a.axes.end();
}

Json to_json(const ExplainReport& report, bool per_layer) {
  Json out = Json::object();
  out.set("schema", format::kExplainJson).set("model", report.model).set("weights", report.weights);
  Json tokens = Json::array(), methods = Json::array(), arrays = Json::array(), layers = Json::array();
  for (const TokenReport& token : report.tokens) tokens.push(token_json(token));
  for (const MethodReport& m : report.methods) {
    methods.push(method_json(m));
    for (const ScoreArray& a : m.arrays) {
      if (per_layer || !has_layers(a)) arrays.push(array_json(m, a));
    }
  }
  for (const LayerReport& l : report.layers) {
    Json layer = Json::object();
    layer.set("layer", l.layer)
        .set("kind", l.structure.kind)
        .set("structure", l.structure.words)
        .set("max_residual", l.max_residual)
        .set("target_residual", l.target_residual);
    if (!l.structure.notes.empty()) layer.set("notes", l.structure.notes);
    layers.push(std::move(layer));
  }
  out.set("tokens", std::move(tokens)).set("target", target_json(report.target));
  out.set("methods", std::move(methods)).set("arrays", std::move(arrays)).set("layers", std::move(layers));
  if (!report.hops.empty()) {
    Json hops = Json::array();
    for (const Hop& hop : report.hops) hops.push(hop_json(hop));
    out.set("hops", std::move(hops));
  }
  return out.set("seconds", report.seconds).set("peak_bytes", report.peak_bytes).set("chunk", report.chunk);
}

}  // namespace hindscan
