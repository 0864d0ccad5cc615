// The mixer a matrix request asks for, and its coefficients read off the text.
#pragma once
#include <memory>
#include <vector>

#include "explain/matrix_plan.h"
#include "explain/mixer_view.h"
#include "explain/reverse_walk.h"

namespace hindscan {

// The mixer asked for. Error(kUsage) when the layer has none, not so many, or not such a map.
template <class R>
const MixerView<R>& find_view(const std::vector<std::unique_ptr<MixerView<R>>>& views, const MatrixRequest& r,
                              const MatrixPlan& p);

// One mixer over a range of the rows of its arrays; several where resets cut a reordered text.
template <class R>
struct Part {
  int64_t begin = 0, end = 0;
  std::unique_ptr<MapWindow<R>> window;
};

template <class R>
struct Collected {
  std::vector<Part<R>> parts;
  std::vector<std::vector<double>> to_text;  // [rows of the arrays, T] where the model reorders tokens, else empty
  StructureName structure;
};

template <class R>
Collected<R> collect(const Model& model, const MatrixRequest& r, const MatrixPlan& p, bool whole);

}  // namespace hindscan
