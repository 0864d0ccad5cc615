// hindscan matrix: part of a layer's implicit attention matrix.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/counted.h"
#include "base/formats.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/feature_input.h"
#include "cli/streams.h"
#include "explain/matrix.h"
#include "explain/token_text.h"
#include "io/json.h"
#include "io/npy.h"
#include "viewer/matrix_picture.h"

namespace hindscan::cli {
namespace {

struct MatrixFlags {
  std::vector<std::string> without;
  std::string output, map = "mean", fidelity = "core", estimator = "exact", sums = "auto", rows, cols, state_in;
};

void add_flags(CLI::App& app, MatrixFlags& f, MatrixRequest& r) {
  app.add_option("--layer", r.layer, "Layer, from 0; negative: from the last")->capture_default_str();
  app.add_option("--map", f.map,
                 "Over channels or heads: mean, abs (mean of |.|), positive (mean of (.)+), or the number of one")
      ->capture_default_str();
  app.add_option("--fidelity", f.fidelity,
                 "core (the recurrence) or mixer (convolution, activation, norm and gate folded in)")
      ->check(one_of({"core", "mixer"}))
      ->capture_default_str();
  app.add_option("--without", f.without,
                 "Parts of the mixer to leave out of its map: conv, activation, gate (commas between several; with "
                 "--fidelity mixer)")
      ->delimiter(',')
      ->check(one_of({"conv", "activation", "gate"}));
  app.add_option("--mixer", r.mixer, "Which of the layer's token mixers, where it has several")
      ->check(at_least(0))
      ->capture_default_str();
  app.add_option(
         "--estimator", f.estimator,
         "exact, or key-dropping: delta rules without their erasing term, as other tools draw them, and its error")
      ->check(one_of({"exact", "key-dropping"}))
      ->capture_default_str();
  app.add_option("--rows", f.rows, "Rows a:b (queries), negative numbers count from the end");
  app.add_option("--cols", f.cols, "Columns c:d (sources)");
  app.add_option("--blocks", r.blocks,
                 "The text cut into so many blocks of tokens: sums over each pair of blocks instead of entries")
      ->check(at_least(0));
  app.add_option(
         "--sums", f.sums,
         "Block sums of abs and positive: exact (every entry is computed), bounds (fast: lower and upper, .npz), "
         "or auto (exact up to about half a minute)")
      ->check(one_of({"auto", "exact", "bounds"}))
      ->capture_default_str();
  app.add_option("--state-in", f.state_in, "Continue after the text that left this state")->type_name("FILE");
  app.add_option("-o,--output", f.output,
                 "File to write: .npy, .npz with block edges and bounds, or .png, a picture with axes and scale")
      ->type_name("FILE")
      ->required();
}

// What the flags ask for, before any file is read.
void settle(const MatrixFlags& f, MatrixRequest& r) {
  check(f.output.ends_with(".npy") || f.output.ends_with(".npz") || f.output.ends_with(".png"), ErrorCode::kUsage,
        "[matrix] expected an output file ending in .npy, .npz or .png, found '{}'", f.output);
  parse_map(f.map, r);
  if (f.estimator == "key-dropping") r.estimator = Estimator::kKeyDropping;
  r.sums = f.sums == "exact" ? Sums::kExact : f.sums == "bounds" ? Sums::kBounds : Sums::kAuto;
  check(r.sums == Sums::kAuto || r.blocks > 0, ErrorCode::kUsage,
        "[matrix] --sums {} says how block sums are made; add --blocks K", f.sums);
  r.fidelity = f.fidelity == "mixer" ? Fidelity::kMixer : Fidelity::kCore;
  for (const std::string& part : f.without) r.without.push_back(parse_mixer_part(part));
  check(r.without.empty() || r.fidelity == Fidelity::kMixer, ErrorCode::kUsage,
        "[matrix] --without {} says what to leave out of the mixer; add --fidelity mixer", f.without.front());
}

// "a:b", "a:", ":b" or "a"; negative numbers count from the end.
TokenRange parse_range(const std::string& text, const char* flag, int64_t length) {
  const auto number = [&](std::string_view s, int64_t fallback) {
    if (s.empty()) return fallback;
    int64_t v = 0;
    const auto [next, error] = std::from_chars(s.data(), s.data() + s.size(), v);
    check(error == std::errc() && next == s.data() + s.size(), ErrorCode::kUsage,
          "[{}] expected a range such as 0:100 or -50:, found '{}'", flag, text);
    return v < 0 ? v + length : v;
  };
  const size_t colon = text.find(':');
  const std::string_view all = text;
  if (colon == std::string::npos) {
    const int64_t at = number(all, 0);
    return {at, at + 1};
  }
  return {number(all.substr(0, colon), 0), number(all.substr(colon + 1), length)};
}

// Every row or column by its token, or by the first one of its block.
std::vector<int64_t> numbers(const MatrixResult& m, int64_t first, int64_t count) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(m.edges.empty() ? first + i : m.edges[static_cast<size_t>(i)]);
  return out;
}

std::vector<std::string> names(const Model& model, const MatrixRequest& r, const MatrixResult& m,
                               const std::vector<int64_t>& tokens) {
  std::vector<std::string> out;
  if (r.tokens.empty() || !m.edges.empty()) return out;
  for (const int64_t t : tokens) out.push_back(token_report(model, r.tokens[static_cast<size_t>(t)]).text);
  return out;
}

std::string of_what(const MatrixFlags& flags) {
  if (flags.fidelity == "core") return "the recurrence alone (core)";
  return flags.without.empty() ? "the whole mixer, convolution and gate folded in"
                               : fmt::format("the mixer without its {}", fmt::join(flags.without, " and "));
}

std::string picture(const Model& model, const MatrixRequest& r, const MatrixResult& m, const MatrixFlags& flags) {
  viewer::MatrixPicture p;
  const bool blocks = !m.edges.empty();
  p.title = fmt::format("Implicit attention of layer {}: which token reads from which", m.layer);
  p.subtitle = fmt::format(
      "Model {}, {}; map over channels or heads: {}; of {}{}.", model.name(), m.structure.words, flags.map,
      of_what(flags),
      blocks ? fmt::format("; the text in {} of tokens, a cell sums a pair", counted(r.blocks, "block")) : "");
  p.rows = m.rows;
  p.cols = m.cols;
  p.values = m.values;
  p.row_axis = blocks ? "reading block (its first token)" : "reading token";
  p.column_axis = blocks ? "block read (its first token)" : "token read";
  p.row_numbers = numbers(m, r.rows ? r.rows->begin : 0, m.rows);
  p.col_numbers = numbers(m, r.cols ? r.cols->begin : 0, m.cols);
  p.row_names = names(model, r, m, p.row_numbers);
  p.col_names = names(model, r, m, p.col_numbers);
  return viewer::matrix_png(p);
}

void write(const Model& model, const MatrixResult& m, const std::string& path) {
  const std::vector<uint64_t> shape = {static_cast<uint64_t>(m.rows), static_cast<uint64_t>(m.cols)};
  if (path.ends_with(".npy")) return write_npy(real_fs(), path, npy_array("values", shape, m.values));
  const std::string_view format = format::kMatrixNpz;
  const std::string hash = model.weights_hash();
  const std::u32string format_text(format.begin(), format.end()), weights(hash.begin(), hash.end());
  std::vector<NpyArray> arrays = {npy_text("format", format_text), npy_text("weights", weights)};
  if (!m.values.empty()) arrays.push_back(npy_array("values", shape, m.values));
  if (!m.lower.empty()) arrays.push_back(npy_array("lower", shape, m.lower));
  if (!m.upper.empty()) arrays.push_back(npy_array("upper", shape, m.upper));
  std::vector<int32_t> edges(m.edges.begin(), m.edges.end());
  if (!edges.empty()) arrays.push_back(npy_array("edges", {edges.size()}, edges));
  write_npz(real_fs(), path, arrays);
}

Json strings(const std::vector<std::string>& all) {
  Json out = Json::array();
  for (const std::string& one : all) out.push(one);
  return out;
}

void report(const Model& model, const MatrixRequest& request, const MatrixResult& m, const MatrixFlags& flags,
            bool json) {
  if (json) {
    Json out = Json::object();
    out.set("schema", format::kMatrixJson).set("model", model.path()).set("output", flags.output).set("layer", m.layer);
    out.set("map", flags.map)
        .set("fidelity", flags.fidelity)
        .set("without", strings(flags.without))
        .set("rows", m.rows)
        .set("columns", m.cols);
    out.set("blocks", request.blocks).set("bound", !m.lower.empty());
    out.set("tightness", m.tightness);
    out.set("kind", m.structure.kind);
    if (!m.structure.notes.empty()) out.set("notes", m.structure.notes);
    if (m.estimator) out.set("estimator", std::move(to_json(*m.estimator).set("name", flags.estimator)));
    Out::get().write(to_string(out, {.indent = 2}) + "\n");
    return;
  }
  const std::string left_out =
      flags.without.empty() ? "" : fmt::format(" without {}", fmt::join(flags.without, " and "));
  note(fmt::format("wrote {}: layer {}, {} map, {} fidelity{}, [{}, {}]{}{}", flags.output, m.layer, flags.map,
                   flags.fidelity, left_out, m.rows, m.cols, m.structure.held.empty() ? "" : "; ", m.structure.held));
  if (m.estimator) {
    note(fmt::format(
        "key-dropping against the exact map: relative error {:.3f}, cosine {:.3f}, {:.0f} % of its mass is spurious",
        m.estimator->relative_l2(), m.estimator->cosine(), 100 * m.estimator->spurious()));
  }
  if (m.tightness)
    caveat(fmt::format(
        "the file holds no sums but bounds of them, \"lower\" and \"upper\"; the lower reach {:.1f} % of the upper",
        *m.tightness * 100));
}

}  // namespace

int matrix_command(Arguments arguments) {
  CommandLine line(
      "matrix",
      "Part of a layer's implicit attention matrix as a NumPy file, float32 [rows, columns], or as a picture.",
      {"matrix -p \"The cat sat on the mat\" --layer 3 -o m.npy",
       "matrix -f doc.txt --layer -1 --map abs --fidelity mixer --rows -100: --cols 0:500 -o tile.npy",
       "matrix -f book.txt --layer 0 --blocks 256 -o blocks.npy",
       "matrix -p \"The cat sat on the mat\" --layer 3 -o m.png"});
  line.add_model();
  line.add_prompt();
  line.add_memory();
  MatrixFlags flags;
  MatrixRequest request;
  FeatureInput features;
  add_feature_input(line.app(), features);
  add_flags(line.app(), flags, request);
  if (!line.parse(std::move(arguments))) return 0;
  settle(flags, request);
  line.check_output(flags.output, {features.file, flags.state_in});

  const Model model = line.load_model();
  SequenceState state;
  if (!flags.state_in.empty()) {
    state = load_state(flags.state_in, model);
    request.state_in = &state;
  }
  read_input(model, line, features, {.begins = state.tokens == 0}, request.tokens, request.features);
  const int64_t width = model.arch().sizes().feature_dim;
  const auto T =
      static_cast<int64_t>(width > 0 ? request.features.size() / static_cast<size_t>(width) : request.tokens.size());
  if (!flags.rows.empty()) request.rows = parse_range(flags.rows, "--rows", T);
  if (!flags.cols.empty()) request.cols = parse_range(flags.cols, "--cols", T);
  request.mem_limit = line.memory_limit();
  request.progress = line.progress();
  request.on_estimate = [&flags](const MatrixEstimate& e) {
    check(flags.output.ends_with(".npz") || !e.bounded, ErrorCode::kUsage,
          "[matrix] expected .npz for block sums that are only bounded, with a lower and an upper array, found '{}'; "
          "or add --sums exact (about {:.0f} s)",
          flags.output, std::ceil(e.exact_seconds));
    if (e.seconds > kWorthSaying) note(to_text(e));
  };
  const MatrixResult result = matrix(model, request);
  if (flags.output.ends_with(".png"))
    write_file_atomic(real_fs(), flags.output, picture(model, request, result, flags));
  else
    write(model, result, flags.output);
  report(model, request, result, flags, line.json());
  return 0;
}

}  // namespace hindscan::cli
