#include "eval/surrogate.h"

#include <algorithm>
#include <cmath>

#include "eval/rank.h"

namespace hindscan {
namespace {

using Column = std::vector<double>;  // one number a mask

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void centre(std::span<double> values) {
  double mean = 0;
  for (const double v : values) mean += v / static_cast<double>(values.size());
  for (double& v : values) v -= mean;
}

// Coordinate by coordinate until nothing moves: the penalty makes the optimum one.
std::vector<double> fit(const std::vector<Column>& columns, Column rest) {
  constexpr int kMostRounds = 1000;
  constexpr double kStill = 1e-12;  // of the largest coefficient
  double square = 0;
  for (const Column& x : columns) square += dot(x, x) / static_cast<double>(columns.size());
  std::vector<double> out(columns.size(), 0.0);
  if (square == 0) return out;
  for (int round = 0; round < kMostRounds; ++round) {
    double moved = 0, largest = 0;
    for (size_t c = 0; c < columns.size(); ++c) {
      const Column& x = columns[c];
      const double own = dot(x, x), next = (dot(x, rest) + own * out[c]) / (own + square), step = next - out[c];
      for (size_t i = 0; i < rest.size(); ++i) rest[i] -= step * x[i];
      out[c] = next;
      moved = std::max(moved, std::abs(step));
      largest = std::max(largest, std::abs(next));
    }
    if (!(moved > kStill * largest)) break;
  }
  return out;
}

}  // namespace

std::optional<double> ridge_surrogate(const MaskTrial& trial, std::span<const Edit> single, int64_t tokens) {
  const size_t half = trial.masks.size() / 2;
  if (half < 2) return std::nullopt;
  std::vector<Column> columns(static_cast<size_t>(tokens), Column(half, 0.0));
  for (size_t m = 0; m < half; ++m) {
    for (const size_t e : trial.masks[m]) columns[static_cast<size_t>(single[e].position)][m] = 1;
  }
  for (Column& c : columns) centre(c);
  Column changes(trial.changes.begin(), trial.changes.begin() + static_cast<std::ptrdiff_t>(half));
  centre(changes);
  const std::vector<double> weights = fit(columns, std::move(changes));
  std::vector<double> foretold;
  for (size_t m = half; m < trial.masks.size(); ++m) {
    double sum = 0;
    for (const size_t e : trial.masks[m]) sum += weights[static_cast<size_t>(single[e].position)];
    foretold.push_back(sum);
  }
  return spearman(foretold, std::span(trial.changes).subspan(half));
}

}  // namespace hindscan
