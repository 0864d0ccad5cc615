// Parts of one layer's implicit attention matrix (arXiv 2403.01590; with what stands around the recurrence:
// 2405.16504): which token reads how much from which.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hindscan/request.h"

namespace hindscan {

class Session;

struct MatrixOptions {
  int layer = 0;                          // negative: from the last
  int mixer = 0;                          // which of the layer's token mixers, where it has several
  std::string map = "mean";               // over channels or heads: mean, abs, positive, or the number of one
  bool whole_mixer = false;               // with convolution, activation, norm and gate; else the recurrence alone
  std::vector<std::string> without = {};  // of the whole mixer: conv, activation, gate
  bool key_dropping = false;              // delta rules without their erasing term, as other tools draw them
  std::optional<std::pair<int64_t, int64_t>> rows = {}, cols = {};  // [first, last) of the tokens; default: all
  int64_t blocks = 0;         // > 0: [blocks, blocks] sums over blocks of tokens instead of entries
  std::string sums = "auto";  // of blocks of abs and positive: exact, bounds, or exact where that takes half a minute
  int64_t chunk = 2000;       // tokens kept in memory at a time
  int64_t mem_limit = 0;      // bytes; 0: what the machine has available. Error(kResource) with an estimate
  const Session* after = nullptr;
  const Cancel* cancel = nullptr;
  OnProgress on_progress = nullptr;
};

struct Matrix {
  int64_t rows = 0, cols = 0;
  std::vector<float> values;        // [rows, cols]; empty with bounds
  std::vector<float> lower, upper;  // [rows, cols] bounds of block sums, else empty
  std::vector<int64_t> edges;       // [blocks + 1] first tokens of the blocks, with blocks
  int layer = 0;
  std::string kind, structure;  // of the mixer, in short and in words
  float at(int64_t row, int64_t col) const { return values[static_cast<size_t>(row * cols + col)]; }
};

}  // namespace hindscan
