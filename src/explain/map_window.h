// One mixer's coefficients over a range of tokens, collected chunk by chunk: what tiles and block sums are made from.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "explain/mixer_chain.h"

namespace hindscan {

enum class MapKind : uint8_t { kMean, kAbs, kPositive, kChannel };
enum class Estimator : uint8_t { kExact, kKeyDropping };  // kKeyDropping: rank-1 terms left out, as other tools draw it

struct TokenRange {
  int64_t begin = 0, end = 0;
};

template <class R>
class MapWindow {
 public:
  explicit MapWindow(bool fold) : fold_(fold) {}
  virtual ~MapWindow() = default;
  // Adds rows [from, to) of the pass; with fold also what the ops around the core do.
  void append(Ctx& ctx, const MixerOps& ops, int64_t from, int64_t to);
  int64_t tokens() const { return tokens_; }
  void expect(int64_t tokens) { expected_ = tokens; }  // in all: the arrays never grow beyond them
  virtual int64_t maps() const = 0;
  // Entries of one map or of a reduction over maps, zero above the diagonal, in tokens of the window ([I, J],
  // overwritten). A gate, slope and convolution of every channel fold in before the reduction.
  virtual void tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const;
  // Exact sums over blocks in linear time ([blocks, blocks]); false where there is no such form.
  virtual bool block_sums(MapKind, int64_t, const int64_t*, int64_t, R*) const { return false; }
  // Bounds of the sums of |alpha| or max(alpha, 0) in linear time; false where there are none. Never with fold.
  virtual bool block_bounds(MapKind, const int64_t*, int64_t, R*, R*) const { return false; }
  virtual double entry_flops() const = 0;  // of one entry of every map
  size_t bytes() const { return (gate_.size() + slope_.size()) * sizeof(R) + own_bytes(); }

 protected:
  virtual void append_core(const MixerDetail& detail, int64_t from, int64_t to) = 0;
  virtual size_t own_bytes() const = 0;
  virtual int64_t reads() const { return 1; }         // of a token
  virtual int64_t writes() const { return reads(); }  // of a token
  // One map of one read and write, nothing folded in.
  virtual void one(int64_t map, int64_t read, int64_t write, TokenRange I, TokenRange J, R* out) const = 0;
  void append_rows(const R* from, int64_t first, int64_t last, int64_t C, std::vector<R>& to) const {
    if (from == nullptr) return;
    to.reserve(static_cast<size_t>(expected_ * C));
    to.insert(to.end(), from + first * C, from + last * C);
  }
  // Whether what stands around the core changes its entries; slopes may come from the core itself.
  bool folds_in() const { return !gate_.empty() || !slope_.empty() || !conv_.empty(); }
  static const R* maybe(const std::vector<R>& v) { return v.empty() ? nullptr : v.data(); }

  bool fold_;
  int64_t tokens_ = 0, expected_ = 0;
  int64_t out_channels_ = 0, value_channels_ = 0, K_ = 0;  // of all reads and of all writes; taps
  std::vector<R> gate_, slope_, conv_;  // [T, out_channels], [T, value_channels], [value_channels, K]

 private:
  void append_fold(Ctx& ctx, const MixerOps& ops, int64_t from, int64_t to);
};

kernels::glr::HeadMap head_map(MapKind kind);

}  // namespace hindscan
