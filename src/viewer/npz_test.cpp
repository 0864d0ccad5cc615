// The arrays of an NPZ file are those of the report, under the names the header gives.
#include "viewer/npz.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "base/fs.h"
#include "base/testing/scratch.h"
#include "io/npy.h"
#include "io/zip_reader.h"

namespace hindscan::viewer {
namespace {

std::vector<double> numbers(const NpyArray& a) {
  std::vector<double> out;
  const auto read = [&]<class T>(T) {
    for (size_t at = 0; at < a.bytes.size(); at += sizeof(T)) {
      T value;
      std::memcpy(&value, a.bytes.data() + at, sizeof(T));
      out.push_back(static_cast<double>(value));
    }
  };
  if (a.type == NpyType::kFloat32) read(float{});
  if (a.type == NpyType::kFloat64) read(double{});
  if (a.type == NpyType::kInt32) read(int32_t{});
  return out;
}

// By name: its shape and its numbers.
std::map<std::string, std::string> stored(const std::string& file) {
  const auto bytes = as_bytes(file);
  std::map<std::string, std::string> out;
  for (const ZipEntry& e : parse_zip(bytes, "npz")) {
    if (e.name == "format.npy" || e.name == "weights.npy") continue;  // texts
    const NpyArray a = parse_npy(bytes.subspan(e.begin, e.end - e.begin), e.name);
    out[e.name] = fmt::format("[{}] {}", fmt::join(a.shape, ", "), fmt::join(numbers(a), " "));
  }
  return out;
}

TEST(ReportNpz, HoldsEveryArrayUnderItsName) {
  ExplainReport r;
  r.weights = "hash";
  r.tokens = {{7, "a", ""}, {9, "b", ""}};
  r.layers = {{0, {}, 0.5, 8}, {1, {}, 0.25, 9}, {2, {}, 0.125, 10}};
  MethodReport m;
  m.name = "row";
  append(m.arrays, {"core", "", kWeightUnit}, {{1, 2}, {1, 2, 3, 4, 5, 6}});
  append(m.arrays, {"mixer", "", kWeightUnit}, {{3, 4}, {6, 5, 4, 3, 2, 1}});
  r.methods.push_back(m);
  MethodReport& scan = r.methods.emplace_back();
  scan.name = "scan";
  scan.arrays.push_back(token_array({"lost", "", kTargetUnit}, {5, 0}));
  scan.effect_of = EditKind::kRemove;
  scan.found = {Found::kMeasured, Found::kNotAsked};
  const Scratch folder;
  write_report_npz(real_fs(), folder.at("report.npz"), r);
  const std::string file = real_fs().read(folder.at("report.npz"), 1 << 20);
  const std::map<std::string, std::string> expected = {
      {"tokens.npy", "[2] 7 9"},      {"layer_residuals.npy", "[3] 0.5 0.25 0.125"},
      {"row.scores.npy", "[2] 1 2"},  {"row.core.layers.npy", "[3, 2] 1 2 3 4 5 6"},
      {"scan.scores.npy", "[2] 5 0"}, {"scan.measured.npy", "[2] 1 -1"},
      {"row.mixer.npy", "[2] 3 4"},   {"row.mixer.layers.npy", "[3, 2] 6 5 4 3 2 1"}};
  EXPECT_EQ(stored(file), expected);
  EXPECT_EQ(npz_text(as_bytes(file), "weights", "npz"), "hash");
}

}  // namespace
}  // namespace hindscan::viewer
