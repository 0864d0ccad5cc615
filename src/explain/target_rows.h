// The target's row of every layer, channel by channel, and what the papers' released code makes of it: entries clamped
// before the mean over channels, and scaled by the smallest and largest entry of all channels.
#pragma once
#include <vector>

#include "explain/reverse_method.h"

namespace hindscan {

template <class R>
class TargetRows {
 public:
  struct Kind {
    bool unified = false;   // with the convolution, slopes and gates around the cores
    bool clamped = false;   // entries below zero count as zero
    bool released = false;  // of cores: without the target's own step, where the released code leaves it out
  };
  TargetRows(const WalkSizes& sizes, Kind kind);
  void back(const Chunk<R>& chunk);

  size_t layers() const { return layers_.size(); }
  // [T] mean over channels of a layer's entries; 0 behind the target.
  const std::vector<double>& mean(size_t layer) const { return layers_[layer].mean; }
  size_t stage(size_t layer) const { return layers_[layer].stage; }  // see MixerView
  bool left_own_step_out() const { return left_out_; }
  // The same scaled so that the smallest entry of all channels is 0 and the largest 1.
  std::vector<double> scaled(size_t layer) const;

 private:
  struct Layer {
    RowCarry<R> core;
    SequenceState unified;
    std::vector<double> mean;  // [T]
    double low = 0, high = 0;  // of all entries
    size_t stage = 0;
    bool any = false;
  };
  void core_rows(const Chunk<R>& chunk, size_t l);
  void unified_rows(const Chunk<R>& chunk, size_t l);
  void add(const Chunk<R>& chunk, Var v, size_t l, const R* rows, int64_t C, int64_t channels);

  WalkSizes sizes_;
  Kind kind_;
  bool left_out_ = false;
  std::vector<Layer> layers_;
  std::vector<R> scratch_;
};

}  // namespace hindscan
