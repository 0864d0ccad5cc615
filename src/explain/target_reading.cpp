#include "explain/target_reading.h"

#include "explain/target_head.h"

namespace hindscan {

std::vector<int32_t> named_ids(const TargetReport& t, size_t place) {
  std::vector<int32_t> out{place < t.earlier.size() ? t.earlier[place] : t.id};
  out.insert(out.end(), t.also.begin(), t.also.end());
  return out;
}

std::vector<int32_t> contrast_ids(const TargetReport& t) {
  if (!t.contrast_id) return {};
  std::vector<int32_t> out{*t.contrast_id};
  out.insert(out.end(), t.contrast_also.begin(), t.contrast_also.end());
  return out;
}

std::span<const double> row_at(const TargetReport& t, std::span<const double> h, size_t place) {
  const size_t C = h.size() / t.places();
  return h.subspan(place * C, C);  // [d_model]
}

namespace {

// Raw logits of the rows that the target reads at a place; h: [d_model].
std::vector<double> raw_of(const Model& model, const TargetReport& t, std::span<const double> h, size_t place) {
  if (target_measure(t.measure).whole) return head_logits(model, h);
  const LogitHead head = model.arch().logit_head();
  std::vector<double> out;
  for (const int32_t id : named_ids(t, place)) out.push_back(head_logit(head, id, h));
  for (const int32_t id : contrast_ids(t)) out.push_back(head_logit(head, id, h));
  return out;
}

HeadReading reading(const Model& model, const TargetReport& t, std::span<const double> raw, size_t place) {
  const LogitHead head = model.arch().logit_head();
  HeadReading out;
  const std::vector<int32_t> own = named_ids(t, place), against = contrast_ids(t);
  if (target_measure(t.measure).whole) {
    for (size_t v = 0; v < raw.size(); ++v) out.rows.push_back(static_cast<int32_t>(v));
    out.own.assign(own.begin(), own.end());
  } else {
    out.rows = own;
    out.rows.insert(out.rows.end(), against.begin(), against.end());
    for (size_t i = 0; i < out.rows.size(); ++i) (i < own.size() ? out.own : out.against).push_back(i);
  }
  out.raw.assign(raw.begin(), raw.end());
  for (const double r : raw) out.logits.push_back(soft_capped(head, r));
  return out;
}

}  // namespace

HeadReading read_head(const Model& model, const TargetReport& t, std::span<const double> h, size_t place) {
  return reading(model, t, raw_of(model, t, row_at(t, h, place), place), place);
}

HeadReading known_reading(const Model& model, const TargetReport& t, size_t place) {
  check(!t.raw.empty(), ErrorCode::kInternal, "[explain] expected a target whose logits were read, found none");
  const size_t rows = t.raw.size() / t.places();
  return reading(model, t, std::span(t.raw).subspan(place * rows, rows), place);
}

}  // namespace hindscan
