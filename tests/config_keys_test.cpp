// Every key of every published configuration (tests/golden/configs.json): honoured, irrelevant with a reason, or
// refused. Case A5, and the defaults of case B.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <set>

#include "arch_pass.h"
#include "base/log.h"
#include "base/mmap.h"
#include "model/config_json.h"

namespace hindscan {
namespace {

using testing::run;
using testing::Sequence;

// Sizes that a test can hold, over the published ones.
const std::pair<const char*, ConfigValue> kSmall[] = {{"hidden_size", int64_t{32}},
                                                      {"embedding_dim", int64_t{32}},
                                                      {"d_model", int64_t{32}},
                                                      {"num_hidden_layers", int64_t{2}},
                                                      {"num_blocks", int64_t{2}},
                                                      {"n_layer", int64_t{2}},
                                                      {"vocab_size", int64_t{24}},
                                                      {"num_attention_heads", int64_t{4}},
                                                      {"num_key_value_heads", int64_t{2}},
                                                      {"head_dim", int64_t{8}},
                                                      {"state_size", int64_t{4}},
                                                      {"n_groups", int64_t{2}},
                                                      {"expand_ratio", int64_t{8}},
                                                      {"lru_width", int64_t{32}},
                                                      {"attention_hidden_size", int64_t{32}},
                                                      {"max_window_layers", int64_t{1}},
                                                      {"attention_window_size", int64_t{3}},
                                                      {"ssm_cfg.d_state", int64_t{4}},
                                                      {"ssm_cfg.headdim", int64_t{8}},
                                                      {"final_w_init_variance_scale", 1.0}};

struct Published {
  std::string model_type, source;
  Config keys;
  std::set<std::string> derived;  // follow from other keys where they are absent

  // The published settings in a small size, with the model_type where the publisher writes one.
  Config small() const {
    Config c = keys;
    for (const auto& [key, value] : kSmall) {
      if (keys.has(key)) c.set(key, value);
    }
    if (keys.has("intermediate_size")) c.set("intermediate_size", int64_t{64});
    if (keys.has("use_parallel_residual")) c.set("num_attention_heads", int64_t{2});  // several pairs turn in a head
    if (keys.has("hidden_ratio")) c.set("hidden_ratio", int64_t{24});                 // beyond the rounding of widths
    if (keys.has("ffn_round_up_to_multiple_of")) c.set("ffn_round_up_to_multiple_of", int64_t{20});
    if (keys.has("block_types")) c.set("num_hidden_layers", int64_t{3});  // one of them attends
    if (keys.has("use_sliding_window")) c.set("sliding_window", int64_t{3});
    if (keys.has("layer_types")) c.set("layer_types", ConfigValue());  // follow from the number of layers
    if (keys.has("num_heads")) c.set("num_heads", int64_t{keys.has("state_size") ? 8 : 4});
    if (keys.has("time_step_rank")) c.set("time_step_rank", int64_t{3});
    if (keys.has("hidden_size")) c.set("model_type", model_type);
    return c;
  }
  friend std::ostream& operator<<(std::ostream& out, const Published& p) { return out << p.source; }
};

std::vector<Published> all_published() {
  std::vector<Published> out;
  const Json entries = load_json(testing::golden_path("configs.json"));
  for (const Json& entry : entries.items()) {
    const std::string source = entry.find("source")->as_string();
    Published p{entry.find("model_type")->as_string(), source, config_from_json(*entry.find("keys"), source), {}};
    if (const Json* derived = entry.find("derived")) {
      for (const Json& key : derived->items()) p.derived.insert(key.as_string());
    }
    out.push_back(std::move(p));
  }
  return out;
}

// What a configuration makes: the declared weights, and the logits of a fixed text under fixed random weights.
struct Made {
  std::vector<std::pair<std::string, std::vector<int64_t>>> weights;
  std::vector<double> logits;
  std::vector<int32_t> end_ids;
  bool operator==(const Made&) const = default;
};

std::vector<std::pair<std::string, std::vector<int64_t>>> declared(const Config& config) {
  WeightTable table;
  make_architecture(config)->declare(table);
  std::vector<std::pair<std::string, std::vector<int64_t>>> out;
  for (size_t k = 0; k < table.size(); ++k) out.emplace_back(table[k].name, table[k].shape);
  return out;
}

Made make(const Config& config) {
  Model model = Model::create(config, DType::kF64, 1);
  Made out;
  for (size_t k = 0; k < model.weights().size(); ++k) {
    Weight& w = model.weights()[k];
    out.weights.emplace_back(w.name, w.shape);
    Rng rng(7, w.name);
    for (int64_t i = 0; i < w.size(); ++i) static_cast<double*>(w.data)[i] = 0.5 * rng.normal();
  }
  Sequence text;
  text.tokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
  out.logits = run<double>(model, text);
  out.end_ids = model.generation().end_ids;
  return out;
}

// Other values of a key: none may pass unseen.
std::vector<ConfigValue> others(const ConfigValue& value) {
  if (const bool* v = value.as<bool>()) return {!*v};
  if (const int64_t* v = value.as<int64_t>()) return {std::max<int64_t>(1, *v * 2), "no number"};
  if (const double* v = value.as<double>()) return {std::isfinite(*v) ? *v * 2 + 0.1 : 0.25, "no number"};
  if (value.as<std::string>() != nullptr) return {"something else", int64_t{1}};
  if (value.as<ConfigValue::List>() != nullptr) return {ConfigValue::List{"something else"}, int64_t{1}};
  return {int64_t{7}, ConfigValue::Object{{"a", int64_t{1}}}};  // null
}

// Listed, since it acts under a condition only, which this configuration meets.
bool acts(const std::string& key, const Config& config) {
  if (key == "conv_size") return config.flag("use_short_conv", false);
  if (key == "hidden_ratio") return !config.has("intermediate_size");
  return key == "fuse_norm" && config.text("model_type", "") == "rwkv7";
}

std::set<std::string> irrelevant(const Config& config) {
  std::set<std::string> out;
  std::vector<KeyNote> notes = make_architecture(config)->unused_keys();
  notes.insert(notes.end(), common_keys().begin(), common_keys().end());
  for (const KeyNote& note : notes) {
    EXPECT_STRNE(note.why, "") << note.key;
    if (!acts(note.key, config)) out.insert(note.key);
  }
  return out;
}

// Calls each(path, value) for every leaf that is not irrelevant.
template <class Each>
void for_leaves(const ConfigValue::Object& object, const std::string& prefix, const std::set<std::string>& skip,
                const Each& each) {
  for (const auto& [name, value] : object) {
    const std::string key = prefix + name;
    if (skip.contains(key)) continue;
    if (const auto* inner = std::get_if<ConfigValue::Object>(&value.data))
      for_leaves(*inner, key + ".", skip, each);
    else
      each(key, value);
  }
}

// xLSTM's sizes have two names, which must agree.
std::string other_name(const std::string& key) {
  constexpr std::pair<const char*, const char*> kNames[] = {{"hidden_size", "embedding_dim"},
                                                            {"num_hidden_layers", "num_blocks"}};
  for (const auto& [a, b] : kNames) {
    if (key == a) return b;
    if (key == b) return a;
  }
  return key;
}

class PublishedKeys : public ::testing::TestWithParam<Published> {};

TEST_P(PublishedKeys, CaseA5EachIsKnown) {
  const Config config = GetParam().small();
  const Model model = Model::create(config, DType::kF32, 1);
  EXPECT_EQ(model.unknown_keys(), std::vector<std::string>{});
}

TEST_P(PublishedKeys, CaseA5AnUnknownOneIsNoticed) {
  Config config = GetParam().small();
  config.set("surprise", int64_t{1});
  config.set("outer.inner", int64_t{1});
  config.set("empty", ConfigValue());
  EXPECT_EQ(Model::create(config, DType::kF32, 1).unknown_keys(), (std::vector<std::string>{"outer", "surprise"}));
}

TEST_P(PublishedKeys, CaseA5AnotherValueChangesTheModelOrIsRefused) {
  const Config config = GetParam().small();
  const Made made = make(config);
  for (const double v : made.logits) ASSERT_TRUE(std::isfinite(v));
  std::set<std::string> skip = irrelevant(config);
  skip.insert("model_type");
  for_leaves(config.root(), "", skip, [&](const std::string& key, const ConfigValue& value) {
    for (const ConfigValue& other : others(value)) {
      Config changed = config;
      changed.set(key, other);
      try {
        EXPECT_FALSE(make(changed) == made) << key << " had no effect: " << to_string(config_to_json(changed));
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kData) << key << ": " << e.what();
      }
    }
  });
}

// What is listed as irrelevant is so.
TEST_P(PublishedKeys, CaseA5AnotherValueOfAListedOneChangesNothing) {
  const Config config = GetParam().small();
  const Made made = make(config);
  for (const std::string& key : irrelevant(config)) {
    const ConfigValue* value = config.find(key);
    for (const ConfigValue& other : value == nullptr ? std::vector<ConfigValue>{} : others(*value)) {
      Config changed = config;
      changed.set(key, other);
      try {
        EXPECT_TRUE(make(changed) == made) << key << " has an effect: " << to_string(config_to_json(changed));
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kData) << key << ": " << e.what();  // no value at all of such a key
      }
    }
  }
}

TEST_P(PublishedKeys, CaseBAMissingOneHasThePublishersDefault) {
  const Config config = GetParam().small();
  std::set<std::string> skip = irrelevant(config);
  skip.insert("model_type");
  skip.insert(GetParam().derived.begin(), GetParam().derived.end());
  skip.insert("eos_token_id");   // the tokenizer says it where the configuration does not
  skip.insert("ssm_cfg.layer");  // without it the stack is of another family
  for_leaves(GetParam().keys.root(), "", skip, [&](const std::string& key, const ConfigValue& value) {
    const std::string same = other_name(key);
    Config written = config, missing = config;
    for (const std::string& name : {key, same}) {
      written.set(name, value);
      missing.set(name, ConfigValue());
    }
    for (Config* c : {&written, &missing}) c->set("model_type", GetParam().model_type);
    try {
      if (const ConfigValue* small = config.find(key); small != nullptr && *small == value)
        EXPECT_TRUE(make(written) == make(missing)) << key;
      else
        EXPECT_EQ(declared(written), declared(missing)) << key;
    } catch (const Error& e) {
      EXPECT_THROW(declared(written), Error) << key << ": " << e.what();  // the default does not fit the small sizes
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Table, PublishedKeys, ::testing::ValuesIn(all_published()), [](const auto& test) {
  std::string name = test.param.model_type + "_" + test.param.source.substr(0, test.param.source.find(' '));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

// A small Llama, with these keys besides.
Config llama(const std::string& keys) {
  Config c = parse_config(keys, "llama");
  c.set("model_type", "llama");
  for (const char* key : {"hidden_size", "intermediate_size", "vocab_size"}) c.set(key, int64_t{24});
  for (const char* key : {"num_hidden_layers", "num_attention_heads"}) c.set(key, int64_t{2});
  return c;
}

// What a configuration makes the program say, or refuse.
std::string said(const std::string& model_type, const std::function<void(Config&)>& change) {
  Config c = architecture_preset(model_type, {.d_model = 16, .n_layer = 2, .vocab_size = 24});
  change(c);
  std::string out;
  set_log_sink([&out](LogLevel, std::string_view text) { out += text; });
  try {
    Model::create(c, DType::kF32, 1);
  } catch (const Error& e) {
    out += e.code() == ErrorCode::kData ? "refused: " + e.message() : "another code: " + e.message();
  }
  set_log_sink(nullptr);
  return out;
}

TEST(CaseA5, ACopyOfAKeyThatSaysAnotherThingIsNoticed) {
  EXPECT_EQ(said("mamba", [](Config& c) { c.set("d_model", 16.0), c.set("n_layer", int64_t{2}); }), "");
  EXPECT_NE(said("mamba", [](Config& c) { c.set("d_model", int64_t{32}); }).find("hidden_size"), std::string::npos);
  EXPECT_NE(said("mamba", [](Config& c) { c.set("n_layer", int64_t{3}); }).find("n_layer"), std::string::npos);
  const auto pattern = [](Config& c) {
    c.set_list("block_types", std::vector<std::string>{"recurrent", "attention"});
    c.set_list("_block_types", std::vector<std::string>{"attention", "recurrent"});
  };
  EXPECT_NE(said("recurrent_gemma", pattern).find("_block_types"), std::string::npos);
  EXPECT_NE(said("gru", [](Config& c) { c.set("pooling", "mean"); }).find("pooling"), std::string::npos);
}

TEST(CaseA5, ADivisorOfNothingIsRefused) {
  for (const char* type : {"rwkv5", "rwkv6"}) {
    for (const double divisor : {0.0, -1.0, -8.0})
      EXPECT_EQ(said(type, [&](Config& c) { c.set("head_size_divisor", divisor); }).rfind("refused", 0), 0u) << divisor;
  }
}

TEST(CaseA5, AHybridsBlocksAreToldByName) {
  EXPECT_EQ(said("hybrid", [](Config&) {}), "");  // describes a block that no layer of two has
  const std::string twice =
      said("hybrid", [](Config& c) { c.set_list("layers", std::vector<std::string>{"ssm+ssm"}); });
  EXPECT_EQ(twice.rfind("refused", 0), 0u) << twice;
}

TEST(CaseA5, ScaledPositionsAreReadInTheOldAndTheNewForm) {
  const Made plain = make(llama("{}"));
  for (const char* scaling : {R"("factor": 3, "KIND": "linear")",
                              R"("factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "KIND": "llama3",
                                 "original_max_position_embeddings": 16)",
                              R"("factor": 4, "original_max_position_embeddings": 16, "KIND": "yarn")"}) {
    const auto form = [&](const char* kind) {
      std::string text = scaling;
      return text.replace(text.find("KIND"), 4, kind);
    };
    const Made old_form = make(llama(fmt::format(R"({{"rope_scaling": {{{}}}, "rope_theta": 500}})", form("type"))));
    EXPECT_TRUE(make(llama(fmt::format(R"({{"rope_scaling": {{{}}}, "rope_theta": 500}})", form("rope_type")))) ==
                old_form);
    EXPECT_TRUE(make(llama(fmt::format(R"({{"rope_parameters": {{{}, "rope_theta": 500}}}})", form("rope_type")))) ==
                old_form);
    EXPECT_FALSE(make(llama(R"({"rope_theta": 500})")) == old_form) << scaling;
    EXPECT_FALSE(plain == old_form);
  }
  for (const char* refused :
       {R"({"rope_scaling": {"type": "longrope", "factor": 2}})", R"({"rope_scaling": {"type": "linear"}})",
        R"({"rope_scaling": {"type": "linear", "factor": 0.5}})", R"({"rope_scaling": 2})",
        R"({"rope_parameters": {"rope_type": "llama3", "factor": 2}})"})
    EXPECT_THROW(make_architecture(llama(refused)), Error) << refused;
}

TEST(CaseA5, DynamicPositionsHoldUpToTheirLengthAndAreRefusedBeyond) {
  const char* dynamic = R"({{"rope_scaling": {{"type": "dynamic", "factor": 2}}, "max_position_embeddings": {}}})";
  EXPECT_TRUE(make(llama(fmt::format(fmt::runtime(dynamic), 12))) == make(llama("{}")));  // the text has 12 tokens
  try {
    make(llama(fmt::format(fmt::runtime(dynamic), 11)));
    FAIL() << "12 tokens went through";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_NE(std::string(e.what()).find("at most 11 tokens"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace hindscan
