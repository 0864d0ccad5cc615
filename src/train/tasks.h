// Small tasks whose answers have known sources: what a method of explanation should find.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/interval.h"
#include "model/model.h"
#include "train/data.h"

namespace hindscan {

// One position whose prediction the task defines.
struct Gold {
  int64_t sequence = 0;
  int64_t position = 0;            // the target is what follows this token
  std::vector<int64_t> sources;    // tokens that determine the answer
  std::vector<int64_t> selectors;  // of these or besides, the tokens that cleared or replaced what was stored before
};

struct TaskBatch {
  int64_t sequences = 0, length = 0;
  std::vector<int32_t> tokens;   // [sequences*length]
  std::vector<int32_t> targets;  // [sequences*length], meaningful where mask is 1
  std::vector<float> mask;       // [sequences*length]
  std::vector<Gold> gold;        // one for each position with mask 1, in order
};

class Task {
 public:
  virtual ~Task() = default;
  virtual std::string name() const = 0;
  virtual std::string symbols() const = 0;  // one ASCII character for each id
  int64_t vocab_size() const { return static_cast<int64_t>(symbols().size()); }
  // Sequences `first`, `first`+1, ... of the endless list that the seed defines.
  TaskBatch generate(uint64_t seed, uint64_t first, int64_t sequences, int64_t length) const;
  std::string tokenizer_json() const;  // byte-level BPE without merges: one token a character

 protected:
  // Fills row [length] of tokens, targets and mask; appends its gold positions (position inside the row).
  struct Row {
    int32_t* tokens;
    int32_t* targets;
    float* mask;
    int64_t length;
    std::vector<Gold>* gold;
    void ask(int64_t position, int32_t answer, std::vector<int64_t> sources, std::vector<int64_t> selectors = {}) const;
  };
  virtual void fill(class Rng& rng, const Row& row) const = 0;
  virtual int64_t min_length() const = 0;
};

std::vector<std::string> task_names();
std::unique_ptr<Task> make_task(const std::string& name);  // Error(kUsage) lists the names

struct TaskScore {
  int64_t right = 0, asked = 0;  // questions
  double accuracy() const { return asked == 0 ? 0 : static_cast<double>(right) / static_cast<double>(asked); }
  std::optional<Interval> interval() const { return share_interval(right, asked); }  // as if they were independent
};
// On `sequences` new sequences.
TaskScore task_score(const Model& model, const Task& task, int64_t length, int64_t sequences);

class TaskSource final : public BatchSource {
 public:
  TaskSource(std::unique_ptr<Task> task, const TrainOptions& options);
  Batch batch(int64_t step, int64_t micro) const override;
  uint64_t hash() const override;
  int64_t vocab_size() const override { return task_->vocab_size(); }
  const Task& task() const { return *task_; }

 private:
  std::unique_ptr<Task> task_;
  uint64_t seed_;
  int64_t sequences_, accumulation_, length_;
};

}  // namespace hindscan
