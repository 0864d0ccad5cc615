// "hindscan eval causal": what every method foretells of edits, beside what they do, over a sample of texts.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "eval/accuracy.h"
#include "eval/many_tokens.h"
#include "eval/texts.h"
#include "eval/trial.h"

namespace hindscan {

// What an evaluation will take.
struct CausalCost {
  int64_t texts = 0, edits = 0;  // edited texts that are run
  int64_t tokens = 0;            // of these
  double seconds = 0;
};
std::string to_text(const CausalCost& cost);  // one sentence

struct CausalOptions {
  std::vector<MethodSpec> methods = parse_methods("all");
  int64_t alternatives = 8;  // of each token, plausible ones and random ones
  int64_t masks = 96;        // of each text: edits of many tokens at once
  uint64_t seed = 0;
  std::vector<std::string> files;  // names of those that texts count; none: they are of one
  int64_t mem_limit = 0;           // bytes; 0: what the machine has available
  ProgressSink* progress = nullptr;
  std::function<void(const CausalCost&)> on_estimate;  // called before the run
};
inline constexpr double kMaskShare = 0.3;  // of a text's tokens, replaced together

struct CausalRow {
  std::string name;
  bool targeted = true, reference = false;
  std::vector<Figure> figures;  // by accuracy_figures()
  int64_t tokens = 0;           // judged; 0: all of these edits are its own, or it says nothing of them
};

struct KindTable {
  TrialKind kind;
  int64_t tokens = 0, edits = 0;
  std::vector<CausalRow> rows;  // empty: no method foretells such edits, so none were run
};

struct ManyRow {
  std::string name;
  bool reference = false;
  Figure additivity, area, log_p_area;
};

// A figure of a method on the texts of each file alone.
struct FileRow {
  std::string name;
  std::vector<Figure> figures;  // by file
};
struct FileTable {
  TrialKind kind;
  std::vector<FileRow> rows;
};

struct CausalText {
  size_t file = 0;
  uint64_t at = 0;  // byte of the file
  int64_t tokens = 0;
  TargetReport target;
};

struct CausalTable {
  std::string model, weights;
  std::vector<std::string> files;
  std::vector<CausalText> texts;
  std::vector<KindTable> kinds;
  std::vector<FileTable> skill_by_file;  // plausible replacements and removals; none of one file
  std::vector<ManyRow> many;
  int64_t edited_texts = 0;  // that were run
  double seconds = 0;
};

// Error(kData) for what is no language model of tokens, Error(kResource) where a text does not fit in the memory.
CausalTable causal_table(const Model& model, std::span<const EvalText> texts, const CausalOptions& options);

}  // namespace hindscan
