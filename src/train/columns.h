// Which columns of a table hold the labels and the texts, and whether its first row names them.
#pragma once
#include <string>
#include <vector>

#include "train/labelled.h"
#include "train/table.h"

namespace hindscan {

struct Columns {
  size_t label = 0, text = 1;  // from 0
  bool header = false;
  bool rest = false;  // rows of different widths: the text is everything but the label, tabs included
};

// By the flags in `files`, else by the names of a header, else by what the model's labels are and by what repeats.
// Error(kUsage) with what was seen and the flags to give where that does not settle it; Error(kData) for no table.
Columns choose_columns(const std::vector<TableRow>& rows, const LabelledFiles& files);

}  // namespace hindscan
