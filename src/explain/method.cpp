#include "explain/method.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"

namespace hindscan {
namespace {

constexpr MethodInfo kTable[] = {
#define HS_METHOD(id, ...) {__VA_ARGS__},
#include "explain/methods.def"
#undef HS_METHOD
};

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(by, begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

// The values of "key=values", or nothing where the method has no such option.
std::optional<std::string_view> values_of(const MethodInfo& info, std::string_view key) {
  for (const std::string_view option : split(info.options, ' ')) {
    const size_t eq = option.find('=');
    if (option.substr(0, eq) == key) return option.substr(eq + 1);
  }
  return std::nullopt;
}

std::optional<int64_t> whole(std::string_view text) {
  int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() ? std::optional<int64_t>(out) : std::nullopt;
}

// values: "32:1..4096" (default, range) or "a|b".
bool allows(std::string_view values, std::string_view value) {
  const size_t dots = values.find("..");
  if (dots == std::string_view::npos) {
    const std::vector<std::string_view> all = split(values, '|');
    return std::find(all.begin(), all.end(), value) != all.end();
  }
  const size_t colon = values.find(':');
  const std::optional<int64_t> low = whole(values.substr(colon + 1, dots - colon - 1)),
                               high = whole(values.substr(dots + 2)), n = whole(value);
  return n && *n >= *low && *n <= *high;
}

const MethodInfo* find(std::string_view name) {
  const MethodInfo* found =
      std::find_if(std::begin(kTable), std::end(kTable), [&](const MethodInfo& m) { return m.name == name; });
  return found == std::end(kTable) ? nullptr : found;
}

std::string known_names() {
  std::string out;
  for (const MethodInfo& m : kTable) out += fmt::format("{}{}", out.empty() ? "" : ", ", m.name);
  return out;
}

}  // namespace

std::span<const MethodInfo> method_table() { return kTable; }

std::string option_words(const MethodInfo& method) {
  std::string out;
  for (const std::string_view option : split(method.options, ' ')) {
    const size_t eq = option.find('=') + 1, end = std::min(option.find_first_of("|:", eq), option.size());
    const bool range = end < option.size() && option[end] == ':';
    out += fmt::format("{}{}{} (default {})", out.empty() ? "" : ", ", option.substr(0, eq),
                       option.substr(range ? end + 1 : eq), option.substr(eq, end - eq));
  }
  return out;
}

size_t find_method(std::span<const std::string> asked, std::string_view name) {
  const auto is_bare = [&](const std::string& m) { return m.substr(0, m.find(':')) == name; };
  auto found = std::find(asked.begin(), asked.end(), name);
  if (found == asked.end() && std::count_if(asked.begin(), asked.end(), is_bare) == 1)
    found = std::find_if(asked.begin(), asked.end(), is_bare);
  check(found != asked.end(), ErrorCode::kUsage, "[explain] expected one of the methods {}, found '{}'; ask for it too",
        fmt::join(asked, ", "), name);
  return static_cast<size_t>(found - asked.begin());
}

const MethodInfo& MethodSpec::info() const {
  const MethodInfo* found = find(name);
  check(found != nullptr, ErrorCode::kUsage,
        "[explain] expected methods out of {}, usual or all, found \"{}\"; give NAME or NAME:key=value, with commas "
        "between them",
        known_names(), name);
  return *found;
}

std::string MethodSpec::text() const {
  std::string out = name;
  for (const auto& [key, value] : options)
    out += fmt::format("{}{}={}", &key == &options[0].first ? ":" : ",", key, value);
  return out;
}

std::string MethodSpec::option(std::string_view key) const {
  for (const auto& [given, value] : options) {
    if (given == key) return value;
  }
  const std::string_view values = values_of(info(), key).value_or("");
  return std::string(values.substr(0, values.find_first_of("|:")));
}

double MethodSpec::work() const { return info().work * static_cast<double>(std::max<int64_t>(1, own_walks())); }

std::string MethodSpec::steps_option() const {
  const std::string_view walks = info().steps;
  return std::string(walks.substr(0, walks.find_first_of("+*")));
}

int64_t MethodSpec::own_walks() const {
  const std::string_view walks = info().steps;
  if (walks.empty()) return 0;
  const std::string key = steps_option();
  if (key.size() == walks.size()) return number(key);
  const int64_t by = whole(walks.substr(key.size() + 1)).value_or(0);
  return walks[key.size()] == '+' ? number(key) + by : number(key) * by;
}

int64_t MethodSpec::reruns() const { return *info().reruns == '\0' ? 0 : number(info().reruns); }

bool MethodSpec::makes_maps() const {
  const std::vector<std::string_view> any = split(info().maps, '|');
  return std::any_of(any.begin(), any.end(), [&](std::string_view one) {
    const std::vector<std::string_view> all = split(one, ',');
    return std::all_of(all.begin(), all.end(), [&](std::string_view option) {
      const size_t eq = option.find('=');
      return this->option(option.substr(0, eq)) == option.substr(eq + 1);
    });
  });
}

bool MethodSpec::takes(std::string_view key) const {
  const auto is_given = [&](const auto& option) { return option.first == key; };
  return values_of(info(), key) && std::none_of(options.begin(), options.end(), is_given);
}

int64_t MethodSpec::number(std::string_view key) const { return whole(option(key)).value_or(0); }

void MethodSpec::set(const std::string& key, const std::string& value) {
  const std::optional<std::string_view> values = values_of(info(), key);
  check(values && allows(*values, value), ErrorCode::kUsage, "[explain] expected {} with {}, found {}={}", name,
        *info().options == '\0' ? "no options" : option_words(info()), key, value);
  for (const auto& [given, before] : options)
    check(given != key, ErrorCode::kUsage, "[explain] expected {} of {} once, found {} and {}; give one of them", key,
          name, before, value);
  const std::optional<int64_t> number = whole(value);
  options.emplace_back(key, number ? std::to_string(*number) : value);
}

bool any_targeted(std::span<const MethodSpec> methods) {
  return std::any_of(methods.begin(), methods.end(), [](const MethodSpec& m) { return m.info().targeted; });
}

static void add_all(std::vector<MethodSpec>& to, bool usual_only) {
  for (const MethodInfo& m : kTable) {
    if (m.usual != Usual::kNo || !usual_only) to.push_back({m.name, {}, usual_only, !usual_only});
  }
}

std::vector<MethodSpec> parse_methods(const std::string& list) {
  std::vector<MethodSpec> out;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    std::string item = list.substr(begin, end - begin);
    begin = end + 1;
    if (item == "all" || item == "usual") {
      add_all(out, item == "usual");
      continue;
    }
    const size_t colon = item.find(':'), eq = item.find('=');
    if (eq == std::string::npos || colon < eq) {  // a name, perhaps with its first option
      const std::string several = item.substr(0, colon);
      check(several != "all" && several != "usual", ErrorCode::kUsage,
            "[explain] expected {} without options, found \"{}\"; give them with the method they are of", several,
            item);
      out.push_back({item.substr(0, colon), {}});
      out.back().info();
      if (colon == std::string::npos) continue;
      item = item.substr(colon + 1);
    }
    const size_t at = std::min(item.find('='), item.size());
    check(!out.empty(), ErrorCode::kUsage, "[explain] expected a method before its option {}", item);
    out.back().set(item.substr(0, at), item.substr(std::min(at + 1, item.size())));
  }
  std::vector<MethodSpec> once;
  for (MethodSpec& m : out) {
    const auto same = std::find(once.begin(), once.end(), m);
    if (same == once.end()) {
      once.push_back(std::move(m));
      continue;
    }
    same->if_possible = same->if_possible && m.if_possible;
    same->of_all = same->of_all && m.of_all;
  }
  return once;
}

}  // namespace hindscan
