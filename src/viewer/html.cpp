#include "viewer/html.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "viewer/assets.h"
#include "viewer/base64.h"

namespace hindscan::viewer {
namespace {

constexpr size_t kFineValues = size_t{1} << 20;  // more values than this are kept in 8 bits instead of 16

size_t value_count(const ExplainReport& report) {
  size_t n = 0;
  for (const MethodReport& m : report.methods) {
    for (const ScoreMap& map : m.maps) n += map.layers.size();
    n += m.paths.size();
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

Json path_json(const MethodReport& m, int path, size_t T, int bits) {
  const size_t size = m.paths.size() / kMixerPaths;
  const std::span<const float> layers(m.paths.data() + static_cast<size_t>(path) * size, size);  // [L, T]
  std::vector<double> scores(T, 0.0);
  for (size_t i = 0; i < size; ++i) scores[i % T] += static_cast<double>(layers[i]);
  Json out = Json::object();
  out.set("name", mixer_path_name(static_cast<MixerPath>(path + 1)));
  return out.set("scores", scores).set("layers", packed(layers, bits));
}

Json extra_json(const MethodReport& m, size_t T, int bits) {
  Json maps = Json::array(), paths = Json::array();
  for (size_t i = 0; i < m.maps.size(); ++i) {
    Json map = Json::object().set("fidelity", m.maps[i].fidelity);
    if (i > 0) map.set("scores", m.maps[i].scores);
    if (!m.maps[i].layers.empty()) map.set("layers", packed(m.maps[i].layers, bits));
    maps.push(std::move(map));
  }
  for (int p = 0; p < kMixerPaths && !m.paths.empty(); ++p) paths.push(path_json(m, p, T, bits));
  return Json::object().set("maps", std::move(maps)).set("paths", std::move(paths));
}

// Of each grouping the pieces that join several tokens, as [first, last).
Json groups_json(const ExplainReport& report) {
  const auto T = static_cast<int64_t>(report.tokens.size()), end = std::min(T, report.target.position + 1);
  Json out = Json::object();
  for (const PieceBy by : {PieceBy::kToken, PieceBy::kWord, PieceBy::kSentence}) {
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
  Json methods = Json::array();
  for (const MethodReport& m : report.methods) methods.push(extra_json(m, report.tokens.size(), bits));
  Json data = Json::object();
  data.set("report", to_json(report, false)).set("shown", shown_method).set("layers", report.layers.size());
  data.set("methods", std::move(methods))
      .set("groups", groups_json(report))
      .set("by", piece_by_name(by))
      .set("item", report.vectors ? "vector" : "token")
      .set("title", title);
  const std::string csp = "default-src 'none'; base-uri 'none'; form-action 'none'; script-src " + csp_hash(kScript) +
                          "; style-src " + csp_hash(kStyle);
  return fill(
      kShell.text,
      {{"csp", csp}, {"style", kStyle.text}, {"data", to_string(data, {.html = true})}, {"script", kScript.text}});
}

}  // namespace hindscan::viewer
