#include "explain/removals.h"
#include "explain/scan_check.h"
#include "explain/scan_estimate.h"

namespace hindscan {

ScanSeconds guess_scan(const Model& model, const ExplainRequest& r, int64_t target, const MethodSpec& scan,
                       double token) {
  constexpr double kWalk = 4, kChecked = 7, kStrongest = 0.1;  // readings of the text; how far back they stand, of it
  const PieceBy by = taken_out_by(model, r.tokens, scan);
  const std::vector<Edit> edits = removals(model, r.tokens, target, by);
  if (edits.empty()) return {};
  const ScanReach first{scan.number("window"), scan.number("tail")};
  const auto E = static_cast<double>(edits.size());
  const double text = token * static_cast<double>(target + 1);
  if (model.arch().sizes().labels > 0) return {E * text, 0, 0, {}};
  const auto alternatives = static_cast<double>(scan.number("alternatives"));
  const auto reaching = [&](const ScanReach& reach) {
    return kWalk * text + E * token * static_cast<double>(reach.window + reach.tail);
  };
  ScanSeconds out{reaching(first), kChecked * text, 0, {}};
  if (replaces(model, by, scan.number("alternatives"))) out.replaced = text * (1 + 10 * alternatives * kStrongest);
  for (auto reach = further(first); reach; reach = further(*reach)) out.further.push_back(reaching(*reach) + out.check);
  return out;
}

}  // namespace hindscan
