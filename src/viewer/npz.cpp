#include "viewer/npz.h"

#include "base/formats.h"
#include "io/npy.h"

namespace hindscan::viewer {

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
  for (const MethodReport& m : report.methods) {
    arrays.push_back(npy_array(m.name + ".scores", {T}, m.scores()));
    for (const ScoreMap& map : m.maps) {
      const std::string name = m.name + "." + map.fidelity;
      if (&map != m.maps.data()) arrays.push_back(npy_array(name, {T}, map.scores));
      if (!map.layers.empty()) arrays.push_back(npy_array(name + ".layers", {map.layers.size() / T, T}, map.layers));
    }
    if (!m.selection.empty()) arrays.push_back(npy_array(m.name + ".selection", {T}, m.selection));
    if (!m.paths.empty())
      arrays.push_back(npy_array(m.name + ".paths", {kMixerPaths, m.paths.size() / kMixerPaths / T, T}, m.paths));
  }
  write_npz(fs, path, arrays);
}

}  // namespace hindscan::viewer
