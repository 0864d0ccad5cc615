// What stands behind the public classes.
#pragma once
#include <memory>
#include <vector>

#include "explain/report.h"
#include "hindscan/explanation.h"
#include "hindscan/language_model.h"
#include "hindscan/session.h"
#include "model/generate.h"
#include "model/model.h"

namespace hindscan {

struct LanguageModel::Impl {
  Model model;
};

// A text as far as it was read.
struct ReadText {
  SequenceState state;
  std::vector<float> logits;  // [vocab] of what follows; empty: nothing was read here
  std::vector<int32_t> seen;  // tokens that were read here: what penalties look back on
};

struct Session::Impl {
  LanguageModel model;
  ReadText at;
  std::vector<std::shared_ptr<const ReadText>> kept;
  const Model& loaded() const { return model.impl_->model; }
};

struct Explanation::Impl {
  ExplainReport report;
  std::vector<Token> tokens;
  Target target;
  std::vector<Method> methods;
  std::vector<Array> arrays;
  std::vector<Layer> layers;
  std::vector<Hop> hops;
};

GenerateOptions generate_options(const Generation& options);
Continuation continuation_of(const Generated& generated);

}  // namespace hindscan
