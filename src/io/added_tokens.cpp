#include "io/added_tokens.h"

#include <algorithm>

#include "base/utf8.h"
#include "io/unicode_class.h"

namespace hindscan {
namespace {

bool is_single_word(std::string_view text, size_t begin, size_t end) {
  const Utf8Char left = utf8_before(text, begin);
  if (left.valid && is_word(left.code)) return false;
  if (end == text.size()) return true;
  const Utf8Char right = decode_utf8(text, end);
  return !right.valid || !is_word(right.code);
}

size_t spaces_before(std::string_view text, size_t pos, size_t lowest) {
  for (Utf8Char c = utf8_before(text, pos); c.valid && is_space(c.code) && pos - c.size >= lowest;
       c = utf8_before(text, pos)) {
    pos -= c.size;
  }
  return pos;
}

size_t spaces_after(std::string_view text, size_t pos) {
  while (pos < text.size()) {
    const Utf8Char c = decode_utf8(text, pos);
    if (!c.valid || !is_space(c.code)) break;
    pos += c.size;
  }
  return pos;
}

}  // namespace

void AddedTokenMatcher::add(const AddedToken& token, std::string_view content) {
  if (content.empty()) return;
  uint32_t node = 0;
  for (const char c : content) {
    uint32_t next = child(node, c);
    if (next == 0) {
      next = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
      auto& edges = nodes_[node].next;
      edges.insert(std::lower_bound(edges.begin(), edges.end(), std::pair(c, 0u)), {c, next});
    }
    node = next;
  }
  if (nodes_[node].token >= 0) return;  // of two that normalise to the same; Hugging Face takes either, by chance
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
  starts_[static_cast<unsigned char>(content[0])] = true;
}

uint32_t AddedTokenMatcher::child(uint32_t node, char c) const {
  const auto& edges = nodes_[node].next;
  const auto it = std::lower_bound(edges.begin(), edges.end(), std::pair(c, 0u));
  return it != edges.end() && it->first == c ? it->second : 0;
}

AddedTokenMatcher::Match AddedTokenMatcher::longest_at(std::string_view text, size_t pos) const {
  Match best;
  uint32_t node = 0;
  for (size_t end = pos; end < text.size();) {
    node = child(node, text[end++]);
    if (node == 0) break;
    if (nodes_[node].token >= 0) best = {pos, end, nodes_[node].token};
  }
  return best;
}

void AddedTokenMatcher::split(std::string_view text, const std::function<void(std::string_view)>& text_part,
                              const std::function<void(int32_t)>& token) const {
  size_t done = 0, spaces_end = 0;
  for (size_t pos = 0; pos < text.size();) {
    Match match = starts_[static_cast<unsigned char>(text[pos])] ? longest_at(text, pos) : Match();
    if (match.token < 0) {
      ++pos;
      continue;
    }
    const AddedToken& found = tokens_[static_cast<size_t>(match.token)];
    // As Hugging Face has it: the next may begin inside what this one strips, `done` then goes back to its end, and of
    // one whose text was all stripped before nothing is left.
    pos = match.end;
    if (found.single_word && !is_single_word(text, match.begin, match.end)) continue;
    if (found.lstrip) match.begin = std::max(done, spaces_before(text, match.begin, done));
    if (found.rstrip && match.end >= spaces_end) spaces_end = spaces_after(text, match.end);
    if (found.rstrip) match.end = spaces_end;  // a run is walked once
    if (match.begin >= match.end) continue;
    if (match.begin > done) text_part(text.substr(done, match.begin - done));
    token(found.id);
    done = match.end;
  }
  if (done < text.size()) text_part(text.substr(done));
}

}  // namespace hindscan
