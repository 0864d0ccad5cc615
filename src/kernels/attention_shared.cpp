#include "kernels/attention_shared.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/pointwise.h"

namespace hindscan::kernels {

namespace {

constexpr int64_t kBlock = 256;  // rows at a time

// One head: sums of values relative to the largest score so far, as in attention by tiles.
template <class R>
class SharedHead {
 public:
  SharedHead(const AttentionDims& dims, int64_t head, const SharedView* views, R* y, R* lse)
      : dims_(dims), head_(head), views_(views), y_(y), lse_(lse), sum_(static_cast<size_t>(dims.T), R(1)) {
    for (int64_t t = 0; t < dims.T; ++t) top_.push_back(lse[t * dims.heads + head]);
  }

  // Rows [first, first + count) of the shared ones; k and v: their first.
  void add(int64_t first, int64_t count, const R* q, const R* k, const R* v) {
    const int64_t T = dims_.T, kv = head_ / (dims_.heads / dims_.kv_heads);
    scores_.resize(static_cast<size_t>(T * count));
    gemm({T, count, dims_.d, false, true}, q + head_ * dims_.d, dims_.heads * dims_.d, k + kv * dims_.d,
         dims_.kv_heads * dims_.d, R(0), scores_.data(), count);
    for (int64_t t = 0; t < T; ++t) start_row(t, first, count, scores_.data() + t * count);
    neg_exp(T * count, scores_.data(), scores_.data());
    for (int64_t t = 0; t < T; ++t) {
      R* row = scores_.data() + t * count;
      double sum = 0;
      for (int64_t j = 0; j < count; ++j) sum += static_cast<double>(row[j] = -row[j]);
      sum_[static_cast<size_t>(t)] += static_cast<R>(sum);
    }
    gemm({T, dims_.d_v, count}, scores_.data(), count, v + kv * dims_.d_v, dims_.kv_heads * dims_.d_v, R(1),
         y_ + head_ * dims_.d_v, dims_.heads * dims_.d_v);
  }

  void finish() {
    for (int64_t t = 0; t < dims_.T; ++t) {
      const R sum = sum_[static_cast<size_t>(t)];
      for (R* y = row_of(t); y < row_of(t) + dims_.d_v; ++y) *y /= sum;
      lse_[t * dims_.heads + head_] = top_[static_cast<size_t>(t)] + std::log(sum);
    }
  }

 private:
  R* row_of(int64_t t) const { return y_ + (t * dims_.heads + head_) * dims_.d_v; }

  // Scores become relative to the largest that token t has met; what it has summed up follows.
  void start_row(int64_t t, int64_t first, int64_t count, R* row) {
    constexpr R kUnseen = -std::numeric_limits<R>::infinity();
    const SharedView& view = views_[t];
    R top = top_[static_cast<size_t>(t)];
    for (int64_t j = 0; j < count; ++j) {
      const int64_t key = first + j;
      row[j] *= static_cast<R>(dims_.scale);
      if (dims_.soft_cap > 0)
        row[j] = static_cast<R>(dims_.soft_cap) * std::tanh(row[j] / static_cast<R>(dims_.soft_cap));
      if (key < view.begin || key >= view.count || (key >= view.gap_begin && key < view.gap_end)) row[j] = kUnseen;
      top = std::max(top, row[j]);
    }
    for (int64_t j = 0; j < count; ++j) row[j] -= top;
    if (top == top_[static_cast<size_t>(t)]) return;
    const R shrink = std::exp(top_[static_cast<size_t>(t)] - top);
    sum_[static_cast<size_t>(t)] *= shrink;
    for (R* y = row_of(t); y < row_of(t) + dims_.d_v; ++y) *y *= shrink;
    top_[static_cast<size_t>(t)] = top;
  }

  const AttentionDims& dims_;
  int64_t head_;
  const SharedView* views_;
  R *y_, *lse_;
  std::vector<R> top_, sum_, scores_;  // [T], [T], [T, rows]
};

template <class R>
void attend(const AttentionDims& dims, const R* q, const R* k, const R* v, const SharedView* views, R* y, R* lse) {
  int64_t begin = std::numeric_limits<int64_t>::max(), rows = 0;
  for (int64_t t = 0; t < dims.T; ++t) {
    if (views[t].count > views[t].begin) begin = std::min(begin, views[t].begin);
    rows = std::max(rows, views[t].count);
  }
  for (int64_t h = 0; h < dims.heads; ++h) {
    SharedHead<R> head(dims, h, views, y, lse);
    for (int64_t first = begin; first < rows; first += kBlock)
      head.add(first, std::min(kBlock, rows - first), q, k + first * dims.kv_heads * dims.d,
               v + first * dims.kv_heads * dims.d_v);
    head.finish();
  }
}

}  // namespace

SharedView SharedView::last(int64_t rows) const {
  const int64_t behind = count - gap_end;
  SharedView view = *this;
  view.begin = std::max(begin, rows <= behind ? count - std::max<int64_t>(rows, 0) : gap_begin - (rows - behind));
  return view;
}

void attend_shared(const AttentionDims& dims, const float* q, const float* k, const float* v, const SharedView* views,
                   float* y, float* lse) {
  attend(dims, q, k, v, views, y, lse);
}

void attend_shared(const AttentionDims& dims, const double* q, const double* k, const double* v,
                   const SharedView* views, double* y, double* lse) {
  attend(dims, q, k, v, views, y, lse);
}

}  // namespace hindscan::kernels
