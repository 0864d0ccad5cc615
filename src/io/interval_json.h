// Measured intervals in JSON documents.
#pragma once
#include <optional>

#include "base/interval.h"
#include "io/json.h"

namespace hindscan {

// [low, high], or null where there is none.
inline Json interval_json(const std::optional<Interval>& v) {
  return v ? Json::array().push(v->low).push(v->high) : Json(nullptr);
}

}  // namespace hindscan
