// Edits of one text that were really run, and what scorings of its tokens foretell of them.
#pragma once
#include <string>
#include <vector>

#include "eval/accuracy.h"
#include "eval/text_runner.h"

namespace hindscan {

// What is done to a token. Kinds are never pooled: what one of them does says little of another.
struct TrialKind {
  const char* name;
  const char* words;
  EditKind edit;
};
enum Trials : size_t { kPlausible, kRemoved, kRandom, kWriteDropped, kTrials };
const TrialKind& trial_kind(size_t trial);

struct Trial {
  std::vector<Edit> edits;      // those of a token after each other
  std::vector<double> changes;  // of the contrast, by each
  std::vector<double> log_p;    // and of the logarithm of the target's probability
};
using TextTrials = std::vector<Trial>;  // [kTrials]

// What a scoring has to do with an edit.
enum class Standing : uint8_t { kForetold, kRunItself, kSilent };

struct Scoring {
  std::string name;
  bool targeted = true;        // knows the target, so that it foretells a direction
  std::vector<double> scores;  // [T]
  struct Foretold {
    std::vector<double> changes;     // [edits]; empty: of its sizes alone something is said
    std::vector<Standing> standing;  // [edits]
  };
  std::vector<Foretold> trials;  // [kTrials]
};

Scoring scoring_of(const Model& model, const ExplainRequest& request, const ExplainReport& report,
                   const MethodReport& method, const TextTrials& trials);
// 1 / distance to what is predicted.
Scoring nearness(int64_t tokens, const TextTrials& trials);

// Whether the method foretells what dropping a token's writes does, which scores of other things do not.
bool foretells_dropped_writes(const MethodReport& method);

// tokens: of the text.
TextEdits pairs_of(const Trial& trial, const Scoring& scoring, const Scoring::Foretold& foretold, int64_t tokens);
// What scores that do not see the replacement can reach at best: the mean of half of a token's edits beside each of the
// other half. Empty where tokens have one edit.
TextEdits halves_of(const Trial& trial, int64_t tokens);

}  // namespace hindscan
