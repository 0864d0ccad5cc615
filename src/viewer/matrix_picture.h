// A matrix as a picture: with the tokens of its rows and columns or their numbers, and a scale.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace hindscan::viewer {

struct MatrixPicture {
  std::string title, subtitle;
  int64_t rows = 0, cols = 0;
  std::span<const float> values;                    // [rows, cols]; grey where it is not finite
  std::string row_axis, column_axis;                // what the axes count
  std::vector<std::string> row_names, col_names;    // of every row and column, or empty: numbers
  std::vector<int64_t> row_numbers, col_numbers;    // token (or first token of the block) of every row and column
  std::string low = "negative", high = "positive";  // what the ends of the scale mean
};

std::string matrix_png(const MatrixPicture& picture);  // PNG bytes

}  // namespace hindscan::viewer
