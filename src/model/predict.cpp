#include "model/predict.h"

#include <algorithm>
#include <cmath>

#include "core/ops/linear.h"
#include "core/ops/losses.h"

namespace hindscan {

std::vector<float> predict(const Model& model, const Input& input) {
  const ArchitectureSizes sizes = model.arch().sizes();
  check(sizes.labels > 0, ErrorCode::kData,
        "[{}] expected a classifier or regressor, found a language model; train one with the task classify",
        model.path().empty() ? "model" : model.path());
  if (sizes.feature_dim == 0) model.check_tokens(input.tokens);
  CtxOptions options;
  options.compute = model.compute();
  Ctx ctx(input, options);
  const LogitHead head = model.arch().logit_head();
  const Var y = ops::linear(ctx, *head.weight, head.bias, model.arch().forward(ctx));  // [B, labels]
  const auto n = static_cast<size_t>(ctx.rows(y) * ctx.cols(y));
  std::vector<float> out(n);  // [B, labels]
  for (size_t i = 0; i < n; ++i) {
    out[i] = model.compute() == DType::kF64 ? static_cast<float>(ctx.data<double>(y)[i]) : ctx.data<float>(y)[i];
    check(std::isfinite(out[i]), ErrorCode::kData,
          "[{}] expected finite scores, found {} for output {} of sequence {}; the weights are damaged or too large",
          head.weight->name, out[i], i % static_cast<size_t>(ctx.cols(y)), i / static_cast<size_t>(ctx.cols(y)));
  }
  return out;
}

std::vector<double> probabilities(std::span<const float> scores) {
  const double top = scores.empty() ? 0 : static_cast<double>(*std::max_element(scores.begin(), scores.end()));
  std::vector<double> out;
  double sum = 0;
  for (const float s : scores) sum += out.emplace_back(std::exp(static_cast<double>(s) - top));
  for (double& p : out) p /= sum;
  return out;
}

}  // namespace hindscan
