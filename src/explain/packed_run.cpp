#include "explain/packed_run.h"

#include "explain/target.h"

namespace hindscan {

static std::vector<double> run(const Model& model, std::span<PackedSequence> sequences, PassRoom& room,
                               const TargetReport* target, std::vector<double>* log_ps) {
  std::vector<double> values;
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
  if (target != nullptr) values = target_values(model, *target, ctx, h);
  if (log_ps != nullptr) *log_ps = target_log_ps(model, *target, ctx, h);
  ctx.commit();
  return values;
}

void run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room) {
  run(model, sequences, room, nullptr, nullptr);
}

std::vector<double> run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room,
                               const TargetReport& target, std::vector<double>* log_ps) {
  return run(model, sequences, room, &target, log_ps);
}

}  // namespace hindscan
