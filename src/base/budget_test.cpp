#include "base/budget.h"

#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <functional>

#include "base/counted.h"
#include "base/error.h"
#include "base/mmap.h"

namespace hindscan {
namespace {

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.message();
  }
  return "";
}

TEST(Budget, SmallFilesHaveAFloorLargeOnesAFactor) {
  EXPECT_EQ(Budget("f", 10).left(), limit::kFloorBytes);
  EXPECT_EQ(Budget("f", uint64_t{1} << 30).left(), limit::kBytesPerByte << 30);
  EXPECT_EQ(Budget("f", UINT64_MAX).left(), UINT64_MAX);
}

TEST(Budget, BytesAreDrawnUntilNothingIsLeft) {
  Budget b("f", 0);
  b.take(1, limit::kFloorBytes - 5, "values");
  b.take(5, 1, "values");
  EXPECT_EQ(b.left(), 0u);
  const std::string message = message_of([&] { b.take(3, 7, "values"); });
  EXPECT_NE(message.find("[f]"), std::string::npos);
  EXPECT_NE(message.find("found values that need 21 bytes more"), std::string::npos);
  EXPECT_NE(message.find(allowed_size(limit::kFloorBytes)), std::string::npos);
}

TEST(Budget, ProductsThatOverflowAreRefused) {
  Budget b("f", 0);
  EXPECT_NE(message_of([&] { b.take(uint64_t{1} << 33, uint64_t{1} << 33, "values"); }), "");
  EXPECT_EQ(b.left(), limit::kFloorBytes);
  EXPECT_EQ(b.product({3, 5, 7}, 105, "numbers"), 105u);
  EXPECT_NE(message_of([&] {
              b.product({3, 5, 7}, 104, "numbers");
            }).find("104 numbers, found 3 x 5 x 7"),
            std::string::npos);
  EXPECT_NE(message_of([&] { b.product({uint64_t{1} << 40, uint64_t{1} << 24}, UINT64_MAX, "numbers"); }), "");
}

TEST(Budget, CountsAndDepthNameLimitAndValue) {
  Budget b("f", 0);
  b.count(8, 8, "tensors");
  EXPECT_NE(message_of([&] { b.count(9, 8, "tensors"); }).find("at most 8 tensors, found 9"), std::string::npos);
  const Budget::Level one(b, 2, "lists");
  {
    const Budget::Level two(b, 2, "lists");
    EXPECT_NE(message_of([&] { const Budget::Level three(b, 2, "lists"); }).find("at most 2 deep"), std::string::npos);
  }
  const Budget::Level again(b, 2, "lists");
}

TEST(Budget, TheDocumentedTableIsTheOneThatHolds) {
  const std::string page = read_file(std::string(HINDSCAN_SOURCE_DIR) + "/docs/limits.md");
  size_t rows = 0;
#define HS_LIMIT(name, value, shown, what)                                                      \
  EXPECT_NE(page.find("| " shown " | " what " | `" #name "` |\n"), std::string::npos) << #name; \
  ++rows;
#include "base/limits.def"
#undef HS_LIMIT
  size_t found = 0;
  for (size_t at = 0; (at = page.find("` |\n", at)) != std::string::npos; ++at) ++found;
  EXPECT_EQ(found, rows + 1);  // and the heading
}

// The text beside a number says the number.
// "256 MiB" or "10,000".
uint64_t meant(std::string shown) {
  std::erase(shown, ',');
  return std::stoull(shown) << (shown.ends_with(" MiB") ? 20 : 0);
}

TEST(Budget, EveryLimitIsShownAsItIs) {
#define HS_LIMIT(name, value, shown, what) EXPECT_EQ(limit::name, meant(shown)) << #name;
#include "base/limits.def"
#undef HS_LIMIT
}

}  // namespace
}  // namespace hindscan
