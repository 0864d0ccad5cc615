#include "io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "base/testing/scratch.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;

std::string with_length(uint64_t n, const std::string& rest) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(n >> (8 * i) & 255u);
  return file + rest;
}

std::string file_of(const std::string& header, const std::string& data = "") {
  return with_length(header.size(), header + data);
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape, uint64_t begin,
                   uint64_t end) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", name, dtype, shape, begin, end);
}

std::string refusal(const std::string& file) {
  try {
    parse_safetensors(as_bytes(file), "f.safetensors");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_THAT(e.message(), HasSubstr("[f.safetensors]"));
    return e.message();
  }
  return "accepted";
}

class SafetensorsDir : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return dir_.at(name); }
  void shard(const std::string& file, const std::string& name, float value) {
    const float data[1] = {value};
    write_safetensors(real_fs(), path(file), {{name, TensorDType::kF32, {1}, bytes(data, 4)}});
  }
  void index(const std::string& text) { write_file_atomic(real_fs(), path("model.safetensors.index.json"), text); }
  static std::span<const uint8_t> bytes(const void* p, size_t n) { return {static_cast<const uint8_t*>(p), n}; }
  template <class F>
  std::string message_of(F f, ErrorCode code = ErrorCode::kData) {
    try {
      f();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.message();
      return e.message();
    }
    return "accepted";
  }
  const Scratch dir_;
};

TEST_F(SafetensorsDir, RoundTripOfEveryDtype) {
  std::vector<uint8_t> data(8 * 6);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i * 7);
  std::vector<TensorToWrite> tensors;
  for (const char* name : {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"}) {
    const TensorDType dtype = *tensor_dtype_from_name(name);
    tensors.push_back({std::string("t.") + name, dtype, {2, 3}, std::span(data).first(6 * tensor_dtype_size(dtype))});
  }
  tensors.push_back({"scalar", TensorDType::kF32, {}, std::span(data).first(4)});
  tensors.push_back({"empty \"\xC3\xA9\"\n", TensorDType::kF32, {0, 5}, {}});
  write_safetensors(real_fs(), path("a.safetensors"), tensors, {{"format", "pt"}, {"k\"", "v"}});
  for (const LoadMode mode : {LoadMode::kRead, LoadMode::kMap}) {
    const SafetensorsFile file = SafetensorsFile::open(path("a.safetensors"), mode);
    ASSERT_EQ(file.tensors().size(), tensors.size());
    EXPECT_EQ(file.metadata().size(), 2u);
    for (const TensorToWrite& t : tensors) {
      const TensorInfo* found = file.find(t.name);
      ASSERT_NE(found, nullptr) << t.name;
      EXPECT_EQ(found->dtype, t.dtype);
      EXPECT_EQ(found->shape, t.shape);
      const auto read = file.bytes(*found);
      EXPECT_TRUE(std::equal(read.begin(), read.end(), t.bytes.begin(), t.bytes.end()));
      if (!t.bytes.empty()) {
        EXPECT_EQ(reinterpret_cast<uintptr_t>(read.data()) % tensor_dtype_size(t.dtype), 0u);
      }
    }
    EXPECT_EQ(file.find("absent"), nullptr);
  }
  EXPECT_EQ(real_fs().read(path("a.safetensors"), 1 << 20)[8], '{');
}

TEST_F(SafetensorsDir, WriterRefusesWrongInput) {
  const std::vector<uint8_t> data(8);
  const auto write = [&](std::vector<TensorToWrite> t) { write_safetensors(real_fs(), path("x"), std::move(t)); };
  const TensorToWrite good{"a", TensorDType::kF32, {2}, data};
  EXPECT_NE(message_of([&] { write({good, good}); }, ErrorCode::kInternal), "accepted");
  EXPECT_NE(message_of([&] { write({{"a", TensorDType::kF32, {3}, data}}); }, ErrorCode::kInternal), "accepted");
  EXPECT_NE(message_of([&] { write({{"\xFF", TensorDType::kF32, {2}, data}}); }, ErrorCode::kInternal), "accepted");
  EXPECT_EQ(real_fs().kind(path("x")), FileKind::kNone);
}

TEST(Safetensors, TruncationAndExtensionAtEveryByteIsRefused) {
  const std::string file =
      file_of("{" + tensor("a", "F32", "[2]", 0, 8) + "," + tensor("b", "U8", "[3]", 8, 11) + "}", "01234567abc");
  EXPECT_EQ(refusal(file), "accepted");
  for (size_t n = 0; n < file.size(); ++n) ASSERT_NE(refusal(file.substr(0, n)), "accepted") << n;
  EXPECT_NE(refusal(file + "x"), "accepted");
  EXPECT_THAT(refusal(file.substr(0, file.size() - 1)), HasSubstr("1 byte shorter than its header promises"));
}

TEST(Safetensors, LengthPrefixIsBounded) {
  for (const uint64_t n : {uint64_t{3}, uint64_t{100'000'001}, uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 7}) {
    EXPECT_NE(refusal(with_length(n, "{}")), "accepted") << n;
  }
  EXPECT_EQ(refusal(file_of("{}")), "accepted");
  EXPECT_EQ(refusal(file_of(" \n{}   ")), "accepted");
}

TEST(Safetensors, RefusesBadExtents) {
  const std::string data = "01234567";
  const auto two = [&](uint64_t b0, uint64_t e0, uint64_t b1, uint64_t e1) {
    return refusal(
        file_of("{" + tensor("a", "F32", "[1]", b0, e0) + "," + tensor("b", "F32", "[1]", b1, e1) + "}", data));
  };
  EXPECT_EQ(two(0, 4, 4, 8), "accepted");
  EXPECT_EQ(two(4, 8, 0, 4), "accepted");
  EXPECT_THAT(two(0, 4, 0, 4), HasSubstr("overlap"));
  EXPECT_THAT(two(0, 4, 2, 6), HasSubstr("overlap"));
  EXPECT_NE(two(0, 4, 8, 12), "accepted");
  EXPECT_NE(two(4, 0, 4, 8), "accepted");
  EXPECT_NE(two(0, 8, 8, 8), "accepted");
  EXPECT_NE(two(0, 4, UINT64_MAX - 3, UINT64_MAX), "accepted");
  EXPECT_THAT(refusal(file_of("{" + tensor("a", "F32", "[1]", 4, 8) + "}", data)), HasSubstr("hole"));
  EXPECT_NE(refusal(file_of("{" + tensor("a", "F32", "[1]", 0, 4) + "}", data)), "accepted");
  EXPECT_NE(refusal(file_of("{}", "x")), "accepted");
}

TEST(Safetensors, RefusesBadShapesAndDtypes) {
  const auto one = [&](const std::string& dtype, const std::string& shape) {
    return refusal(file_of("{" + tensor("a", dtype, shape, 0, 8) + "}", "01234567"));
  };
  for (const char* good : {"[2]", "[1,2]", "[1,1,1,1,1,1,1,2]"}) EXPECT_EQ(one("F32", good), "accepted") << good;
  for (const char* bad : {"[3]", "[]", "[1,1,1,1,1,1,1,1,2]", "[-2]", "[2.0]", "[2e0]", "[02]", "[\"2\"]", "[null]",
                          "[[2]]", "{}", "2", "[2,]", "[,2]", "[18446744073709551616]", "[9223372036854775808,2]",
                          "[4294967296,4294967296,2]", "[18446744073709551615,18446744073709551615]"}) {
    EXPECT_NE(one("F32", bad), "accepted") << bad;
  }
  for (const char* bad : {"f32", "F33", "", "F8_E4M3", "FLOAT", "F32 "}) EXPECT_NE(one(bad, "[2]"), "accepted") << bad;
}

TEST(Safetensors, RefusesBadKeys) {
  const std::string good = tensor("a", "U8", "[0]", 0, 0);
  EXPECT_THAT(refusal(file_of("{" + good + "," + good + "}")), HasSubstr("'a' twice"));
  EXPECT_THAT(refusal(file_of("{" + good + "," + tensor("\\u0061", "U8", "[0]", 0, 0) + "}")), HasSubstr("twice"));
  EXPECT_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"shape":[0]}})")),
              HasSubstr("twice"));
  EXPECT_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[0]}})")), HasSubstr("fewer keys"));
  EXPECT_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}})")), HasSubstr("'x'"));
  EXPECT_NE(refusal(file_of(R"({"a":{}})")), "accepted");
  EXPECT_NE(refusal(file_of(R"({"a":[]})")), "accepted");
  EXPECT_NE(refusal(file_of("{" + tensor(std::string(1025, 'n'), "U8", "[0]", 0, 0) + "}")), "accepted");
  EXPECT_EQ(refusal(file_of("{" + tensor(std::string(1024, 'n'), "U8", "[0]", 0, 0) + "}")), "accepted");
}

TEST(Safetensors, MetadataIsStringsOnly) {
  EXPECT_EQ(refusal(file_of(R"({"__metadata__":{"a":"b","c":"\ud83d\ude00\/\b\f\n\r\t"}})")), "accepted");
  EXPECT_EQ(refusal(file_of(R"({"__metadata__":{}})")), "accepted");
  for (const char* bad : {R"({"__metadata__":{"a":1}})", R"({"__metadata__":[]})",
                          R"({"__metadata__":{"a":"1","a":"2"}})", R"({"__metadata__":{},"__metadata__":{}})",
                          R"({"__metadata__":{"a":{"b":"c"}}})", R"({"__metadata__":{"a":null}})"}) {
    EXPECT_NE(refusal(file_of(bad)), "accepted") << bad;
  }
}

TEST(Safetensors, RefusesMalformedHeaderText) {
  for (const char* bad : {"",
                          " ",
                          "[]",
                          "null",
                          "{",
                          "}",
                          "{}{}",
                          "{},",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{\"a\":{}",
                          "{\"a\" {}}",
                          "{\"\\x\":{}}",
                          "{\"\\u12g4\":{}}",
                          "{\"\\ud800\":{}}",
                          "{\"\\udc00\":{}}",
                          "{\"\\ud800\\u0041\":{}}",
                          "{\"\xFF\":{}}",
                          "{\"\xC0\xAF\":{}}",
                          "{\"a\nb\":{}}",
                          "{\"a",
                          "{\"a\\",
                          "{\"a\\u1",
                          "\xEF\xBB\xBF{}",
                          "{//\n}"}) {
    EXPECT_NE(refusal(file_of(bad)), "accepted") << bad;
  }
  EXPECT_NE(refusal(file_of(std::string(1'000'000, '['))), "accepted");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  EXPECT_NE(refusal(file_of(deep)), "accepted");
  EXPECT_NE(refusal(file_of(std::string("{}\0", 3))), "accepted");
}

TEST(Safetensors, TwoHundredThousandTensors) {
  std::string header = "{";
  for (int i = 0; i < 200'000; ++i) header += (i ? "," : "") + tensor(fmt::format("t{}", i), "U8", "[0]", 0, 0);
  EXPECT_EQ(parse_safetensors(as_bytes(file_of(header + "}")), "f").tensors.size(), 200'000u);
  EXPECT_THAT(refusal(file_of(header + "," + tensor("t5", "U8", "[0]", 0, 0) + "}")), HasSubstr("'t5' twice"));
}

TEST(Safetensors, RandomByteChangesNeverEscapeTheFile) {
  const std::string good =
      file_of("{" + tensor("a", "F32", "[2]", 0, 8) + "," + tensor("b", "U8", "[3]", 8, 11) + "}", "01234567abc");
  Rng rng(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string file = good;
    for (uint64_t k = 1 + rng.below(3); k > 0; --k) file[rng.below(file.size())] = static_cast<char>(rng.below(256));
    try {
      for (const TensorInfo& t : parse_safetensors(as_bytes(file), "f").tensors) {
        ASSERT_LE(t.begin, t.end);
        ASSERT_LE(t.end, file.size());
        ASSERT_EQ(t.elements() * tensor_dtype_size(t.dtype), t.end - t.begin);
      }
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::kData);
    }
  }
}

TEST_F(SafetensorsDir, ShardsAreJoined) {
  shard("m-1.safetensors", "a", 1.5f);
  shard("m-2.safetensors", "b", 2.5f);
  index(R"({"metadata":{"total_size":8},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})");
  const SafetensorsSet set = SafetensorsSet::open_dir(dir_.path());
  EXPECT_EQ(set.names(), (std::vector<std::string>{"a", "b"}));
  float value = 0;
  std::memcpy(&value, set.find("b").bytes.data(), 4);
  EXPECT_EQ(value, 2.5f);
  EXPECT_FALSE(set.find("c"));
}

TEST_F(SafetensorsDir, IndexMustAgreeWithShards) {
  shard("m-1.safetensors", "a", 1);
  shard("m-2.safetensors", "a", 2);
  index(R"({"weight_map":{"a":"m-1.safetensors","b":"m-1.safetensors"}})");
  EXPECT_THAT(message_of([&] { SafetensorsSet::open_dir(dir_.path()); }), HasSubstr("nowhere"));
  index(R"({"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})");
  EXPECT_THAT(message_of([&] { SafetensorsSet::open_dir(dir_.path()); }), HasSubstr("earlier one"));
  index(R"({"weight_map":{"a":"missing.safetensors"}})");
  EXPECT_NE(message_of([&] { SafetensorsSet::open_dir(dir_.path()); }, ErrorCode::kNotFound), "accepted");
}

TEST_F(SafetensorsDir, EmptyDirectorySaysWhatIsMissing) {
  EXPECT_THAT(message_of([&] { SafetensorsSet::open_dir(dir_.path()); }, ErrorCode::kNotFound),
              HasSubstr("model.safetensors"));
}

TEST(SafetensorsIndex, RefusesPathTricks) {
  for (const char* name : {"../m.safetensors", "/etc/m.safetensors", "a/m.safetensors", "..", ".", "",
                           ".hidden.safetensors", "a\\\\m.safetensors", "C:m.safetensors", "m\\u0000.safetensors",
                           "m.bin", "m\\n.safetensors", "m.safetensors/"}) {
    const std::string json = fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", name);
    EXPECT_THROW(parse_safetensors_index(json, "i"), Error) << name;
  }
  for (const char* json : {"{}", "[]", R"({"weight_map":{}})", R"({"weight_map":[]})", R"({"weight_map":{"a":1}})",
                           R"({"weight_map":{"a":"m.safetensors","a":"m.safetensors"}})"}) {
    EXPECT_THROW(parse_safetensors_index(json, "i"), Error) << json;
  }
  EXPECT_EQ(parse_safetensors_index(R"({"weight_map":{"a":"m.safetensors"}})", "i").at("a"), "m.safetensors");
}

TEST(SafetensorsIndex, LimitsTheNumberOfShards) {
  std::string json = R"({"weight_map":{)";
  for (int i = 0; i <= 10'000; ++i) json += fmt::format("{}\"t{}\":\"{}.safetensors\"", i ? "," : "", i, i);
  EXPECT_THROW(parse_safetensors_index(json + "}}", "i"), Error);
}

}  // namespace
}  // namespace hindscan
