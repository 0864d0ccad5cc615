// Every key of every published configuration (tests/golden/configs.json): honoured, irrelevant with a reason, or
// refused. Case A5, and the defaults of case B.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/log.h"
#include "base/mmap.h"
#include "config_made.h"
#include "model/config_json.h"

namespace hindscan {
namespace {

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

// Numbers beyond any size are refused, or leave sizes sound; a sanitizer sees conversions that overflow.
TEST_P(PublishedKeys, CaseC6NoNumberMakesASizeThatIsNone) {
  const Config config = GetParam().small();
  for_leaves(config.root(), "", {"model_type"}, [&](const std::string& key, const ConfigValue& value) {
    if (value.as<int64_t>() == nullptr && value.as<double>() == nullptr) return;
    for (const double extreme : {1e300, 9.3e18, 1e15, -1e300, -1.0, 1e-300}) {
      Config changed = config;
      changed.set(key, extreme);
      try {
        for (const auto& [name, shape] : declared(changed)) {
          for (const int64_t dim : shape) {
            ASSERT_GT(dim, 0) << name << " with " << key << " " << extreme;
            ASSERT_LE(dim, int64_t{1} << 45) << name << " with " << key << " " << extreme;
          }
        }
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kData) << key << " " << extreme << ": " << e.what();
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
      if (name.find('.') == std::string::npos)
        missing.erase(name);
      else
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

}  // namespace
}  // namespace hindscan
