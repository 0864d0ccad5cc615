// Files of torch itself, and hostile ones: every refusal is an Error(kData) and nothing is ever executed or read
// outside.
#include "io/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "io/crc32.h"
#include "io/json_reader.h"
#include "io/tensor_store.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;

std::string golden(const std::string& name) { return std::string(HINDSCAN_SOURCE_DIR) + "/tests/golden/torch/" + name; }

std::string refusal(const std::string& file, bool verify = false) {
  try {
    parse_torch(as_bytes(file), "f.pth", verify);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData) << e.message();
    EXPECT_THAT(e.message(), HasSubstr("[f.pth]"));
    return e.message();
  }
  return "accepted";
}

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

// ---- files made by hand ----

void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(i < 8 ? value >> (8 * i) & 255u : 0);
}

struct Entry {
  std::string name, data;
  uint16_t method = 0;
  uint32_t crc_error = 0;
  std::string local_name = {};
  int64_t offset = -1;  // of another entry's header
};

std::string zip(const std::vector<Entry>& entries, bool zip64 = false) {
  std::string out, central;
  for (const Entry& e : entries) {
    const uint64_t offset = e.offset >= 0 ? static_cast<uint64_t>(e.offset) : out.size();
    const uint32_t crc = crc32(as_bytes(e.data)) ^ e.crc_error;
    const std::string& local = e.local_name.empty() ? e.name : e.local_name;
    if (e.offset < 0) {
      put(out, 0x04034b50, 4), put(out, 0, 4), put(out, e.method, 2), put(out, 0, 4), put(out, crc, 4);
      put(out, e.data.size(), 4), put(out, e.data.size(), 4), put(out, local.size(), 2), put(out, 0, 2);
      out += local + e.data;
    }
    put(central, 0x02014b50, 4), put(central, 0, 6), put(central, e.method, 2), put(central, 0, 4),
        put(central, crc, 4);
    const uint64_t size = zip64 ? 0xFFFFFFFF : e.data.size();
    put(central, size, 4), put(central, size, 4), put(central, e.name.size(), 2), put(central, zip64 ? 28 : 0, 2);
    put(central, 0, 10), put(central, zip64 ? 0xFFFFFFFF : offset, 4);
    central += e.name;
    if (zip64)
      put(central, 1, 2), put(central, 24, 2), put(central, e.data.size(), 8), put(central, e.data.size(), 8),
          put(central, offset, 8);
  }
  const uint64_t start = out.size();
  out += central;
  if (zip64) {
    const uint64_t record = out.size();
    put(out, 0x06064b50, 4), put(out, 44, 8), put(out, 0, 12), put(out, entries.size(), 8), put(out, entries.size(), 8);
    put(out, central.size(), 8), put(out, start, 8);
    put(out, 0x07064b50, 4), put(out, 0, 4), put(out, record, 8), put(out, 1, 4);
  }
  put(out, 0x06054b50, 4), put(out, 0, 4), put(out, zip64 ? 0xFFFF : entries.size(), 2),
      put(out, zip64 ? 0xFFFF : entries.size(), 2);
  put(out, zip64 ? 0xFFFFFFFF : central.size(), 4), put(out, zip64 ? 0xFFFFFFFF : start, 4), put(out, 0, 2);
  return out;
}

std::string text(const std::string& s) {
  std::string out = "X";
  put(out, s.size(), 4);
  return out + s;
}
std::string number(int64_t n) {
  std::string out = "\x8a\x08";
  put(out, static_cast<uint64_t>(n), 8);
  return out;
}
std::string tuple(const std::vector<int64_t>& items) {
  std::string out = "(";
  for (const int64_t i : items) out += number(i);
  return out + "t";
}
std::string storage(const std::string& key, int64_t elements, const std::string& type = "FloatStorage") {
  return "(" + text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cpu") + number(elements) + "tQ";
}
std::string tensor(int64_t offset, const std::vector<int64_t>& size, const std::vector<int64_t>& stride,
                   const std::string& from = storage("0", 6)) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + from + number(offset) + tuple(size) + tuple(stride) + "\x89" +
         "ccollections\nOrderedDict\n)RtR";
}
std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }
std::string dict(const std::string& items) { return pickle("}(" + items + "u"); }

std::string archive(const std::string& data_pkl, const std::string& data = std::string(24, '\1')) {
  return zip({{"a/data.pkl", data_pkl}, {"a/data/0", data}});
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

TEST(TorchFile, OnlyTheClosedListOfOpcodesAndNames) {
  for (const std::string name : {"os\nsystem", "builtins\neval", "torch\nload", "torch._utils\n_rebuild_sparse_tensor",
                                 "collections\nOrderedDictX", "posix\nsystem", "torch\nFloatStorage2", "\n",
                                 "torch._utils _rebuild_tensor_v2\n"}) {
    EXPECT_THAT(refusal(archive(pickle("c" + name + "\n)R"))), HasSubstr("never executed")) << name;
  }
  const std::string known = std::string("cqrhj)t\x85\x86\x87(XJKM\x8aG\x88\x89N}su]aeQRb.", 30) + '\x80';
  for (int op = 0; op < 256; ++op) {
    if (known.find(static_cast<char>(op)) != std::string::npos && op != 0x80) continue;
    EXPECT_THAT(refusal(archive(pickle(std::string(1, static_cast<char>(op)) + "NNN"))),
                HasSubstr(fmt::format("0x{:02x}", op)));
  }
}

TEST(TorchFile, OperationsOutOfPlaceAreRefused) {
  const std::string huge(300, 'x');
  for (const std::string& body : std::vector<std::string>{std::string(""),
                                                          std::string("NN"),
                                                          std::string("t"),
                                                          std::string("("),
                                                          std::string("\x85"),
                                                          std::string("N(\x85"),
                                                          std::string("q\1"),
                                                          std::string("h\1"),
                                                          std::string("NR"),
                                                          std::string("NNR"),
                                                          std::string("))R"),
                                                          std::string("Q"),
                                                          std::string("NQ"),
                                                          std::string("Ns"),
                                                          std::string("NNNs"),
                                                          std::string("}(Nu"),
                                                          std::string("](N}Ne"),
                                                          std::string("NNa"),
                                                          std::string("}}b"),
                                                          std::string("N}b"),
                                                          std::string("ccollections\nOrderedDict\n)R}b"),
                                                          "ccollections\nOrderedDict\n)R}" + text("other") + "Nsb",
                                                          std::string("ccollections\nOrderedDict\n(N\x85tR"),
                                                          std::string("\x8a\x09") + std::string(9, '\1'),
                                                          "Nr" + std::string(4, '\xff'),
                                                          std::string("X\xff\xff\xff\xff"),
                                                          text("\xff"),
                                                          "c" + huge + "\n" + huge + "\n",
                                                          std::string(65, '('),
                                                          "ctorch._utils\n_rebuild_parameter\n(N\x89NtR",
                                                          "ctorch._utils\n_rebuild_tensor_v2\n(NtR"}) {
    EXPECT_NE(refusal(archive(pickle(body))), "accepted") << body;
  }
  EXPECT_NE(refusal(archive(pickle("}") + "x")), "accepted");
}

TEST(TorchFile, ValuesThatHoldThemselvesEnd) {
  EXPECT_THAT(refusal(archive(pickle("]q\1h\1a"))), HasSubstr("nested at most"));
  std::string doubling = "}q\1";  // 2^40 paths to one tensor
  doubling += text("w") + tensor(0, {2}, {1}) + "s";
  for (int i = 2; i < 42; ++i) {
    const std::string before(1, static_cast<char>(i - 1)), here(1, static_cast<char>(i));
    doubling += "}q" + here + text("a") + "h" + before + "s" + text("b") + "h" + before + "s";
  }
  EXPECT_NE(refusal(archive(pickle("(" + doubling + "t"))), "accepted");
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
