// The pieces of a text that count most by one method.
#pragma once
#include <vector>

#include "explain/pieces.h"

namespace hindscan {

struct Source {
  Piece piece;
  double score = 0;
  double share = 0;  // |score| of the sizes of all pieces together
};

// At most `count`, the largest |score| first, equal ones as they stand in the text; none without any score.
std::vector<Source> strongest_sources(const ExplainReport& report, const MethodReport& method, PieceBy by,
                                      int64_t count);

}  // namespace hindscan
