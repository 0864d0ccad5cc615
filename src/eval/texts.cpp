#include "eval/texts.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/counted.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "model/encode_text.h"

namespace hindscan {
namespace {

constexpr std::array<const char*, 3> kStartNames = {"sentence", "line", "paragraph"};

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Whether a sentence ends with text[i - 1]: a mark, perhaps with closing quotes behind it.
bool ends_sentence(std::string_view text, size_t i) {
  while (i > 0 && (text[i - 1] == '"' || text[i - 1] == '\'' || text[i - 1] == ')')) --i;
  return i > 0 && (text[i - 1] == '.' || text[i - 1] == '!' || text[i - 1] == '?');
}

// Whether a text may begin at `at`, before which `spaces` spaces stand.
bool begins(std::string_view text, size_t spaces, size_t at, TextStart start) {
  if (spaces == 0) return true;  // the first text of the file
  const std::string_view gap = text.substr(spaces, at - spaces);
  const auto lines = std::count(gap.begin(), gap.end(), '\n');
  if (start == TextStart::kParagraph) return lines > 1;
  return lines > 0 || (start == TextStart::kSentence && ends_sentence(text, spaces));
}

std::vector<size_t> starts_of(std::string_view text, TextStart start) {
  std::vector<size_t> out;
  size_t word_end = 0;  // of the word before
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_space(text[i])) continue;
    if ((i == 0 || is_space(text[i - 1])) && begins(text, word_end, i, start)) out.push_back(i);
    word_end = i + 1;
  }
  return out;
}

size_t at_character(std::string_view text, size_t at) {
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  return std::min(at, text.size());
}

class Sampler {
 public:
  Sampler(const Model& model, std::string_view text, const TextDraw& draw)
      : model_(model), text_(text), draw_(draw), rng_(draw.seed, "texts") {
    fixed_ = std::ssize(encode("a")) - std::ssize(encode("a", kInsideText));
  }

  std::vector<EvalText> sample() {
    if (draw_.whole_lines)
      take_lines();
    else
      take_pieces();
    check(std::ssize(texts_) == draw_.count, ErrorCode::kData,
          "[{}] expected {} of {} to {} tokens, found {}; ask for fewer, for other lengths, or give a longer file",
          draw_.from, counted(draw_.count, "text"), draw_.shortest, draw_.longest, texts_.size());
    return std::move(texts_);
  }

 private:
  // What follows the last token is asked for, so nothing is added behind it.
  std::vector<int32_t> encode(std::string_view piece, TextPlace place = {.begins = true, .ends = false}) const {
    UnknownText unknown;
    return encode_text(model_, piece, place, &unknown);
  }

  int64_t stratum_of(int64_t length) const {
    return (length - draw_.shortest) * kStrata / (draw_.longest - draw_.shortest + 1);
  }

  int64_t draw_length(int64_t stratum) {
    const int64_t range = draw_.longest - draw_.shortest + 1;
    const auto edge = [&](int64_t s) { return (s * range + kStrata - 1) / kStrata; };
    const int64_t first = edge(stratum), last = edge(stratum + 1);
    if (last <= first) return draw_.shortest + first % range;
    return draw_.shortest + first + static_cast<int64_t>(rng_.below(static_cast<uint64_t>(last - first)));
  }

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[rng_.below(i)]);
  }

  bool has_special(const std::vector<int32_t>& tokens) const {
    return std::any_of(tokens.begin() + fixed_, tokens.end(), [&](int32_t id) {
      return id < model_.tokenizer().vocab_size() && model_.tokenizer().is_special(id);
    });
  }

  // The first `length` tokens from `at` on; none where the text ends before.
  std::vector<int32_t> tokens_from(size_t at, int64_t length) const {
    for (size_t bytes = static_cast<size_t>(length) * 8;; bytes *= 2) {
      const size_t end = at_character(text_, at + bytes);
      std::vector<int32_t> ids = encode(text_.substr(at, end - at));
      // The last token of a piece that was cut may be another one in the whole.
      if (std::ssize(ids) > length || (end == text_.size() && std::ssize(ids) == length)) {
        ids.resize(static_cast<size_t>(length));
        return ids;
      }
      if (end == text_.size()) return {};
    }
  }

  void take_pieces() {
    std::vector<size_t> starts = starts_of(text_, draw_.start);
    shuffle(starts);
    std::map<size_t, size_t> taken;  // begin -> end
    for (const size_t at : starts) {
      if (std::ssize(texts_) == draw_.count) return;
      const std::vector<int32_t> ids = tokens_from(at, draw_length(std::ssize(texts_) % kStrata));
      if (ids.empty() || has_special(ids)) continue;
      size_t end = at;
      for (const int32_t id : ids) end += model_.tokenizer().token_bytes(id).size();
      const auto next = taken.lower_bound(at);
      if (next != taken.end() && next->first < end) continue;
      if (next != taken.begin() && std::prev(next)->second > at) continue;
      taken[at] = end;
      texts_.push_back({ids, fixed_, at, 0});
    }
  }

  void take_lines() {
    std::array<std::vector<EvalText>, kStrata> strata;
    for (size_t at = 0; at < text_.size();) {
      const size_t end = std::min(text_.find('\n', at), text_.size());
      const std::string_view line = text_.substr(at, end - at);
      if (!std::all_of(line.begin(), line.end(), is_space)) {
        std::vector<int32_t> ids = encode(line);
        const int64_t n = std::ssize(ids);
        if (n >= draw_.shortest && n <= draw_.longest)
          strata[static_cast<size_t>(stratum_of(n))].push_back({std::move(ids), fixed_, at, 0});
      }
      at = end + 1;
    }
    for (std::vector<EvalText>& s : strata) shuffle(s);
    for (bool more = true; more;) {
      more = false;
      for (std::vector<EvalText>& s : strata) {
        if (s.empty() || std::ssize(texts_) == draw_.count) continue;
        texts_.push_back(std::move(s.back()));
        s.pop_back();
        more = true;
      }
    }
  }

  const Model& model_;
  std::string_view text_;
  const TextDraw& draw_;
  Rng rng_;
  int64_t fixed_ = 0;
  std::vector<EvalText> texts_;
};

}  // namespace

TextStart parse_text_start(const std::string& name) {
  const auto found = std::find(kStartNames.begin(), kStartNames.end(), name);
  check(found != kStartNames.end(), ErrorCode::kUsage,
        "[eval] expected texts to begin with a sentence, line or paragraph, found '{}'", name);
  return static_cast<TextStart>(found - kStartNames.begin());
}

int64_t share_of(int64_t count, size_t file, size_t files) {
  const auto n = static_cast<int64_t>(files);
  return count / n + (static_cast<int64_t>(file) < count % n ? 1 : 0);
}

std::vector<EvalText> draw_texts(const Model& model, std::string_view text, const TextDraw& draw) {
  require_language_model(model);
  check(draw.count >= 1 && draw.shortest >= 1 && draw.longest >= draw.shortest, ErrorCode::kUsage,
        "[eval] expected at least one text of at least one token, found {} of {} to {}", counted(draw.count, "text"),
        draw.shortest, draw.longest);
  return Sampler(model, text, draw).sample();
}

}  // namespace hindscan
