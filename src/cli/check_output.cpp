// Outputs that cannot be, told before the work. One that would take the place of what the command reads is a slip of
// the hand.
#include <algorithm>
#include <array>
#include <filesystem>

#include "cli/command_line.h"

namespace hindscan::cli {
namespace {

namespace fs = std::filesystem;

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code unknown;
  return fs::equivalent(a, b, unknown) && !unknown && fs::is_regular_file(a, unknown);
}

// The files that make a folder a model; reports may lie beside them.
bool belongs_to_model(const fs::path& file) {
  constexpr std::array<std::string_view, 5> endings = {".safetensors", ".bin", ".pth", ".pt", ".index.json"};
  constexpr std::array<std::string_view, 9> names = {"config.json",
                                                     "generation_config.json",
                                                     "tokenizer.json",
                                                     "tokenizer_config.json",
                                                     "special_tokens_map.json",
                                                     "added_tokens.json",
                                                     "vocab.json",
                                                     "vocab.txt",
                                                     "merges.txt"};
  const std::string name = file.filename().string();
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view e) { return name.ends_with(e); }) ||
         std::find(names.begin(), names.end(), name) != names.end() ||
         (name.starts_with("rwkv_vocab") && name.ends_with(".txt"));
}

// The file itself, or what a link leads to, in the folder of a model, of a run's model, or of a single file of weights.
bool is_part_of_model(const fs::path& output, const fs::path& model) {
  std::error_code none;
  const fs::path beside = model.has_parent_path() ? model.parent_path() : fs::path(".");
  for (const fs::path& folder : {model, model / "model", fs::is_directory(model, none) ? fs::path() : beside}) {
    if (folder.empty()) continue;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, none)) {
      if (belongs_to_model(entry.path()) && same_file(output, entry.path())) return true;
    }
  }
  return false;
}

}  // namespace

void CommandLine::check_output(const std::string& output, std::vector<std::string> inputs) const {
  if (output.empty()) return;
  const std::string model = model_path();
  inputs.insert(inputs.end(), {model, tokenizer_, file_, tokens_.starts_with('@') ? tokens_.substr(1) : ""});
  for (const std::string& input : inputs) {
    check(input.empty() || !same_file(output, input), ErrorCode::kUsage,
          "[{}] expected a file to write, found one this command reads; choose another name", output);
  }
  std::error_code none;
  const fs::path file(output), folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const fs::file_type kind = fs::status(folder, none).type();  // none: it may not be looked into, which writing tells
  check(kind == fs::file_type::directory || kind == fs::file_type::none, ErrorCode::kCannotCreate,
        "[{}] expected a folder to write into, found none", output);
  check(!is_part_of_model(file, model), ErrorCode::kUsage,
        "[{}] expected a file to write, found a part of the model; choose another name", output);
}

}  // namespace hindscan::cli
