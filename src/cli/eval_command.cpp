// hindscan eval: what is evaluated, by name.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/streams.h"
#include "cli/suggest.h"

namespace hindscan::cli {
namespace {

struct Evaluation {
  const char* name;
  const char* summary;
  int (*run)(Arguments);
};

constexpr Evaluation kEvaluations[] = {
    {"causal", "How well each method's scores foretell what edits of the text really do", eval_causal_command},
};

std::string overview() {
  std::string out =
      "How good explanations of a model are, on texts of yours.\n\nExamples:\n  hindscan eval causal -f book.txt\n\n"
      "Usage: hindscan eval WHAT [options]\n\n";
  for (const Evaluation& e : kEvaluations) out += fmt::format("  {:<10}{}\n", e.name, e.summary);
  return out + "\n'hindscan eval causal --help' shows its options.\n";
}

}  // namespace

int eval_command(Arguments arguments) {
  if (arguments.empty()) {
    write_error(overview());
    return static_cast<int>(ErrorCode::kUsage);
  }
  const std::string word = arguments.front();
  if (word == "--help" || word == "-h") {
    Out::get().write(overview());
    return 0;
  }
  std::vector<std::string> known;
  for (const Evaluation& e : kEvaluations) {
    if (word == e.name) return e.run({arguments.begin() + 1, arguments.end()});
    known.emplace_back(e.name);
  }
  const auto meant = closest(word, known);
  fail(ErrorCode::kUsage, "[eval] expected what to evaluate ({}), found '{}'{}; see 'hindscan eval --help'",
       fmt::join(known, ", "), word, meant ? fmt::format(", did you mean '{}'?", *meant) : "");
}

}  // namespace hindscan::cli
