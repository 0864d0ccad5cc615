#include "explain/plain_words.h"

#include <algorithm>
#include <iterator>

namespace hindscan {
namespace {

struct Entry {
  std::string_view name, words;
};

constexpr Entry kMethods[] = {
    {"row", "which tokens the layers read from, on average over layers and channels"},
    {"rollout", "the layers' rows multiplied with each other"},
    {"gradient-x-input", "the exact gradient times the input"},
    {"frozen", "the model as the linear operator that it was on this text"},
};

template <size_t N>
std::string words_of(const Entry (&table)[N], std::string_view name) {
  const Entry* found = std::find_if(std::begin(table), std::end(table), [&](const Entry& e) { return e.name == name; });
  return std::string(found == std::end(table) ? name : found->words);
}

}  // namespace

std::string method_words(std::string_view name) { return words_of(kMethods, name); }

}  // namespace hindscan
