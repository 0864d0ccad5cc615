#include "eval/writes.h"

#include <algorithm>

#include "eval/edited_batch.h"
#include "explain/mixer_view.h"

namespace hindscan {

static bool all_zero(const SequenceState::Slot& slot) {
  return std::all_of(slot.bytes.begin(), slot.bytes.end(), [](char c) { return c == 0; });
}

std::span<const int32_t> first_few(const PassProbe& probe, std::span<const int32_t> window) {
  constexpr size_t kFew = 16;
  return probe.whole ? window : window.first(std::min(kFew, window.size()));
}

std::set<std::string> write_taps(const Model& model, std::span<const int32_t> window) {
  Input input;
  input.tokens = window;
  CtxOptions options;
  options.record = true;
  options.compute = model.compute();
  Ctx ctx(input, std::move(options));
  model.arch().forward(ctx);
  std::set<std::string> names;
  const auto collect = [&](const auto& views) {
    for (const auto& view : views) {
      const bool key = view->kind.starts_with("glr.") && view->kind != "glr.channel";
      names.insert(ctx.mixers()[view->mixer].where + (key ? ".k" : ".v"));
    }
  };
  if (model.compute() == DType::kF64)
    collect(mixer_views<double>(ctx));
  else
    collect(mixer_views<float>(ctx));
  return names;
}

void verify_found(const std::set<std::string>& found, const std::set<std::string>& writes) {
  for (const std::string& name : writes)
    check(found.count(name) > 0, ErrorCode::kInternal,
          "[causal] expected the write {} to drop, found none; please report this", name);
}

void verify_writes(const Model& model, std::span<const int32_t> window, const SequenceState& before,
                   const std::set<std::string>& writes, Arena& arena) {
  EditedBatch batch(window, 0, writes, arena);
  batch.add_without_any_write();
  batch.run(model, before);
  verify_found(batch.silenced, writes);
  for (const std::string& name : writes) {
    const std::string mixer = name.substr(0, name.rfind('.') + 1);
    bool written = false, dropped = false;
    for (const auto& [slot, with] : batch.states[0].slots()) {
      const auto without = batch.states[1].slots().find(slot);
      if (!slot.starts_with(mixer) || without == batch.states[1].slots().end()) continue;
      written |= !all_zero(with);
      dropped |= with.bytes != without->second.bytes;
    }
    check(dropped || !written, ErrorCode::kInternal,
          "[causal] expected another state of {} without its writes, found the same; please report this", mixer);
  }
}

}  // namespace hindscan
