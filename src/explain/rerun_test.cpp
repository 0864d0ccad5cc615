// What an edit measures is told apart from what the arithmetic makes of the same numbers in another batch.
#include "explain/rerun.h"

#include <gtest/gtest.h>

#include "explain/test_support.h"

namespace hindscan {
namespace {

constexpr int32_t kTwin = 159;  // stands in no text

// What the target does when token 2 becomes a twin whose embedding lies `apart` from its own.
double measured_change(DType dtype, double apart, double* target = nullptr) {
  Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for({3, 1, 4, 15, 9, 2});
  const std::string table = explain(model, r).window.embedding->name;
  Weight& w = *model.weights().find(table);
  double* rows = static_cast<double*>(w.data);  // [vocab, d_model]
  const double* own = rows + r.tokens[2] * w.cols();
  for (int64_t c = 0; c < w.cols(); ++c) rows[kTwin * w.cols() + c] = own[c] + apart;
  const Model used = model.to(dtype);
  const ExplainReport report = explain(used, r);
  if (target != nullptr) *target = report.target.value();
  Edit edit{EditKind::kReplace, 2, kTwin};
  measure_edits(used, r, report, {&edit, 1});
  EXPECT_TRUE(edit.changed);
  return edit.measured;
}

TEST(Rerun, ChangesBelowTheNoiseOfTheArithmeticAreNone) {
  constexpr double kStep = 1e-3;
  double target = 0;
  const double slope = measured_change(DType::kF64, kStep, &target) / kStep, size = std::max(1.0, std::abs(target));
  ASSERT_GT(std::abs(slope), 1e-3);
  for (const auto& [dtype, noise] : {std::pair(DType::kF64, 1e-13), {DType::kF32, 1e-6}}) {
    const double above = measured_change(dtype, 4 * noise * size / slope);
    EXPECT_GT(above, 2 * noise * size) << dtype_name(dtype);
    EXPECT_LT(above, 8 * noise * size) << dtype_name(dtype);
    EXPECT_EQ(measured_change(dtype, 0.3 * noise * size / slope), 0) << dtype_name(dtype);
  }
}

}  // namespace
}  // namespace hindscan
