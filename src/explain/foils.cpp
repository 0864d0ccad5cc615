#include "explain/foils.h"

#include <algorithm>

#include "base/counted.h"
#include "base/ranks.h"
#include "explain/answers.h"
#include "explain/pieces.h"
#include "explain/target.h"
#include "explain/token_text.h"

namespace hindscan {
namespace {

constexpr double kStable = 0.8;  // rank correlation from which the order of the words is the same for people

struct Read {
  std::vector<double> lost;                 // of the target, by edit that was run
  std::vector<std::vector<double>> others;  // of log-p, then of each foil
  std::vector<const Edit*> edits;
};

Read read_of(std::span<const Edit> edits, const std::vector<ScanResponse>& responses) {
  Read out;
  for (size_t i = 0; i < edits.size(); ++i) {
    const std::vector<double>& beside = responses[i].beside;
    if (beside.empty()) continue;
    out.edits.push_back(&edits[i]);
    out.lost.push_back(-responses[i].change);
    out.others.resize(beside.size());
    for (size_t k = 0; k < beside.size(); ++k) out.others[k].push_back(-beside[k]);
  }
  return out;
}

std::string named(const Model& model, int32_t id) { return quoted(shown_text(id, token_report(model, id).text), 20); }

// `against "arm", "eyes" in place of "hands", the 9 edits that were run have a rank correlation of 0.96 to 0.99 with
// what is shown; the log-probability of "head" alone: 0.93`.
std::string note(const Model& model, TargetReport target, const Read& read,
                 const std::vector<std::optional<double>>& ranks) {
  describe_target(model, target);
  std::vector<double> known;
  for (size_t k = 1; k < ranks.size(); ++k) {
    if (ranks[k]) known.push_back(*ranks[k]);
  }
  std::string out;
  if (!known.empty()) {
    std::vector<std::string> names;
    for (const int32_t id : target.foils) names.push_back(named(model, id));
    const auto [low, high] = std::minmax_element(known.begin(), known.end());
    out = fmt::format(
        "against {} in place of {}, the {} that were run have a rank correlation of {:.2f} to {:.2f} with what is "
        "shown{}",
        fmt::join(names, ", "), other_name(target), counted(read.edits.size(), "edit"), *low, *high,
        *low < kStable ? ": which words matter depends on the other answer" : "");
  }
  if (!ranks.empty() && ranks[0])
    out += fmt::format("{}the log-probability of {} alone: {:.2f}{}", out.empty() ? "" : "; ", answer_name(target),
                       *ranks[0], *ranks[0] < kStable ? ", so without some words a third answer gains" : "");
  return out;
}

}  // namespace

std::vector<TargetReport> with_foils(const TargetReport& target) {
  std::vector<TargetReport> out{target};
  if (!target.contrast_id || target.kind != TargetKind::kToken || target.measure != "logit") return out;
  out.push_back(log_p_of(target));
  for (const int32_t foil : target.foils) out.push_back(against(target, foil));
  return out;
}

void add_foils(const Model& model, const TargetReport& target, std::span<const Edit> edits,
               const std::vector<ScanResponse>& responses, MethodReport& report) {
  const Read read = read_of(edits, responses);
  if (read.edits.empty()) return;
  std::vector<std::optional<double>> ranks;
  for (const std::vector<double>& other : read.others) ranks.push_back(spearman(read.lost, other));
  Json run = Json::array(), foils = Json::array();
  for (size_t i = 0; i < read.edits.size(); ++i)
    run.push(
        Json::object().set("token", read.edits[i]->position).set("lost", read.lost[i]).set("log_p", read.others[0][i]));
  for (size_t k = 0; k < target.foils.size(); ++k)
    foils.push(Json::object()
                   .set("id", target.foils[k])
                   .set("text", token_report(model, target.foils[k]).text)
                   .set("rank_correlation", ranks[k + 1]));
  report.details.set("log_p", Json::object().set("rank_correlation", ranks[0]).set("run", std::move(run)));
  report.details.set("foils", std::move(foils));
  if (const std::string text = note(model, target, read, ranks); !text.empty()) report.notes.push_back({"foils", text});
}

}  // namespace hindscan
