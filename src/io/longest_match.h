// Greedy tokenizing: at every place the longest token of the vocabulary that fits.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

class LongestMatch {
 public:
  LongestMatch() = default;
  // sorted: ids in the order of their bytes; empty tokens never match.
  LongestMatch(const std::vector<std::string>& tokens, std::span<const int32_t> sorted);

  bool empty() const { return nodes_.empty(); }
  // Appends ids. Error(kData) where no token fits; `from`: where `text` begins in the whole, for that message.
  void encode(std::string_view text, size_t from, std::vector<int32_t>& ids) const;

 private:
  struct Node {
    int32_t id = -1;  // of the token that ends here
    uint32_t first_edge = 0, edges = 0;
  };
  struct Edge {
    uint8_t byte;
    uint32_t node;
  };
  const Edge* edge(const Node& node, uint8_t byte) const;

  std::vector<Node> nodes_;  // the root first
  std::vector<Edge> edges_;  // of one node: together, by byte
};

}  // namespace hindscan
