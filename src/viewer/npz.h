// An explanation as NumPy arrays.
#pragma once
#include <string>

#include "base/fs.h"
#include "explain/report.h"

namespace hindscan::viewer {

// tokens [T]; layer_residuals [L]; of each method <method>.scores [T], its other arrays <method>.<array>, and those
// with an axis of layers <method>.<array>.layers [L, T].
void write_report_npz(Fs& fs, const std::string& path, const ExplainReport& report);

}  // namespace hindscan::viewer
