#include "io/added_list.h"

#include <algorithm>
#include <tuple>

namespace hindscan {

static bool same_marks(const AddedToken& a, const AddedToken& b) {
  const auto marks = [](const AddedToken& t) {
    return std::tuple(t.special, t.normalized, t.single_word, t.lstrip, t.rstrip);
  };
  return marks(a) == marks(b);
}

AddedList::AddedList(const JsonReader& tokenizer) {
  for (const auto& [name, id] : tokenizer.get_object("model").get_object("vocab").value().members()) {
    vocab_.add(name, id.is(Json::Type::kInt) ? static_cast<int32_t>(id.as_int()) : 0);
  }
  vocab_.sort();
  next_ = vocab_.size();
  if (!tokenizer.has("added_tokens")) return;
  for (const Json& item : tokenizer.get_array("added_tokens")) {
    const JsonReader config = tokenizer.item("added_tokens", item);
    AddedToken token = read_added_token(config);
    token.id = static_cast<int32_t>(config.get_int("id", 0, INT32_MAX - 1));
    keep(std::move(token));
  }
}

bool AddedList::has_id(int64_t id) const {
  return std::any_of(tokens_.begin(), tokens_.end(), [&](const AddedToken& t) { return t.id == id; });
}

void AddedList::put(AddedToken token) {
  if (token.content.empty()) return;
  const auto it = place_.find(token.content);
  if (it != place_.end()) {
    token.id = tokens_[it->second].id;
    if (same_marks(token, tokens_[it->second])) return;
    tokens_[it->second] = token;
    if (std::find(put_.begin(), put_.end(), token.content) != put_.end()) return;
  } else {
    const int32_t known = vocab_.find(token.content);
    token.id = known >= 0 ? known : static_cast<int32_t>(next_);
    keep(token);
  }
  put_.push_back(std::move(token.content));
}

Json AddedList::json() const {
  Json out = Json::array();
  for (const AddedToken& t : tokens_) {
    Json item = Json::object().set("id", t.id).set("content", t.content).set("single_word", t.single_word);
    item.set("lstrip", t.lstrip).set("rstrip", t.rstrip).set("normalized", t.normalized).set("special", t.special);
    out.push(std::move(item));
  }
  return out;
}

void AddedList::keep(AddedToken token) {
  next_ = std::max(next_, int64_t{token.id} + 1);
  place_.insert_or_assign(token.content, tokens_.size());
  tokens_.push_back(std::move(token));
}

}  // namespace hindscan
