// What every subcommand shares: its flags, help with examples first, the model, the prompt.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "cli/heatmap.h"
#include "model/model.h"

namespace hindscan::cli {

inline constexpr const char* kCommonGroup = "Output and machine";

struct Prompt {
  std::string text;  // empty for --tokens
  bool from_tokens = false;
  std::vector<int32_t> tokens;  // [T]
};

class CommandLine {
 public:
  // examples: without the program's name, one a line.
  CommandLine(const std::string& name, const std::string& what, const std::vector<std::string>& examples);

  CLI::App& app() { return app_; }
  void add_model(bool built_in = true);    // -m, also first positional; whether the built-in one will do without it
  void add_prompt(bool asks_next = true);  // -p, -f, --tokens; asks_next: the command is about what follows the text
  void add_memory();                       // --mem-limit

  // False: help was printed and nothing is left to do. Error(kUsage) with a suggestion for what is unknown.
  bool parse(std::vector<std::string> arguments);

  bool json() const { return json_; }
  ProgressSink* progress() { return progress_.get(); }
  HeatmapStyle style() const;
  bool model_given() const { return !model_option_.empty() || !model_positional_.empty(); }
  std::string model_path() const;  // as given, or that of the built-in model
  Model load_model(bool refuse_non_finite = true) const;
  // One of -p, -f and --tokens, or what comes through a pipe; Error(kUsage) for none or several.
  Prompt read_prompt(const Model& model, TextPlace place = kWholeText) const;
  // Before the work: Error(kUsage) where `output` would replace the model, the text, the ids or other inputs,
  // Error(kCannotCreate) where its folder is missing.
  void check_output(const std::string& output, std::vector<std::string> inputs = {}) const;
  size_t prompts_given() const;  // of -p, -f and --tokens
  // Bytes a request may take beside the program and the model that is loaded; Error(kResource) when these alone are
  // more than --mem-limit.
  int64_t memory_limit() const;

 private:
  void update_usage();
  void refuse_empty_values() const;
  void refuse_cut_numbers() const;
  void apply();
  void end_text(std::string& text, bool piped) const;
  void check_loading(const std::string& model) const;
  [[noreturn]] void unknown_argument(const std::string& argument) const;

  std::string name_, model_usage_;
  CLI::App app_;
  bool json_ = false, quiet_ = false;
  std::string color_ = "auto", progress_flag_ = "auto", log_ = "text";
  int threads_ = 0;
  std::string model_option_, model_positional_, tokenizer_, dtype_ = "auto";
  std::string text_, file_, tokens_, mem_limit_, newline_ = "auto";
  bool asks_next_ = true;
  CLI::Option *text_option_ = nullptr, *file_option_ = nullptr, *tokens_option_ = nullptr;
  std::unique_ptr<ProgressSink> progress_;
};

void say_invalid(const std::string& text, const std::string& name);  // a note of what is no UTF-8 in it
std::vector<int32_t> parse_tokens(std::string_view text);            // "1,2,3"; Error(kUsage)
// Each says what it expected and what it found.
CLI::Validator at_least(int64_t least);  // of a whole number
CLI::Validator whole_between(int64_t low, int64_t high);
CLI::Validator number_between(double low, double high);
CLI::Validator one_of(std::vector<std::string> words);
CLI::Validator seed_number();                  // a whole number of 64 bits, none that would be cut to them
int64_t parse_bytes(const std::string& text);  // "512M", "4G"; Error(kUsage)

}  // namespace hindscan::cli
