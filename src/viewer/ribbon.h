// A text too long to be written out: all its pieces in one row of colours, the strongest named above it.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "explain/pieces.h"
#include "viewer/picture.h"

namespace hindscan::viewer {

constexpr double kWidth = 760;    // of a text and all that is drawn along it
constexpr int kNameColumns = 24;  // of the name of a piece

// The name of a strong piece above the ribbon: beside a line down to where the piece is.
struct PeakName {
  std::string text;
  double at = 0, width = 0;    // of the line, of the text
  double left = 0, right = 0;  // of the text, once it has a place
  int level = 0;               // upwards
};
// Gives each a place where it covers neither another name nor its line; false where there are too many at one spot.
bool place_names(std::vector<PeakName>& names);

// Each draws from y down and gives the y below it. tokens: how many the pieces are of.
double draw_ribbon(Picture& page, double y, std::span<const Piece> pieces, const std::vector<double>& scores,
                   int64_t tokens);
double draw_positions(Picture& page, double y, int64_t tokens);
double draw_row(Picture& page, double y, double height, const std::vector<double>& values, double top);

}  // namespace hindscan::viewer
