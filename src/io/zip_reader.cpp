#include "io/zip_reader.h"

#include <algorithm>
#include <optional>

#include "base/budget.h"
#include "base/checked.h"
#include "base/counted.h"
#include "base/error.h"
#include "io/byte_cursor.h"
#include "io/crc32.h"

namespace hindscan {
namespace {

constexpr uint32_t kLocalMagic = 0x04034b50, kCentralMagic = 0x02014b50, kEndMagic = 0x06054b50;
constexpr uint32_t kEnd64Magic = 0x06064b50, kLocator64Magic = 0x07064b50;
constexpr uint64_t kEndSize = 22, kLocatorSize = 20, kEnd64Size = 56, kCentralSize = 46, kMaxComment = 65535;
constexpr uint16_t kEncrypted = 1, kSizesFollow = 8, kStored = 0, kZip64Extra = 1;
constexpr uint32_t kIn64 = 0xFFFFFFFF;  // the number is in the zip64 field
// An entry, its name in the sorted list, its place among the extents and in the index by name.
constexpr uint64_t kEntryBytes = 3 * sizeof(ZipEntry) + 64;

struct Central {
  uint64_t entries = 0, offset = 0, size = 0;
};

struct Header {
  std::string name;
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, offset = 0;
};

class ZipParser {
 public:
  ZipParser(std::span<const uint8_t> file, std::string_view label) : file_(file), label_(label) {}

  std::vector<ZipEntry> parse() {
    const Central central = find_central();
    Budget(label_, central.size).take(central.entries, kEntryBytes, "entries");
    ByteCursor at(file_.first(central.offset + central.size), label_, central.offset);
    std::vector<Extent> extents;
    for (uint64_t i = 0; i < central.entries; ++i) {
      const Header header = read_central(at);
      entries_.push_back(entry_of(header, central.offset));
      extents.push_back({header.offset, entries_.back().end});
    }
    check(at.left() == 0, ErrorCode::kData, "[{}] expected {} to fill the archive's directory, found {} more", label_,
          counted(central.entries, "entry", "entries"), counted(at.left(), "byte"));
    check_extents(extents);
    check_names();
    return std::move(entries_);
  }

 private:
  struct Extent {
    uint64_t begin, end;
  };

  // The last record of the file whose comment ends exactly at its end.
  uint64_t find_end() const {
    const uint64_t size = file_.size();
    check(size >= kEndSize, ErrorCode::kData, "[{}] expected a zip archive, found {}; fetch it again", label_,
          counted(size, "byte"));
    for (uint64_t comment = 0; comment <= std::min(kMaxComment, size - kEndSize); ++comment) {
      ByteCursor at(file_, label_, size - kEndSize - comment);
      if (at.u32() != kEndMagic) continue;
      at.take(16);
      if (at.u16() == comment) return size - kEndSize - comment;
    }
    fail(ErrorCode::kData, "[{}] expected a zip archive, found no end record; the file is cut short, fetch it again",
         label_);
  }

  Central find_central() const {
    const uint64_t end = find_end();
    ByteCursor at(file_, label_, end + 4);
    const uint16_t disk = at.u16(), first_disk = at.u16(), here = at.u16(), entries = at.u16();
    Central c{entries, 0, at.u32()};
    c.offset = at.u32();
    check(disk == 0 && first_disk == 0 && here == entries, ErrorCode::kData,
          "[{}] expected an archive of one part, found several", label_);
    uint64_t records = end;  // where the directory must stop
    if (has_locator(end)) records = read_end64(end, c);
    const auto stop = checked_add(c.offset, c.size);
    check(stop && *stop == records, ErrorCode::kData,
          "[{}] expected the archive's directory to end at byte {}, found it at {} with {} bytes", label_, records,
          c.offset, c.size);
    check(c.entries <= limit::kZipEntries && c.entries <= c.size / kCentralSize, ErrorCode::kData,
          "[{}] expected at most {} entries in a directory of {} bytes, found {}", label_,
          std::min(limit::kZipEntries, c.size / kCentralSize), c.size, c.entries);
    return c;
  }

  bool has_locator(uint64_t end) const {
    return end >= kLocatorSize && ByteCursor(file_, label_, end - kLocatorSize).u32() == kLocator64Magic;
  }

  // Start of the zip64 record; its numbers replace those of the short record, which must agree unless they say "see
  // there".
  uint64_t read_end64(uint64_t end, Central& c) const {
    ByteCursor locator(file_, label_, end - kLocatorSize + 4);
    const uint32_t disk = locator.u32();
    const uint64_t start = locator.u64();
    const uint32_t disks = locator.u32();
    check(disk == 0 && disks <= 1 && start <= end - kLocatorSize && end - kLocatorSize - start >= kEnd64Size,
          ErrorCode::kData, "[{}] expected a zip64 end record before byte {}, found it at {}", label_,
          end - kLocatorSize, start);
    ByteCursor at(file_, label_, start);
    const bool sound = at.u32() == kEnd64Magic && at.u64() == end - kLocatorSize - start - 12;
    check(sound, ErrorCode::kData, "[{}] expected a zip64 end record at byte {}, found something else", label_, start);
    at.take(4);  // versions
    const uint32_t this_disk = at.u32(), first_disk = at.u32();
    const uint64_t here = at.u64(), entries = at.u64(), size = at.u64(), offset = at.u64();
    const bool agree = (c.entries == 0xFFFF || c.entries == entries) && (c.size == kIn64 || c.size == size) &&
                       (c.offset == kIn64 || c.offset == offset);
    check(this_disk == 0 && first_disk == 0 && here == entries && agree, ErrorCode::kData,
          "[{}] expected the two end records of the archive to agree, found that they differ", label_);
    c = {entries, offset, size};
    return start;
  }

  Header read_central(ByteCursor& at) const {
    check(at.u32() == kCentralMagic, ErrorCode::kData,
          "[{}] expected a directory entry at byte {}, found something else", label_, at.at() - 4);
    at.take(4);  // versions
    Header h;
    h.flags = at.u16();
    h.method = at.u16();
    at.take(4);  // time and date
    h.crc = at.u32();
    h.packed = at.u32();
    h.size = at.u32();
    const uint16_t name = at.u16(), extra = at.u16(), comment = at.u16(), disk = at.u16();
    at.take(6);  // attributes
    h.offset = at.u32();
    h.name = at.text(name);
    read_zip64(at.take(extra), h, true);
    at.take(comment);
    check(disk == 0, ErrorCode::kData, "[{}] '{}': expected an archive of one part, found part {}", label_, h.name,
          disk);
    return h;
  }

  // Numbers that are all ones in the header stand, in this order, in the zip64 field.
  void read_zip64(std::span<const uint8_t> extra, Header& h, bool with_offset) const {
    ByteCursor at(extra, label_);
    while (at.left() >= 4) {
      const uint16_t id = at.u16(), size = at.u16();
      ByteCursor field(at.take(size), label_);
      if (id != kZip64Extra) continue;
      if (h.size == kIn64) h.size = field.u64();
      if (h.packed == kIn64) h.packed = field.u64();
      if (with_offset && h.offset == kIn64) h.offset = field.u64();
      return;
    }
  }

  ZipEntry entry_of(const Header& central, uint64_t data_end) const {
    const std::string& name = central.name;
    check_name(name);
    check(central.method == kStored && (central.flags & kEncrypted) == 0 && central.packed == central.size,
          ErrorCode::kData,
          "[{}] '{}': expected an entry stored as it is, found a compressed or encrypted one; a TorchScript program "
          "has them, save its "
          "state_dict()",
          label_, name);
    ByteCursor at(file_.first(data_end), label_, std::min(central.offset, data_end));
    check(at.u32() == kLocalMagic, ErrorCode::kData, "[{}] '{}': expected its header at byte {}, found something else",
          label_, name, central.offset);
    at.take(2);
    Header local;
    local.flags = at.u16();
    local.method = at.u16();
    at.take(4);
    local.crc = at.u32();
    local.packed = at.u32();
    local.size = at.u32();
    const uint16_t name_size = at.u16(), extra = at.u16();
    local.name = at.text(name_size);
    read_zip64(at.take(extra), local, false);
    const bool sizes_follow =
        (local.flags & kSizesFollow) != 0 && local.crc == 0 && local.packed == 0 && local.size == 0;
    const bool sizes_agree = local.crc == central.crc && local.packed == central.packed && local.size == central.size;
    check(local.name == name && local.method == central.method && local.flags == central.flags &&
              (sizes_follow || sizes_agree),
          ErrorCode::kData, "[{}] '{}': expected header and directory to agree, found that they differ", label_, name);
    const uint64_t begin = at.at();
    at.take(central.size);
    return {name, begin, at.at(), central.crc};
  }

  void check_name(const std::string& name) const {
    bool good =
        !name.empty() && name.size() <= limit::kTensorName && name[0] != '/' && name.find("..") == std::string::npos;
    for (const char c : name) good = good && static_cast<unsigned char>(c) >= 0x20 && c != '\\' && c != ':';
    check(good, ErrorCode::kData, "[{}] expected plain entry names of at most {} bytes, found one that is not", label_,
          limit::kTensorName);
  }

  void check_extents(std::vector<Extent>& extents) const {
    std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
    for (size_t i = 1; i < extents.size(); ++i) {
      check(extents[i].begin >= extents[i - 1].end, ErrorCode::kData,
            "[{}] expected entries that lie apart, found two that share byte {}", label_, extents[i].begin);
    }
  }

  void check_names() const {
    std::vector<std::string_view> names;
    for (const ZipEntry& e : entries_) names.push_back(e.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    check(twice == names.end(), ErrorCode::kData, "[{}] expected each entry once, found '{}' twice", label_,
          twice == names.end() ? std::string_view() : *twice);
  }

  std::span<const uint8_t> file_;
  std::string_view label_;
  std::vector<ZipEntry> entries_;
};

}  // namespace

std::vector<ZipEntry> parse_zip(std::span<const uint8_t> file, std::string_view label) {
  return ZipParser(file, label).parse();
}

bool looks_like_zip(std::span<const uint8_t> file) {
  return file.size() >= 4 && ByteCursor(file, "zip").u32() == kLocalMagic;
}

void check_crc(std::span<const uint8_t> file, const ZipEntry& entry, std::string_view label) {
  const uint32_t crc = crc32(file.subspan(entry.begin, entry.end - entry.begin));
  check(crc == entry.crc, ErrorCode::kData,
        "[{}] '{}': expected checksum {:08x}, found {:08x}; the file is damaged, fetch it again", label, entry.name,
        entry.crc, crc);
}

}  // namespace hindscan
