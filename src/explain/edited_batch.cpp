#include "explain/edited_batch.h"

#include <algorithm>
#include <cstring>

#include "explain/target.h"

namespace hindscan {

void EditedBatch::add(const Edit& e) {
  const int64_t at = e.position - first_, start = cu_.back();
  add_tokens(e.kind == EditKind::kRemove ? at : -1);
  if (e.kind == EditKind::kReplace) tokens_[static_cast<size_t>(start + at)] = e.replacement;
  if (e.kind == EditKind::kDropWrite) silent_.push_back(start + at);
}

void EditedBatch::add_without_any_write() {
  for (size_t t = 0; t < window_.size(); ++t) silent_.push_back(cu_.back() + static_cast<int64_t>(t));
  add_tokens(-1);
}

void EditedBatch::run(const Model& model, const SequenceState& before,
                      const std::function<void(Ctx& ctx, Var h)>& visit) {
  states.assign(cu_.size() - 1, before);
  silenced.clear();
  emptied.clear();
  changed.assign(cu_.size() - 1, 0);
  Input input;
  input.tokens = tokens_;
  input.cu_seqlens = cu_;
  for (SequenceState& s : states) input.states.push_back(&s);
  CtxOptions options;
  options.compute = model.compute();
  options.use(room_);
  options.tap = [this](const TapView& view) { silence(view), compare(view); };
  Ctx ctx(input, std::move(options));
  visit(ctx, model.arch().forward(ctx));  // [tokens, d_model]
  ctx.commit();
}

std::vector<double> EditedBatch::values(const Model& model, const SequenceState& before, const TargetReport& target,
                                        std::vector<double>* log_ps) {
  std::vector<double> out;
  run(model, before, [&](Ctx& ctx, Var h) {
    out = target_values(model, target, ctx, h);
    if (log_ps != nullptr) *log_ps = target_values(model, log_p_of(target), ctx, h);
  });
  return out;
}

void EditedBatch::add_tokens(int64_t without) {
  for (int64_t t = 0; t < static_cast<int64_t>(window_.size()); ++t) {
    if (t != without) tokens_.push_back(window_[static_cast<size_t>(t)]);
  }
  cu_.push_back(static_cast<int64_t>(tokens_.size()));
}

void EditedBatch::silence(const TapView& view) {
  if (writes_.count(std::string(view.name)) == 0) return;
  if (view.T != cu_.back()) return;  // tokens in another order: this is none of them
  silenced.insert(std::string(view.name));
  const size_t row = static_cast<size_t>(view.C) * dtype_size(view.dtype);
  for (int64_t t : silent_) {
    char* begin = static_cast<char*>(view.data) + static_cast<size_t>(t) * row;
    if (std::any_of(begin, begin + row, [](char c) { return c != 0; })) emptied.insert(std::string(view.name));
    std::memset(begin, 0, row);
  }
}

void EditedBatch::compare(const TapView& view) {
  if (!view.name.ends_with(".mixer.out") || view.T != cu_.back()) return;
  const size_t row = static_cast<size_t>(view.C) * dtype_size(view.dtype);
  const char* data = static_cast<const char*>(view.data);
  for (size_t s = 1; s < changed.size(); ++s) {
    const auto rows = static_cast<size_t>(cu_[s + 1] - cu_[s]);
    if (rows != window_.size() || std::memcmp(data + static_cast<size_t>(cu_[s]) * row, data, rows * row) != 0)
      changed[s] = 1;
  }
}

}  // namespace hindscan
