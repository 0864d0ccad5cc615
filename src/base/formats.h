// Name and version of every format the program writes. A version grows when a reader of the old one would be misled.
#pragma once

namespace hindscan::format {

inline constexpr const char* kState = "hindscan.state/1";          // run --state-out: safetensors metadata "format"
inline constexpr const char* kCheckpoint = "hindscan-train/1";     // train.json of a run directory: "version"
inline constexpr const char* kExplainJson = "hindscan.explain/1";  // JSON documents: "schema"
inline constexpr const char* kInfoJson = "hindscan.info/1";
inline constexpr const char* kRunJson = "hindscan.run/1";
inline constexpr const char* kScoreJson = "hindscan.score/1";
inline constexpr const char* kClassifyJson = "hindscan.classify/1";
inline constexpr const char* kMatrixJson = "hindscan.matrix/1";
inline constexpr const char* kLogitsJson = "hindscan.logits/1";
inline constexpr const char* kTrainJson = "hindscan.train/1";
inline constexpr const char* kVersionJson = "hindscan.version/1";

inline constexpr const char* kAll[] = {kState,        kCheckpoint, kExplainJson, kInfoJson,  kRunJson,    kScoreJson,
                                       kClassifyJson, kMatrixJson, kLogitsJson,  kTrainJson, kVersionJson};

}  // namespace hindscan::format
