#include "io/npy.h"

#include <gtest/gtest.h>
#include <png.h>

#include <cstring>

#include "base/error.h"
#include "base/testing/scratch.h"
#include "io/png.h"

namespace hindscan {
namespace {

class NpyTest : public ::testing::Test {
 protected:
  std::string content() const { return real_fs().read(file_, 1 << 24); }
  const Scratch dir_;
  const std::string file_ = dir_.at("out");
};

uint32_t le32(std::string_view s, size_t at) {
  uint32_t v = 0;
  std::memcpy(&v, s.data() + at, 4);
  return v;
}

TEST_F(NpyTest, RoundTripOfEachTypeAndRank) {
  const std::vector<float> f = {1, -2, 3.5f, 4, 5, 6};
  const std::vector<double> d = {1e300};
  const std::vector<int32_t> i = {INT32_MIN, INT32_MAX};
  const NpyArray arrays[] = {npy_array("f", {2, 3}, f), npy_array("d", {}, d), npy_array("i", {2}, i),
                             npy_array("e", {0, 4}, std::span<const float>())};
  for (const NpyArray& array : arrays) {
    write_npy(real_fs(), file_, array);
    const std::string text = content();
    EXPECT_EQ((text.size() - array.bytes.size()) % 64, 0u);
    const NpyArray back = parse_npy(as_bytes(text), "t");
    EXPECT_EQ(back.type, array.type);
    EXPECT_EQ(back.shape, array.shape);
    EXPECT_TRUE(std::equal(back.bytes.begin(), back.bytes.end(), array.bytes.begin(), array.bytes.end()));
    for (size_t n = 0; n < text.size(); ++n) EXPECT_THROW(parse_npy(as_bytes(text.substr(0, n)), "t"), Error) << n;
    EXPECT_THROW(parse_npy(as_bytes(text + "x"), "t"), Error);
  }
}

TEST_F(NpyTest, AnArrayByColumnsIsRefusedByItsName) {
  const std::vector<float> f = {1, 2, 3, 4, 5, 6};
  write_npy(real_fs(), file_, npy_array("f", {2, 3}, f));
  std::string text = content();
  text.replace(text.find("False, "), 7, "True,  ");
  try {
    parse_npy(as_bytes(text), "t");
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("'fortran_order': False), found True; save np.ascontiguousarray"), std::string::npos)
        << e.message();
  }
}

TEST_F(NpyTest, WrongShapeIsRefused) {
  const std::vector<float> f(6);
  EXPECT_THROW(write_npy(real_fs(), file_, npy_array("f", {2, 2}, f)), Error);
  EXPECT_THROW(write_npz(real_fs(), file_, {npy_array("f", {6}, f), npy_array("f", {6}, f)}), Error);
  EXPECT_EQ(real_fs().kind(file_), FileKind::kNone);
}

TEST_F(NpyTest, NpzIsAStoredZipWithSoundDirectory) {
  const std::vector<float> f = {1, 2};
  const std::vector<int32_t> i = {7};
  write_npz(real_fs(), file_, {npy_array("scores", {2}, f), npy_array("id", {1}, i)});
  const std::string zip = content();
  const size_t end = zip.size() - 22;
  ASSERT_EQ(le32(zip, end), 0x06054b50u);
  size_t at = le32(zip, end + 16);
  for (const char* name : {"scores.npy", "id.npy"}) {
    ASSERT_EQ(le32(zip, at), 0x02014b50u);
    EXPECT_EQ(zip.substr(at + 46, std::strlen(name)), name);
    const size_t local = le32(zip, at + 42), size = le32(zip, at + 24);
    ASSERT_EQ(le32(zip, local), 0x04034b50u);
    EXPECT_EQ(le32(zip, local + 14), le32(zip, at + 16));
    const NpyArray array = parse_npy(as_bytes(zip).subspan(local + 30 + std::strlen(name), size), name);
    EXPECT_EQ(array.shape.size(), 1u);
    at += 46 + std::strlen(name);
  }
  EXPECT_EQ(at, end);
}

TEST_F(NpyTest, NpzChecksumIsTheZipCrc) {
  // The value zlib's crc32 gives for the same member.
  write_npz(real_fs(), file_, {npy_array("a", {2}, std::vector<int32_t>{1, 2})});
  EXPECT_EQ(le32(content(), 14), 0x2daaf90bu);
}

TEST_F(NpyTest, PngReadsBackEqual) {
  std::vector<uint8_t> rgb(3 * 5 * 7);
  for (size_t k = 0; k < rgb.size(); ++k) rgb[k] = static_cast<uint8_t>(k * 37);
  write_file_atomic(real_fs(), file_, encode_png(5, 7, rgb));
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_file(&image, file_.c_str()), 0);
  EXPECT_EQ(image.width, 5u);
  EXPECT_EQ(image.height, 7u);
  image.format = PNG_FORMAT_RGB;
  std::vector<uint8_t> back(rgb.size());
  ASSERT_NE(png_image_finish_read(&image, nullptr, back.data(), 0, nullptr), 0);
  EXPECT_EQ(back, rgb);
  EXPECT_THROW(encode_png(5, 8, rgb), Error);
  EXPECT_THROW(encode_png(0, 0, {}), Error);
}

}  // namespace
}  // namespace hindscan
