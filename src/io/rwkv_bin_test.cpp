// rwkv.cpp's container: layout, blocks of 5 bits, what its converter did undone; hostile headers.
#include "io/rwkv_bin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/fs.h"
#include "base/testing/compare.h"
#include "base/testing/scratch.h"
#include "kernels/dtype.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;

void put32(std::string& out, uint32_t v) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(v >> (8 * i) & 255u);
}

std::string header(uint32_t version = 101) {
  std::string out;
  for (const uint32_t v : {0x67676d66u, version, 256u, 4u, 1u, 0u}) put32(out, v);
  return out;
}

// dims: fastest first, as in the file.
std::string tensor(const std::string& name, const std::vector<uint32_t>& dims, uint32_t type, const std::string& data) {
  std::string out;
  put32(out, static_cast<uint32_t>(dims.size()));
  put32(out, static_cast<uint32_t>(name.size()));
  put32(out, type);
  for (const uint32_t d : dims) put32(out, d);
  return out + name + data;
}

std::string floats(const std::vector<float>& values) {
  std::string out(values.size() * 4, '\0');
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

std::string f16(float v) {
  const uint16_t bits = float_to_f16(v);
  return {static_cast<char>(bits & 255u), static_cast<char>(bits >> 8)};
}

std::string refusal(const std::string& file) {
  try {
    parse_rwkv_bin(as_bytes(file), "f.bin");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_THAT(e.message(), HasSubstr("[f.bin]"));
    return e.message();
  }
  return "accepted";
}

TEST(RwkvBin, BlocksOfFiveBits) {
  // Numbers 0..31 in order: number j is j, its fifth bit set for the upper 16.
  std::string nibbles, high;
  for (int j = 0; j < 16; ++j) nibbles += static_cast<char>(j | j << 4);
  put32(high, 0xFFFF0000u);
  for (const uint32_t type : {7u, 8u}) {
    std::string block = f16(0.5f);
    if (type == 8u) block += f16(-3.0f);
    block += high;
    block += nibbles;
    const std::string file = header() + tensor("w", {32, 1}, type, block);
    const RwkvBinLayout layout = parse_rwkv_bin(as_bytes(file), "f");
    const std::vector<float> values = dequantise(as_bytes(file), layout.tensors[0]);
    ASSERT_EQ(values.size(), 32u);
    for (int j = 0; j < 32; ++j) {
      EXPECT_EQ(values[static_cast<size_t>(j)], 0.5f * static_cast<float>(j) - (type == 7 ? 8.0f : 3.0f)) << type;
    }
  }
}

TensorStore load(const std::string& file) {
  const Scratch folder;
  write_file_atomic(real_fs(), folder.at("model.bin"), file);
  TensorStore store = TensorStore::open_file(folder.at("model.bin"));
  EXPECT_EQ(store.format(), TensorStore::Format::kRwkvBin);
  return store;
}

TEST(RwkvBin, DecaysComeBackAsBlinkDLStoresThem) {
  const std::vector<float> w = {-6.5f, -1.0f, 0.5f, 1.25f};
  std::vector<float> minus_exp, exp_minus_exp, exp_u;
  for (const float v : w) {
    minus_exp.push_back(-std::exp(v));
    exp_minus_exp.push_back(std::exp(-std::exp(v)));
    exp_u.push_back(std::exp(v));
  }
  const auto near = [&](const TensorStore& store, const char* name) {
    const std::vector<float> got = floats_of(store.find(name));
    EXPECT_TRUE(agree(got, w, tol::kLogOfFloat)) << name;
  };
  const TensorStore v4 = load(header() + tensor("blocks.0.att.time_decay", {4}, 0, floats(minus_exp)) +
                              tensor("blocks.0.att.time_first", {4}, 0, floats(w)));
  near(v4, "blocks.0.att.time_decay");
  near(v4, "blocks.0.att.time_first");
  const TensorStore v5 = load(header() + tensor("blocks.0.att.ln_x.weight", {1}, 0, floats({1})) +
                              tensor("blocks.0.att.time_decay", {1, 1, 4}, 0, floats(exp_minus_exp)) +
                              tensor("blocks.0.att.time_first", {1, 1, 4}, 0, floats(exp_u)));
  near(v5, "blocks.0.att.time_decay");
  near(v5, "blocks.0.att.time_first");
  EXPECT_EQ(v5.find("blocks.0.att.time_decay").info->shape, (std::vector<uint64_t>{4, 1, 1}));
  const TensorStore v6 = load(header() + tensor("blocks.0.att.time_maa_x", {1}, 0, floats({1})) +
                              tensor("blocks.0.att.time_decay", {4}, 0, floats(w)));
  near(v6, "blocks.0.att.time_decay");
  // Decays that f32 has rounded to 1 and 0 stay finite and give 1 and 0 again.
  const TensorStore limits = load(header() + tensor("blocks.0.att.ln_x.weight", {1}, 0, floats({1})) +
                                  tensor("blocks.0.att.time_decay", {1, 1, 2}, 0, floats({1, 0})));
  const std::vector<float> at_limits = floats_of(limits.find("blocks.0.att.time_decay"));
  EXPECT_EQ(std::exp(-std::exp(at_limits[0])), 1.0f);
  EXPECT_EQ(std::exp(-std::exp(at_limits[1])), 0.0f);
  EXPECT_TRUE(std::isfinite(at_limits[0]) && std::isfinite(at_limits[1]));
  EXPECT_THROW(load(header() + tensor("blocks.0.att.time_decay", {1}, 0, floats({0.5f}))), Error);
}

TEST(RwkvBin, LowRankMatricesAndMixesComeBack) {
  const std::vector<float> six = {1, 2, 3, 4, 5, 6};
  const TensorStore v7 =
      load(header() + tensor("blocks.0.att.x_rwkvag", {1, 1, 6}, 0, floats(six)) +
           tensor("blocks.0.att.w1", {3, 2}, 0, floats(six)) + tensor("blocks.0.att.w0", {6}, 0, floats(six)) +
           tensor("blocks.0.ffn.x_k", {6}, 0, floats(six)));
  EXPECT_EQ(floats_of(v7.find("blocks.0.att.w1")), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(v7.find("blocks.0.att.w1").info->shape, (std::vector<uint64_t>{3, 2}));
  EXPECT_EQ(floats_of(v7.find("blocks.0.att.w0")), six);
  EXPECT_FALSE(v7.find("blocks.0.att.x_rwkvag"));
  int i = 0;
  for (const char* name : {"x_r", "x_w", "x_k", "x_v", "x_a", "x_g"}) {
    EXPECT_EQ(floats_of(v7.find(std::string("blocks.0.att.") + name)),
              (std::vector<float>{six[static_cast<size_t>(i++)]}))
        << name;
  }
  const TensorStore v6 = load(header() + tensor("blocks.0.att.time_maa_x", {1}, 0, floats({1})) +
                              tensor("blocks.0.att.time_maa_w2", {3, 1, 2}, 0, floats(six)));
  EXPECT_EQ(v6.find("blocks.0.att.time_maa_w2").info->shape, (std::vector<uint64_t>{2, 3, 1}));
  EXPECT_EQ(floats_of(v6.find("blocks.0.att.time_maa_w2")), six);
}

TEST(RwkvBin, HostileHeadersAreRefused) {
  const std::string good =
      header() + tensor("w", {2, 3}, 0, floats({1, 2, 3, 4, 5, 6})) + tensor("half", {2}, 1, f16(1) + f16(2));
  EXPECT_EQ(refusal(good), "accepted");
  for (size_t n = 0; n < good.size(); ++n) {
    const bool whole_tensors = n == header().size() || n == good.size() - tensor("half", {2}, 1, "1234").size();
    EXPECT_EQ(refusal(good.substr(0, n)) == "accepted", whole_tensors) << n;
  }
  EXPECT_THAT(refusal(header(99)), HasSubstr("version 100 or 101"));
  EXPECT_THAT(refusal(header() + tensor("w", {2}, 2, "")), HasSubstr("type 2"));
  EXPECT_THAT(refusal(header() + tensor("w", {33}, 7, std::string(44, 'x'))), HasSubstr("whole blocks"));
  EXPECT_THAT(refusal(header() + tensor("w", {16, 2}, 7, std::string(22, 'x'))), HasSubstr("whole blocks"));
  EXPECT_THAT(refusal(header() + tensor("w", {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, 0, "")), HasSubstr("whole blocks"));
  EXPECT_THAT(refusal(header() + tensor("w", {0xFFFFFFFF}, 0, "")), HasSubstr("cut short"));
  EXPECT_THAT(refusal(header() + tensor("w", {1, 1, 1, 1, 1}, 0, "1234")), HasSubstr("dimensions"));
  EXPECT_THAT(refusal(header() + tensor("w\n", {1}, 0, "1234")), HasSubstr("plain tensor name"));
  EXPECT_THAT(refusal(header() + tensor("w", {1}, 0, "1234") + tensor("w", {1}, 0, "1234")), HasSubstr("'w' twice"));
  std::string huge_name = header();
  for (const uint32_t v : {1u, 0xFFFFFFFFu, 0u}) put32(huge_name, v);
  EXPECT_THAT(refusal(huge_name), HasSubstr("a name of at most"));
}

}  // namespace
}  // namespace hindscan
