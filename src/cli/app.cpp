#include "cli/app.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <new>
#include <string_view>

#include "base/error.h"
#include "base/signals.h"
#include "cli/commands.h"
#include "cli/streams.h"
#include "cli/suggest.h"
#include "cli/version.h"

namespace hindscan::cli {
namespace {

struct Command {
  const char* name;
  const char* alias;
  const char* summary;
  int (*run)(Arguments);
};

constexpr Command kCommands[] = {
    {"explain", "", "Which words of a text made the model say what comes next", explain_command},
    {"run", "generate", "Continue a text", run_command},
    {"score", "perplexity", "Perplexity, bits per byte, log-probability of every token", score_command},
    {"effects", "", "What every word of a text loses without each word before it, as a matrix", effects_command},
    {"matrix", "", "Part of a layer's implicit attention matrix, as numbers or a picture", matrix_command},
    {"logits", "", "Logits of every position, as .npy", logits_command},
    {"train", "", "Train a model from text or a task; resumes to the last bit", train_command},
    {"classify", "predict", "Labels of texts or feature vectors by a trained classifier", classify_command},
    {"eval", "", "Whether explanations foretell what edits of a text really do", eval_command},
    {"info", "", "What a model directory holds", info_command},
};

constexpr std::string_view kIntro =
    "Hindscan runs, trains and explains state-space and gated-linear recurrent models.\n\n"
    "Examples:\n"
    "  hindscan explain -p \"The old woman looked at the stranger and shook her\"\n"
    "  hindscan explain -p \"The cat sat on the\" -o cat.html\n"
    "  hindscan run -p \"Once upon a time\" -n 64\n"
    "  hindscan score -f book.txt\n\n"
    "Usage: hindscan COMMAND [options]\n\n"
    "Commands:\n";

std::string overview() {
  std::string out(kIntro);
  for (const Command& c : kCommands) {
    out += fmt::format("  {:<10}{}{}\n", c.name, c.summary, *c.alias ? fmt::format(" (alias: {})", c.alias) : "");
  }
  return out +
         "\n'hindscan COMMAND --help' shows the options of a command; 'hindscan --version' the version,\nwith --json "
         "how it was built.\n";
}

const Command& find_command(const std::string& word) {
  std::vector<std::string> known;
  for (const Command& c : kCommands) {
    if (word == c.name || (*c.alias && word == c.alias)) return c;
    known.emplace_back(c.name);
    if (*c.alias) known.emplace_back(c.alias);
  }
  const auto meant = closest(word, known);
  fail(ErrorCode::kUsage, "unknown command '{}'{}; see 'hindscan --help'", word,
       meant ? fmt::format(", did you mean '{}'?", *meant) : "");
}

int dispatch(Arguments arguments) {
  if (arguments.empty()) {
    write_error(overview());
    return static_cast<int>(ErrorCode::kUsage);
  }
  const std::string word = arguments.front();
  arguments.erase(arguments.begin());
  if (word == "--version" || word == "-V") {
    const bool json = arguments == Arguments{"--json"};
    check(json || arguments.empty(), ErrorCode::kUsage, "[{}] expected nothing more or --json, found '{}'", word,
          arguments.empty() ? "" : arguments.front());
    Out::get().write((json ? to_string(version_json(), {.indent = 1}) : version_text()) + "\n");
    return 0;
  }
  if (word == "--help" || word == "-h" || (word == "help" && arguments.empty())) {
    Out::get().write(overview());
    return 0;
  }
  if (word == "help") return find_command(arguments.front()).run({"--help"});
  return find_command(word).run(std::move(arguments));
}

// A closed descriptor would be taken by the next file that is opened, and results or messages would land in it.
void occupy_closed_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    if (open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) < 0)
      return;  // writing results fails, as it should
  }
}

// Before anything is parsed, so that a wrong flag is told in the asked form too.
bool asks_for_json_log(const Arguments& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--log=json") return true;
    if (arguments[i] == "--log" && i + 1 < arguments.size() && arguments[i + 1] == "json") return true;
  }
  return false;
}

int report(ErrorCode code, std::string_view message) {
  try {
    Out::get().flush();  // what was finished before the failure
  } catch (...) {
    Out::get().drop();
  }
  error_line(static_cast<int>(code), message);
  return static_cast<int>(code);
}

}  // namespace

int run_program(Arguments arguments) {
  occupy_closed_descriptors();
  std::signal(SIGPIPE, SIG_IGN);
  if (asks_for_json_log(arguments)) set_log_format(LogFormat::kJson);
  std::signal(SIGXFSZ, SIG_IGN);  // a write beyond the limit on file sizes fails, with a message
  const StopHandlers handlers;
  try {
    const int code = dispatch(std::move(arguments));
    Out::get().flush();
    return code;
  } catch (const BrokenPipe&) {
    return 0;  // the reader has seen enough
  } catch (const Stopped& e) {
    return report(e.code(), e.message());
  } catch (const Error& e) {
    return report(e.code(), e.message());
  } catch (const std::bad_alloc&) {
    return report(ErrorCode::kResource, "out of memory; use a shorter text, a smaller model or a tile");
  } catch (const std::exception& e) {
    return report(ErrorCode::kInternal,
                  fmt::format("internal error: {}; please report it with the command line", e.what()));
  }
}

}  // namespace hindscan::cli
