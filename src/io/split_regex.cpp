// Split by a regular expression of the file: PCRE2 with JIT, match limits and no recursion on our stack.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/budget.h"
#include "base/error.h"
#include "base/utf8.h"
#include "io/byte_level.h"
#include "io/oniguruma.h"
#include "io/pre_tokenizer.h"
#include "io/split_emit.h"

namespace hindscan {
namespace {

constexpr uint32_t kMatchLimit = 1'000'000, kDepthLimit = 1000, kHeapLimitKb = 20'000;
constexpr size_t kJitStackMin = 32 * 1024, kJitStackMax = 1024 * 1024;

// Scratch memory of one thread, made at its first match and used by every pattern.
class MatchState {
 public:
  static const MatchState& of_this_thread() {
    thread_local const MatchState state;
    return state;
  }
  MatchState(const MatchState&) = delete;
  MatchState& operator=(const MatchState&) = delete;
  ~MatchState() {
    pcre2_jit_stack_free(stack_);
    pcre2_match_context_free(context_);
    pcre2_match_data_free(data_);
  }
  pcre2_match_data* data() const { return data_; }
  pcre2_match_context* context() const { return context_; }

 private:
  MatchState()
      : data_(pcre2_match_data_create(1, nullptr)),
        context_(pcre2_match_context_create(nullptr)),
        stack_(pcre2_jit_stack_create(kJitStackMin, kJitStackMax, nullptr)) {
    const bool ok = data_ != nullptr && context_ != nullptr && stack_ != nullptr;
    if (!ok) throw Error(ErrorCode::kResource, "[tokenizer] out of memory for matching a regular expression");
    pcre2_set_match_limit(context_, kMatchLimit);
    pcre2_set_depth_limit(context_, kDepthLimit);
    pcre2_set_heap_limit(context_, kHeapLimitKb);
    pcre2_jit_stack_assign(context_, nullptr, stack_);
  }
  pcre2_match_data* data_;
  pcre2_match_context* context_;
  pcre2_jit_stack* stack_;
};

class RegexStep final : public PreTokenizerStep {
 public:
  RegexStep(const std::string& pattern, SplitBehavior behavior, bool invert, bool mapped, const std::string& where)
      : behavior_(behavior), invert_(invert), mapped_(mapped), where_(where) {
    check(pattern.size() <= limit::kPatternBytes, ErrorCode::kData,
          "[{}] expected a pattern of at most {} bytes, found {}", where, limit::kPatternBytes, pattern.size());
    const std::string text = pcre2_pattern(pattern, where);
    int error = 0;
    PCRE2_SIZE offset = 0;
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    code_.reset(
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), options, &error, &offset, nullptr));
    if (code_ == nullptr) {
      PCRE2_UCHAR message[160];
      pcre2_get_error_message(error, message, sizeof message);
      fail(ErrorCode::kData, "[{}] expected a regular expression, found a fault at character {}: {}", where, offset,
           reinterpret_cast<const char*>(message));
    }
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // without JIT the interpreter gives the same matches
  }

  void split(std::string_view text, const PieceFn& next) const override {
    if (!mapped_) return split_text(text, next);
    // Match on the symbols; a symbol below U+0080 is one byte, any other is two.
    const std::string symbols = symbols_of_bytes(text);
    size_t done = 0;
    split_text(symbols, [&](std::string_view part) {
      const size_t skipped = count_symbols(std::string_view(symbols).substr(done, offset_of(symbols, part) - done));
      const size_t size = count_symbols(part);
      text.remove_prefix(skipped);
      next(text.substr(0, size));
      text.remove_prefix(size);
      done = offset_of(symbols, part) + part.size();
    });
  }

 private:
  static size_t offset_of(const std::string& whole, std::string_view part) {
    return static_cast<size_t>(part.data() - whole.data());
  }
  static size_t count_symbols(std::string_view symbols) {
    size_t n = 0;
    for (const char c : symbols) n += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u ? 1 : 0;
    return n;
  }

  // Matches never look across invalid bytes; those form gaps.
  void split_text(std::string_view text, const PieceFn& next) const {
    const MatchState& state = MatchState::of_this_thread();
    PieceEmitter emit(text, behavior_, invert_, next);
    for (size_t pos = 0; pos < text.size();) {
      size_t end = pos;
      for (Utf8Char c; end < text.size() && (c = decode_utf8(text, end)).valid;) end += c.size;
      if (end > pos) match_valid(text, pos, end, state, emit);
      pos = end;
      while (pos < text.size() && !decode_utf8(text, pos).valid) ++pos;
    }
    emit.finish();
  }

  // Matches of no length are matches, too, unless they follow one directly.
  void match_valid(std::string_view text, size_t begin, size_t end, const MatchState& state, PieceEmitter& emit) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data() + begin);
    const PCRE2_SIZE* found = pcre2_get_ovector_pointer(state.data());
    size_t last = PCRE2_UNSET;
    for (size_t pos = 0; pos <= end - begin;) {
      const int rc =
          pcre2_match(code_.get(), subject, end - begin, pos, PCRE2_NO_UTF_CHECK, state.data(), state.context());
      if (rc == PCRE2_ERROR_NOMATCH) return;
      check(rc >= 0 && found[0] <= found[1] && found[0] >= pos, ErrorCode::kResource,
            "[{}] expected a pattern that matches within its limits, found PCRE2 error {}", where_, rc);
      // A later step of the sequence may match within emit and overwrite `found`.
      const size_t from = found[0], to = found[1];
      if (from == to && to == last) {
        pos += pos < end - begin ? decode_utf8(text, begin + pos).size : 1;
        continue;
      }
      pos = last = to;
      emit.match(begin + from, begin + to);
    }
  }

  struct FreeCode {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  };
  std::unique_ptr<pcre2_code, FreeCode> code_;
  SplitBehavior behavior_;
  bool invert_, mapped_;
  std::string where_;
};

class Gpt2Step final : public PreTokenizerStep {
 public:
  void split(std::string_view text, const PieceFn& next) const override { split_gpt2(text, next); }
};

}  // namespace

std::unique_ptr<PreTokenizerStep> make_regex_split(const std::string& pattern, SplitBehavior behavior, bool invert,
                                                   bool mapped, const std::string& where) {
  const bool keeps_all = behavior == SplitBehavior::kIsolated || (behavior == SplitBehavior::kRemoved && invert);
  if (!mapped && keeps_all && pattern == kGpt2Pattern) return std::make_unique<Gpt2Step>();
  return std::make_unique<RegexStep>(pattern, behavior, invert, mapped, where);
}

}  // namespace hindscan
