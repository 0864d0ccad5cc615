#include "explain/estimator.h"

#include <algorithm>
#include <cmath>

namespace hindscan {

void EstimatorError::add(double exact, double estimate) {
  exact2 += exact * exact;
  estimate2 += estimate * estimate;
  product += exact * estimate;
  difference2 += (estimate - exact) * (estimate - exact);
  exact_mass += std::abs(exact);
  estimate_mass += std::abs(estimate);
  const double real = exact * estimate > 0 ? std::min(std::abs(exact), std::abs(estimate)) : 0;
  spurious_mass += std::abs(estimate) - real;
}

void EstimatorError::add(const EstimatorError& other) {
  exact2 += other.exact2;
  estimate2 += other.estimate2;
  product += other.product;
  difference2 += other.difference2;
  exact_mass += other.exact_mass;
  estimate_mass += other.estimate_mass;
  spurious_mass += other.spurious_mass;
}

static double ratio(double a, double b) { return a == 0 ? 0 : a / b; }

double EstimatorError::relative_l2() const { return std::sqrt(ratio(difference2, exact2)); }
double EstimatorError::cosine() const { return ratio(product, std::sqrt(exact2) * std::sqrt(estimate2)); }
double EstimatorError::spurious() const { return ratio(spurious_mass, estimate_mass); }
double EstimatorError::mass_ratio() const { return ratio(estimate_mass, exact_mass); }

Json to_json(const EstimatorError& error) {
  Json out = Json::object();
  return out.set("relative_l2", error.relative_l2())
      .set("cosine", error.cosine())
      .set("spurious", error.spurious())
      .set("mass_ratio", error.mass_ratio());
}

Json to_json(const EstimatorReport& report) {
  Json out = to_json(report.total), layers = Json::array();
  for (const EstimatorReport::Layer& l : report.layers) {
    Json layer = to_json(l.error);
    layers.push(std::move(layer.set("layer", l.layer)));
  }
  return out.set("name", report.name).set("layers", std::move(layers));
}

}  // namespace hindscan
