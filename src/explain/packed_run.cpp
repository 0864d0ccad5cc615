#include "explain/packed_run.h"

#include "explain/target.h"

namespace hindscan {

std::vector<std::vector<double>> run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room,
                                            std::span<const TargetReport> targets) {
  std::vector<std::vector<double>> values(targets.size());
  if (sequences.empty()) return values;
  std::vector<int32_t> tokens;
  Input input;
  input.cu_seqlens = {0};
  for (PackedSequence& s : sequences) {
    tokens.insert(tokens.end(), s.tokens.begin(), s.tokens.end());
    input.cu_seqlens.push_back(static_cast<int64_t>(tokens.size()));
    input.states.push_back(&s.state);
  }
  input.tokens = tokens;
  CtxOptions options;
  options.compute = model.compute();
  options.in_place = true;
  options.use(room);
  Ctx ctx(input, std::move(options));
  const Var h = model.arch().forward(ctx);  // [tokens, d_model]
  for (size_t i = 0; i < targets.size(); ++i) values[i] = target_values(model, targets[i], ctx, h);
  ctx.commit();
  return values;
}

void run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room) {
  run_packed(model, sequences, room, {});
}

}  // namespace hindscan
