// The text a command works on: from an argument, a file or standard input.
#include <sys/stat.h>
#include <unistd.h>

#include "base/counted.h"
#include "base/mmap.h"
#include "base/utf8.h"
#include "cli/command_line.h"
#include "cli/streams.h"
#include "io/text_file.h"
#include "model/encode_text.h"

namespace hindscan::cli {
namespace {

constexpr const char* kStandardInput = "/dev/stdin";
// What a byte of text may take while it becomes ids: itself, its normal form, four bytes an id and the places to merge
// at, in arrays that double as they grow. A byte of --tokens takes less.
constexpr int64_t kBytesPerByte = 16;

// A pipe or a file was put there; a terminal or /dev/null is no offer of a text.
bool input_is_offered() {
  struct stat st;
  return fstat(STDIN_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
}

// Says what a limit on memory means for the length of a text.
std::string read_within(const std::string& file, uint64_t most) {
  try {
    return read_file(file, most);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kResource) throw;
    fail(e.code(), "{}; a text needs about {} times its size in memory: give a shorter one, or a larger --mem-limit",
         e.message(), kBytesPerByte);
  }
}

// "-" names the standard input.
std::string read_ids(const std::string& file, uint64_t most) {
  check(!file.empty(), ErrorCode::kUsage,
        "[--tokens] expected token ids such as 1,2,3, or @FILE with such ids in it, found '@' and no file");
  return read_within(file == "-" ? kStandardInput : file, most);
}

std::string read_source(bool piped, const std::string& file, uint64_t most) {
  const std::string name = piped ? "standard input" : file;
  TextFile out = text_of_bytes(read_within(piped ? kStandardInput : file, most), name);
  if (out.crlf > 0) note(fmt::format("{}: {} line ends CR LF are read as LF", name, out.crlf));
  check(!out.text.empty(), ErrorCode::kData, "[{}] expected some text, found none; give at least one character", name);
  return std::move(out.text);
}

}  // namespace

void say_invalid(const std::string& text, const std::string& name) {
  size_t invalid = 0;
  if (!valid_utf8(text)) replace_invalid_utf8(text, &invalid);
  if (invalid > 0)
    note(fmt::format("{} of {} {}", counted(invalid, "piece"), name,
                     invalid == 1 ? "is not valid UTF-8; it passes through as bytes"
                                  : "are not valid UTF-8; they pass through as bytes"));
}

size_t CommandLine::prompts_given() const {
  return text_option_->count() + file_option_->count() + tokens_option_->count();
}

// The line end that a shell leaves at the end of a text is no word of it, where the question is what comes next.
void CommandLine::end_text(std::string& text, bool piped) const {
  if (!text.ends_with('\n') || newline_ == "keep" || (newline_ == "auto" && !asks_next_)) return;
  if (newline_ == "drop" || piped) {
    text.pop_back();
    if (newline_ == "auto") note("the newline at the end of standard input is left out; --newline keep keeps it");
    check(!text.empty(), ErrorCode::kData,
          "[prompt] expected some text, found a newline alone; --newline keep keeps it");
  } else {
    note("the text ends with a newline, which counts as a token of it; --newline drop leaves it out");
  }
}

Prompt CommandLine::read_prompt(const Model& model, TextPlace place) const {
  const size_t given = prompts_given();
  check(given <= 1, ErrorCode::kUsage, "expected one of -p TEXT, -f FILE or --tokens 1,2,3, found more than one");
  const bool offered = given == 0 && input_is_offered();
  check(given == 1 || offered, ErrorCode::kUsage,
        "expected one of -p TEXT, -f FILE or --tokens 1,2,3, found none; a text may also come through a pipe");
  const auto most = static_cast<uint64_t>(memory_limit() / kBytesPerByte);
  Prompt out;
  if (tokens_option_->count() > 0) {
    check(app_.count("--newline") == 0, ErrorCode::kUsage,
          "[--newline] expected a text, whose end it is about, found --tokens");
    out.from_tokens = true;
    const bool from_file = tokens_.starts_with('@');
    out.tokens = parse_tokens(from_file ? read_ids(tokens_.substr(1), most) : tokens_);
    model.check_tokens(out.tokens);
    return out;
  }
  const bool piped = offered || text_ == "-" || file_ == "-";
  if (offered) note("reading the text from standard input");
  out.text = piped || !file_.empty() ? read_source(piped, file_, most) : text_;
  check(!out.text.empty(), ErrorCode::kUsage, "[prompt] expected some text, found none; give at least one character");
  if (piped || !file_.empty() || newline_ == "drop") end_text(out.text, piped);
  say_invalid(out.text, "the text");
  out.tokens = encode_text(model, out.text, place);
  return out;
}

}  // namespace hindscan::cli
