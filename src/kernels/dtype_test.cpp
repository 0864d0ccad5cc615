#include "kernels/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/gemm.h"

namespace hindscan {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(DType, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t v = 0; v < 0x10000u; ++v) {
    const auto bits = static_cast<uint16_t>(v);
    const float f16 = f16_to_float(bits), bf16 = bf16_to_float(bits);
    if (std::isnan(f16)) {
      EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(f16)))) << v;
    } else {
      EXPECT_EQ(float_to_f16(f16), bits);
    }
    if (std::isnan(bf16)) {
      EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(bf16)))) << v;
    } else {
      EXPECT_EQ(float_to_bf16(bf16), bits);
    }
  }
}

TEST(DType, HalfValuesAreThoseOfTheFormat) {
  EXPECT_EQ(f16_to_float(0x3c00), 1.0f);
  EXPECT_EQ(f16_to_float(0xc000), -2.0f);
  EXPECT_EQ(f16_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(f16_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(f16_to_float(0x0400), 0x1p-14f);
  EXPECT_EQ(f16_to_float(0x7c00), kInf);
  EXPECT_TRUE(std::signbit(f16_to_float(0x8000)));
}

TEST(DType, RoundsToNearestEven) {
  EXPECT_EQ(float_to_f16(1.0f + 0x1p-11f), 0x3c00);      // tie, down to even
  EXPECT_EQ(float_to_f16(1.0f + 0x1.8p-10f), 0x3c02);    // tie, up to even
  EXPECT_EQ(float_to_f16(1.0f + 0x1.002p-11f), 0x3c01);  // just above the tie
  EXPECT_EQ(float_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_f16(-1e30f), 0xfc00);
  EXPECT_EQ(float_to_f16(0x1p-25f), 0x0000);      // tie with zero
  EXPECT_EQ(float_to_f16(0x1.8p-24f), 0x0002);    // tie between subnormals
  EXPECT_EQ(float_to_f16(0x1.ffep-15f), 0x0400);  // rounds into the normals
  EXPECT_EQ(float_to_bf16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(float_to_bf16(1.0f + 0x1.8p-7f), 0x3f82);
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
}

// Arrays go through vector code; single values do not. Every 16-bit pattern, then floats of all kinds.
TEST(DType, ArraysConvertLikeSingleValues) {
  std::vector<uint16_t> bits(0x10000);
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
  for (const DType type : {DType::kBF16, DType::kF16}) {
    std::vector<float> wide(bits.size(), -1.0f);
    kernels::convert(bits.data(), wide.data(), static_cast<int64_t>(bits.size()), type);
    for (size_t i = 0; i < bits.size(); ++i) {
      const float want = type == DType::kBF16 ? bf16_to_float(bits[i]) : f16_to_float(bits[i]);
      ASSERT_TRUE(wide[i] == want || (std::isnan(wide[i]) && std::isnan(want))) << i;
    }
    std::vector<float> floats = {kNaN, -kNaN, kInf, -kInf, 0.0f, -0.0f, 1e-45f, 3.4e38f, 65520.0f};
    for (uint32_t i = 0; i < 100000; ++i) floats.push_back(std::bit_cast<float>(i * 42949u));
    std::vector<uint16_t> narrow(floats.size(), 0x1234);
    kernels::convert(floats.data(), narrow.data(), static_cast<int64_t>(floats.size()), type);
    for (size_t i = 0; i < floats.size(); ++i) {
      ASSERT_EQ(narrow[i], type == DType::kBF16 ? float_to_bf16(floats[i]) : float_to_f16(floats[i])) << floats[i];
    }
  }
}

}  // namespace
}  // namespace hindscan
