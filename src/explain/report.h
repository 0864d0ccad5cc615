// What can be asked of explain/ and what comes back: schema hindscan.explain/3. Nothing here prints.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/interval.h"
#include "base/progress.h"
#include "explain/edit.h"
#include "explain/method.h"
#include "explain/mixer_view.h"
#include "explain/pass_probe.h"
#include "explain/scan_reach.h"
#include "explain/score_array.h"
#include "io/json.h"
#include "model/model.h"

namespace hindscan {

// What a request will take: at first from a pass over a few tokens, then from parts of it, timed.
struct ExplainEstimate {
  int64_t tokens = 0, chunk = 0;
  int64_t bytes = 0;
  double seconds = 0;            // all of it
  double plan_seconds = 0;       // of these, for the pass over a few tokens
  std::vector<double> parts;     // of these, the shared walk, methods' own walks, their edited texts, their scans
  double causal_seconds = 0;     // of these, for the edits that eval/causal.h re-runs
  std::vector<double> further;   // beside these, of each longer reach of a scan that a poor check asks for in turn
  double quadratic_seconds = 0;  // of seconds, in layers whose cost grows with the square of the tokens
  std::vector<int> quadratic_layers;
};
std::string to_text(const ExplainEstimate& estimate);  // one sentence

enum class Contrast : uint8_t { kAuto, kNone, kId };  // runner-up; the plain logit; a given token

struct ExplainRequest {
  std::vector<int32_t> tokens;  // [T], T >= 1
  std::vector<float> features;  // [T, feature_dim] instead, for models that read features
  std::vector<MethodSpec> methods = parse_methods("usual");
  bool first_only = false;           // of the usual methods the first alone, where the text can be asked for it
  std::string left_out;              // set by with_possible_methods()
  int64_t target = -1;               // position whose prediction is explained; < 0: from the end
  int64_t answer = 0;                // that many last tokens are what is explained, together; with target -1, log-p
  std::optional<int32_t> target_id;  // predicted token; default: the most likely one
  Contrast contrast = Contrast::kAuto;
  int32_t contrast_id = 0;                          // with Contrast::kId
  std::vector<int32_t> target_also, contrast_also;  // of groups of tokens: the others; with target_id, contrast_id
  std::string measure = "logit";                    // what of the logits (targets.def)
  const SequenceState* state_in = nullptr;          // what came before tokens[0]
  int causal_edits = 24;                            // used by eval/causal.h; 0: none
  uint64_t seed = 0;                                // of the edits
  int64_t chunk = 2000;                             // tokens kept at a time
  int64_t mem_limit = 0;                            // bytes; 0: what the machine has available
  int64_t hops = 1;                                 // steps back from the target, see Hop
  ProgressSink* progress = nullptr;
  std::function<void(const ExplainEstimate&)> on_estimate;  // called before the run
};

struct TokenReport {
  int32_t id = 0;
  std::string text;   // valid UTF-8; control characters as they are (the faces escape them)
  std::string bytes;  // raw bytes when they are not UTF-8 on their own, else empty
};

enum class TargetKind : uint8_t { kToken, kClass, kNumber };
const char* target_kind_name(TargetKind kind);  // "token", "class", "number"

struct TargetReport {
  int64_t position = 0;  // in the request's tokens; of a class or number: the last
  int32_t id = 0;        // token, class or which number
  std::string text;      // of a continuation: all of it
  std::optional<int32_t> contrast_id;
  std::string contrast_text;
  double logit = 0;
  double contrast_logit = 0;  // 0 without a contrast
  double probability = 0;     // of id, of its group, or of the whole continuation
  TargetKind kind = TargetKind::kToken;
  double bias = 0;                // part of the value that no token has a share in: the head's bias
  std::string measure = "logit";  // what of the logits (targets.def)
  std::vector<int32_t> also = {}, contrast_also = {};  // of groups: the tokens beside id and contrast_id
  std::vector<std::string> also_texts = {}, contrast_also_texts = {};
  double measured = 0;                // its value; of a logit that less the other
  std::vector<double> raw = {};       // logits that it reads, before the head's soft cap
  std::vector<int32_t> earlier = {};  // of an answer of several tokens: those before id
  std::vector<int32_t> foils = {};    // the most likely tokens beside id and contrast_id
  int64_t edits_begin = 0;            // tokens in front of it are the tokenizer's, no part of the text
  size_t places() const { return earlier.size() + 1; }
  int64_t first() const { return position - std::ssize(earlier); }  // where the answer's first token is read
  // What may be taken out ends here: before the place of an answer, or with a text that is judged as a whole.
  int64_t edits_end() const { return kind == TargetKind::kToken ? first() : position + 1; }
  int64_t removable() const { return position == 0 ? 0 : edits_end() - edits_begin; }  // tokens
  double value() const { return measure == "logit" ? logit - contrast_logit : measured; }
};

struct CausalReport {
  int edits = 0;
  std::optional<double> spearman;        // null when undefined (fewer than 2 edits, or constant)
  std::optional<double> sign_agreement;  // share of edits with a measured change whose sign was predicted
  std::optional<Interval> spearman_interval, sign_interval;  // 95 %, over the edits of this one text
  int64_t first = 0, last = 0;                               // edited window [first, last)
};

struct NamedShare {
  std::string name;
  double value = 0;
};

// A sentence of a method's own, under a word that it begins with.
struct MethodNote {
  std::string head, text;
};

// How a token's score came about.
enum class Found : uint8_t { kEstimated, kMeasured, kNotAsked };

struct MethodReport {
  std::string name;                    // as it was asked for: "row", "row:estimator=key-dropping"
  std::string words;                   // what it shows
  bool targeted = true;                // the scores know the target and have its sign
  std::vector<ScoreArray> arrays;      // arrays[0]: its scores, [T], 0 after the target
  std::vector<NamedShare> shares;      // the scores by path or the like, summed over tokens and layers
  double skip_share = 0;               // the part of the scores that went through D x
  std::optional<CausalReport> causal;  // only where the scores are targeted: the others predict no sign
  std::string label;                   // e.g. "value path only", set by eval/
  std::vector<MethodNote> notes;       // what it found out beside its scores, for people
  Json details = Json::object();       // and for programs: members of its JSON object
  std::optional<EditKind> effect_of;   // the scores are what this edit takes away; none: what the token brings
  std::string edited = "token";        // what it takes at once: "token", "word", "sentence", "paragraph"
  std::string edit_words;              // what else that edit does to the text
  std::vector<int64_t> edited_first;   // [T] first token of the edit that took it; empty: each was edited alone
  std::vector<Found> found;            // [T], with effect_of
  bool approximate = false;            // its own check does not bear its estimates out
  std::string trust;                   // how far its estimates may be trusted, for people who know no model
  double per_dropped_write = 0;  // times this its scores are, to first order, what the target loses as a token's writes
                                 // are dropped in all layers; 0: they are something else
  std::optional<ScanReach> reach;  // scan_edits() of this reach answers for other edits as its scores do
  std::vector<double> adjoint;     // [window, d_model] of the embeddings, gradient-type methods only; not in the JSON
  const ScoreArray& total() const { return arrays.front(); }
  std::span<const double> scores() const { return total().tokens(); }           // [T]
  const ScoreArray* find(std::string_view array, bool by_layer = false) const;  // null: it has none of that name
  std::span<const float> layers() const;  // [L, T] of its scores; empty: the method tells none apart
};

struct LayerReport {
  int layer = 0;
  StructureName structure;
  double max_residual = 0;     // largest over tokens of ||r|| / ||y||, per-channel completeness
  double target_residual = 0;  // the same from the row of the target: sum_j alpha x_j + carried-in state + D x - y,
                               // y the output, or its weighted mean where outputs are pooled
};

// What becomes of a write that is dropped.
struct Write {
  std::string state;          // slot of what the mixer carries on
  bool reads_itself = false;  // the recurrence has a state of its own making even where nothing is written
};
using Writes = std::map<std::string, Write>;  // by the tap whose zeros take a token's write away

// What a causal check starts from: the last tokens before the target, a state at or before them, and what the walk
// found out about the model.
struct Window {
  int64_t first = 0, last = 0;  // [first, last), last = target + 1
  int64_t edits_end = 0;        // where the answer begins to be read: what stands before may be edited
  int64_t state_at = 0;         // tokens consumed by `state`
  SequenceState state;
  const Weight* embedding = nullptr;  // the table tokens are looked up in, of the model; null: it reads features
  Writes writes;
  PassProbe probe;
  EditCost edit_cost;
};

// A step back on the way to the target: an answer, and the tokens that it loses most without, by the scan. Of these, an
// answer of the model's own (what it takes to be most likely there) is explained by the next step.
struct HopSource {
  int64_t token = 0;
  double lost = 0;
  bool measured = false;
  std::optional<size_t> hop;  // index of the one that explains this token
};
struct Hop {
  int64_t step = 1;          // 1: the target of the report
  std::optional<size_t> of;  // index of the hop whose source it explains
  TargetReport target;
  std::vector<double> lost;  // [T], not in the JSON
  std::vector<HopSource> sources;
};

struct ExplainReport {
  std::string model;
  std::string weights;  // their hash (model/weights_hash.h)
  std::vector<TokenReport> tokens;
  bool vectors = false;  // the tokens are vectors, named by their numbers; not in the JSON
  TargetReport target;
  std::vector<MethodReport> methods;
  std::string left_out;  // what was not computed though it is usual, and why
  std::vector<LayerReport> layers;
  std::vector<Hop> hops;   // where more than one was asked for
  double seconds = 0;      // the causal check included
  int64_t peak_bytes = 0;  // of the process
  int64_t chunk = 0;       // tokens a chunk
  Window window;           // not in the JSON
};

// Index of the method of this name (find_method). Of none: of the first that tells what an edit of each token
// does; else of the first whose scores add up to the target; else of the first.
size_t shown_method(const ExplainReport& report, const std::string& name);

// The method whose layers stand beside the scores of one: its own, or where it tells none apart, those of the first
// that knows the target and does. Null: no method tells layers apart.
const MethodReport* layered_method(const ExplainReport& report, const MethodReport& shown);

ExplainEstimate estimate_explain(const Model& model, const ExplainRequest& request);
// Error(kUsage) for a bad request, Error(kResource) with an estimate when it does not fit.
ExplainReport explain(const Model& model, const ExplainRequest& request);

// As docs/schemas/explain-3.json says. per_layer: also the arrays with an axis of layers; without, long texts stay
// small.
Json to_json(const ExplainReport& report, bool per_layer = true);

}  // namespace hindscan
