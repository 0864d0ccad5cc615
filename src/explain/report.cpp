// The report as JSON, schema hindscan.explain/2.
#include "explain/report.h"

#include <algorithm>

#include "base/formats.h"

namespace hindscan {

const char* target_kind_name(TargetKind kind) {
  constexpr const char* names[] = {"token", "class", "number"};
  return names[static_cast<size_t>(kind)];
}

static Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

static std::string hex(const std::string& bytes) {
  std::string out;
  for (char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  return out;
}

static Json token_json(const TokenReport& token) {
  Json out = Json::object();
  out.set("id", token.id).set("text", token.text);
  if (!token.bytes.empty()) out.set("bytes", hex(token.bytes));
  return out;
}

static Json target_json(const TargetReport& target) {
  Json out = Json::object();
  out.set("kind", target_kind_name(target.kind));
  out.set("position", target.position).set("id", target.id).set("text", target.text);
  out.set("contrast_id", target.contrast_id ? Json(*target.contrast_id) : Json(nullptr));
  out.set("contrast_text", target.contrast_id ? Json(target.contrast_text) : Json(nullptr));
  out.set("logit", target.logit);
  out.set("contrast_logit", target.contrast_id ? Json(target.contrast_logit) : Json(nullptr));
  out.set("probability", target.probability);
  return out;
}

static Json interval_json(const std::optional<Interval>& v) {
  return v ? Json::array().push(v->low).push(v->high) : Json(nullptr);
}

// [rows, T] as nested arrays.
static Json rows_json(const float* values, size_t rows, size_t T) {
  Json out = Json::array();
  for (size_t r = 0; r < rows; ++r) out.push(std::vector<float>(values + r * T, values + (r + 1) * T));
  return out;
}

static Json map_json(const ScoreMap& map, bool with_scores, bool per_layer) {
  Json out = Json::object();
  out.set("fidelity", map.fidelity);
  if (with_scores) out.set("scores", map.scores);
  const size_t T = map.scores.size();
  if (per_layer && T > 0 && !map.layers.empty())
    out.set("layers", rows_json(map.layers.data(), map.layers.size() / T, T));
  return out;
}

static Json causal_json(const CausalReport& causal) {
  Json out = Json::object();
  out.set("edits", causal.edits);
  out.set("spearman", optional_number(causal.spearman));
  out.set("spearman_interval", interval_json(causal.spearman_interval));
  out.set("sign_agreement", optional_number(causal.sign_agreement));
  out.set("sign_interval", interval_json(causal.sign_interval));
  out.set("window", Json::array().push(causal.first).push(causal.last));
  return out;
}

static Json method_json(const MethodReport& m, bool per_layer) {
  Json out = Json::object();
  out.set("name", m.name)
      .set("targeted", m.targeted)
      .set("fidelity", m.maps.front().fidelity)
      .set("scores", m.scores());
  Json shares = Json::object();
  for (const NamedShare& share : m.shares) shares.set(share.name, share.value);
  out.set("shares", std::move(shares));
  out.set("target_value", optional_number(m.target_value)).set("sum", m.sum);
  out.set("initial_state_share", m.initial_state_share).set("bias_share", m.bias_share).set("skip_share", m.skip_share);
  out.set("residual", optional_number(m.residual));
  out.set("causal", m.causal ? causal_json(*m.causal) : Json(nullptr));
  if (!m.label.empty()) out.set("label", m.label);
  if (m.estimator) out.set("estimator", to_json(*m.estimator));
  if (!m.selection.empty()) out.set("selection", m.selection);
  Json maps = Json::array();
  for (size_t i = 0; i < m.maps.size(); ++i) {
    if (i > 0 || per_layer) maps.push(map_json(m.maps[i], i > 0, per_layer));
  }
  return out.set("maps", std::move(maps));
}

Json to_json(const ExplainReport& report, bool per_layer) {
  Json out = Json::object();
  out.set("schema", format::kExplainJson).set("model", report.model).set("weights", report.weights);
  Json tokens = Json::array(), methods = Json::array(), layers = Json::array();
  for (const TokenReport& token : report.tokens) tokens.push(token_json(token));
  for (const MethodReport& m : report.methods) methods.push(method_json(m, per_layer));
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
  out.set("methods", std::move(methods)).set("layers", std::move(layers));
  return out.set("seconds", report.seconds).set("peak_bytes", report.peak_bytes).set("chunk", report.chunk);
}

}  // namespace hindscan
