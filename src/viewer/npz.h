// An explanation as NumPy arrays.
#pragma once
#include <string>

#include "base/fs.h"
#include "explain/report.h"

namespace hindscan::viewer {

// tokens [T]; <method>.scores [T]; <method>.<fidelity> and <method>.<fidelity>.layers [L, T]; <method>.selection [T];
// <method>.paths [5, L, T] (value, write, decay, read, gate); layer_residuals [L].
void write_report_npz(Fs& fs, const std::string& path, const ExplainReport& report);

}  // namespace hindscan::viewer
