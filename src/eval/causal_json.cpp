#include "eval/causal_json.h"

#include "base/formats.h"
#include "eval/causal_words.h"
#include "explain/answers.h"
#include "io/interval_json.h"

namespace hindscan {
namespace {

Json figure_json(const Figure& f) {
  return Json::object().set("value", f.value).set("interval", interval_json(f.interval));
}

Json row_json(const CausalRow& row) {
  const std::span<const FigureInfo> infos = accuracy_figures();
  Json figures = Json::object();
  for (size_t i = 0; i < infos.size(); ++i) figures.set(infos[i].name, figure_json(row.figures[i]));
  Json out = Json::object();
  out.set("name", row.name).set("reference", row.reference).set("targeted", row.targeted).set("tokens", row.tokens);
  return out.set("figures", std::move(figures));
}

Json kind_json(const KindTable& kind) {
  Json rows = Json::array();
  for (const CausalRow& row : kind.rows) rows.push(row_json(row));
  Json out = Json::object();
  out.set("name", kind.kind.name).set("words", kind.kind.words).set("tokens", kind.tokens).set("edits", kind.edits);
  return out.set("rows", std::move(rows));
}

Json file_table_json(const FileTable& table) {
  Json rows = Json::array();
  for (const FileRow& row : table.rows) {
    Json skill = Json::array();
    for (const Figure& f : row.figures) skill.push(figure_json(f));
    rows.push(Json::object().set("name", row.name).set("skill", std::move(skill)));
  }
  return Json::object().set("kind", table.kind.name).set("rows", std::move(rows));
}

Json files_json(const CausalTable& table) {
  std::vector<int64_t> counts(table.files.size());
  for (const CausalText& text : table.texts) {
    if (text.file < counts.size()) ++counts[text.file];
  }
  Json out = Json::array();
  for (size_t f = 0; f < counts.size(); ++f)
    out.push(Json::object().set("name", table.files[f]).set("texts", counts[f]));
  return out;
}

Json text_json(const CausalText& text) {
  Json out = Json::object();
  out.set("file", text.file)
      .set("at", text.at)
      .set("tokens", text.tokens)
      .set("target_id", text.target.id)
      .set("target", answer_text(text.target));
  out.set("contrast_id", text.target.contrast_id);
  out.set("contrast", text.target.contrast_id ? Json(other_text(text.target)) : Json(nullptr));
  return out.set("value", text.target.value()).set("probability", text.target.probability);
}

}  // namespace

Json to_json(const CausalTable& table) {
  Json summary = Json::array(), figures = Json::array(), texts = Json::array(), kinds = Json::array(),
       many = Json::array(), by_file = Json::array();
  for (const std::string& line : causal_words(table)) summary.push(line);
  for (const FigureInfo& info : accuracy_figures())
    figures.push(Json::object().set("name", info.name).set("words", info.words));
  for (const CausalText& text : table.texts) texts.push(text_json(text));
  for (const KindTable& kind : table.kinds) kinds.push(kind_json(kind));
  for (const FileTable& of_kind : table.skill_by_file) by_file.push(file_table_json(of_kind));
  for (const ManyRow& row : table.many) {
    Json out = Json::object();
    out.set("name", row.name).set("reference", row.reference).set("additivity", figure_json(row.additivity));
    out.set("deletion_area", figure_json(row.area));
    many.push(std::move(out.set("deletion_area_log_p", figure_json(row.log_p_area))));
  }
  Json out = Json::object();
  out.set("schema", format::kCausalJson).set("model", table.model).set("weights", table.weights);
  out.set("summary", std::move(summary)).set("figures", std::move(figures)).set("kinds", std::move(kinds));
  out.set("files", files_json(table)).set("skill_by_file", std::move(by_file));
  out.set("many_tokens", std::move(many)).set("texts", std::move(texts)).set("edited_texts", table.edited_texts);
  return out.set("seconds", table.seconds);
}

}  // namespace hindscan
