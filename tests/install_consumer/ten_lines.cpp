#include <hindscan/hindscan.h>

#include <iostream>

int main() {
  const auto model = hindscan::LanguageModel::load();
  const auto why = model.explain("The old woman looked at the stranger and shook her");
  std::cout << why.sentence() << "\n";
  for (const auto& source : why.top(5)) std::cout << source.text << "  " << source.score << "\n";
}
