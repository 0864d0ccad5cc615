// Files of torch itself, and hostile ones: every refusal is an Error(kData) and nothing is ever executed or read
// outside.
#include "io/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <cstring>

#include "base/rng.h"
#include "io/json_reader.h"
#include "io/torch_test_support.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;
using namespace torch_test;

std::string golden(const std::string& name) { return std::string(HINDSCAN_SOURCE_DIR) + "/tests/golden/torch/" + name; }

std::vector<double> values(const TensorInfo& info, std::span<const uint8_t> bytes) {
  std::vector<double> out;
  if (info.dtype == TensorDType::kF32 || info.dtype == TensorDType::kF16 || info.dtype == TensorDType::kBF16 ||
      info.dtype == TensorDType::kF64) {
    for (const float v : floats_of({&info, bytes})) out.push_back(static_cast<double>(v));
    return out;
  }
  const size_t size = tensor_dtype_size(info.dtype);
  for (size_t i = 0; i < info.elements(); ++i) {
    int64_t v = info.dtype != TensorDType::kU8 && (bytes[i * size + size - 1] & 0x80u) != 0 ? -1 : 0;
    std::memcpy(&v, bytes.data() + i * size, size);
    out.push_back(static_cast<double>(v));
  }
  return out;
}

TEST(TorchFile, HoldsWhatTorchSaved) {
  const std::map<std::string, TensorDType> dtypes = {{"float64", TensorDType::kF64}, {"float32", TensorDType::kF32},
                                                     {"float16", TensorDType::kF16}, {"bfloat16", TensorDType::kBF16},
                                                     {"int64", TensorDType::kI64},   {"int32", TensorDType::kI32},
                                                     {"int16", TensorDType::kI16},   {"int8", TensorDType::kI8},
                                                     {"uint8", TensorDType::kU8},    {"bool", TensorDType::kBool}};
  const Json expected = load_json(golden("expected.json"));
  int files = 0;
  for (const auto& [name, tensors] : expected.find("files")->members()) {
    const TorchFile file = TorchFile::open(golden(name), LoadMode::kRead, true);
    EXPECT_EQ(file.tensors().size(), tensors.members().size()) << name;
    for (const TensorInfo& info : file.tensors()) {
      const Json* tensor = tensors.find(info.name);
      ASSERT_NE(tensor, nullptr) << name << ": " << info.name;
      EXPECT_EQ(info.dtype, dtypes.at(tensor->find("dtype")->as_string())) << info.name;
      EXPECT_EQ(to_string(Json(info.shape)), to_string(*tensor->find("shape"))) << info.name;
      std::vector<double> wanted;
      for (const Json& v : tensor->find("values")->items()) wanted.push_back(v.as_double());
      EXPECT_EQ(values(info, file.bytes(info)), wanted) << name << ": " << info.name;
    }
    ++files;
  }
  EXPECT_EQ(files, 4);
}

TEST(TorchFile, SafetensorsWithAHeaderOf896BytesIsNoPickle) {
  std::string file("\x80\x03\0\0\0\0\0\0{\"a\":", 13);
  EXPECT_FALSE(looks_like_torch(as_bytes(file)));
  file[8] = '.';
  EXPECT_TRUE(looks_like_torch(as_bytes(file)));
}

TEST(TorchFile, OtherThingsTorchWritesAreRefusedByName) {
  const auto message = [](const std::string& name) { return refusal(read_file(golden(name))); };
  EXPECT_THAT(message("legacy.pth"), HasSubstr("PyTorch before 1.6"));
  EXPECT_THAT(message("whole_module.pth"), HasSubstr("torch.nn.modules.linear.Linear"));
  EXPECT_THAT(message("tensor.pth"), HasSubstr("a dict of named tensors"));
  EXPECT_THAT(message("sparse.pth"), HasSubstr("torch._utils._rebuild_sparse_tensor"));
  EXPECT_THAT(message("protocol4.pth"), HasSubstr("protocol 2"));
  EXPECT_THAT(message("script.pth"), HasSubstr("TorchScript"));
}

TEST(TorchFile, EveryTruncationIsRefused) {
  for (const char* name : {"state_dict.pth", "checkpoint.pth"}) {
    const std::string file = read_file(golden(name));
    for (size_t n = 0; n < file.size(); ++n) {
      try {
        parse_torch(as_bytes(std::string_view(file).substr(0, n)), "f");
        ADD_FAILURE() << name << " accepted with " << n << " bytes";
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kData);
      }
    }
  }
}

// Whatever is accepted lies inside the file.
TEST(TorchFile, ChangedBytesAreRefusedOrHarmless) {
  const std::string original = read_file(golden("state_dict.pth"));
  Rng rng(7, "torch");
  for (int round = 0; round < 3000; ++round) {
    std::string file = original;
    for (int k = 0; k <= round % 3; ++k) file[rng.below(file.size())] = static_cast<char>(rng.next());
    try {
      for (const TorchTensor& t : parse_torch(as_bytes(file), "f")) {
        ASSERT_LE(t.info.begin, t.info.end);
        ASSERT_LE(t.info.end, file.size());
        EXPECT_EQ(gather(as_bytes(file), t).size(), t.info.elements() * tensor_dtype_size(t.info.dtype));
      }
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kData);
    }
  }
}

TEST(TorchFile, ViewsStayInsideTheirStorage) {
  const auto one = [](int64_t offset, const std::vector<int64_t>& size, const std::vector<int64_t>& stride) {
    return refusal(archive(dict(text("w") + tensor(offset, size, stride))));
  };
  EXPECT_EQ(one(0, {2, 3}, {3, 1}), "accepted");
  EXPECT_EQ(one(0, {3, 2}, {1, 3}), "accepted");
  EXPECT_EQ(one(4, {2}, {1}), "accepted");
  EXPECT_EQ(one(6, {0}, {1}), "accepted");
  EXPECT_EQ(one(5, {}, {}), "accepted");
  EXPECT_EQ(one(0, {1, 6}, {int64_t{1} << 62, 1}), "accepted");  // a stride that is never taken
  for (const auto& [offset, size, stride] :
       std::vector<std::tuple<int64_t, std::vector<int64_t>, std::vector<int64_t>>>{
           {1, {6}, {1}},
           {7, {0}, {1}},
           {0, {2}, {6}},
           {6, {}, {}},
           {0, {3, int64_t{1} << 62}, {int64_t{1} << 62, 1}},
           {0, {int64_t{1} << 40, int64_t{1} << 40}, {0, 0}},
           {0, {2, 3}, {int64_t{1} << 62, 1}}}) {
    EXPECT_THAT(one(offset, size, stride), HasSubstr("inside its storage"));
  }
  EXPECT_THAT(one(0, {1000000}, {0}), HasSubstr("as many elements as the file holds"));
  EXPECT_THAT(one(0, {2}, {-1}), HasSubstr("strides of 0 or more"));
  EXPECT_THAT(one(-1, {2}, {1}), HasSubstr("an offset of 0 or more"));
  EXPECT_THAT(one(0, {2, 3}, {1}), HasSubstr("a stride for every dimension"));
}

TEST(TorchFile, OverlappingViewsShareBytesAndRepeatedOnesAreBounded) {
  const std::string both = text("a") + tensor(0, {6}, {1}) + text("b") + tensor(2, {2, 2}, {1, 2});
  const std::string file = archive(dict(both));
  const std::vector<TorchTensor> tensors = parse_torch(as_bytes(file), "f");
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_TRUE(tensors[0].contiguous);
  EXPECT_FALSE(tensors[1].contiguous);
  EXPECT_EQ(tensors[1].info.begin, tensors[0].info.begin + 8);
  std::string many;
  for (int i = 0; i < 2000; ++i) many += text(std::to_string(i)) + "h\1";
  // Two thousand names of one turned view: each would be copied.
  EXPECT_THAT(refusal(archive(pickle("}(" + text("x") + tensor(0, {3, 2}, {1, 3}) + "q\1" + many + "u"),
                              std::string(24, '\1'))),
              HasSubstr("repeat no data"));
}

TEST(TorchFile, StoragesMustBeThereAndFit) {
  EXPECT_THAT(refusal(archive(dict(text("w") + tensor(0, {2}, {1}, storage("1", 6))))),
              HasSubstr("expected its data in the archive"));
  EXPECT_THAT(refusal(archive(dict(text("w") + tensor(0, {2}, {1}, storage("0", 7))))),
              HasSubstr("7 F32 elements, found 24 bytes"));
  EXPECT_THAT(refusal(archive(dict(text("w") + tensor(0, {2}, {1}, storage("0", int64_t{1} << 62))))),
              HasSubstr("found 24 bytes"));
  EXPECT_THAT(refusal(archive(dict(text("w") + tensor(0, {2}, {1}, storage("../0", 6))))),
              HasSubstr("expected its data in the archive"));
  EXPECT_THAT(refusal(archive(dict(text("w") + tensor(0, {2}, {1}, storage("0", 6, "UntypedStorage"))))),
              HasSubstr("torch.UntypedStorage"));
}

TEST(TorchFile, NamesAreDistinctAndShort) {
  const std::string w = tensor(0, {2}, {1});
  EXPECT_THAT(refusal(archive(dict(text("w") + w + text("w") + w))), HasSubstr("'w' twice"));
  EXPECT_THAT(refusal(archive(dict(text(std::string(2000, 'w')) + w))), HasSubstr("at most 1024 bytes"));
  EXPECT_THAT(refusal(archive(dict(text("w") + "N"))), HasSubstr("found none"));
}

TEST(TorchFile, ArchivesThatDisagreeWithThemselves) {
  const std::string good = dict(text("w") + tensor(0, {6}, {1})), data(24, '\1');
  const Entry pkl{"a/data.pkl", good}, numbers{"a/data/0", data};
  EXPECT_EQ(refusal(zip({pkl, numbers})), "accepted");
  EXPECT_EQ(refusal(zip({pkl, numbers}, true)), "accepted");
  EXPECT_EQ(refusal(zip({pkl, numbers, {"a/byteorder", "little"}})), "accepted");
  EXPECT_THAT(refusal(zip({pkl, numbers, {"a/byteorder", "big"}})), HasSubstr("byte order"));
  EXPECT_THAT(refusal(zip({pkl, numbers, {"a/data/0", data}})), HasSubstr("'a/data/0' twice"));
  EXPECT_THAT(refusal(zip({pkl, {"a/data/0", data, 8}})), HasSubstr("compressed"));
  EXPECT_THAT(refusal(zip({pkl, {"a/data/0", data, 0, 0, "a/data/1"}})), HasSubstr("header and directory to agree"));
  EXPECT_THAT(refusal(zip({{"a/data.pkl", good, 0, 1}, numbers})), HasSubstr("checksum"));
  const std::string bad_data = zip({pkl, {"a/data/0", data, 0, 1}});
  EXPECT_EQ(refusal(bad_data), "accepted");
  EXPECT_THAT(refusal(bad_data, true), HasSubstr("checksum"));
  EXPECT_NE(refusal(zip({pkl, numbers, {"a/data.pkl2", good, 0, 0, "", 0}})), "accepted");
  EXPECT_THAT(refusal(zip({pkl, numbers, {"../x", ""}})), HasSubstr("plain entry names"));
  EXPECT_THAT(refusal(zip({pkl, numbers, {"/x", ""}})), HasSubstr("plain entry names"));
  EXPECT_THAT(refusal(zip({numbers})), HasSubstr("data.pkl inside"));
  EXPECT_THAT(refusal(zip({pkl, numbers, {"b/data.pkl", good}})), HasSubstr("one data.pkl"));
  EXPECT_THAT(refusal(zip({pkl, numbers, {"a/constants.pkl", ""}})), HasSubstr("TorchScript"));
  EXPECT_NE(refusal(zip({pkl, numbers}) + "x"), "accepted");
  EXPECT_NE(refusal("x" + zip({pkl, numbers})), "accepted");
  // Two entries on the same bytes.
  EXPECT_THAT(refusal(zip({pkl, numbers, {"a/data/0", data, 0, 0, "", static_cast<int64_t>(30 + 10 + good.size())}})),
              HasSubstr("share byte"));
}

TEST(TorchFile, CountsBeyondTheFileTakeNoMemory) {
  std::string file = zip({{"a/data.pkl", dict("")}});
  const size_t end = file.size() - 22;
  for (const size_t at : {end + 8, end + 10, end + 12, end + 16}) {
    std::string changed = file;
    changed[at] = changed[at + 1] = '\xf0';
    EXPECT_NE(refusal(changed), "accepted");
  }
}

}  // namespace
}  // namespace hindscan
