// Checkpoints that survive a crash at any moment: written under a temporary name, synced, listed with sizes and hashes
// in MANIFEST.json, and renamed. A checkpoint counts only when its manifest verifies; the newest valid one is loaded.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fs.h"

namespace hindscan {

struct CheckpointFile {
  std::string name;  // bare
  std::string bytes;
};

struct Checkpoint {
  std::string path;
  int64_t step = 0;
  std::map<std::string, std::string> files;
  const std::string& file(const std::string& name) const;  // Error(kData)
};

std::string checkpoint_name(int64_t step);                                  // "ckpt-0000100"
std::vector<int64_t> checkpoint_steps(Fs& fs, const std::string& run_dir);  // ascending, valid or not

// Durable once it returns; then `latest` names it and all but the newest `keep` are deleted. On Error nothing older is
// lost and nothing unfinished stays where it could be taken for a checkpoint.
void save_checkpoint(Fs& fs, const std::string& run_dir, int64_t step, const std::vector<CheckpointFile>& files,
                     int64_t keep);

// Reads and verifies one checkpoint; Error(kData) says what is wrong with it.
Checkpoint load_checkpoint(Fs& fs, const std::string& run_dir, int64_t step);
// The newest valid one; invalid ones are remarked upon (base/log.h) and left alone.
std::optional<Checkpoint> load_newest_checkpoint(Fs& fs, const std::string& run_dir);

// Removes what an interrupted save or deletion left behind.
void clean_run_dir(Fs& fs, const std::string& run_dir);

}  // namespace hindscan
