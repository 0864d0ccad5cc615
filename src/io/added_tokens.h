// Tokens found in the text before BPE sees it: special tokens and added words, by the rules of Hugging Face.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hindscan {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false, normalized = false, single_word = false, lstrip = false, rstrip = false;
};

// A set of literal texts; finds the leftmost, longest of them. Cost is linear in the text times the longest content.
class AddedTokenMatcher {
 public:
  AddedTokenMatcher() : nodes_(1) {}
  void add(const AddedToken& token, std::string_view content);  // content as it looks in the text to search
  bool empty() const { return tokens_.empty(); }

  // Calls `text_part` for every stretch between tokens and `token` for every token, in order.
  void split(std::string_view text, const std::function<void(std::string_view)>& text_part,
             const std::function<void(int32_t)>& token) const;

 private:
  struct Node {
    int32_t token = -1;  // index into tokens_
    std::vector<std::pair<char, uint32_t>> next;
  };
  struct Match {
    size_t begin = 0, end = 0;
    int32_t token = -1;
  };
  uint32_t child(uint32_t node, char c) const;  // 0: none
  Match longest_at(std::string_view text, size_t pos) const;
  std::vector<Node> nodes_;
  std::vector<AddedToken> tokens_;
  bool starts_[256] = {};
};

}  // namespace hindscan
