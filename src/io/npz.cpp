// Stored zip: local header + data per array, then the central directory. Dates are fixed so that files are
// reproducible.
#include <array>
#include <set>

#include "base/error.h"
#include "io/npy.h"
#include "io/npy_header.h"

namespace hindscan {
namespace {

constexpr uint32_t kLocalMagic = 0x04034b50, kCentralMagic = 0x02014b50, kEndMagic = 0x06054b50;
constexpr uint16_t kVersion = 20, kUtf8Names = 0x0800, kDate1980 = 0x0021;

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1u) != 0 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}

uint32_t crc32_update(uint32_t crc, std::span<const uint8_t> bytes) {
  static constexpr auto kTable = make_crc_table();
  for (const uint8_t b : bytes) crc = kTable[(crc ^ b) & 255u] ^ (crc >> 8);
  return crc;
}

void put16(std::string& out, uint32_t v) {
  out += static_cast<char>(v & 255u);
  out += static_cast<char>(v >> 8 & 255u);
}

void put32(std::string& out, uint32_t v) {
  put16(out, v & 0xFFFFu);
  put16(out, v >> 16);
}

struct Member {
  std::string name, local, npy;
  uint32_t crc = 0, size = 0, offset = 0;
};

// The fields shared by the local and the central header.
void put_common(std::string& out, const Member& m) {
  put16(out, kVersion);
  put16(out, kUtf8Names);
  put16(out, 0);  // stored
  put16(out, 0);  // midnight
  put16(out, kDate1980);
  put32(out, m.crc);
  put32(out, m.size);
  put32(out, m.size);
  put16(out, static_cast<uint32_t>(m.name.size()));
  put16(out, 0);  // no extra field
}

void put_central(std::string& out, const Member& m) {
  put32(out, kCentralMagic);
  put16(out, kVersion);
  put_common(out, m);
  for (int i = 0; i < 3; ++i) put16(out, 0);  // comment, disk, internal attributes
  put32(out, 0);                              // external attributes
  put32(out, m.offset);
  out += m.name;
}

void put_end(std::string& out, size_t count, size_t central_size, uint64_t central_offset) {
  put32(out, kEndMagic);
  put32(out, 0);  // this disk, directory disk
  put16(out, static_cast<uint32_t>(count));
  put16(out, static_cast<uint32_t>(count));
  put32(out, static_cast<uint32_t>(central_size));
  put32(out, static_cast<uint32_t>(central_offset));
  put16(out, 0);  // no comment
}

Member make_member(const NpyArray& array, uint64_t offset) {
  Member m;
  m.name = array.name + ".npy";
  m.npy = npy_header(array);
  const uint64_t size = m.npy.size() + array.bytes.size();
  check(offset + size < UINT32_MAX - (1u << 24), ErrorCode::kResource,
        "[npz] expected at most 4 GiB, array '{}' goes beyond; ask for fewer layers or rows", array.name);
  m.offset = static_cast<uint32_t>(offset);
  m.size = static_cast<uint32_t>(size);
  m.crc = ~crc32_update(crc32_update(~0u, as_bytes(m.npy)), array.bytes);
  put32(m.local, kLocalMagic);
  put_common(m.local, m);
  m.local += m.name;
  return m;
}

}  // namespace

void write_npz(Fs& fs, const std::string& path, const std::vector<NpyArray>& arrays) {
  check(arrays.size() < UINT16_MAX, ErrorCode::kResource, "[npz] expected fewer than 65535 arrays, found {}",
        arrays.size());
  std::vector<Member> members;
  std::set<std::string_view> names;
  uint64_t offset = 0;
  for (const NpyArray& array : arrays) {
    check(array.name.size() < 1024 && names.insert(array.name).second, ErrorCode::kInternal,
          "[npz] expected distinct short names, found '{}' again or too long", array.name.substr(0, 100));
    members.push_back(make_member(array, offset));
    offset += members.back().local.size() + members.back().size;
  }
  std::string tail;
  for (const Member& m : members) put_central(tail, m);
  put_end(tail, members.size(), tail.size(), offset);
  ByteParts parts;
  for (size_t i = 0; i < members.size(); ++i) {
    parts.insert(parts.end(), {as_bytes(members[i].local), as_bytes(members[i].npy), arrays[i].bytes});
  }
  parts.push_back(as_bytes(tail));
  write_file_atomic(fs, path, parts);
}

}  // namespace hindscan
