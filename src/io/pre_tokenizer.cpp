#include "io/pre_tokenizer.h"

#include "base/budget.h"
#include "base/error.h"
#include "io/byte_level.h"
#include "io/unicode_class.h"

namespace hindscan {
namespace {

SplitBehavior parse_behavior(const JsonReader& config, std::string_view fallback) {
  const std::string name = config.get_string_or("behavior", fallback);
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  fail(ErrorCode::kData, "[{}] expected Isolated, Removed or Contiguous (what is supported), found '{}'",
       config.where("behavior"), name);
}

bool is_number(uint32_t code) { return classify_code(code) == CharClass::kNumber; }

}  // namespace

PreTokenizer PreTokenizer::from_json(const JsonReader& tokenizer) {
  PreTokenizer result;
  const auto config = tokenizer.find_object("pre_tokenizer");
  if (config) result.add(*config);
  check(result.mapped_, ErrorCode::kData,
        "[{}] expected a byte-level pre-tokenizer (GPT-2, GPT-NeoX, Llama-3 kind), found none; other kinds of "
        "tokenizer are not supported",
        tokenizer.where("pre_tokenizer"));
  return result;
}

void PreTokenizer::add(const JsonReader& config) {
  const std::string& type = config.get_string("type");
  check(steps_.size() < limit::kPreTokenizerSteps, ErrorCode::kData, "[{}] expected at most {} steps, found more",
        config.where("type"), limit::kPreTokenizerSteps);
  if (type == "Sequence") {
    for (const Json& step : config.get_array("pretokenizers")) add(config.item("pretokenizers", step));
  } else if (type == "ByteLevel") {
    check(!mapped_, ErrorCode::kData, "[{}] expected one ByteLevel step, found two", config.where("type"));
    steps_.push_back(
        make_byte_level(config.get_bool_or("add_prefix_space", true), config.get_bool_or("use_regex", true)));
    mapped_ = true;
  } else if (type == "Digits") {
    const bool each = config.get_bool_or("individual_digits", false);
    steps_.push_back(
        make_class_split(is_number, each ? SplitBehavior::kIsolated : SplitBehavior::kContiguous, mapped_));
  } else if (type == "Punctuation") {
    steps_.push_back(make_class_split(is_punctuation, parse_behavior(config, "Isolated"), mapped_));
  } else if (type == "Split") {
    const SplitBehavior behavior = parse_behavior(config, "");
    const bool invert = config.get_bool_or("invert", false);
    const JsonReader pattern = config.get_object("pattern");
    if (pattern.has("String")) {
      const std::string& literal = pattern.get_string("String");
      check(!literal.empty(), ErrorCode::kData, "[{}] expected a text to split at, found none",
            pattern.where("String"));
      // Among symbols a text that is none of them is found nowhere.
      steps_.push_back(
          make_literal_split(mapped_ ? bytes_of_symbols(literal).value_or("") : literal, behavior, invert));
    } else {
      steps_.push_back(
          make_regex_split(pattern.get_string("Regex"), behavior, invert, mapped_, pattern.where("Regex")));
    }
  } else {
    fail(ErrorCode::kData, "[{}] expected ByteLevel, Split, Digits, Punctuation or Sequence, found '{}'",
         config.where("type"), type);
  }
}

void PreTokenizer::split(std::string_view text, const PieceFn& piece) const { run(0, text, piece); }

void PreTokenizer::run(size_t step, std::string_view text, const PieceFn& piece) const {
  if (text.empty()) return;
  if (step + 1 == steps_.size()) {
    steps_[step]->split(text, piece);
  } else {
    steps_[step]->split(text, [&](std::string_view part) { run(step + 1, part, piece); });
  }
}

}  // namespace hindscan
