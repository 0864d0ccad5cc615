// The table of structures: make_<name>_view<R> of each line of structures.def.
#pragma once
#include "explain/mixer_view.h"

namespace hindscan {

#define HS_STRUCTURE(name)                                                                               \
  template <class R>                                                                                     \
  std::unique_ptr<MixerView<R>> make_##name##_view(const Ctx& ctx, const MixerScope& scope, size_t core, \
                                                   Estimator estimator);
#include "explain/structures.def"
#undef HS_STRUCTURE

// At the end of structures/<name>.cpp.
#define HS_STRUCTURE_VIEW(name, View)                                                                              \
  template <class R>                                                                                               \
  std::unique_ptr<MixerView<R>> make_##name##_view(const Ctx& ctx, const MixerScope& scope, size_t core,           \
                                                   Estimator estimator) {                                          \
    return std::make_unique<View<R>>(ctx, scope, core, estimator);                                                 \
  }                                                                                                                \
  template std::unique_ptr<MixerView<float>> make_##name##_view(const Ctx&, const MixerScope&, size_t, Estimator); \
  template std::unique_ptr<MixerView<double>> make_##name##_view(const Ctx&, const MixerScope&, size_t, Estimator);

}  // namespace hindscan
