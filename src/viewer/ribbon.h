// A text too long to be written out: all its pieces in one row of colours, the strongest named above it.
#pragma once
#include <span>
#include <vector>

#include "explain/pieces.h"
#include "viewer/picture.h"

namespace hindscan::viewer {

constexpr double kWidth = 760;    // of a text and all that is drawn along it
constexpr int kNameColumns = 24;  // of the name of a piece

// Each draws from y down and gives the y below it. tokens: how many the pieces are of.
double draw_ribbon(Picture& page, double y, std::span<const Piece> pieces, const std::vector<double>& scores,
                   int64_t tokens);
double draw_positions(Picture& page, double y, int64_t tokens);
double draw_row(Picture& page, double y, double height, const std::vector<double>& values, double top);

}  // namespace hindscan::viewer
