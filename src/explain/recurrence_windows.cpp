// Windows of the gated linear recurrences: coefficients as their kernels take them.
#include "explain/map_window.h"

namespace hindscan {

namespace glr = kernels::glr;

namespace {

glr::ElementMap element_map(MapKind kind) {
  switch (kind) {
    case MapKind::kAbs:
      return glr::ElementMap::kMeanAbs;
    case MapKind::kPositive:
      return glr::ElementMap::kMeanPositive;
    case MapKind::kChannel:
      return glr::ElementMap::kChannel;
    case MapKind::kMean:
      break;
  }
  return glr::ElementMap::kMean;
}

template <class R>
class ElementWindow final : public MapWindow<R> {
 public:
  using MapWindow<R>::MapWindow;
  int64_t maps() const override { return D_; }
  double entry_flops() const override { return 2.0 * static_cast<double>(D_ * N_); }
  void tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const override {
    const glr::ElementMixer<R> mixer{this->maybe(this->gate_), this->maybe(this->slope_), this->maybe(this->conv_),
                                     this->K_};
    glr::element_tile(dims(), coeffs(), element_map(kind), map, {I.begin, I.end}, {J.begin, J.end}, mixer, out);
  }
  bool block_sums(MapKind kind, int64_t map, const int64_t* edges, int64_t blocks, R* out) const override {
    if (this->fold_ || kind == MapKind::kAbs || kind == MapKind::kPositive) return false;
    glr::element_block_sums(dims(), coeffs(), kind == MapKind::kChannel ? map : -1, edges, blocks, out);
    return true;
  }
  bool block_bounds(MapKind kind, const int64_t* edges, int64_t blocks, R* lower, R* upper) const override {
    if (this->fold_ || (kind != MapKind::kAbs && kind != MapKind::kPositive)) return false;
    glr::element_block_bounds(dims(), coeffs(), element_map(kind), edges, blocks, lower, upper);
    return true;
  }

 private:
  glr::ElementDims dims() const { return {this->tokens_, D_, N_}; }
  glr::ElementCoeffs<R> coeffs() const { return {dt_.data(), A_.data(), B_.data(), C_.data()}; }
  size_t own_bytes() const override { return (dt_.size() + B_.size() + C_.size()) * sizeof(R); }
  void append_core(const MixerView<R>& view, int64_t from, int64_t to) override {
    const auto& element = static_cast<const ElementView<R>&>(view);
    const auto& c = element.coeffs();
    D_ = element.dims().D;
    N_ = element.dims().N;
    A_.assign(c.A, c.A + D_ * N_);
    this->append_rows(c.dt, from, to, D_, dt_);
    this->append_rows(c.B, from, to, N_, B_);
    this->append_rows(c.C, from, to, N_, C_);
  }
  void one(int64_t map, int64_t, int64_t, TokenRange I, TokenRange J, R* out) const override {
    glr::element_tile(dims(), coeffs(), glr::ElementMap::kChannel, map, {I.begin, I.end}, {J.begin, J.end}, {}, out);
  }

  int64_t D_ = 0, N_ = 0;
  std::vector<R> dt_, A_, B_, C_;  // [T, D], [D, N], [T, N], [T, N]
};

template <class R>
class ChannelWindow final : public MapWindow<R> {
 public:
  using MapWindow<R>::MapWindow;
  int64_t maps() const override { return D_; }
  double entry_flops() const override { return 4.0 * static_cast<double>(D_); }
  void tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const override {
    if (!this->gate_.empty() || !this->slope_.empty() || !this->conv_.empty())
      return MapWindow<R>::tile(kind, map, I, J, out);
    glr::channel_tile(dims(), coeffs(), head_map(kind), map, {I.begin, I.end}, {J.begin, J.end}, divided(), out);
  }
  bool block_sums(MapKind kind, int64_t map, const int64_t* edges, int64_t blocks, R* out) const override {
    if (this->fold_ || kind == MapKind::kAbs || kind == MapKind::kPositive || !inverse_.empty()) return false;
    glr::channel_block_sums(dims(), coeffs(), kind == MapKind::kChannel ? map : -1, edges, blocks, out);
    return true;
  }

 private:
  glr::ChannelDims dims() const { return {this->tokens_, D_}; }
  glr::ChannelCoeffs<R> coeffs() const { return {g_.data(), this->maybe(w_), this->maybe(r_), read_, this->maybe(u_)}; }
  glr::HeadTileFold<R> divided() const { return {this->maybe(inverse_), nullptr}; }
  size_t own_bytes() const override {
    return (g_.size() + w_.size() + r_.size() + u_.size() + inverse_.size()) * sizeof(R);
  }
  void append_core(const MixerView<R>& view, int64_t from, int64_t to) override {
    const ChannelDetail<R>& d = static_cast<const ChannelView<R>&>(view).detail();
    D_ = d.dims.D;
    read_ = d.coeffs.read;
    this->append_rows(d.coeffs.g, from, to, D_, g_);
    this->append_rows(d.coeffs.w, from, to, D_, w_);
    this->append_rows(d.coeffs.r, from, to, D_, r_);
    this->append_rows(d.coeffs.u, from, to, D_, u_);
    for (int64_t i = from * D_; d.divisor != nullptr && i < to * D_; ++i) inverse_.push_back(R(1) / d.divisor[i]);
  }
  void one(int64_t map, int64_t, int64_t, TokenRange I, TokenRange J, R* out) const override {
    glr::channel_tile(dims(), coeffs(), glr::HeadMap::kOne, map, {I.begin, I.end}, {J.begin, J.end}, divided(), out);
  }

  int64_t D_ = 0;
  glr::Read read_ = glr::Read::kAfter;
  std::vector<R> g_, w_, r_, u_, inverse_;  // [T, D]; inverse: of the divisor
};

template <class R>
class HeadWindow final : public MapWindow<R> {
 public:
  HeadWindow(bool fold, Estimator estimator) : MapWindow<R>(fold), dropping_(estimator == Estimator::kKeyDropping) {}
  int64_t maps() const override { return dims_.H; }
  double entry_flops() const override { return 2.0 * static_cast<double>(dims_.H * dims_.K * dims_.R * dims_.R); }
  void tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const override {
    const bool folds = !this->gate_.empty() || !this->slope_.empty() || !this->conv_.empty();
    if (folds || (kind == MapKind::kChannel && dims_.R > 1)) return MapWindow<R>::tile(kind, map, I, J, out);
    glr::head_tile(dims(), coeffs(), head_map(kind), map, {I.begin, I.end}, {J.begin, J.end}, divided(), out);
  }
  bool block_sums(MapKind kind, int64_t map, const int64_t* edges, int64_t blocks, R* out) const override {
    if (this->fold_ || kind == MapKind::kAbs || kind == MapKind::kPositive || !inverse_.empty()) return false;
    glr::head_block_sums(dims(), coeffs(), kind == MapKind::kChannel ? map : -1, edges, blocks, out);
    return true;
  }

 private:
  glr::HeadDims dims() const {
    glr::HeadDims d = dims_;
    d.T = this->tokens_;
    return d;
  }
  glr::HeadCoeffs<R> coeffs() const {
    glr::HeadCoeffs<R> c = like_;
    c.q = q_.data();
    c.k = k_.data();
    c.g = this->maybe(g_);
    c.s = this->maybe(s_);
    c.b = this->maybe(b_);
    c.c = this->maybe(c_);
    if (c.read == glr::Read::kDecayed) c.u = this->maybe(u_);
    return c;
  }
  glr::HeadTileFold<R> divided() const { return {this->maybe(inverse_), nullptr}; }
  int64_t reads() const override { return dims_.R; }
  size_t own_bytes() const override {
    return (q_.size() + k_.size() + g_.size() + s_.size() + b_.size() + c_.size() + u_.size() + inverse_.size()) *
           sizeof(R);
  }
  void append_core(const MixerView<R>& view, int64_t from, int64_t to) override {
    const auto& heads = static_cast<const HeadView<R>&>(view);
    const HeadDetail<R>& d = heads.detail();
    const HeadPass<R>& pass = heads.pass();
    dims_ = d.dims;
    like_ = d.coeffs;
    const int64_t H = dims_.H, HK = H * dims_.K;
    if (from == 0 && d.previous != nullptr && !s_.empty()) {  // what this chunk's first token makes of the last write
      for (int64_t h = 0; h < H; ++h) s_[s_.size() - static_cast<size_t>(H - h)] += d.previous[h];
    }
    this->append_rows(d.coeffs.q, from, to, pass.qk(), q_);
    this->append_rows(d.coeffs.k, from, to, pass.qk(), k_);
    this->append_rows(d.coeffs.g, from, to, pass.gw(), g_);
    this->append_rows(d.coeffs.s, from, to, H, s_);
    if (!dropping_) this->append_rows(d.coeffs.b, from, to, HK, b_);
    if (!dropping_) this->append_rows(d.coeffs.c, from, to, HK, c_);
    if (d.coeffs.read == glr::Read::kDecayed) this->append_rows(d.coeffs.u, from, to, H, u_);
    for (int64_t i = from * H; d.divisor != nullptr && i < to * H; ++i) inverse_.push_back(R(1) / d.divisor[i]);
  }
  void one(int64_t map, int64_t read, int64_t write, TokenRange I, TokenRange J, R* out) const override {
    const int64_t pair = (read * dims_.R + write) * dims_.H + map;
    glr::head_tile(dims(), coeffs(), glr::HeadMap::kOne, pair, {I.begin, I.end}, {J.begin, J.end}, divided(), out);
  }

  bool dropping_;
  glr::HeadDims dims_{};
  glr::HeadCoeffs<R> like_{};                           // shapes, and what is no array over tokens
  std::vector<R> q_, k_, g_, s_, b_, c_, u_, inverse_;  // per token, as the kernels take them
};

}  // namespace

template <class R>
std::unique_ptr<MapWindow<R>> make_recurrence_window(const MixerView<R>& view, bool fold, Estimator estimator) {
  if (view.kind == "glr.element") return std::make_unique<ElementWindow<R>>(fold);
  if (view.kind == "glr.channel") return std::make_unique<ChannelWindow<R>>(fold);
  return std::make_unique<HeadWindow<R>>(fold, estimator);
}
template std::unique_ptr<MapWindow<float>> make_recurrence_window(const MixerView<float>&, bool, Estimator);
template std::unique_ptr<MapWindow<double>> make_recurrence_window(const MixerView<double>&, bool, Estimator);

}  // namespace hindscan
