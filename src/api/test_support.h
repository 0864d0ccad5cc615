// The built-in model as users of the library see it.
#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "hindscan/hindscan.h"

namespace hindscan {

inline const LanguageModel& english() {
  static const LanguageModel model = LanguageModel::load();
  return model;
}

inline constexpr const char* kText = "He opened the door and went into the room, and shut the";

// Of the error that f throws; nothing when it throws none.
inline std::optional<ErrorCode> code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code();
  }
  return std::nullopt;
}

}  // namespace hindscan
