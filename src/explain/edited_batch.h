// Copies of a few tokens, each edited in one place, as sequences of one pass. Copy 0 is left as it is.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "explain/edit.h"
#include "explain/report.h"

namespace hindscan {

class EditedBatch {
 public:
  // window: tokens [first, ...) of the text.
  EditedBatch(std::span<const int32_t> window, int64_t first, const Writes& writes, PassRoom& room)
      : window_(window), first_(first), writes_(writes), room_(room) {
    add_tokens(-1);
  }
  void add(const Edit& e);
  void add_without_any_write();

  // h of a pass over all copies, whose states are in `states` afterwards.
  void run(
      const Model& model, const SequenceState& before,
      const std::function<void(Ctx& ctx, Var h)>& visit = [](Ctx&, Var) {});
  // Value of the target at the end of each copy, or of the copy where the model judges whole texts; log_ps: and the
  // logarithm of its probability.
  std::vector<double> values(const Model& model, const SequenceState& before, const TargetReport& target,
                             std::vector<double>* log_ps = nullptr);

  std::vector<SequenceState> states;  // [copies]
  std::set<std::string> silenced;     // writes that were there to drop
  std::set<std::string> emptied;      // of these, those that were not zeros before
  std::vector<char> changed;          // [copies] some mixer gave out another number than in copy 0

 private:
  void add_tokens(int64_t without);
  void silence(const TapView& view);
  void compare(const TapView& view);

  std::span<const int32_t> window_;
  int64_t first_;
  const Writes& writes_;
  PassRoom& room_;  // of one batch after the other
  std::vector<int32_t> tokens_;
  std::vector<int64_t> cu_{0};
  std::vector<int64_t> silent_;  // packed positions whose write is dropped
};

}  // namespace hindscan
