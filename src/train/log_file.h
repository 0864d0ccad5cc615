// The JSONL log of a run: one object a line, doubles written so that they read back equal.
#pragma once
#include <string>

#include "base/fs.h"
#include "train/evaluate.h"
#include "train/labelled.h"
#include "train/trainer.h"

namespace hindscan {

// Losing the log (a full disk) does not stop a run: it is remarked upon once.
class LogFile {
 public:
  LogFile(Fs& fs, const std::string& path);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  void start(const TrainOptions& options, int64_t step, int64_t parameters);
  void step(const StepRecord& record, int64_t skipped);
  void held_out(int64_t step, const HeldOut& result);
  void accuracy(int64_t step, double value);
  void labelled(int64_t step, const LabelledScore& score);
  void note(int64_t step, const std::string& event, const std::string& text);

 private:
  void line(const Json& json);
  Fs& fs_;
  std::string path_;
  int handle_ = -1;
};

}  // namespace hindscan
