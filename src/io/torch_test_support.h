// Archives and pickles made by hand, and what a refused one says.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/crc32.h"
#include "io/tensor_store.h"
#include "io/torch_file.h"

namespace hindscan::torch_test {

inline std::string refusal(const std::string& file, bool verify = false) {
  try {
    parse_torch(as_bytes(file), "f.pth", verify);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData) << e.message();
    EXPECT_THAT(e.message(), ::testing::HasSubstr("[f.pth]"));
    return e.message();
  }
  return "accepted";
}

inline void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(i < 8 ? value >> (8 * i) & 255u : 0);
}

struct Entry {
  std::string name, data;
  uint16_t method = 0;
  uint32_t crc_error = 0;
  std::string local_name = {};
  int64_t offset = -1;  // of another entry's header
};

inline std::string zip(const std::vector<Entry>& entries, bool zip64 = false) {
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

inline std::string text(const std::string& s) {
  std::string out = "X";
  put(out, s.size(), 4);
  return out + s;
}
inline std::string number(int64_t n) {
  std::string out = "\x8a\x08";
  put(out, static_cast<uint64_t>(n), 8);
  return out;
}
inline std::string tuple(const std::vector<int64_t>& items) {
  std::string out = "(";
  for (const int64_t i : items) out += number(i);
  return out + "t";
}
inline std::string storage(const std::string& key, int64_t elements, const std::string& type = "FloatStorage") {
  return "(" + text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cpu") + number(elements) + "tQ";
}
inline std::string tensor(int64_t offset, const std::vector<int64_t>& size, const std::vector<int64_t>& stride,
                          const std::string& from = storage("0", 6)) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + from + number(offset) + tuple(size) + tuple(stride) + "\x89" +
         "ccollections\nOrderedDict\n)RtR";
}
inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }
inline std::string dict(const std::string& items) { return pickle("}(" + items + "u"); }

inline std::string archive(const std::string& data_pkl, const std::string& data = std::string(24, '\1')) {
  return zip({{"a/data.pkl", data_pkl}, {"a/data/0", data}});
}

}  // namespace hindscan::torch_test
