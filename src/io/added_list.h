// The "added_tokens" of a tokenizer.json while the files beside it put tokens into it.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "io/tokenizer_loader.h"

namespace hindscan {

class AddedList {
 public:
  explicit AddedList(const JsonReader& tokenizer);

  bool has(const std::string& content) const { return place_.contains(content); }
  bool has_id(int64_t id) const;

  // As transformers adds them: its marks hold, also when the token is there.
  void put(AddedToken token);

  const std::vector<std::string>& put_in() const { return put_; }
  Json json() const;

 private:
  void keep(AddedToken token);

  VocabIndex vocab_;
  int64_t next_ = 0;
  std::vector<AddedToken> tokens_;
  std::map<std::string, size_t> place_;
  std::vector<std::string> put_;
};

}  // namespace hindscan
