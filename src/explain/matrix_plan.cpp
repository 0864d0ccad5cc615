#include "explain/matrix_plan.h"

#include <algorithm>
#include <charconv>

#include "explain/walk_plan.h"

namespace hindscan {

static TokenRange resolve(const std::optional<TokenRange>& range, int64_t T, const char* what) {
  if (!range) return {0, T};
  const TokenRange r{range->begin < 0 ? T + range->begin : range->begin, range->end < 0 ? T + range->end : range->end};
  check(r.begin >= 0 && r.begin < r.end && r.end <= T, ErrorCode::kUsage,
        "[matrix] expected {} a:b inside 0:{}, found {}:{}", what, T, range->begin, range->end);
  return r;
}

int64_t matrix_tokens(const Model& model, const MatrixRequest& r) {
  const int64_t F = model.arch().sizes().feature_dim;
  return F > 0 ? static_cast<int64_t>(r.features.size()) / F : static_cast<int64_t>(r.tokens.size());
}

MatrixPlan make_matrix_plan(const Model& model, const MatrixRequest& r) {
  MatrixPlan p;
  p.T = matrix_tokens(model, r);
  check(p.T > 0, ErrorCode::kUsage, "[matrix] expected at least one token, found none; give a prompt");
  check_reading(model, "matrix", r.tokens, r.features);
  const int64_t L = model.arch().sizes().n_layer;
  p.layer = r.layer < 0 ? static_cast<int>(L) + r.layer : r.layer;
  check(p.layer >= 0 && p.layer < L, ErrorCode::kUsage, "[matrix] expected a layer in 0..{}, found {}", L - 1, r.layer);
  check(r.chunk > 0, ErrorCode::kUsage, "[matrix] expected a chunk of at least 1 token, found {}", r.chunk);
  check(r.blocks >= 0 && r.blocks <= p.T, ErrorCode::kUsage,
        "[matrix] expected 0..{} blocks, one a token at most, found {}", p.T, r.blocks);
  check(r.blocks == 0 || (!r.rows && !r.cols), ErrorCode::kUsage,
        "[matrix] blocks cover all tokens; leave out rows and cols");
  p.rows = resolve(r.rows, p.T, "rows");
  p.cols = resolve(r.cols, p.T, "cols");
  p.fold = r.fidelity == Fidelity::kMixer;
  check(p.fold || r.without.empty(), ErrorCode::kUsage,
        "[matrix] expected the fidelity of the whole mixer where parts of it are left out, found that of the core");
  p.window = {std::min(p.cols.begin, p.rows.end), p.rows.end};
  return p;
}

std::vector<int64_t> block_edges(int64_t T, int64_t blocks) {
  std::vector<int64_t> edges;
  for (int64_t b = 0; b <= blocks; ++b) edges.push_back(b * T / blocks);
  return edges;
}

void parse_map(const std::string& text, MatrixRequest& request) {
  if (text == "mean")
    request.map = MapKind::kMean;
  else if (text == "abs")
    request.map = MapKind::kAbs;
  else if (text == "positive")
    request.map = MapKind::kPositive;
  else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), request.channel);
    check(error == std::errc() && end == text.data() + text.size() && request.channel >= 0, ErrorCode::kUsage,
          "[matrix] expected a map mean, abs, positive or a channel number, found \"{}\"", text);
    request.map = MapKind::kChannel;
  }
}

}  // namespace hindscan
