#include <hindscan/hindscan.h>

#include <iostream>

int main() {
  const auto model = hindscan::LanguageModel::load();
  const auto why = model.explain("He opened the door and went into the room, and shut the");
  std::cout << why.sentence() << "\n";
  for (const auto& source : why.top(5)) std::cout << source.text << "  " << source.score << "\n";
  std::cout << "left over: " << why.scores().completeness->residual << "\n";
}
