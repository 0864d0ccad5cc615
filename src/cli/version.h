// hindscan --version: what this copy is, for bug reports and for records that must name it.
#pragma once
#include "io/json.h"

namespace hindscan::cli {

const char* commit();        // "32c5dbe0a1b2", with "-dirty" when the tree differed; "unknown" outside a checkout
Json version_json();         // schema hindscan.version/1
std::string version_text();  // "hindscan 0.1.0"

}  // namespace hindscan::cli
