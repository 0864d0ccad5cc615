// Tests over every golden file of every architecture of the registry, and their bars.
#pragma once
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "arch_pass.h"

namespace hindscan::testing {

template <class R>
constexpr bool kDouble = sizeof(R) == 8;

// Bars of acceptance 1.3 in float; in double what rounding leaves.
template <class R>
constexpr Tolerance kLogits = kDouble<R> ? tol::kF64Logits : tol::kF32Logits;
template <class R>
constexpr Tolerance kSplit = kDouble<R> ? tol::kF64Split : tol::kF32Split;
template <class R>
constexpr Tolerance kGradient = kDouble<R> ? tol::kF64Gradients : tol::kF32Gradients;

struct ArchCase {
  std::string architecture, file;
  friend std::ostream& operator<<(std::ostream& out, const ArchCase& c) {
    return out << c.architecture << " " << c.file;
  }
};

inline std::vector<ArchCase> arch_cases() {
  std::vector<ArchCase> out;
  for (const std::string& name : architecture_names()) {
    for (const std::string& file : golden_cases(name)) out.push_back({name, file});
  }
  return out;
}

inline std::string arch_case_name(const ::testing::TestParamInfo<ArchCase>& test) {
  std::string name = test.param.file;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

class ArchTest : public ::testing::TestWithParam<ArchCase> {
 protected:
  ArchTest() : golden_(GetParam().file) {}

  // Whether there is one row of logits per token, rather than one per sequence.
  static bool per_token(const Model& model) { return model.arch().sizes().labels == 0; }

  template <class R>
  Tolerance bar(const Tolerance& usual, const std::string& noise) const {
    return golden_.bar<R>(usual, noise);
  }

  ArchGolden golden_;
};

}  // namespace hindscan::testing
