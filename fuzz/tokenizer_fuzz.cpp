// "T" or "N" + text: encode it with a fixed tokenizer, without or with NFC. Otherwise: tokenizer.json, a NUL byte, text
// to encode with it; and the same JSON as every file beside a fixed tokenizer.
#include "fuzz_util.h"
#include "io/byte_level.h"
#include "io/json.h"
#include "io/tokenizer.h"
#include "io/tokenizer_companions.h"

using namespace hindscan;

namespace {

Json fixed_json(bool nfc) {
  Json vocab = Json::object(), merges = Json::array(), added = Json::array();
  int id = 0;
  for (int b = 0; b < 256; ++b) vocab.set(symbols_of_bytes(std::string(1, static_cast<char>(b))), id++);
  for (const char* merge :
       {"a a", "aa aa", "a b", "b aa", "\xC4\xA0 a", "\xC4\xA0 \xC4\xA0", "\xC3\x83 \xC2\xA9", "1 2"}) {
    std::string token = merge;
    std::erase(token, ' ');
    vocab.set(token, id++);
    merges.push(merge);
  }
  for (const char* content : {"<s>", "  ", "aab"}) {
    const bool rstrip = id % 2 == 0;
    added.push(Json::object().set("id", id++).set("content", content).set("normalized", nfc).set("rstrip", rstrip));
  }
  Json json = Json::object();
  json.set("model", Json::object().set("vocab", vocab).set("merges", merges)).set("added_tokens", added);
  json.set("pre_tokenizer", Json::object().set("type", "ByteLevel").set("add_prefix_space", false));
  if (nfc) json.set("normalizer", Json::object().set("type", "NFC"));
  return json;
}

Tokenizer make_fixed(bool nfc) { return Tokenizer::from_json(to_string(fixed_json(nfc)), "fixed"); }

constexpr size_t kMaxText = 400;

void check_encoding(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<int32_t> ids = tokenizer.encode(text.substr(0, kMaxText));
  StreamDecoder stream(tokenizer);
  for (const int32_t id : ids) stream.push(id);
  stream.finish();
  tokenizer.decode(ids);
  for (const int32_t id : {0, tokenizer.eos_id(), tokenizer.vocab_size() - 1, tokenizer.vocab_size()}) {
    allow_refusal([&] {
      const std::string_view bytes = tokenizer.token_bytes(id);
      require(bytes.empty() || tokenizer.token_to_id(bytes) >= 0);
      tokenizer.is_special(id);
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Tokenizer plain = make_fixed(false), nfc = make_fixed(true);
  const std::string_view input = as_text(data, size);
  if (input.starts_with('N')) {
    check_encoding(nfc, input.substr(1));
    return 0;
  }
  if (input.starts_with('T')) {
    const std::string_view text = input.substr(1, kMaxText);
    const std::string back = plain.decode(plain.encode(text));
    // Added tokens may take the spaces after them away.
    require(back == text || text.find("aab") != std::string_view::npos || text.find("  ") != std::string_view::npos ||
            text.find("<s>") != std::string_view::npos);
    return 0;
  }
  const size_t end = std::min(input.find('\0'), input.size());
  const auto beside = [&](bool old) {
    TokenizerCompanions files{"fuzz"};
    const Json json = parse_json(input.substr(0, end), "fuzz");
    if (old) {
      files.added_tokens = json;
    } else {
      files.config = files.special_tokens = json;
    }
    Json changed = fixed_json(false);
    if (put_in_companions(changed, "fuzz", files))
      check_encoding(Tokenizer::from_json(to_string(changed), "fuzz"), "a <s>b");
  };
  allow_refusal([&] { beside(false); });
  allow_refusal([&] { beside(true); });
  allow_refusal([&] {
    const Tokenizer tokenizer = Tokenizer::from_json(input.substr(0, end), "fuzz");
    const std::string_view text = input.substr(std::min(end + 1, input.size()));
    check_encoding(tokenizer, text.empty() ? "It's  12 \xC3\xA9\xFF\n" : text);
  });
  return 0;
}
