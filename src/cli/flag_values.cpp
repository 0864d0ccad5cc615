// What stands behind a flag: token ids, sizes, seeds, types.
#include <algorithm>
#include <charconv>
#include <optional>

#include "cli/command_line.h"

namespace hindscan::cli {

std::vector<int32_t> parse_tokens(std::string_view text) {
  std::vector<int32_t> out;
  const char* at = text.data();
  const char* end = at + text.size();
  const auto skip = [&] {
    while (at != end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) ++at;
  };
  for (skip(); at != end; skip()) {
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    check(error == std::errc() && id >= 0, ErrorCode::kUsage, "[--tokens] expected token ids such as 1,2,3, found '{}'",
          std::string_view(at, std::min<size_t>(20, static_cast<size_t>(end - at))));
    out.push_back(id);
    at = next;
    skip();
    if (at != end && *at == ',') {
      ++at;
      skip();
      check(at != end, ErrorCode::kUsage, "[--tokens] expected a token id after the last comma, found nothing");
    }
  }
  check(!out.empty(), ErrorCode::kUsage, "[--tokens] expected at least one token id, found none");
  return out;
}

namespace {

// The whole of a text as one number.
template <class T>
std::optional<T> number_of(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

template <class T>
CLI::Validator number_in(T low, T high, const std::string& expected) {
  return {[=](const std::string& text) {
            const std::optional<T> value = number_of<T>(text);
            return value && *value >= low && *value <= high ? std::string()
                                                            : fmt::format("expected {}, found {}", expected, text);
          },
          ""};
}

}  // namespace

CLI::Validator at_least(int64_t least) { return number_in(least, INT64_MAX, fmt::format("{} or more", least)); }

CLI::Validator whole_between(int64_t low, int64_t high) {
  return number_in(low, high, fmt::format("a whole number in {}..{}", low, high));
}

CLI::Validator number_between(double low, double high) {
  return number_in(low, high, fmt::format("a number in {}..{}", low, high));
}

CLI::Validator seed_number() {
  return number_in<uint64_t>(0, UINT64_MAX, fmt::format("a number in 0..{}", UINT64_MAX));
}

CLI::Validator one_of(std::vector<std::string> words) {
  return {[words = std::move(words)](const std::string& text) {
            const bool good = std::find(words.begin(), words.end(), text) != words.end();
            return good ? std::string() : fmt::format("expected {}, found {}", fmt::join(words, ", "), text);
          },
          ""};
}

int64_t parse_bytes(const std::string& text) {
  double number = 0;
  const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(next, text.data() + text.size());
  if (unit.ends_with("iB")) unit.resize(unit.size() - 2);
  if (unit.ends_with("B")) unit.pop_back();
  constexpr std::string_view units = "KMGT";
  const size_t power = unit.empty() ? 0 : unit.size() == 1 ? units.find(static_cast<char>(unit[0] & ~0x20)) + 1 : 0;
  const bool good = error == std::errc() && number > 0 && (unit.empty() || power > 0) && number < 1e6;
  const bool plain = error == std::errc() && unit.empty() && number > 0 && number < 9e18;
  check(good || plain, ErrorCode::kUsage, "[--mem-limit] expected a size such as 512M or 4G, found '{}'", text);
  return static_cast<int64_t>(number * static_cast<double>(uint64_t{1} << (10 * power)));
}

}  // namespace hindscan::cli
