// Which tokens a prediction came from: implicit attention of gated linear recurrences (Ali et al., arXiv 2403.01590;
// unified form: arXiv 2405.16504), the model as a linear operator, gradients; each with how exactly it adds up and how
// well it predicts edits that are really run.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hindscan/interval.h"
#include "hindscan/request.h"

namespace hindscan {

class Session;

struct ExplainOptions {
  // Comma-separated: scan, row-logit, row, rollout, gradient-x-input, frozen, half, half-attnlrp, integrated-gradients,
  // leave-one-out, each with its options as NAME:key=value ("integrated-gradients:steps=32"); "all"; "usual": the first
  // six, without scan where a text cannot be asked for it (vectors, a single token, more than 16384 tokens). The
  // program's terminal shows scan alone; "scan" is as quick here.
  std::string methods = "usual";
  int64_t target = -1;  // position whose next token is explained; negative: from the end
  // Explain this token (of a classifier: class number); empty: the most likely. Several with "|" between them count as
  // one answer; "\\|" is the sign itself.
  std::string target_token = {};
  std::string contrast = "auto";  // against what: "auto" the runner-up, "none" the plain logit, else as target_token
  // Explain how likely this text comes next, all of it (log-p; neither a target, a contrast nor hops beside it).
  std::string continuation = {};
  std::string measure = "logit";   // what is explained; or "log-p" (nats), "probability", "entropy" (bits): no contrast
  int causal_edits = 24;           // token edits really run again to check the methods; 0: none
  uint64_t seed = 0;               // of the edits
  int64_t chunk = 2000;            // tokens kept in memory at a time
  int64_t mem_limit = 0;           // bytes; 0: what the machine has available. Error(kResource) with an estimate
  int64_t hops = 1;                // steps back from the target: see Explanation::Hop
  const Session* after = nullptr;  // what came before the text
  const Cancel* cancel = nullptr;
  OnProgress on_progress = nullptr;
};

// Cheap to copy; does not change.
class Explanation {
 public:
  Explanation(const Explanation&) = default;  // moving copies as well: none is ever empty
  Explanation& operator=(const Explanation&) = default;

  enum class By : uint8_t { kToken, kWord, kSentence, kParagraph };

  struct Token {
    int32_t id = 0;
    std::string text;   // UTF-8
    std::string bytes;  // where they are no UTF-8 on their own
  };
  struct Target {
    std::string kind;  // "token", "class" or "number"
    int64_t position = 0;
    int32_t id = 0;
    std::string text;
    std::optional<int32_t> contrast_id;
    std::string contrast_text;
    double logit = 0, contrast_logit = 0;
    double value = 0;        // what is explained: logit - contrast_logit, or another measure
    double probability = 0;  // of id, of the whole group, or of the whole continuation
    std::string measure = "logit";
    std::vector<int32_t> also = {}, contrast_also = {};  // of groups: the tokens beside id and contrast_id
    std::optional<int64_t> answer_from = {};             // of a continuation: its first token; id is its last one
  };
  // Of a decomposition: target = sum + state + no_token + residual.
  struct Completeness {
    double target = 0, residual = 0;
  };
  struct Array {
    std::string name;                // arrays of one method and name show the same on other axes
    std::string method;              // as it was asked for
    std::string words;               // what it shows
    std::string unit;                // "target": parts of the target's value; "weight": of an attention row
    std::string part_of;             // the array that this one and its like add up to; empty: stands for itself
    std::vector<std::string> axes;   // of "layer", "token"; the outermost first
    std::vector<uint64_t> shape;     // of each axis
    std::span<const double> values;  // [T], with axis token alone; seen as long as a copy of the Explanation lives
    std::span<const float> layers;   // [L, T], with axes layer and token
    double sum = 0;                  // with axis token alone, as the next two
    double state = 0;                // what came before the text brings
    double no_token = 0;             // what biases and baselines bring
    std::optional<Completeness> completeness;  // none: no decomposition
  };
  // Against edits that were really run; null where it is undefined.
  struct Agreement {
    int edits = 0;
    std::optional<double> spearman, sign_agreement;  // -1..1, 0..1
    std::optional<Interval> spearman_interval, sign_interval;
    int64_t first = 0, last = 0;  // edited tokens [first, last)
  };
  struct Method {
    std::string name, words;
    bool targeted = true;                  // the scores know the target and have its sign
    std::map<std::string, double> shares;  // e.g. of value, write, decay, read, gate, summed over tokens and layers
    double skip_share = 0;                 // what went past the recurrences
    std::optional<Agreement> agreement;    // of targeted methods, unless causal_edits was 0
    std::string label;                     // a remark, e.g. "value path only"
    std::string trust = {};  // how far its estimates may be trusted, in plain words; empty: it estimates nothing
    // Where the scores are what the target loses by an edit of each token alone: "remove", "drop-write" or "replace".
    std::string effect_of = {};
    std::vector<int8_t> measured = {};  // [T] with effect_of: 1 really run, 0 estimated, -1 not asked for
    // [T], or empty where each was taken out alone: the first of the tokens taken out together with it, which have
    // equal parts of what that did.
    std::vector<int64_t> edited_first = {};
  };
  struct Layer {
    int layer = 0;
    std::string kind, structure;  // in short, and in words
    double max_residual = 0;      // largest over tokens of |sources + state + skip - output| / |output|
    double target_residual = 0;   // of the target's row
  };
  struct Source {
    std::string text;
    int64_t first = 0, last = 0;  // tokens [first, last)
    double score = 0;
    double share = 0;  // 0..1, of the sizes of all scores
  };

  // A step back: an answer, and the tokens that it loses most without, by the scan. Of these, an answer of the model's
  // own (what it takes to be most likely there) is explained by a hop of its own.
  struct HopSource {
    int64_t token = 0;
    double lost = 0;
    bool measured = false;      // really run; else estimated
    std::optional<size_t> hop;  // index of the hop that explains this token
  };
  struct Hop {
    int64_t step = 1;          // 1: the explanation's own target
    std::optional<size_t> of;  // index of the hop whose source it explains
    Target target;
    std::vector<HopSource> sources;  // the strongest first
  };

  const std::vector<Token>& tokens() const;
  const Target& target() const;
  const std::vector<Method>& methods() const;
  const std::vector<Array>& arrays() const;  // of every method its scores first
  const std::vector<Layer>& layers() const;
  const std::vector<Hop>& hops() const;  // empty unless more than one was asked for
  double seconds() const;                // the edits included
  int64_t peak_bytes() const;            // of the process

  // The scores [T] of a method; empty: of one that tells what an edit of each token does (scan), else of the one that
  // adds up to the target, else of the first.
  const Array& scores(const std::string& method = {}) const;
  // Error(kUsage) lists the names there are. by_layer: [L, T] instead of [T].
  const Array& array(const std::string& method, const std::string& name, bool by_layer = false) const;
  // The strongest first, by |score|.
  std::vector<Source> top(size_t count, By by = By::kWord, const std::string& method = {}) const;
  std::string sentence(const std::string& method = {}) const;  // one or two sentences in plain words
  // Schema hindscan.explain/3 (docs/schemas). per_layer: arrays with an axis of layers too.
  std::string to_json(bool per_layer = false) const;

 private:
  friend class LanguageModel;
  struct Impl;
  explicit Explanation(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace hindscan
