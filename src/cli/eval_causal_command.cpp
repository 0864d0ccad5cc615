// hindscan eval causal: what methods foretell of edits, beside what the edits do.
#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <set>

#include "base/counted.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/eval_causal_output.h"
#include "cli/streams.h"
#include "eval/causal_json.h"
#include "explain/explain_plan.h"
#include "io/text_file.h"

namespace hindscan::cli {
namespace {

struct CausalFlags {
  std::vector<std::string> files;
  std::string tokens = "20..60", begin = "sentence", output;
  std::string methods =
      "scan,row-logit,row,rollout,gradient-x-input,half,half-attnlrp,frozen,integrated-gradients,leave-one-out";
  TextDraw draw;
};

// "20..60", or one number.
void set_lengths(const std::string& text, TextDraw& draw) {
  const size_t dots = text.find("..");
  const auto number = [&](std::string_view part) {
    int64_t n = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), n);
    check(error == std::errc() && end == part.data() + part.size() && n >= 2 && n <= kWindow, ErrorCode::kUsage,
          "[--tokens] expected lengths such as 20..60, in 2..{}, found '{}'", kWindow, text);
    return n;
  };
  draw.shortest = number(std::string_view(text).substr(0, dots));
  draw.longest = dots == std::string::npos ? draw.shortest : number(std::string_view(text).substr(dots + 2));
  check(draw.longest >= draw.shortest, ErrorCode::kUsage, "[--tokens] expected the shorter length first, found '{}'",
        text);
}

void add_flags(CLI::App& app, CausalFlags& f, CausalOptions& o) {
  app.add_option("-f,--file", f.files,
                 "Text file that texts are drawn from; several, one -f each: as many texts of each")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--texts", f.draw.count, "How many texts: the sample that intervals are about")
      ->check(whole_between(1, 100000))
      ->capture_default_str();
  app.add_option("--tokens", f.tokens, "Their lengths; equally many of every quarter of the range")
      ->type_name("A..B")
      ->capture_default_str();
  app.add_option("--begin", f.begin, "Where texts begin: at a sentence, line or paragraph")
      ->check(one_of({"sentence", "line", "paragraph"}))
      ->capture_default_str();
  app.add_flag("--lines", f.draw.whole_lines, "Every line of the file is a text of its own, read whole");
  app.add_option("--method", f.methods, "Methods as of explain: a list with commas, usual or all")
      ->capture_default_str();
  app.add_option("--alternatives", o.alternatives, "Replacements of each token")
      ->check(whole_between(1, 1000))
      ->capture_default_str();
  app.add_option("--masks", o.masks, "Of each text: versions with many tokens replaced together; 0: none")
      ->check(whole_between(0, 10000))
      ->capture_default_str();
  app.add_option("-s,--seed", o.seed, "What the texts and the edits are drawn by")
      ->check(seed_number())
      ->capture_default_str();
  app.add_option("-o,--output", f.output, "Write the numbers as JSON too")->type_name("FILE");
}

std::vector<EvalText> read_texts(const Model& model, const CausalFlags& f, int64_t memory) {
  constexpr int64_t kBytesPerByte = 4;  // the text, its starts and their order
  std::vector<EvalText> texts;
  for (size_t i = 0; i < f.files.size(); ++i) {
    const std::string& file = f.files[i];
    const std::string text =
        read_text_file(file == "-" ? "/dev/stdin" : file, static_cast<uint64_t>(memory / kBytesPerByte));
    check(!text.empty(), ErrorCode::kData, "[{}] expected some text, found none", file);
    say_invalid(text, file);
    TextDraw draw = f.draw;
    draw.count = share_of(f.draw.count, i, f.files.size());
    draw.from = file;
    for (EvalText& drawn : draw_texts(model, text, draw)) {
      texts.push_back(std::move(drawn));
      texts.back().file = i;
    }
  }
  return texts;
}

// Without their folders, where that still tells them apart.
std::vector<std::string> names_of(const std::vector<std::string>& files) {
  std::vector<std::string> out;
  out.reserve(files.size());
  for (const std::string& file : files) out.push_back(std::filesystem::path(file).filename().string());
  return std::set(out.begin(), out.end()).size() == files.size() ? out : files;
}

// Edits are of single tokens, and what stands there instead is drawn here.
void check_scans(const std::vector<MethodSpec>& methods) {
  for (const MethodSpec& m : methods) {
    const auto unused = std::find_if(m.options.begin(), m.options.end(), [](const auto& option) {
      return option.first == "alternatives" || (option.first == "by" && option.second != "token");
    });
    check(!m.scans() || unused == m.options.end(), ErrorCode::kUsage,
          "[--method] expected of {} its window and tail, which alone count here, found {}", m.name,
          unused == m.options.end() ? "" : unused->first + "=" + unused->second);
  }
}

void check_files(const CausalFlags& f) {
  check(!f.files.empty() && !f.files[0].empty(), ErrorCode::kUsage,
        "[eval] expected a text file to draw texts from, found none; give -f FILE");
  std::set<std::filesystem::path> places;
  for (const std::string& file : f.files) {
    std::error_code none;
    const std::filesystem::path place = std::filesystem::weakly_canonical(file, none);
    places.insert(none ? std::filesystem::path(file) : place);
  }
  check(places.size() == f.files.size(), ErrorCode::kUsage, "[--file] expected different files, found one named twice");
  check(f.draw.count >= std::ssize(f.files), ErrorCode::kUsage,
        "[--texts] expected at least one text of each of {}, found {}", counted(f.files.size(), "file"), f.draw.count);
}

}  // namespace

int eval_causal_command(Arguments arguments) {
  CommandLine line("eval causal",
                   "How well the scores of each method foretell what really happens when a text is changed. Texts are "
                   "drawn from a file; in each, every token is replaced and removed, one at a time, and the model "
                   "reads every changed version. One table a kind of change.",
                   {"eval causal -f book.txt", "eval causal -f book.txt --texts 200 --tokens 20..60 --method usual",
                    "eval causal -f books.txt -f plays.txt -f news.txt --texts 200",
                    "eval causal -m some-model -f prompts.txt --lines --tokens 5..40 -o causal.json"});
  line.add_model();
  line.add_memory();
  CausalFlags flags;
  CausalOptions options;
  add_flags(line.app(), flags, options);
  if (!line.parse(std::move(arguments))) return 0;
  check_files(flags);
  check(!flags.draw.whole_lines || line.app().count("--begin") == 0, ErrorCode::kUsage,
        "[--begin] expected texts that begin inside the file, found --lines, whose texts are whole lines");
  set_lengths(flags.tokens, flags.draw);
  options.methods = parse_methods(flags.methods);
  check_scans(options.methods);
  check(flags.output.empty() || flags.output.ends_with(".json"), ErrorCode::kUsage,
        "[eval] expected an output ending in .json, found '{}'", flags.output);
  line.check_output(flags.output, flags.files);

  const Model model = line.load_model();
  require_language_model(model);
  options.mem_limit = line.memory_limit();
  options.progress = line.progress();
  flags.draw.seed = options.seed;
  options.files = names_of(flags.files);
  const std::vector<EvalText> texts = read_texts(model, flags, options.mem_limit);
  options.on_estimate = [](const CausalCost& cost) {
    if (cost.seconds > kWorthSaying) note(to_text(cost));
  };
  const CausalTable table = causal_table(model, texts, options);
  const Json json = line.json() || !flags.output.empty() ? to_json(table) : Json();
  if (!flags.output.empty()) {
    write_file_atomic(real_fs(), flags.output, to_string(json, {.indent = 1}) + "\n");
    note("wrote " + flags.output);
  }
  Out::get().write(line.json() ? to_string(json, {.indent = 1}) + "\n" : causal_text(table));
  return 0;
}

}  // namespace hindscan::cli
