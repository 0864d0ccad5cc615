// Name and version of every format the program writes. A version grows when a reader of the old one would be misled.
#pragma once
#include <string_view>
#include <vector>

namespace hindscan::format {

inline constexpr const char* kState = "hindscan.state/2";             // run --state-out: safetensors metadata "format"
inline constexpr const char* kCheckpoint = "hindscan.checkpoint/2";   // train.json of a run directory: "version"
inline constexpr const char* kModel = "hindscan.model/1";             // safetensors metadata "hindscan.format"
inline constexpr const char* kExplainNpz = "hindscan.explain-npz/2";  // NPZ: the array "format"
inline constexpr const char* kMatrixNpz = "hindscan.matrix-npz/1";
inline constexpr const char* kEffectsNpz = "hindscan.effects-npz/1";
inline constexpr const char* kExplainJson = "hindscan.explain/3";  // JSON documents: "schema"
inline constexpr const char* kInfoJson = "hindscan.info/1";
inline constexpr const char* kRunJson = "hindscan.run/1";
inline constexpr const char* kScoreJson = "hindscan.score/1";
inline constexpr const char* kClassifyJson = "hindscan.classify/1";
inline constexpr const char* kMatrixJson = "hindscan.matrix/1";
inline constexpr const char* kEffectsJson = "hindscan.effects/1";
inline constexpr const char* kLogitsJson = "hindscan.logits/1";
inline constexpr const char* kTrainJson = "hindscan.train/1";
inline constexpr const char* kVersionJson = "hindscan.version/1";
inline constexpr const char* kCausalJson = "hindscan.eval-causal/1";

// Read again: a file of each version lies in tests/golden/formats.
inline constexpr const char* kFiles[] = {kState,     kCheckpoint, kModel,      kExplainNpz,
                                         kMatrixNpz, kEffectsNpz, kExplainJson};
// What --json prints.
inline constexpr const char* kDocuments[] = {kInfoJson,    kRunJson,    kScoreJson, kClassifyJson, kMatrixJson,
                                             kEffectsJson, kLogitsJson, kTrainJson, kVersionJson,  kCausalJson};

// Returns for `expected` itself and for older versions that are still read. Error(kData) for any other `found`: it says
// how to convert an older file, and that a newer one needs a newer program.
void expect(std::string_view label, std::string_view expected, std::string_view found);

std::vector<std::string_view> all();

// The version of today that `found` belongs to ("hindscan.state/1" -> kState), or empty for what is not ours.
std::string_view current(std::string_view found);

}  // namespace hindscan::format
