// Attention over shared rows against attention over the same rows one behind the other, for each token alone.
#include "kernels/attention_shared.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/attention_test_support.h"

namespace hindscan::kernels {
namespace {

using namespace attention_test;  // NOLINT(google-build-using-namespace)
using glr::isa_test_name;

constexpr int64_t kShared = 300;

// The rows that token t of the problem sees: shared ones (the problem's first), then its own, row kShared + t.
template <class R>
std::vector<R> rows_of(const std::vector<R>& all, int64_t width, const SharedView& view, int64_t t) {
  std::vector<R> rows;
  const auto add = [&](int64_t row) {
    rows.insert(rows.end(), all.begin() + row * width, all.begin() + (row + 1) * width);
  };
  for (int64_t j = 0; j < view.count; ++j) {
    if (j >= view.begin && (j < view.gap_begin || j >= view.gap_end)) add(j);
  }
  add(kShared + t);
  return rows;
}

struct Both {
  std::vector<double> y, lse;
};

// Each token alone over all it sees, in double.
Both one_by_one(const Problem<double>& p, const std::vector<SharedView>& views) {
  const AttentionDims& d = p.dims;
  Both out;
  for (int64_t t = 0; t < d.T; ++t) {
    const std::vector<double> k = rows_of(p.k, d.kv_heads * d.d, views[static_cast<size_t>(t)], t),
                              v = rows_of(p.v, d.kv_heads * d.d_v, views[static_cast<size_t>(t)], t);
    AttentionDims one = d;
    one.T = 1;
    one.past = std::ssize(k) / (d.kv_heads * d.d) - 1;
    std::vector<double> y(static_cast<size_t>(d.heads * d.d_v)), lse(static_cast<size_t>(d.heads));
    attention_forward(one, {p.q.data() + t * d.heads * d.d, k.data(), v.data()}, y.data(), lse.data());
    out.y.insert(out.y.end(), y.begin(), y.end());
    out.lse.insert(out.lse.end(), lse.begin(), lse.end());
  }
  return out;
}

template <class R>
Both shared(const Problem<R>& p, const std::vector<SharedView>& views) {
  const AttentionDims& d = p.dims;
  std::vector<R> y, lse;
  AttentionDims own = d;  // each token's own row alone
  own.T = 1;
  own.past = 0;
  for (int64_t t = 0; t < d.T; ++t) {
    std::vector<R> yt(static_cast<size_t>(d.heads * d.d_v)), lt(static_cast<size_t>(d.heads));
    attention_forward(own,
                      {p.q.data() + t * d.heads * d.d, p.k.data() + (kShared + t) * d.kv_heads * d.d,
                       p.v.data() + (kShared + t) * d.kv_heads * d.d_v},
                      yt.data(), lt.data());
    y.insert(y.end(), yt.begin(), yt.end());
    lse.insert(lse.end(), lt.begin(), lt.end());
  }
  attend_shared(d, p.q.data(), p.k.data(), p.v.data(), views.data(), y.data(), lse.data());
  return {{y.begin(), y.end()}, {lse.begin(), lse.end()}};
}

std::vector<SharedView> some_views() {
  return {{0, 0, 0},     {1, 0, 0},           {kShared, 0, 0},       {280, 10, 11},        {256, 255, 256},
          {257, 0, 257}, {kShared, 100, 290}, {kShared, 20, 30, 10}, {kShared, 0, 0, 270}, {290, 0, 0, 290}};
}

Problem<double> some_problem(double soft_cap, Law law) {
  const auto T = std::ssize(some_views());
  return problem<double>({T, kShared, 4, 2, 9, 7, 0, 0.3, soft_cap}, 1, law);
}

TEST(AttentionShared, ViewsOfTheLastRowsCountThoseThatAreThere) {
  for (const SharedView& view :
       {SharedView{20, 0, 0}, SharedView{20, 8, 12}, SharedView{20, 0, 3}, SharedView{20, 17, 20}}) {
    std::vector<int64_t> there;
    for (int64_t j = 0; j < view.count; ++j) {
      if (j < view.gap_begin || j >= view.gap_end) there.push_back(j);
    }
    for (int64_t rows = -1; rows <= std::ssize(there); ++rows) {
      const SharedView last = view.last(rows);
      std::vector<int64_t> seen;
      for (int64_t j = last.begin; j < last.count; ++j) {
        if (j < last.gap_begin || j >= last.gap_end) seen.push_back(j);
      }
      EXPECT_EQ(seen, std::vector<int64_t>(there.end() - std::max<int64_t>(rows, 0), there.end())) << rows;
    }
    EXPECT_EQ(view.last(view.count + 5).begin, 0);
  }
}

TEST(AttentionShared, DoubleIsOneSoftmaxOverAllRows) {
  for (const double cap : {0.0, 2.5}) {
    const Problem<double> p = some_problem(cap, Law::kNormal);
    const Both a = shared(p, some_views()), b = one_by_one(p, some_views());
    EXPECT_TRUE(agree(a.y, b.y, tol::kF64Absolute));
    EXPECT_TRUE(agree(a.lse, b.lse, tol::kF64Absolute));
  }
}

using SharedIsa = glr::ElementIsa;
HS_INSTANTIATE_ISAS(SharedIsa);

TEST_P(SharedIsa, FloatFollowsDouble) {
  for (const Law law : {Law::kNormal, Law::kLognormal, Law::kCauchy}) {
    const Problem<double> p = some_problem(0, law);
    const Problem<float> f = problem<float>(p.dims, 1, law);
    const Both a = shared(f, some_views()), b = one_by_one(p, some_views());
    EXPECT_TRUE(agree(a.y, b.y, tol::kF32Forward));
    EXPECT_TRUE(agree(a.lse, b.lse, tol::kF32Forward));
  }
}

}  // namespace
}  // namespace hindscan::kernels
