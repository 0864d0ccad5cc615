#include "explain/packed_run.h"

#include "explain/target.h"

namespace hindscan {

void run_pass(const Model& model, std::span<const RunSequence> runs, PassRoom& room,
              const std::function<void(Ctx&, Var)>& read) {
  std::vector<int32_t> tokens;
  Input input;
  input.cu_seqlens = {0};
  for (const RunSequence& r : runs) {
    tokens.insert(tokens.end(), r.tokens.begin(), r.tokens.end());
    input.cu_seqlens.push_back(std::ssize(tokens));
    input.states.push_back(r.state);
  }
  input.tokens = tokens;
  CtxOptions options;
  options.compute = model.compute();
  options.in_place = true;
  options.use(room);
  Ctx ctx(input, std::move(options));
  read(ctx, model.arch().forward(ctx));
  ctx.commit();
}

std::vector<std::vector<double>> run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room,
                                            std::span<const TargetReport> targets) {
  std::vector<std::vector<double>> values(targets.size());
  if (sequences.empty()) return values;
  std::vector<RunSequence> runs;
  runs.reserve(sequences.size());
  for (PackedSequence& s : sequences) runs.push_back({s.tokens, &s.state});
  run_pass(model, runs, room, [&](Ctx& ctx, Var h) {
    for (size_t i = 0; i < targets.size(); ++i) values[i] = target_values(model, targets[i], ctx, h);
  });
  return values;
}

void run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room) {
  run_packed(model, sequences, room, {});
}

}  // namespace hindscan
