// Scaled rotary positions by the formulas of their papers, at sizes as published.
#include "nn/rotary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/testing/compare.h"

namespace hindscan::nn {
namespace {

constexpr int64_t kDim = 128;

double plain_rate(int64_t i, double base) { return std::pow(base, -2.0 * static_cast<double>(i) / kDim); }

// Llama 2's heads, stretched to 4 times 4096 tokens.
Config yarn() {
  Config c("yarn");
  c.set("max_position_embeddings", int64_t{16384});
  c.set("rope_scaling.rope_type", "yarn");
  c.set("rope_scaling.factor", 4.0);
  c.set("rope_scaling.original_max_position_embeddings", int64_t{4096});
  return c;
}

// Channels before `low` turn as ever, those from `high` on so many times slower, the others in between.
std::vector<double> ramped(double low, double high, double factor) {
  std::vector<double> out;
  for (int64_t i = 0; i < kDim / 2; ++i) {
    const double ramp = std::min(1.0, std::max(0.0, (static_cast<double>(i) - low) / (high - low)));
    out.push_back(plain_rate(i, 10000) * (1 - ramp + ramp / factor));
  }
  return out;
}

std::vector<double> rates(const Config& c) { return read_rotary(c, kDim).scale->rates; }

// 32 turns in 4096 tokens are those of channel 20.94 of 64, one turn that of 45.03; 16 and 2 turns: 25.76 and 40.21.
TEST(CaseA5, YarnSlowsTheChannelsThatHardlyTurn) {
  EXPECT_TRUE(agree(rates(yarn()), ramped(20, 46, 4), tol::kF64Each));
  Config c = yarn();
  c.set("rope_scaling.truncate", false);
  EXPECT_TRUE(agree(rates(c), ramped(20.94448162063605, 45.02688127375455, 4), tol::kF64Each));
  c = yarn();
  c.set("rope_scaling.beta_fast", 16.0);
  c.set("rope_scaling.beta_slow", 2.0);
  EXPECT_TRUE(agree(rates(c), ramped(25, 41, 4), tol::kF64Each));
}

TEST(CaseA5, YarnFindsItsFactorAndLengthWhereTheyAreWritten) {
  Config c = yarn();
  c.set("rope_scaling.factor", ConfigValue());
  EXPECT_TRUE(agree(rates(c), ramped(20, 46, 4), tol::kF64Each));  // 16384 / 4096
  c = yarn();
  c.set("rope_scaling.original_max_position_embeddings", ConfigValue());
  c.set("original_max_position_embeddings", int64_t{4096});
  EXPECT_TRUE(agree(rates(c), ramped(20, 46, 4), tol::kF64Each));
}

TEST(CaseA5, YarnScalesWhatTurns) {
  const auto size = [](const Config& c) { return read_rotary(c, kDim).scale->size; };
  Config c = yarn();
  EXPECT_TRUE(agree(size(c), 0.1 * std::log(4.0) + 1, tol::kF64Each));
  c.set("rope_scaling.mscale", 0.707);
  c.set("rope_scaling.mscale_all_dim", 1.0);
  EXPECT_TRUE(agree(size(c), (0.0707 * std::log(4.0) + 1) / (0.1 * std::log(4.0) + 1), tol::kF64Each));
  c.set("rope_scaling.attention_factor", 1.5);
  EXPECT_EQ(size(c), 1.5);
}

// Llama 3.1: wavelengths below 2048 tokens stay, those beyond 8192 are stretched 8 times.
TEST(CaseA5, TwoSpellingsOfTheSamePositionsAgreeOrAreRefused) {
  const auto refused = [](auto&& change) {
    Config c = yarn();
    change(c);
    try {
      read_rotary(c, kDim);
    } catch (const Error& e) {
      return e.code() == ErrorCode::kData;
    }
    return false;
  };
  EXPECT_FALSE(refused([](Config& c) { c.set("rope_scaling.type", "yarn"); }));
  EXPECT_TRUE(refused([](Config& c) { c.set("rope_scaling.type", "linear"); }));
  EXPECT_FALSE(refused([](Config& c) { c.set("rope_parameters", *c.find("rope_scaling")); }));
  EXPECT_TRUE(refused([](Config& c) { c.set("rope_parameters.rope_type", "linear"); }));
  EXPECT_FALSE(refused([](Config& c) { c.set("rope_theta", 500.0), c.set("rope_scaling.rope_theta", int64_t{500}); }));
  EXPECT_TRUE(refused([](Config& c) { c.set("rope_theta", 500.0), c.set("rope_scaling.rope_theta", 501.0); }));
  EXPECT_TRUE(refused([](Config& c) { c.set("rope_parameters", int64_t{5}); }));
  EXPECT_TRUE(refused([](Config& c) { c.set("rope_parameters", ConfigValue::List{"yarn"}); }));
}

TEST(CaseA5, Llama3StretchesLongWavelengths) {
  Config c("llama3");
  c.set("rope_theta", 500000.0);
  c.set("rope_scaling.rope_type", "llama3");
  for (const auto& [key, value] : {std::pair{"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}})
    c.set(std::string("rope_scaling.") + key, value);
  c.set("rope_scaling.original_max_position_embeddings", int64_t{8192});
  std::vector<double> want;
  for (int64_t i = 0; i < kDim / 2; ++i) {
    const double rate = plain_rate(i, 500000), wavelength = 2 * M_PI / rate;
    const double smooth = (8192 / wavelength - 1) / 3;
    const double between = (1 - smooth) * rate / 8 + smooth * rate;
    want.push_back(wavelength < 2048 ? rate : wavelength > 8192 ? rate / 8 : between);
  }
  EXPECT_TRUE(agree(rates(c), want, tol::kF64Each));
}

}  // namespace
}  // namespace hindscan::nn
