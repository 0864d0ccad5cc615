// What the trainer's tests share: small models with random weights, token lists.
#pragma once
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "base/testing/scratch.h"
#include "train/trainer.h"

namespace hindscan::test {

// Directories of tests/golden: two layers, d_model 24, every parameter random.
inline std::string golden_dir(const std::string& name) {
  return std::string(HINDSCAN_SOURCE_DIR) + "/tests/golden/mamba/" + name;
}
inline const std::vector<std::string> kGoldenModels = {"mamba_bias_untied", "falcon_bias_tied"};

inline Model golden_model(const std::string& name, DType dtype = DType::kF32) {
  return Model::load(golden_dir(name), {.dtype = dtype});
}

inline std::vector<int32_t> random_tokens(size_t n, uint64_t seed, int32_t vocab = 67) {
  Rng rng(seed, "tokens");
  std::vector<int32_t> out(n);
  for (int32_t& t : out) t = static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocab)));
  return out;
}

// A text of random documents; token 0 separates them.
inline Corpus random_corpus(size_t tokens, uint64_t seed) {
  Corpus corpus;
  corpus.tokens = random_tokens(tokens, seed);
  corpus.separator = 0;
  corpus.hash = seed;
  return corpus;
}

inline Checkpoint as_checkpoint(const std::vector<CheckpointFile>& files, int64_t step) {
  Checkpoint c;
  c.path = "memory";
  c.step = step;
  for (const CheckpointFile& f : files) c.files[f.name] = f.bytes;
  return c;
}

}  // namespace hindscan::test
