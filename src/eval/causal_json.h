// The table as JSON, schema hindscan.eval-causal/1 (docs/schemas/eval-causal-1.json).
#pragma once
#include "eval/causal_table.h"
#include "io/json.h"

namespace hindscan {

Json to_json(const CausalTable& table);

}  // namespace hindscan
