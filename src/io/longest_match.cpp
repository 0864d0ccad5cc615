#include "io/longest_match.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "io/printable.h"

namespace hindscan {

// Breadth first over ranges of `sorted` that share their first `depth` bytes.
LongestMatch::LongestMatch(const std::vector<std::string>& tokens, std::span<const int32_t> sorted) {
  struct Range {
    size_t begin, end, depth;
  };
  const auto token = [&](size_t i) -> const std::string& { return tokens[static_cast<size_t>(sorted[i])]; };
  std::vector<Range> ranges = {{0, sorted.size(), 0}};
  nodes_.emplace_back();
  for (size_t n = 0; n < ranges.size(); ++n) {
    auto [i, end, depth] = ranges[n];
    if (i < end && token(i).size() == depth) {
      if (depth > 0) nodes_[n].id = sorted[i];
      while (i < end && token(i).size() == depth) ++i;
    }
    nodes_[n].first_edge = static_cast<uint32_t>(edges_.size());
    while (i < end) {
      const char byte = token(i)[depth];
      const size_t begin = i;
      while (i < end && token(i)[depth] == byte) ++i;
      edges_.push_back({static_cast<uint8_t>(byte), static_cast<uint32_t>(nodes_.size())});
      nodes_.emplace_back();
      ranges.push_back({begin, i, depth + 1});
    }
    nodes_[n].edges = static_cast<uint32_t>(edges_.size()) - nodes_[n].first_edge;
  }
}

const LongestMatch::Edge* LongestMatch::edge(const Node& node, uint8_t byte) const {
  const Edge* begin = edges_.data() + node.first_edge;
  const Edge* end = begin + node.edges;
  const Edge* found = std::lower_bound(begin, end, byte, [](const Edge& e, uint8_t b) { return e.byte < b; });
  return found != end && found->byte == byte ? found : nullptr;
}

void LongestMatch::encode(std::string_view text, size_t from, std::vector<int32_t>& ids) const {
  for (size_t at = 0; at < text.size();) {
    const Node* node = nodes_.data();
    int32_t best = -1;
    size_t best_end = at;
    for (size_t i = at; i < text.size(); ++i) {
      const Edge* e = edge(*node, static_cast<uint8_t>(text[i]));
      if (e == nullptr) break;
      node = &nodes_[e->node];
      if (node->id < 0) continue;
      best = node->id;
      best_end = i + 1;
    }
    if (best < 0) {
      const Utf8Char c = decode_utf8(text, at);
      fail(ErrorCode::kData,
           "[tokenizer] expected characters of the model's vocabulary, found '{}' at byte {}; leave it out of the text",
           printable(text.substr(at, c.size)).text, from + at);
    }
    ids.push_back(best);
    at = best_end;
  }
}

}  // namespace hindscan
