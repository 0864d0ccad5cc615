#include "explain/usual_methods.h"

#include <algorithm>

#include "base/counted.h"
#include "explain/explain_plan.h"
#include "explain/removals.h"

namespace hindscan {
namespace {

constexpr int64_t kLongText = 16384;  // tokens: a dozen readings of more are for those who ask for them

bool is_first(const MethodSpec& m) { return m.if_possible && m.info().usual == Usual::kFirst; }
bool is_beside(const MethodSpec& m) { return m.if_possible && !is_first(m); }

// Rows of a single place say nothing of an answer that is read from several.
bool is_of_one_place(const MethodSpec& m, const ExplainRequest& r) { return r.answer > 1 && !m.info().targeted; }

// Whatever the text: those that came with "all" and cannot be asked of this model or answer.
bool is_impossible(const Model& model, const MethodSpec& m, const ExplainRequest& r) {
  const ArchitectureSizes sizes = model.arch().sizes();
  const int64_t at = r.target < 0 ? std::ssize(r.tokens) + r.target : r.target;
  return (m.info().edits && sizes.feature_dim > 0) ||
         (m.info().orders && first_place(r, at) <= set_in_front(model, r.tokens)) || is_of_one_place(m, r) ||
         (m.info().writes && (sizes.labels > 0 || sizes.feature_dim > 0));
}

std::string why_not(const Model& model, const ExplainRequest& r) {
  const int64_t T = explain_tokens(model, r), end = r.answer > 0   ? T - r.answer
                                                    : r.target < 0 ? T + r.target + 1
                                                                   : r.target + 1;
  if (model.arch().sizes().feature_dim > 0) return "this model reads vectors, which are no words to be taken out";
  if (end == 1) return "no word stands before the one at which the model answers";
  if (end <= kLongText) return "";
  return fmt::format("that takes a dozen readings of {}; the method scan does it all the same", counted(end, "token"));
}

}  // namespace

std::optional<ExplainRequest> with_possible_methods(const Model& model, const ExplainRequest& request) {
  const auto& asked = request.methods;
  const bool first = std::any_of(asked.begin(), asked.end(), is_first);
  const std::string reason = first ? why_not(model, request) : "";
  std::vector<std::string> impossible;
  for (const MethodSpec& m : asked) {
    if (m.of_all && is_impossible(model, m, request)) impossible.push_back(m.name);
  }
  const auto left_out = [&](const MethodSpec& m) {
    if (m.of_all) return is_impossible(model, m, request);
    if (is_first(m)) return !reason.empty();
    return is_beside(m) && ((first && reason.empty() && request.first_only) || is_of_one_place(m, request));
  };
  if (std::none_of(asked.begin(), asked.end(), left_out)) return std::nullopt;
  ExplainRequest out = request;
  if (!reason.empty()) out.left_out = "What happens without each word was not tried: " + reason + ".";
  if (!impossible.empty())
    out.left_out += fmt::format("{}This model or answer cannot be asked for {}.", out.left_out.empty() ? "" : " ",
                                fmt::join(impossible, ", "));
  std::erase_if(out.methods, left_out);
  return out;
}

}  // namespace hindscan
