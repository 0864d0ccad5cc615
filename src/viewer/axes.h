// The parts that several pictures share: a scale with its words, ticks, columns of many values as one.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "viewer/picture.h"

namespace hindscan::viewer {

// A bar from -top to top with its numbers and what the ends mean. Returns the height used.
double draw_scale(Picture& page, double x, double y, double top, std::string_view low, std::string_view high);

// Round positions in [first, last), at most `most` of them.
std::vector<int64_t> ticks(int64_t first, int64_t last, int most);

// The value of largest size in each of `columns` equal runs of values; all of them when there are fewer.
std::vector<double> strongest_columns(std::span<const double> values, int columns);

}  // namespace hindscan::viewer
