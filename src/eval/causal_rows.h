// The rows of the tables while texts are added one by one.
#pragma once
#include <map>

#include "eval/causal_table.h"

namespace hindscan {

class CausalRows {
 public:
  // What is added from now on is of a text of this file.
  void next_text(size_t file) { file_ = file; }
  // tokens: of the text. Scorings come in the same order for every text.
  void add(const Scoring& scoring, bool reference, const TextTrials& trials, int64_t tokens);
  void add_halves(const TextTrials& trials, int64_t tokens);
  void add_many(const std::string& name, bool reference, const std::optional<double>& additivity,
                const std::optional<Outcome>& area);

  // By kind and in the order in which rows were added first.
  std::vector<CausalRow> rows(size_t trial) const;
  // The same rows' figure of the texts of each of `files` files alone; none of rows that have none.
  std::vector<FileRow> by_file(size_t trial, const char* figure, size_t files) const;
  std::vector<ManyRow> many() const;

 private:
  struct Row {
    std::string name;
    bool targeted = true, reference = false;
    std::vector<TextFigures> texts;
    int64_t tokens = 0;
  };
  struct Many {
    std::string name;
    bool reference = false;
    std::vector<FileFigure> additivity, area, log_p_area;
  };
  void add(std::vector<Row>& rows, const std::string& name, bool targeted, bool reference, const TextEdits& edits);

  size_t file_ = 0;
  std::vector<Row> rows_[kTrials];
  std::vector<Many> many_;
};

}  // namespace hindscan
