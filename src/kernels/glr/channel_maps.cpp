// Tiles and block sums of the channel recurrence. Products of decays are sums of logs in double up to a token between
// the columns and the rows, so no exponential is above 1 and no long product is rounded often.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/glr/channel.h"

namespace hindscan::kernels::glr {
namespace {

template <class R>
double value(const R* from, int64_t at, double otherwise) {
  return from ? static_cast<double>(from[at]) : otherwise;
}

// One channel's alpha over I x J, [I, J] in double, without the fold.
template <class R>
class ChannelTile {
 public:
  ChannelTile(const ChannelDims& dims, const ChannelCoeffs<R>& c, TileRange I, TileRange J)
      : D_(dims.D),
        c_(c),
        I_(I),
        J_(J),
        right_(static_cast<size_t>(std::max<int64_t>(0, J.end - J.begin))),
        decay_(static_cast<size_t>(std::max<int64_t>(0, I.end - I.begin))) {}

  void set_channel(int64_t d) {
    d_ = d;
    double log = 0;  // of the decays of tokens j + 1 .. I.begin - 1
    for (int64_t j = I_.begin - 1; j >= J_.begin; --j) {
      if (j < J_.end) right_[static_cast<size_t>(j - J_.begin)] = std::exp(log) * value(c_.w, at(j), 1);
      log += static_cast<double>(c_.g[at(j)]);
    }
    for (int64_t t = I_.begin; t < I_.end; ++t)
      decay_[static_cast<size_t>(t - I_.begin)] = static_cast<double>(c_.g[at(t)]);
  }

  // f(j - J.begin, alpha[t, j]) for every j <= t of J; call with t ascending from I.begin.
  template <class F>
  void row(int64_t t, const F& f) const {
    const bool before = c_.read == Read::kBefore;
    const double r = value(c_.r, at(t), 1);
    double log = before ? 0 : log_decay(t);  // of the decays of tokens j + 1 .. (t or t - 1)
    for (int64_t j = t; j >= I_.begin; --j) {
      const bool now = j == t;
      if (j < J_.end && j >= J_.begin) {
        const double current = before ? value(c_.u, at(t), 0) : r * value(c_.w, at(t), 1);
        f(j - J_.begin, now ? current : r * std::exp(log) * value(c_.w, at(j), 1));
      }
      if (!now) log += log_decay(j);
    }
    const double left = r * std::exp(log);
    for (int64_t j = J_.begin; j < std::min(J_.end, I_.begin); ++j)
      f(j - J_.begin, left * right_[static_cast<size_t>(j - J_.begin)]);
  }

 private:
  int64_t at(int64_t t) const { return t * D_ + d_; }
  double log_decay(int64_t t) const { return decay_[static_cast<size_t>(t - I_.begin)]; }

  int64_t D_, d_ = 0;
  const ChannelCoeffs<R>& c_;
  TileRange I_, J_;
  std::vector<double> right_;  // [J] weight of column j just before token I.begin
  std::vector<double> decay_;  // [I]
};

double mapped(HeadMap map, double alpha) {
  if (map == HeadMap::kMeanAbs) return std::abs(alpha);
  return map == HeadMap::kMeanPositive && alpha < 0 ? 0 : alpha;
}

template <class R>
void tile(const ChannelDims& dims, const ChannelCoeffs<R>& c, HeadMap map, int64_t channel, TileRange I, TileRange J,
          const HeadTileFold<R>& fold, R* out) {
  const int64_t width = std::max<int64_t>(0, J.end - J.begin), D = dims.D;
  const bool one = map == HeadMap::kOne;
  std::vector<double> sum(static_cast<size_t>(std::max<int64_t>(0, I.end - I.begin) * width), 0.0);  // [I, J]
  ChannelTile<R> alpha(dims, c, I, J);
  for (int64_t d = one ? channel : 0; d < (one ? channel + 1 : D); ++d) {
    alpha.set_channel(d);
    for (int64_t t = I.begin; t < I.end; ++t) {
      double* row = sum.data() + (t - I.begin) * width;  // [J]
      const double gate = value(fold.gate, t * D + d, 1);
      alpha.row(t, [&](int64_t m, double a) {
        row[m] += mapped(map, gate * a * (fold.slope ? static_cast<double>(fold.slope[(J.begin + m) * D + d]) : 1.0));
      });
    }
  }
  const double scale = one ? 1.0 : 1.0 / static_cast<double>(D);
  for (size_t i = 0; i < sum.size(); ++i) out[i] = static_cast<R>(sum[i] * scale);
}

// Column block q is the response to v = 1 inside it; a later block needs three numbers: what the state before it adds
// to the sum of its outputs, its decay, and (on the diagonal) what it reads of itself.
struct ChannelBlock {
  double wrote = 0, reads = 0, log_decay = 0, within = 0;
};

template <class R>
ChannelBlock summarise(const ChannelDims& dims, const ChannelCoeffs<R>& c, int64_t d, int64_t begin, int64_t end) {
  ChannelBlock b;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t at = t * dims.D + d;
    const double g = static_cast<double>(c.g[at]), r = value(c.r, at, 1), w = value(c.w, at, 1);
    if (c.read == Read::kBefore) {
      b.reads += r * std::exp(b.log_decay);
      b.within += r * b.wrote + value(c.u, at, 0);
    }
    b.log_decay += g;
    b.wrote = std::exp(g) * b.wrote + w;
    if (c.read != Read::kBefore) {
      b.reads += r * std::exp(b.log_decay);
      b.within += r * b.wrote;
    }
  }
  return b;
}

template <class R>
void block_sums(const ChannelDims& dims, const ChannelCoeffs<R>& c, int64_t channel, const int64_t* edges,
                int64_t blocks, R* out) {
  std::vector<double> sum(static_cast<size_t>(blocks * blocks), 0.0);  // [blocks, blocks]
  std::vector<ChannelBlock> part(static_cast<size_t>(blocks));
  const bool one = channel >= 0;
  for (int64_t d = one ? channel : 0; d < (one ? channel + 1 : dims.D); ++d) {
    for (int64_t p = 0; p < blocks; ++p) part[static_cast<size_t>(p)] = summarise(dims, c, d, edges[p], edges[p + 1]);
    for (int64_t q = 0; q < blocks; ++q) {
      sum[static_cast<size_t>(q * blocks + q)] += part[static_cast<size_t>(q)].within;
      double state = part[static_cast<size_t>(q)].wrote;
      for (int64_t p = q + 1; p < blocks; ++p) {
        const ChannelBlock& b = part[static_cast<size_t>(p)];
        sum[static_cast<size_t>(p * blocks + q)] += b.reads * state;
        state *= std::exp(b.log_decay);
      }
    }
  }
  const double scale = one ? 1.0 : 1.0 / static_cast<double>(dims.D);
  for (size_t i = 0; i < sum.size(); ++i) out[i] = static_cast<R>(sum[i] * scale);
}

}  // namespace

void channel_tile(const ChannelDims& dims, const ChannelCoeffs<float>& c, HeadMap map, int64_t channel, TileRange I,
                  TileRange J, const HeadTileFold<float>& fold, float* out) {
  tile(dims, c, map, channel, I, J, fold, out);
}
void channel_tile(const ChannelDims& dims, const ChannelCoeffs<double>& c, HeadMap map, int64_t channel, TileRange I,
                  TileRange J, const HeadTileFold<double>& fold, double* out) {
  tile(dims, c, map, channel, I, J, fold, out);
}
void channel_block_sums(const ChannelDims& dims, const ChannelCoeffs<float>& c, int64_t channel, const int64_t* edges,
                        int64_t blocks, float* out) {
  block_sums(dims, c, channel, edges, blocks, out);
}
void channel_block_sums(const ChannelDims& dims, const ChannelCoeffs<double>& c, int64_t channel, const int64_t* edges,
                        int64_t blocks, double* out) {
  block_sums(dims, c, channel, edges, blocks, out);
}

}  // namespace hindscan::kernels::glr
