// A .state file of one small model; and the bytes as the tensors of one whose metadata are right.
#include "fuzz_util.h"
#include "io/safetensors.h"
#include "model/model.h"
#include "temp_folder.h"

using namespace hindscan;

namespace {

const Model& model() {
  static const Model m = [] {
    Config c("fuzz");
    for (const auto& [key, value] :
         {std::pair{"hidden_size", 4}, {"num_hidden_layers", 2}, {"vocab_size", 8}, {"state_size", 2}})
      c.set(key, int64_t{value});
    c.set("model_type", std::string("mamba"));
    return Model::create(c, DType::kF32, 1);
  }();
  return m;
}

// What was accepted: a token after it is read, or it is refused.
void check_state(const std::string& path) {
  SequenceState state = load_state(path, model());
  require(state.tokens >= 0);
  const std::vector<int32_t> tokens = {1};
  Runner(model()).logits(tokens, state, [](int64_t, int64_t, const float*) {});
}

// The metadata a state of this model has, from a real one.
const std::string& metadata() {
  static const std::string text = [] {
    const TempFolder folder;
    SequenceState state;
    save_state(real_fs(), folder.file("s"), state, model());
    std::string out;
    const SafetensorsFile file = SafetensorsFile::open(folder.file("s"));
    for (const auto& [key, value] : file.metadata())
      out += fmt::format("{}\"{}\":\"{}\"", out.empty() ? "" : ",", key, value);
    return "\"__metadata__\":{" + out + "}";
  }();
  return text;
}

}  // namespace

// Header members, a NUL byte, data.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const TempFolder folder;
  const std::string_view input = as_text(data, size);
  allow_refusal([&] { check_state(folder.write("s", as_bytes(input))); });
  const size_t end = std::min(input.find('\0'), size);
  const std::string header = fmt::format("{{{}{}{}}}", metadata(), end > 0 ? "," : "", input.substr(0, end));
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 255u);
  file += header + std::string(input.substr(std::min(end + 1, size)));
  allow_refusal([&] { check_state(folder.write("s", as_bytes(file))); });
  return 0;
}
