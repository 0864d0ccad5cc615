// How this copy of the program was made, for bug reports and records.
#pragma once
#include <string>
#include <vector>

namespace hindscan {

struct LibraryVersion {
  std::string name, version;
};

const char* build_type();                      // "Release"
std::string compiler();                        // "gcc 12.2.0"
std::vector<LibraryVersion> base_libraries();  // that every room uses: fmt, and the OpenMP specification's date

}  // namespace hindscan
