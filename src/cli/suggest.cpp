#include "cli/suggest.h"

#include <algorithm>
#include <numeric>

namespace hindscan::cli {
namespace {

// Edits (insert, delete, replace, swap of neighbours) that turn a into b.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> two(b.size() + 1), one(b.size() + 1), row(b.size() + 1);
  std::iota(one.begin(), one.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({one[j] + 1, row[j - 1] + 1, one[j - 1] + (a[i - 1] != b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], two[j - 2] + 1);
    }
    std::swap(two, one);
    std::swap(one, row);
  }
  return one[b.size()];
}

}  // namespace

std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > 64) return std::nullopt;
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& k : known) {
    const size_t d = k.starts_with(word) && word.size() >= 3 ? 1 : distance(word, k);
    if (d >= best_distance) continue;
    best_distance = d;
    best = &k;
  }
  return best ? std::optional(*best) : std::nullopt;
}

}  // namespace hindscan::cli
