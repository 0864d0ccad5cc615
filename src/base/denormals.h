// Numbers too small to be normal.
#pragma once

namespace hindscan {

// They count as zero on this thread and on those that it starts: floats below 1.2e-38, doubles below 2.2e-308. What
// decays over a long text ends among them, where some processors take many times as long for each.
void flush_denormals();

}  // namespace hindscan
