// The target's row of a mixer with what stands around its core (arXiv 2405.16504), channel by channel.
#pragma once
#include "explain/reverse_method.h"

namespace hindscan {

// [tokens, C] at the mixer's source, times `scale`; C the columns there. A gate, slope and convolution act channel by
// channel, so that one adjoint of ones has the rows of all channels; it stays until the adjoints of the pass are
// forgotten. carry: of the chunk behind this one, then of this one.
template <class R>
const R* unified_row(const Chunk<R>& chunk, const MixerView<R>& view, R scale, SequenceState& carry);

}  // namespace hindscan
