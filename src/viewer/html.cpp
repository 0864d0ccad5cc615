#include "viewer/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "explain/answers.h"
#include "explain/effects.h"
#include "explain/hops_text.h"
#include "explain/score_words.h"
#include "viewer/assets.h"
#include "viewer/base64.h"

namespace hindscan::viewer {
namespace {

constexpr size_t kFineValues = size_t{1} << 20;  // more values than this are kept in 8 bits instead of 16

size_t value_count(const ExplainReport& report) {
  size_t n = 0;
  for (const MethodReport& m : report.methods) {
    for (const ScoreArray& a : m.arrays) n += a.by_layer_and_token() ? a.layers().size() : 0;
  }
  return n;
}

// {bits, scale, data}: little-endian integers, value = integer * scale.
Json packed(std::span<const float> values, int bits) {
  float top = 0;
  for (const float v : values) {
    if (std::isfinite(v)) top = std::max(top, std::abs(v));
  }
  const float scale = top > 0 ? top / static_cast<float>((1 << (bits - 1)) - 1) : 1.0f;
  std::vector<uint8_t> bytes;
  bytes.reserve(values.size() * static_cast<size_t>(bits / 8));
  for (const float v : values) {
    const auto q = static_cast<uint32_t>(std::isfinite(v) ? std::lround(v / scale) : 0);
    for (int b = 0; b < bits; b += 8) bytes.push_back(static_cast<uint8_t>(q >> b));
  }
  return Json::object().set("bits", bits).set("scale", scale).set("data", base64(bytes));
}

// An array that is told by layer alone shows its sum over them.
std::vector<double> over_layers(const ScoreArray& a) {
  std::vector<double> out(static_cast<size_t>(a.shape[1]), 0.0);
  for (size_t i = 0; i < a.layers().size(); ++i) out[i % out.size()] += static_cast<double>(a.layers()[i]);
  return out;
}

// What can be looked at of one method: {name, words, scores, layers, by_layer}.
Json views_json(const MethodReport& m, int bits) {
  Json out = Json::array();
  for (const ScoreView& v : views_of(m.arrays)) {
    Json view = Json::object().set("name", v.any().name).set("words", v.any().words);
    if (v.tokens == nullptr) view.set("scores", over_layers(*v.layers));
    if (v.layers != nullptr) view.set("layers", packed(v.layers->layers(), bits)).set("by_layer", v.layers->words);
    out.push(std::move(view));
  }
  return out;
}

// Of each grouping the pieces that join several tokens, as [first, last).
Json groups_json(const ExplainReport& report) {
  const auto T = static_cast<int64_t>(report.tokens.size()), end = std::min(T, report.target.first() + 1);
  Json out = Json::object();
  for (const PieceBy by : kPieces) {
    Json joined = Json::array();
    for (const auto& [first, last] : {std::pair<int64_t, int64_t>{0, end}, {end, T}}) {
      for (const Piece& p : pieces_of(report.tokens, first, last, by)) {
        if (p.last - p.first > 1) joined.push(Json::array().push(p.first).push(p.last));
      }
    }
    out.set(piece_by_name(by), std::move(joined));
  }
  return out;
}

// What the colours of a method's scores say, where they are effects of edits.
std::string legend_of(const ExplainReport& report, const MethodReport& m) {
  if (!m.effect_of) return "";
  return fmt::format("Orange: without it {} falls; blue: it rises. Underlined: really run.", target_words(report));
}

// Where a word stands that the text has several times: {first token: place}.
Json places_json(const ExplainReport& report, const MethodReport& m) {
  Json out = Json::object();
  if (!m.effect_of || m.found.empty()) return out;
  for (const Effect& e : effects_of(report, m)) {
    if (!e.place.empty()) out.set(fmt::format("{}", e.first), e.place);
  }
  return out;
}

int hex_digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

std::string csp_hash(const Asset& asset) {
  std::vector<uint8_t> digest;
  for (size_t i = 0; i + 1 < asset.sha256.size(); i += 2) {
    digest.push_back(static_cast<uint8_t>(hex_digit(asset.sha256[i]) << 4 | hex_digit(asset.sha256[i + 1])));
  }
  return "'sha256-" + base64(digest) + "'";
}

// The shell with its placeholders filled; what is filled in is never searched again.
std::string fill(std::string_view shell, std::initializer_list<std::pair<std::string_view, std::string_view>> parts) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t open = shell.find("{{", at), close = shell.find("}}", at);
    out += shell.substr(at, open == std::string_view::npos ? open : open - at);
    if (open == std::string_view::npos) return out;
    const std::string_view name = shell.substr(open + 2, close - open - 2);
    for (const auto& [key, value] : parts) {
      if (key == name) out += value;
    }
    at = close + 2;
  }
}

}  // namespace

std::string html_report(const ExplainReport& report, size_t shown_method, PieceBy by, const std::string& title) {
  check(!report.methods.empty() && !report.tokens.empty(), ErrorCode::kUsage,
        "[html] expected a report with tokens and methods, found none");
  const int bits = value_count(report) > kFineValues ? 8 : 16;
  Json views = Json::array();  // of each method
  for (const MethodReport& m : report.methods) views.push(views_json(m, bits));
  Json data = Json::object();
  data.set("report", to_json(report, false)).set("shown", shown_method).set("layers", report.layers.size());
  Json signs = Json::array(), legends = Json::array(), edited = Json::array(), edits = Json::array();
  Json trust = Json::array(), layers_of = Json::array(), places = Json::array();
  for (const MethodReport& m : report.methods) {
    const SignWords words = sign_words(report, m);
    signs.push(Json::array().push(words.up).push(words.down));
    legends.push(legend_of(report, m));
    edited.push(Json(m.edited_first));
    edits.push(m.effect_of ? m.edited : "");
    places.push(places_json(report, m));
    const MethodReport* layered = layered_method(report, m);
    layers_of.push(layered == nullptr ? Json() : Json(layered - report.methods.data()));
    trust.push(m.trust.empty() ? "" : "Checked: " + m.trust + ".");
  }
  Json notes = Json::array();
  for (const MethodReport& m : report.methods) {
    if (m.effect_of) notes.push(m.name + ": asked: " + asked_words(report, m));
    for (const MethodNote& n : m.notes) notes.push(m.name + ": " + n.head + ": " + n.text);
  }
  data.set("views", std::move(views))
      .set("signs", std::move(signs))
      .set("legends", std::move(legends))
      .set("edited", std::move(edited))
      .set("edits", std::move(edits))
      .set("trust", std::move(trust))
      .set("layers_of", std::move(layers_of))
      .set("notes", std::move(notes))
      .set("hops", hops_text(report))
      .set("places", std::move(places))
      .set("answers", Json::array().push(answer_name(report.target)).push(other_name(report.target)))
      .set("written", answer_written(report.target))
      .set("groups", groups_json(report))
      .set("by", piece_by_name(by))
      .set("words", piece_by_name(readable_pieces(report.tokens)))
      .set("item", report.vectors ? "vector" : "token")
      .set("title", title);
  const std::string csp = "default-src 'none'; base-uri 'none'; form-action 'none'; script-src " + csp_hash(kScript) +
                          "; style-src " + csp_hash(kStyle);
  return fill(
      kShell.text,
      {{"csp", csp}, {"style", kStyle.text}, {"data", to_string(data, {.html = true})}, {"script", kScript.text}});
}

}  // namespace hindscan::viewer
