#include "cli/command_line.h"

#include <omp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/log.h"
#include "base/memory.h"
#include "base/shell_quote.h"
#include "base/threads.h"
#include "cli/help.h"
#include "cli/progress_log.h"
#include "cli/streams.h"
#include "cli/suggest.h"
#include "cli/terminal.h"
#include "core/parse_dtype.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

constexpr int kMaxThreads = 1024;
// What no estimate counts: stacks and scratch of the threads, buffers of libraries, the program's own pages.
constexpr int64_t kUncounted = int64_t{36} << 20;

std::string with_examples(const std::string& what, const std::vector<std::string>& examples) {
  std::string out = what + "\n\nExamples:\n";
  for (const std::string& e : examples) out += "  hindscan " + e + "\n";
  return out;
}

// What the parser says of a flag that is named again, or with nothing behind it, in our words.
std::string plain_words(const std::string& said) {
  constexpr std::string_view kAgain = ": At Most 1 required but received ", kNothing = ": 1 required ",
                             kMissing = " missing";
  if (const size_t at = said.find(kAgain); at != std::string::npos)
    return said.substr(0, at) + ": expected once, found " + said.substr(at + kAgain.size()) + " times";
  if (const size_t at = said.find(kNothing); at != std::string::npos && said.ends_with(kMissing))
    return said.substr(0, at) + ": expected something after it, found nothing";
  return said;
}

}  // namespace

CommandLine::CommandLine(const std::string& name, const std::string& what, const std::vector<std::string>& examples)
    : name_(name), app_(with_examples(what, examples), "hindscan " + name) {
  update_usage();
  app_.set_help_flag("-h,--help", "This help");
  app_.allow_extras();
  app_.option_defaults()->group(kCommonGroup);
  app_.add_flag("--json", json_, "One JSON document on standard output");
  app_.add_option("--color", color_, "auto, always or never (NO_COLOR and CLICOLOR_FORCE are heeded)")
      ->check(one_of({"auto", "always", "never"}));
  app_.add_option("--progress", progress_flag_,
                  "auto (a bar in a terminal, nothing elsewhere), bar, plain (lines) or none; always on standard error")
      ->check(one_of({"auto", "bar", "plain", "none"}));
  app_.add_option("--log", log_,
                  "text, or json: notes, progress and errors as one object a line with a level, on standard error")
      ->check(one_of({"text", "json"}))
      ->capture_default_str();
  app_.add_option("-t,--threads", threads_, "Threads (default: one per core, fewer while others want the cores)")
      ->check(whole_between(1, kMaxThreads));
  app_.add_flag("-q,--quiet", quiet_, "No notes");
  app_.option_defaults()->group("Options");
}

void CommandLine::update_usage() {
  app_.formatter(std::make_shared<HelpFormatter>("hindscan " + name_ + model_usage_ + " [options]"));
}

void CommandLine::add_model(bool built_in) {
  model_usage_ = built_in ? " [MODEL]" : " MODEL";
  update_usage();
  app_.add_option("-m,--model", model_option_,
                  built_in ? "Model directory or file (default: the built-in English model)"
                           : "Model directory or file; to be given, for the built-in model does not do this")
      ->type_name("PATH");
  app_.add_option("model", model_positional_, "The same as -m")->group("");
  app_.add_option("--dtype", dtype_, "Hold matrices as auto (as stored), f32, bf16, f16, or f64 (reference mode)")
      ->type_name("TYPE");
  app_.add_option("--tokenizer", tokenizer_, "tokenizer.json or a vocabulary file (default: what lies with the model)")
      ->type_name("FILE");
}

void CommandLine::add_prompt(bool asks_next) {
  asks_next_ = asks_next;
  text_option_ = app_.add_option("-p,--prompt", text_, "Text, or - for standard input (which also a pipe is)");
  file_option_ = app_.add_option("-f,--file", file_, "Text file, or -")->type_name("FILE");
  tokens_option_ = app_.add_option("--tokens", tokens_, "Token ids 1,2,3, or @FILE that holds them")->type_name("IDS");
  app_.add_option("--newline", newline_,
                  asks_next ? "The one at the end of the text: keep, drop, or auto (a pipe's is dropped)"
                            : "The one at the end of the text: keep, drop, or auto (kept)")
      ->check(one_of({"auto", "keep", "drop"}))
      ->capture_default_str();
}

void CommandLine::add_memory() {
  app_.add_option("--mem-limit", mem_limit_, "Most memory to use, e.g. 4G (default: what is available)")
      ->type_name("SIZE");
}

bool CommandLine::parse(std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());
  try {
    app_.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    Out::get().write(app_.help());
    return false;
  } catch (const CLI::ParseError& e) {
    fail(ErrorCode::kUsage, "{}; see 'hindscan {} --help'", plain_words(e.what()), name_);
  }
  refuse_empty_values();
  refuse_cut_numbers();
  const std::vector<std::string> extra = app_.remaining();
  if (!extra.empty()) unknown_argument(extra.front());
  check(model_option_.empty() || model_positional_.empty(), ErrorCode::kUsage,
        "expected one model, found '{}' and '{}'{}", model_option_, model_positional_,
        text_option_ == nullptr ? "" : "; text goes after -p");
  apply();
  return true;
}

// What a shell makes of -m "$MODEL" without a MODEL is no wish for the default.
void CommandLine::refuse_empty_values() const {
  for (const CLI::Option* o : app_.get_options()) {
    for (const std::string& value : o->results()) {
      check(!value.empty(), ErrorCode::kUsage,
            "{}: expected something after it, found an empty text; see 'hindscan {} --help'", o->get_name(), name_);
    }
  }
}

// The parser takes the nearest number of 64 bits.
void CommandLine::refuse_cut_numbers() const {
  for (const CLI::Option* o : app_.get_options()) {
    if (!o->get_type_name().starts_with("INT")) continue;
    for (const std::string& value : o->results()) {
      errno = 0;
      std::strtoll(value.c_str(), nullptr, 0);
      check(errno != ERANGE, ErrorCode::kUsage,
            "{}: expected a whole number of 64 bits, found {}; see 'hindscan {} --help'", o->get_name(), value, name_);
    }
  }
}

void CommandLine::unknown_argument(const std::string& argument) const {
  if (!argument.starts_with("-")) {
    fail(ErrorCode::kUsage, "unexpected argument '{}'; {}see 'hindscan {} --help'", argument,
         text_option_ == nullptr ? "" : "text goes after -p, ", name_);
  }
  std::vector<std::string> known;
  for (const CLI::Option* o : app_.get_options()) {
    for (const std::string& n : o->get_lnames()) known.push_back("--" + n);
    for (const std::string& n : o->get_snames()) known.push_back("-" + n);
  }
  const std::string word = argument.substr(0, argument.find('='));
  const auto meant = word.starts_with("--") ? closest(word, known) : std::nullopt;  // one letter is like any other
  fail(ErrorCode::kUsage, "unknown option '{}'{}; see 'hindscan {} --help'", word,
       meant ? fmt::format(", did you mean '{}'?", *meant) : "", name_);
}

void CommandLine::apply() {
  set_quiet(quiet_);
  set_log_format(log_ == "json" ? LogFormat::kJson : LogFormat::kText);
  set_log_sink([](LogLevel level, std::string_view text) { level == LogLevel::kWarning ? warning(text) : note(text); });
  if (!mem_limit_.empty()) keep_no_freed_memory();
  if (threads_ > 0)
    omp_set_num_threads(threads_);
  else if (std::getenv("OMP_NUM_THREADS") == nullptr)
    share_cores();
  if (log_format() == LogFormat::kJson) {
    if (progress_flag_ != "none" && !quiet_) progress_ = progress_log();
    return;
  }
  ProgressMode mode = ProgressMode::kNone;
  if (progress_flag_ == "bar") mode = ProgressMode::kBar;
  if (progress_flag_ == "plain") mode = ProgressMode::kLines;
  if (progress_flag_ == "auto" && !quiet_) mode = progress_mode(STDERR_FILENO);  // nothing when piped
  progress_ = progress_text(mode, write_error, terminal_columns(STDERR_FILENO));
}

HeatmapStyle CommandLine::style() const {
  const Environment env = [](const char* name) { return std::getenv(name); };
  return {choose_color(color_, isatty(STDOUT_FILENO) != 0, env), dark_background(env), terminal_columns(STDOUT_FILENO)};
}

std::string CommandLine::model_path() const {
  const std::string given = model_option_.empty() ? model_positional_ : model_option_;
  return given.empty() ? default_model_directory() : given;
}

Model CommandLine::load_model(bool refuse_non_finite) const {
  LoadOptions options;
  if (dtype_ != "auto") options.dtype = parse_dtype(dtype_, "--dtype");
  options.tokenizer = tokenizer_;
  struct stat st;
  check(model_positional_.empty() || model_positional_ == kBuiltInModel || ::stat(model_positional_.c_str(), &st) == 0,
        ErrorCode::kNotFound, "[{}] expected a model directory or file, found nothing; {}", model_positional_,
        text_option_ == nullptr
            ? "check the path"
            : fmt::format("a text goes after -p: hindscan {} -p {}", name_, shell_quote(model_positional_)));
  check_loading(model_path());
  Model model = Model::load(model_path(), options);
  const std::string damaged = refuse_non_finite ? find_non_finite(std::as_const(model).weights()) : "";
  check(damaged.empty(), ErrorCode::kData, "[{}] expected finite weights, found {}; fetch the file again", model.path(),
        damaged);
  return model;
}

// The weights are there twice for a moment: as in the file, and as they are computed with.
void CommandLine::check_loading(const std::string& model) const {
  if (mem_limit_.empty()) return;
  std::error_code ignored;  // what cannot be read is told by the loader
  std::vector<std::filesystem::path> files = {model};
  if (std::filesystem::is_directory(model, ignored)) {
    files.clear();
    for (const auto& entry : std::filesystem::directory_iterator(model, ignored)) files.push_back(entry.path());
  }
  int64_t weights = 0;
  for (const auto& file : files) {
    const bool weighty = file.extension() == ".safetensors" || file.extension() == ".bin" || files.size() == 1;
    if (weighty && std::filesystem::is_regular_file(file, ignored))
      weights += static_cast<int64_t>(std::filesystem::file_size(file, ignored));
  }
  const int64_t most = parse_bytes(mem_limit_), taken = resident_memory() + 2 * weights + kUncounted;
  check(taken <= most, ErrorCode::kResource,
        "[--mem-limit] expected at least {} MiB to load {}, found {} MiB; raise it or take a smaller model",
        (taken >> 20) + 1, model, most >> 20);
}

int64_t CommandLine::memory_limit() const {
  const int64_t available = available_memory();
  if (mem_limit_.empty()) return available;
  const int64_t most = parse_bytes(mem_limit_), taken = resident_memory() + kUncounted;
  check(taken < most, ErrorCode::kResource,
        "[--mem-limit] expected at least {} MiB, which the program and this model take alone, found {} MiB; raise it",
        (taken >> 20) + 1, most >> 20);
  return std::min(available, most - taken);
}

}  // namespace hindscan::cli
