#include "explain/plain_words.h"

#include <algorithm>
#include <iterator>

namespace hindscan {
namespace {

struct Entry {
  std::string_view name, words;
};

constexpr Entry kStructures[] = {
    {"glr.scalar", "recurrence with a decay for each head"},
    {"glr.row", "recurrence with a decay for each key channel"},
    {"glr.rank1", "recurrence that erases before it writes (delta rule)"},
    {"glr.element", "recurrence with a decay for each state and channel"},
    {"glr.channel", "recurrence with one state for each channel"},
    {"softmax", "attention"},
    {"nonlinear", "recurrence that reads its own output"},
};

constexpr Entry kHeld[] = {
    {"normaliser frozen", "what the output is divided by counts as the constant it was on this text"},
    {"frozen gates", "its gates count as the constants they were on this text"},
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

std::string structure_words(std::string_view kind) { return words_of(kStructures, kind); }
std::string held_words(std::string_view notes) { return words_of(kHeld, notes); }
std::string method_words(std::string_view name) { return words_of(kMethods, name); }

}  // namespace hindscan
