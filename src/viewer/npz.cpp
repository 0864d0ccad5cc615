#include "viewer/npz.h"

#include "base/formats.h"
#include "io/npy.h"

namespace hindscan::viewer {

// 1: the edit of the token was really run; 0: estimated; -1: not asked for.
static std::vector<int32_t> measured_marks(const MethodReport& m) {
  std::vector<int32_t> out;
  for (const Found f : m.found) out.push_back(f == Found::kMeasured ? 1 : f == Found::kEstimated ? 0 : -1);
  return out;
}

void write_report_npz(Fs& fs, const std::string& path, const ExplainReport& report) {
  std::vector<int32_t> tokens;
  for (const TokenReport& t : report.tokens) tokens.push_back(t.id);
  std::vector<double> residuals;
  for (const LayerReport& l : report.layers) residuals.push_back(l.max_residual);
  const uint64_t T = tokens.size();
  const std::string_view format = format::kExplainNpz;
  const std::u32string format_text(format.begin(), format.end()), weights(report.weights.begin(), report.weights.end());
  std::vector<NpyArray> arrays = {npy_text("format", format_text), npy_text("weights", weights),
                                  npy_array("tokens", {T}, tokens),
                                  npy_array("layer_residuals", {residuals.size()}, residuals)};
  std::vector<std::vector<int32_t>> marks;  // the arrays point into them
  marks.reserve(report.methods.size());
  std::vector<std::vector<int32_t>> firsts;
  firsts.reserve(report.methods.size());
  for (const MethodReport& m : report.methods) {
    for (const ScoreArray& a : m.arrays) {
      std::string name = fmt::format("{}.{}", m.name, &a == &m.total() ? "scores" : a.name);
      for (size_t i = 0; i + 1 < a.axes.size(); ++i) name += fmt::format(".{}s", a.axes[i]);
      std::visit([&](const auto& v) { arrays.push_back(npy_array(name, a.shape, v)); }, a.values);
    }
    if (!m.effect_of) continue;
    marks.push_back(measured_marks(m));
    arrays.push_back(npy_array(m.name + ".measured", {T}, marks.back()));
    if (!m.edited_first.empty())
      arrays.push_back(
          npy_array(m.name + ".edited_first", {T}, firsts.emplace_back(m.edited_first.begin(), m.edited_first.end())));
  }
  write_npz(fs, path, arrays);
}

}  // namespace hindscan::viewer
