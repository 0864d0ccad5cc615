// Values of keys that mean more than a size: copies, divisors, blocks by name, scaled positions.
#include <gtest/gtest.h>

#include <functional>

#include "base/log.h"
#include "config_made.h"

namespace hindscan {
namespace {

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

TEST(CaseA5, WhatMustBeAnObjectIsRefusedAsAnythingElse) {
  const ConfigValue object = ConfigValue::Object(), list = ConfigValue::List{int64_t{1}}, number = int64_t{5};
  const auto pruned = [](const ConfigValue& v) { return said("llama", [&](Config& c) { c.set("pruned_heads", v); }); };
  const auto blocks = [](const ConfigValue& v) { return said("hybrid", [&](Config& c) { c.set("blocks", v); }); };
  EXPECT_EQ(pruned(object), "");
  for (const ConfigValue& wrong : {list, number}) {
    EXPECT_NE(pruned(wrong).find("refused: [preset llama] expected every attention head"), std::string::npos);
    EXPECT_NE(blocks(wrong).find("expected \"blocks\" to be an object"), std::string::npos) << blocks(wrong);
    const std::string one = blocks(ConfigValue::Object{{"ssm", wrong}});
    EXPECT_NE(one.find("expected \"blocks\" to describe \"ssm\" by an object"), std::string::npos) << one;
  }
}

// What transformers makes of a Qwen3 configuration that leaves these keys out.
TEST(CaseA5, WindowsAndHeadsOfQwen3FollowFromTheKeysThatAreThere) {
  const auto qwen3 = [](const std::string& keys) {
    Config c = llama(keys);
    c.set("model_type", "qwen3");
    c.set("head_dim", int64_t{12});
    return c;
  };
  const std::string window = R"("use_sliding_window": true, "sliding_window": 3)";
  const Made second = make(qwen3("{" + window + R"(, "layer_types": ["full_attention", "sliding_attention"]})"));
  EXPECT_TRUE(make(qwen3("{" + window + R"(, "max_window_layers": 1})")) == second);
  EXPECT_FALSE(make(qwen3("{" + window + R"(, "max_window_layers": 0})")) == second);
  EXPECT_FALSE(make(qwen3("{}")) == second);
  EXPECT_TRUE(make(qwen3("{}")) == make(qwen3(R"({"num_key_value_heads": 2})")));  // 32, but no more than heads
  for (const char* unused : {R"({"sliding_window": 0})", R"({"sliding_window": -1, "use_sliding_window": false})"})
    EXPECT_TRUE(make(qwen3("{}")) == make(qwen3(unused))) << unused;
  EXPECT_THROW(make_architecture(qwen3(R"({"sliding_window": 0, "use_sliding_window": true})")), Error);
}

// transformers divides by a cap and leaves one that is null away.
TEST(ConfigValues, CapsAreAboveZeroOrNone) {
  const auto made = [](const char* key, const ConfigValue& value) {
    Config c = architecture_preset("xlstm", {.d_model = 16, .n_layer = 2, .vocab_size = 24});
    c.set(key, value);
    return make(c);
  };
  for (const char* key : {"gate_soft_cap", "output_logit_soft_cap"}) {
    EXPECT_FALSE(made(key, ConfigValue()) == made(key, 1.0)) << key;
    EXPECT_FALSE(made(key, ConfigValue()) == made(key, 2.0)) << key;
    for (const double wrong : {0.0, -3.0}) {
      const std::string found = said("xlstm", [&](Config& c) { c.set(key, wrong); });
      EXPECT_NE(found.find(fmt::format("\"{}\" must be in", key)), std::string::npos) << found;
    }
  }
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
