// The effects at every position as a document: schema hindscan.effects/1.
#include "base/formats.h"
#include "explain/position_effects.h"
#include "explain/position_sentence.h"
#include "explain/token_text.h"

namespace hindscan {
namespace {

Json piece_json(const Piece& p) {
  Json out = Json::object();
  out.set("first", p.first).set("last", p.last).set("text", p.bytes);
  return out;
}

}  // namespace

Json to_json(const PositionEffects& e) {
  Json tokens = Json::array(), columns = Json::array(), rows = Json::array(), lost = Json::array();
  for (const TokenReport& t : e.tokens) tokens.push(token_json(t));
  for (const Piece& p : e.pieces) columns.push(piece_json(p));
  for (int64_t row = 0; row < e.size(); ++row) {
    Json answer = piece_json(e.answers[static_cast<size_t>(row)]), numbers = Json::array();
    rows.push(std::move(answer.set("log_p", e.log_p[static_cast<size_t>(row)])));
    for (int64_t col = 0; col <= row; ++col) numbers.push(e.asked(row, col) ? Json(e.at(row, col)) : Json());
    lost.push(std::move(numbers));
  }
  Json out = Json::object();
  out.set("schema", format::kEffectsJson).set("model", e.model).set("weights", e.weights);
  out.set("sentence", effects_sentence(e)).set("by", piece_by_name(e.by)).set("edit", "remove");
  out.set("edit_words", "one at a time; later tokens keep their positions").set("unit", "nats");
  out.set("found", "measured").set("tokens", std::move(tokens)).set("next", token_json(e.next));
  out.set("columns", std::move(columns)).set("rows", std::move(rows)).set("lost", std::move(lost));
  return out.set("seconds", e.seconds);
}

}  // namespace hindscan
