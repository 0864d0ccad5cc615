// What a layer's residual is measured against.
#include "explain/row_scan.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/row_scan_test_support.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

// ||y - D x|| / ||y||: the skip has its part of the output, and none of what the row has to find.
TEST(RowScans, TheResidualIsAShareOfTheOutputSkipIncluded) {
  constexpr int64_t kT = 9;
  const Model model = tiny_model(DType::kF64);
  Recorded pass(model, distinct_tokens(kT));
  const Views<double> real = mixer_views<double>(pass.ctx), views = views_that_find_nothing(pass.ctx, real);
  const Orders orders = Orders::of<double>(pass.ctx, pass.h);
  RowScan<double> scan({kT, kT, std::ssize(views), 0});
  scan.back({pass.ctx, pass.h, 0, kT, kT - 1, kT - 1, {}, {}, views, orders});
  const std::vector<double> residuals = scan.residuals();
  ASSERT_EQ(residuals.size(), 3u);
  for (size_t l = 0; l < residuals.size(); ++l) {
    const OpNode& skip = pass.ctx.nodes()[real[l]->ops().skip];
    const int64_t D = pass.ctx.cols(skip.out);
    const double *y = pass.ctx.data<double>(skip.out) + (kT - 1) * D,
                 *core = pass.ctx.data<double>(skip.in[0]) + (kT - 1) * D;
    double missing = 0, output = 0;
    for (int64_t d = 0; d < D; ++d) missing += core[d] * core[d], output += y[d] * y[d];
    EXPECT_TRUE(agree(residuals[l], std::sqrt(missing / output), tol::kF64Absolute)) << l;
    EXPECT_NE(missing, output);
  }
}

}  // namespace
}  // namespace hindscan
