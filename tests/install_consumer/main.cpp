#include <hindscan/hindscan.h>

#include <iostream>

int main(int, char** argv) {
  const auto model = hindscan::LanguageModel::load(std::string(argv[1]) + "/english");
  std::cout << "Once upon a time" << model.generate("Once upon a time", {.max_tokens = 8}) << "\n";
  const std::string json = model.explain("Once upon a time", {.methods = "frozen", .causal_edits = 0});
  return json.find("hindscan.explain/3") == std::string::npos;
}
