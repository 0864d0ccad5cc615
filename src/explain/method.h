// Methods of attribution: how each is asked for and what its scores mean (methods.def), in one string for the command
// line, the JSON and the API: NAME[:key=value,...].
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hindscan {

// Whether a method is computed where none is named. kFirst: it answers first, alone where there is little room, in a
// terminal. kBeside: where there is more, and in its place where the first cannot be asked of a text.
enum class Usual : uint8_t { kNo, kBeside, kFirst };

struct MethodInfo {
  const char* name;
  const char* words;    // what it shows
  const char* options;  // as in methods.def
  bool adds_up;         // scores, carried-in state and biases add up to the target
  bool targeted;        // the scores know the target and have its sign
  bool edits;           // takes tokens out of the text
  Usual usual;
  double work;            // of a token on the way back, in forward passes; for each step of a method of steps
  const char* steps;      // how many ways there and back of its own it takes, "steps+1", "samples*2"; empty: none
  const char* reruns;     // the option that says how many edited texts it runs; empty: none
  bool scans = false;     // runs a counterfactual scan
  const char* maps = "";  // the options with which it makes every entry of the layers' maps; empty: it never does
  bool orders = false;    // runs the text with its pieces coming in one by one, "pairs" times there and back
  bool writes = false;    // can be asked only of a model that writes
};

// A method as it is asked for.
struct MethodSpec {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options = {};  // in the order they were given
  bool if_possible = false;  // came with "usual": left out where a text cannot be asked for it
  bool of_all = false;       // came with "all": left out where the model cannot be

  const MethodInfo& info() const;
  std::string text() const;                        // "row:estimator=key-dropping"
  std::string option(std::string_view key) const;  // or its default
  int64_t number(std::string_view key) const;
  bool takes(std::string_view key) const;  // an option of this name, which was not given
  double work() const;                     // of a token on the way back, in forward passes, over all steps
  int64_t own_walks() const;               // ways there and back beside the shared one
  std::string steps_option() const;        // the option that says how many
  int64_t reruns() const;                  // edited texts that it runs, at most
  bool scans() const { return info().scans; }
  bool makes_maps() const;  // every entry of the layers' maps: its time grows with the square of the text
  void set(const std::string& key, const std::string& value);  // Error(kUsage) for what the method does not take
  bool operator==(const MethodSpec& o) const { return name == o.name && options == o.options; }
};

std::span<const MethodInfo> method_table();
std::string option_words(const MethodInfo& method);  // "steps=1..4096 (default 32), baseline=mean|zero (default mean)"

bool any_targeted(std::span<const MethodSpec> methods);

// Which of the methods that were asked for a name means: in full, or without its options where only one has it.
// Error(kUsage) lists them.
size_t find_method(std::span<const std::string> asked, std::string_view name);

// "row,frozen", "row:estimator=key-dropping,frozen", "usual" or "all"; each once. Error(kUsage) lists what is known.
std::vector<MethodSpec> parse_methods(const std::string& list);

}  // namespace hindscan
