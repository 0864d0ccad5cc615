// Cuts text into the pieces ("words") that BPE never merges across. Linear time, constant stack.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/json_reader.h"

namespace hindscan {

using PieceFn = std::function<void(std::string_view)>;

// One step of the "pre_tokenizer" section. Pieces are raw bytes; `mapped` says that, to this step, each byte looks like
// its byte-level symbol (it comes after ByteLevel).
class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  virtual void split(std::string_view text, const PieceFn& next) const = 0;
};

class PreTokenizer {
 public:
  // Error(kData) for a kind of step that is not supported, or when no ByteLevel step is there.
  static PreTokenizer from_json(const JsonReader& tokenizer);

  void split(std::string_view text, const PieceFn& piece) const;

 private:
  void run(size_t step, std::string_view text, const PieceFn& piece) const;
  void add(const JsonReader& config);
  std::vector<std::unique_ptr<PreTokenizerStep>> steps_;
  bool mapped_ = false;
};

// The GPT-2 pattern  's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+  written by hand.
void split_gpt2(std::string_view text, const PieceFn& piece);
extern const std::string_view kGpt2Pattern;

// What happens to the parts a pattern matches.
enum class SplitBehavior { kIsolated, kRemoved, kContiguous };

std::unique_ptr<PreTokenizerStep> make_byte_level(bool add_prefix_space, bool use_regex);
std::unique_ptr<PreTokenizerStep> make_class_split(bool (*matches)(uint32_t), SplitBehavior behavior, bool mapped);
std::unique_ptr<PreTokenizerStep> make_literal_split(std::string literal, SplitBehavior behavior, bool invert);
std::unique_ptr<PreTokenizerStep> make_regex_split(const std::string& pattern, SplitBehavior behavior, bool invert,
                                                   bool mapped, const std::string& where);

}  // namespace hindscan
