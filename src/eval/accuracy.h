// How well what was foretold of edits is what they did: of one text, then of many, each text one draw of the sample.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/interval.h"

namespace hindscan {

// What one scoring says of one text's edits of one kind, beside what they did.
struct TextEdits {
  struct Item {
    int64_t token = 0;
    double predicted = 0, measured = 0;
    double log_p = 0;  // what the edit did to the logarithm of the target's probability
  };
  std::vector<Item> edits;  // none of a scoring that does not know the target; a token's edits follow one another
  // By edited token: mean size of what was foretold, or of its score where no direction is, mean size of what its edits
  // did, and how far it is from what is predicted.
  std::vector<double> sizes, effects, distances;
};

// Sums over pairs, which add up over texts.
struct PairSums {
  int64_t pairs = 0, material = 0, signs = 0;  // material: changes of >= 10 % of the text's largest; signs: foretold
  double error2 = 0, measured2 = 0, predicted2 = 0, product = 0;
  double centred_error2 = 0, centred_measured2 = 0;  // about the means of each text
};

struct TextFigures {
  PairSums edits, tokens;                                     // of single edits, and of each token's mean
  std::optional<double> rank, size_rank, beyond, log_p_rank;  // NaN where an input was none
  size_t file = 0;  // that the text is from: each drawn text stands for one of its own file
};
TextFigures figures_of(const TextEdits& text);

// A figure of many texts.
struct Figure {
  std::optional<double> value;
  std::optional<Interval> interval;  // 95 % of the bootstrap over the texts of each file
};

struct FigureInfo {
  const char* name;   // of the JSON
  const char* title;  // of a column
  const char* words;
  bool signed_scores;  // only of scores that know the target
  bool shown;          // in the terminal
  std::optional<double> (*of)(std::span<const TextFigures* const> texts);
};
std::span<const FigureInfo> accuracy_figures();

Figure figure_over(const FigureInfo& info, std::span<const TextFigures> texts);
// In the order of accuracy_figures().
std::vector<Figure> accuracy_of(std::span<const TextFigures> texts);
// Mean over the texts that have one, for figures that are one number a text.
struct FileFigure {
  std::optional<double> value;
  size_t file = 0;
};
Figure mean_figure(std::span<const FileFigure> of_texts);

}  // namespace hindscan
