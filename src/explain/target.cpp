#include "explain/target.h"

#include <algorithm>
#include <cmath>

#include "explain/removals.h"
#include "explain/target_head.h"
#include "explain/target_measure.h"
#include "explain/target_reading.h"
#include "kernels/finite.h"

namespace hindscan {

const Weight* embedding_table(const Ctx& ctx) {
  for (const OpNode& node : ctx.nodes()) {
    if (node.role == Role::kEmbedding && !node.weights.empty()) return node.weights[0];
  }
  return nullptr;
}

namespace {

constexpr size_t kFoils = 5;

// The most likely token other than these.
int32_t best_except(const std::vector<double>& logits, std::span<const int32_t> except) {
  int32_t best = -1;
  for (int32_t v = 0; v < static_cast<int32_t>(logits.size()); ++v) {
    if (std::find(except.begin(), except.end(), v) != except.end()) continue;
    if (best < 0 || logits[static_cast<size_t>(v)] > logits[static_cast<size_t>(best)]) best = v;
  }
  return best;
}

// Raw logits, those shown and the value; h: [places, d_model].
void set_value(const Model& model, TargetReport& t, std::span<const double> h) {
  t.raw.clear();
  t.logit = t.contrast_logit = t.measured = 0;
  for (size_t place = 0; place < t.places(); ++place) {
    const HeadReading r = read_head(model, t, h, place);
    t.logit += group_logit(r.read(), r.own);
    t.contrast_logit += group_logit(r.read(), r.against);
    t.measured += target_measure(t.measure).value(r.read());
    t.raw.insert(t.raw.end(), r.raw.begin(), r.raw.end());
  }
}

// What no token has a share in at a place: the head's bias, and what the target is beside its slope times its logits.
double no_token_part(const Model& model, const TargetReport& t, const HeadReading& h) {
  const LogitHead head = model.arch().logit_head();
  const TargetMeasure& measure = target_measure(t.measure);
  std::vector<double> slopes(h.rows.size());
  measure.slope(h.read(), slopes);
  double biases = 0, linear = 0;
  for (size_t i = 0; i < slopes.size(); ++i) {
    biases += slopes[i] * soft_cap_slope(head, h.raw[i], true) * head_bias(head, h.rows[i]);
    linear += slopes[i] * h.logits[i];
  }
  const bool is_linear = h.rows.size() == h.own.size() + h.against.size() && h.own.size() == 1 && h.against.size() <= 1;
  return is_linear ? biases : biases + measure.value(h.read()) - linear;
}

void check_finite(const Model& model, const std::vector<double>& logits, int64_t position) {
  const int64_t bad = kernels::first_non_finite(std::ssize(logits), logits.data());
  check(bad < 0, ErrorCode::kData,
        "[{}] expected finite logits, found {} for id {} at position {}; the weights or the state are damaged or too "
        "large",
        model.arch().logit_head().weight->name, bad < 0 ? 0.0 : logits[static_cast<size_t>(bad)], bad, position);
}

// Which answer, and against which other one; logits: at its last place.
void choose_ids(const ExplainRequest& request, const std::vector<double>& logits, TargetReport& target) {
  const bool number = target.kind == TargetKind::kNumber, whole = target_measure(target.measure).whole;
  if (request.answer > 0)
    target.id = request.tokens[static_cast<size_t>(target.position + 1)];
  else
    target.id = request.target_id ? *request.target_id : number ? 0 : best_except(logits, {});
  if (request.contrast == Contrast::kId) target.contrast_id = request.contrast_id;
  check(target.contrast_id != target.id, ErrorCode::kUsage,
        "[explain] expected a contrast other than the target {}, found the same; leave it out for the runner-up",
        target.id);
  const std::vector<int32_t> own = named_ids(target, target.earlier.size());
  if (request.contrast == Contrast::kAuto && std::ssize(logits) > std::ssize(own) && !number && !whole)
    target.contrast_id = best_except(logits, own);
  if (!target.contrast_id || target.kind != TargetKind::kToken) return;
  std::vector<int32_t> taken = own;
  const std::vector<int32_t> other = contrast_ids(target);
  taken.insert(taken.end(), other.begin(), other.end());
  for (; target.foils.size() < kFoils && std::ssize(logits) > std::ssize(taken); taken.push_back(target.foils.back()))
    target.foils.push_back(best_except(logits, taken));
}

TargetKind kind_of(const ArchitectureSizes& sizes) {
  if (sizes.labels == 0) return TargetKind::kToken;
  return sizes.regression || sizes.labels == 1 ? TargetKind::kNumber : TargetKind::kClass;
}

}  // namespace

template <class R>
TargetReport choose_target(const Model& model, const ExplainRequest& request, int64_t position, std::span<const R> h) {
  const LogitHead head = model.arch().logit_head();
  const std::vector<double> wide(h.begin(), h.end());  // [places, d_model]
  TargetReport target;
  target.kind = kind_of(model.arch().sizes());
  target.position = position;
  target.edits_begin = std::min(set_in_front(model, request.tokens), position);
  target.measure = request.measure;
  target.also = request.target_also;
  target.contrast_also = request.contrast_also;
  for (int64_t t = position + 2 - std::max<int64_t>(request.answer, 1); t <= position; ++t)
    target.earlier.push_back(request.tokens[static_cast<size_t>(t)]);
  std::vector<double> logits;  // [vocab or labels], of the last place in the end
  for (size_t place = 0; place < target.places(); ++place) {
    logits = head_logits(model, row_at(target, wide, place));
    for (double& logit : logits) logit = soft_capped(head, logit);
    check_finite(model, logits, target.first() + static_cast<int64_t>(place));
  }
  choose_ids(request, logits, target);
  set_value(model, target, wide);
  for (size_t place = 0; place < target.places(); ++place)
    target.bias += no_token_part(model, target, known_reading(model, target, place));
  if (target.places() > 1) {
    target.probability = std::exp(target.measured);
  } else if (target.kind != TargetKind::kNumber) {
    const std::vector<int32_t> own = named_ids(target, 0);
    const std::vector<size_t> at(own.begin(), own.end());
    const ReadLogits all{logits, at, {}};
    target.probability = std::exp(group_logit(all, at) - all_logits_as_one(all));
  }
  return target;
}
template TargetReport choose_target<float>(const Model&, const ExplainRequest&, int64_t, std::span<const float>);
template TargetReport choose_target<double>(const Model&, const ExplainRequest&, int64_t, std::span<const double>);

std::vector<double> target_seed(const Model& model, const TargetReport& target, bool frozen) {
  const LogitHead head = model.arch().logit_head();
  const auto C = static_cast<size_t>(head.weight->cols());
  std::vector<double> seed(target.places() * C);  // [places, d_model]
  for (size_t place = 0; place < target.places(); ++place) {
    const HeadReading read = known_reading(model, target, place);
    std::vector<double> slopes(read.rows.size());  // [rows]
    target_measure(target.measure).slope(read.read(), slopes);
    for (size_t i = 0; i < slopes.size(); ++i) {
      const double factor = slopes[i] * head.scale * soft_cap_slope(head, read.raw[i], frozen);
      if (factor == 0) continue;
      const std::vector<double> row = weight_row(*head.weight, read.rows[i]);  // [d_model]
      for (size_t c = 0; c < C; ++c) seed[place * C + c] += factor * row[c];
    }
  }
  return seed;
}

TargetReport target_at(const Model& model, TargetReport target, std::span<const double> h) {
  set_value(model, target, h);
  return target;
}

double target_value(const Model& model, const TargetReport& target, std::span<const double> h) {
  double value = 0;
  for (size_t place = 0; place < target.places(); ++place) {
    const HeadReading read = read_head(model, target, h, place);
    value += target_measure(target.measure).value(read.read());
  }
  check(std::isfinite(value), ErrorCode::kData,
        "[{}] expected a finite target, found {}; the weights or the state are damaged or too large",
        model.arch().logit_head().weight->name, value);
  return value;
}

std::vector<double> target_values(const Model& model, const TargetReport& target, const Ctx& ctx, Var h) {
  const std::vector<int64_t>& cu = ctx.layout(h).cu;
  const int64_t C = ctx.cols(h), places = static_cast<int64_t>(target.places());
  std::vector<double> out;
  for (size_t s = 0; s + 1 < cu.size(); ++s) {
    check(cu[s + 1] - cu[s] >= places, ErrorCode::kInternal,
          "[explain] expected the {} places of the answer in a pass, found {} rows", places, cu[s + 1] - cu[s]);
    out.push_back(ctx.with_real([&]<class R>(R) {
      const R* rows = ctx.data<R>(h) + (cu[s + 1] - places) * C;  // [places, d_model]
      return target_value(model, target, std::vector<double>(rows, rows + places * C));
    }));
  }
  return out;
}

// Nothing is known yet of what another target reads.
static TargetReport unread(TargetReport target) {
  target.raw.clear();
  target.foils.clear();
  target.contrast_also.clear();
  return target;
}

TargetReport log_p_of(TargetReport target) {
  target = unread(std::move(target));
  target.measure = "log-p";
  target.contrast_id.reset();
  return target;
}

TargetReport against(TargetReport target, int32_t foil) {
  target = unread(std::move(target));
  target.contrast_id = foil;
  return target;
}

}  // namespace hindscan
