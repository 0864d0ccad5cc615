// How far an estimate of a map is from the exact map.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "io/json.h"

namespace hindscan {

// Sums over entries; totals of several parts add up.
struct EstimatorError {
  double exact2 = 0, estimate2 = 0, product = 0, difference2 = 0;
  double exact_mass = 0, estimate_mass = 0, spurious_mass = 0;

  void add(double exact, double estimate);
  void add(const EstimatorError& other);
  double relative_l2() const;  // ||estimate - exact|| / ||exact||
  double cosine() const;
  double spurious() const;    // share of sum |estimate| beyond the exact entry of the same sign
  double mass_ratio() const;  // sum |estimate| / sum |exact|
};

struct EstimatorReport {
  std::string name;  // "key-dropping"
  struct Layer {
    int layer = 0;
    EstimatorError error;
  };
  std::vector<Layer> layers;  // those that have the dropped term
  EstimatorError total;
};

Json to_json(const EstimatorError& error);
Json to_json(const EstimatorReport& report);

}  // namespace hindscan
