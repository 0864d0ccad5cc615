// Fs of the tests: files in memory, every call recorded, so that a crash after any call can be played back with
// un-synced writes and renames lost, kept or torn; and any call can be made to fail.
#pragma once
#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fs.h"
#include "base/rng.h"

namespace hindscan {

// A disk: directory entries and file contents, both what a reader sees now and what surely survives a crash.
class RecordingFs final : public Fs {
 public:
  struct Node {
    bool directory = false;
    std::string now, durable;                     // file contents
    std::map<std::string, int> entries, on_disk;  // directory entries
  };

  RecordingFs() { nodes_.push_back({true, {}, {}, {}, {}}); }

  int64_t calls = 0;       // that change the disk, or could fail while doing so
  int64_t fail_at = -1;    // this one fails...
  int64_t fail_count = 1;  // ...and the following ones
  int error_number = ENOSPC;
  int64_t crash_at = -1;            // throws Crash instead of doing call number crash_at
  size_t largest_write = SIZE_MAX;  // shorter writes
  uint64_t free = UINT64_MAX;
  struct Crash {};

  // The disk after a power cut now. Each un-synced file holds its durable bytes, the new ones, or new ones torn at a
  // 512-byte sector; each un-synced directory entry change happened or not. rng null: everything un-synced is lost.
  RecordingFs after_power_cut(Rng* rng) const {
    RecordingFs out;
    out.nodes_ = nodes_;
    for (Node& n : out.nodes_) {
      if (n.directory) {
        std::map<std::string, int> kept = n.on_disk;
        if (rng != nullptr) mix_entries(n, kept, *rng);
        n.entries = n.on_disk = kept;
      } else {
        if (rng == nullptr || rng->below(3) == 0)
          n.now = n.durable;
        else if (n.now != n.durable && rng->below(2) == 0)
          n.now = torn(n.now, *rng);
        n.durable = n.now;
      }
    }
    return out;
  }
  // After a kill: the system still has everything that was written.
  RecordingFs after_kill() const {
    RecordingFs out;
    out.nodes_ = nodes_;
    return out;
  }
  void corrupt(const std::string& path, size_t byte) { nodes_[static_cast<size_t>(need(path))].now[byte] ^= 1; }

  int open(const std::string& path, OpenMode mode) override {
    count();
    int node = find(path);
    const bool fresh = mode == OpenMode::kCreateNew || mode == OpenMode::kCreatePrivate;
    if (node >= 0 && fresh) fail_errno(EEXIST, "create", path, FileUse::kOutput);
    if (node < 0) node = add(path, false);
    if (mode == OpenMode::kTruncate) nodes_[static_cast<size_t>(node)].now.clear();
    ++open_files;
    return node;
  }
  size_t write(int handle, std::span<const uint8_t> bytes) override {
    count();
    const size_t n = std::min(bytes.size(), largest_write);
    nodes_[static_cast<size_t>(handle)].now.append(reinterpret_cast<const char*>(bytes.data()), n);
    return n;
  }
  void fsync(int handle) override {
    count();
    nodes_[static_cast<size_t>(handle)].durable = nodes_[static_cast<size_t>(handle)].now;
  }
  void close(int) override { --open_files; }
  void rename(const std::string& from, const std::string& to) override {
    count();
    const int node = need(from);
    const int old = find(to);
    if (old >= 0 && nodes_[static_cast<size_t>(old)].directory && !nodes_[static_cast<size_t>(old)].entries.empty()) {
      fail_errno(ENOTEMPTY, "rename", to, FileUse::kOutput);
    }
    parent(from).entries.erase(base(from));
    parent(to).entries[base(to)] = node;
  }
  void unlink(const std::string& path) override {
    count();
    need(path);
    parent(path).entries.erase(base(path));
  }
  void mkdir(const std::string& path) override {
    count();
    if (find(path) >= 0) fail_errno(EEXIST, "create directory", path, FileUse::kOutput);
    add(path, true);
  }
  void rmdir(const std::string& path) override {
    count();
    if (!nodes_[static_cast<size_t>(need(path))].entries.empty())
      fail_errno(ENOTEMPTY, "delete", path, FileUse::kOutput);
    parent(path).entries.erase(base(path));
  }
  void fsync_dir(const std::string& path) override {
    count();
    Node& n = nodes_[static_cast<size_t>(need(path))];
    n.on_disk = n.entries;
  }
  std::vector<std::string> list(const std::string& path) override {
    std::vector<std::string> names;
    for (const auto& [name, node] : nodes_[static_cast<size_t>(need(path))].entries) names.push_back(name);
    return names;
  }
  std::string read(const std::string& path, uint64_t) override { return nodes_[static_cast<size_t>(need(path))].now; }
  FileKind kind(const std::string& path) override {
    const int node = find(path);
    if (node < 0) return FileKind::kNone;
    return nodes_[static_cast<size_t>(node)].directory ? FileKind::kDirectory : FileKind::kRegular;
  }
  uint64_t free_bytes(const std::string&) override { return free; }

  int open_files = 0;

 private:
  void count() {
    const int64_t call = calls++;
    if (crash_at >= 0 && call >= crash_at) throw Crash();
    if (fail_at >= 0 && call >= fail_at && call < fail_at + fail_count)
      fail_errno(error_number, "write", "disk", FileUse::kOutput);
  }
  static void mix_entries(const Node& n, std::map<std::string, int>& kept, Rng& rng) {
    std::set<std::string> names;
    for (const auto& e : n.entries) names.insert(e.first);
    for (const auto& e : n.on_disk) names.insert(e.first);
    for (const std::string& name : names) {
      if (rng.below(2) == 0) continue;
      const auto it = n.entries.find(name);
      if (it == n.entries.end())
        kept.erase(name);
      else
        kept[name] = it->second;
    }
  }
  static std::string torn(std::string bytes, Rng& rng) {
    for (size_t at = 0; at < bytes.size(); at += 512) {
      if (rng.below(2) == 0)
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                  bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at + 512, bytes.size())), '\0');
    }
    if (rng.below(2) == 0) bytes.resize(rng.below(bytes.size() + 1));
    return bytes;
  }
  static std::string base(const std::string& path) { return path.substr(path.rfind('/') + 1); }
  Node& parent(const std::string& path) { return nodes_[static_cast<size_t>(need(parent_dir(path)))]; }
  int find(const std::string& path) const {
    if (path == "/" || path == ".") return 0;
    int node = 0;
    for (size_t at = path[0] == '/' ? 1 : 0; at <= path.size();) {
      const size_t end = std::min(path.find('/', at), path.size());
      const auto& entries = nodes_[static_cast<size_t>(node)].entries;
      const auto it = entries.find(path.substr(at, end - at));
      if (it == entries.end()) return -1;
      node = it->second;
      at = end + 1;
    }
    return node;
  }
  int need(const std::string& path) const {
    const int node = find(path);
    if (node < 0) fail_errno(ENOENT, "open", path, FileUse::kInput);
    return node;
  }
  int add(const std::string& path, bool directory) {
    const int node = static_cast<int>(nodes_.size());
    nodes_.push_back({directory, {}, {}, {}, {}});
    parent(path).entries[base(path)] = node;
    return node;
  }

  std::vector<Node> nodes_;  // 0 is the root; never removed
};

}  // namespace hindscan
