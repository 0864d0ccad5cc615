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
  constexpr std::array<std::string_view, 5> names = {"config.json", "generation_config.json", "tokenizer.json",
                                                     "tokenizer_config.json", "special_tokens_map.json"};
  const std::string name = file.filename().string();
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view e) { return name.ends_with(e); }) ||
         std::find(names.begin(), names.end(), name) != names.end();
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
  const bool inside = fs::is_directory(model, none) && fs::exists(file, none) && fs::equivalent(folder, model, none);
  check(!inside || !belongs_to_model(file), ErrorCode::kUsage,
        "[{}] expected a file to write, found a part of the model; choose another name", output);
}

}  // namespace hindscan::cli
