// How close is close: every bar of the tests, by name. A test takes a name from this table and writes no number.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>

namespace hindscan {

// What an error is measured in.
enum class Unit {
  kOne,      // 1: absolute
  kEach,     // floor + |want| of the element
  kLargest,  // the largest |want| of the array, at least floor
  kUlp32,    // the last place of |want| as a float, at least that of the smallest normal
  kGiven,    // handed to agree() with the arrays, e.g. the sum of the terms' absolute values; at least floor
};

// Both bars hold: `element` for every |got - want| in units; `norm` for the root mean square of the errors in units
// (kLargest: of ||got - want|| in units of ||want||). Few elements may all round unluckily: see norm_bar.
struct Tolerance {
  double element, norm;
  Unit unit = Unit::kLargest;
  double floor = 0;
  bool empty = false, infinities = false;

  // The bar of n elements: `element` of one, `norm` of many.
  double norm_bar(size_t n) const { return norm + std::max(0.0, element - norm) / std::sqrt(static_cast<double>(n)); }

  // The same bars, some factor wider or tighter.
  constexpr Tolerance times(double factor) const {
    Tolerance t = *this;
    t.element *= factor;
    t.norm *= factor;
    return t;
  }
  // For single numbers to which arrays of that bar add up.
  constexpr Tolerance absolute() const {
    Tolerance t = *this;
    t.unit = Unit::kOne;
    return t;
  }
  // Two empty arrays agree: for loops over sizes that begin at nothing.
  constexpr Tolerance or_empty() const {
    Tolerance t = *this;
    t.empty = true;
    return t;
  }
  // Equal infinities agree: where an infinity is the answer.
  constexpr Tolerance or_infinite() const {
    Tolerance t = *this;
    t.infinities = true;
    return t;
  }
};

namespace tol {

// The same arithmetic in the same order.
inline constexpr Tolerance kEqual{0, 0};

// ---- Float kernels against double.
// A few roundings of an element.
inline constexpr Tolerance kF32Pointwise{1e-6, 4e-7, Unit::kEach, 1};
// exp, log, tanh or sine of an element, and what is formed of it.
inline constexpr Tolerance kF32Activation{2e-6, 2e-7, Unit::kEach, 1};
// Taps of a convolution and their gradients: sums over up to 300 rows.
inline constexpr Tolerance kF32Conv{1e-5, 5e-7, Unit::kEach, 1};
// Sums of up to 700 rows, kept in float.
inline constexpr Tolerance kF32RowSums{2e-5, 5e-7, Unit::kEach, 1};
// An element relative to itself, however small.
inline constexpr Tolerance kF32Relative{3e-7, 1e-7, Unit::kEach};
inline constexpr Tolerance kF32Sine{2e-7, 5e-8, Unit::kOne};
// Heavy-tailed inputs, in units of what one rounding of the inputs does to the result; products of numbers below the
// floor underflow on the way.
inline constexpr Tolerance kF32Heavy{1e-5, 3e-7, Unit::kGiven, 1e-30};
// The vector functions.
inline constexpr Tolerance kF32Ulp{4, 1, Unit::kUlp32};
// Products of matrices, in units of the sum of |a b|: float accumulators, up to 1024 terms of one size, ...
inline constexpr Tolerance kF32Products{3.8e-7, 5e-8, Unit::kGiven};
// ... or of all sizes: what follows the largest term is rounded as it is.
inline constexpr Tolerance kF32HeavyProducts{3e-6, 3e-7, Unit::kGiven};

// Decays exp(-s): the product dt A is rounded first, so the error grows with s (in the units handed over).
inline constexpr Tolerance kF32Decay{3e-7, 3e-7, Unit::kGiven, 6e-32};

// ---- Float recurrences, mixers and ops against double. What lies below the floor is lost to float's range.
inline constexpr Tolerance kF32Forward{1e-6, 1e-6, Unit::kLargest, 1e-19};
// Exact adjoints, with states recomputed.
inline constexpr Tolerance kF32Backward{1e-5, 1e-5, Unit::kLargest, 1e-19};
// One state per channel: a multiplication a token.
inline constexpr Tolerance kF32Channel{2e-6, 2e-6};
// Sums over states of products of up to 3000 factors, and maps of them.
inline constexpr Tolerance kF32Recurrence{4e-6, 4e-6};
// Weights of softmax attention: at most 1 each; their sums and products by more.
inline constexpr Tolerance kF32Weight{1e-6, 1e-6, Unit::kOne};
// Cells that read their own output, in runs that go together against each alone.
inline constexpr Tolerance kF32Cell{4e-6, 4e-6, Unit::kLargest, 1};
inline constexpr Tolerance kF64Cell{1e-13, 1e-13, Unit::kLargest, 1};
// Accumulated onto ones.
inline constexpr Tolerance kF32Accumulated{1e-5, 1e-5, Unit::kOne};
// Passes cut elsewhere or packed: only the order of some sums changes.
inline constexpr Tolerance kF32Op{1e-5, 1e-5, Unit::kLargest, 1e-3};
inline constexpr Tolerance kF32Steps{3e-6, 3e-6, Unit::kEach, 1};
inline constexpr Tolerance kF32HeavyOp{1e-4, 1e-5, Unit::kGiven, 1e-20};
// Weights of 16 bits against the same widened: equal numbers by another kernel.
inline constexpr Tolerance kF32Widened{1e-6, 1e-6, Unit::kOne};
// Losses in nats, and their slopes.
inline constexpr Tolerance kF32Loss{2e-6, 2e-6, Unit::kOne};
// A residual made by scaling one token: 0.01, itself computed from floats.
inline constexpr Tolerance kF32ResidualOfWrong{1e-4, 1e-4, Unit::kOne};

// ---- Double.
// One or two roundings of numbers near 1.
inline constexpr Tolerance kF64Pointwise{1e-15, 2e-16, Unit::kOne};
inline constexpr Tolerance kF64Ulp{4.4e-16, 4.4e-16, Unit::kEach};
// Products of matrices in double accumulators, in units of the sum of |a b|.
inline constexpr Tolerance kF64Products{7e-15, 1e-15, Unit::kGiven};
// Recurrences, their maps and adjoints against their formulas: states carried over up to 130 tokens.
inline constexpr Tolerance kF64Recurrence{2e-13, 2e-13};
inline constexpr Tolerance kF64Op{1e-12, 1e-12, Unit::kLargest, 1e-3};
// The same terms, added up in another order.
inline constexpr Tolerance kF64Regrouped{1e-14, 1e-14};
// Passes of small models, whose numbers are near 1.
inline constexpr Tolerance kF64Absolute{1e-12, 1e-12, Unit::kOne};
// Sums over a whole pass: parts against the target they add up to.
inline constexpr Tolerance kF64Sum{1e-11, 1e-11, Unit::kEach, 1};
// A scalar product over a whole problem.
inline constexpr Tolerance kF64Total{1e-9, 1e-9, Unit::kLargest, 1};
// A residual, relative to itself.
inline constexpr Tolerance kF64Residual{1e-11, 1e-11, Unit::kEach};

// ---- Differences for derivatives, in double.
// Of fourth order with steps of 1e-3 ...
inline constexpr Tolerance kFiniteDifference{1e-9, 1e-10, Unit::kLargest, 1e-3};
// ... of 1/1024 or 1/256, which features in float hold exactly ...
inline constexpr Tolerance kOpDifference{1e-7, 1e-7, Unit::kLargest, 1e-3};
inline constexpr Tolerance kGridDifference{1e-8, 1e-8, Unit::kOne};
// ... of second order with steps of 1e-5 ...
inline constexpr Tolerance kSecondDifference{4e-9, 4e-9};
// ... and with steps of 1/1024.
inline constexpr Tolerance kFloatSteps{2e-5, 2e-5, Unit::kEach, 1};
// A small change against its first order: what is left out is of the second.
inline constexpr Tolerance kSmallChange{1e-3, 1e-3, Unit::kLargest, 1e-12};

// ---- Whole models against their references (golden files, published logits).
inline constexpr Tolerance kF32Logits{2e-6, 8e-7};
inline constexpr Tolerance kF64Logits{1e-12, 1e-12};
// The same model cut into chunks, steps and packs; states included.
inline constexpr Tolerance kF32Split{2e-6, 2e-6, Unit::kLargest, 1e-6};
inline constexpr Tolerance kF64Split{1e-12, 1e-12, Unit::kLargest, 1e-6};
inline constexpr Tolerance kF32Gradients{1e-5, 1e-5};
inline constexpr Tolerance kF64Gradients{1e-10, 1e-10};
// Rows of implicit attention.
inline constexpr Tolerance kF32Rows{1e-5, 1e-5};
inline constexpr Tolerance kF64Rows{1e-12, 1e-12};
// Inputs, biases and the carried state against an output that they add up to.
inline constexpr Tolerance kF64Complete{1e-10, 1e-10, Unit::kLargest, 1};
// Log-probabilities from logits of 1e-6.
inline constexpr Tolerance kF32LogProb{5e-5, 5e-5, Unit::kOne};
// What rounding the matrices to 16 bits does to logits.
inline constexpr Tolerance kBf16Storage{0.15, 0.098};
inline constexpr Tolerance kF16Storage{0.015, 0.0098};
// Activations of inputs up to 300 and down to 1e-12.
inline constexpr Tolerance kF64Each{1e-14, 1e-14, Unit::kEach, 1};
// Logits shifted by 1000: in float rounded to 6e-5 before the kernel sees them.
inline constexpr Tolerance kF32ShiftedLogits{1e-4, 1e-4};
// mamba_ssm's own kernels, in float; in bf16 with the tolerances of its tests (fp16: a tenth); its tensor cores.
inline constexpr Tolerance kOfficial{1e-5, 1e-5};
inline constexpr Tolerance kOfficialBf16{3e-2, 3e-2, Unit::kEach, 5.0 / 3};
inline constexpr Tolerance kOfficialHalfA{1e-3, 1e-3, Unit::kEach, 25};
inline constexpr Tolerance kTensorCores{1e-2, 1e-2};
// Logits of three tokens, of 192 or more; layers of trained models over 100 frames.
inline constexpr Tolerance kF32TinyLogits{1e-5, 1e-5, Unit::kOne};
inline constexpr Tolerance kF32LongLogits{1e-4, 1e-4, Unit::kOne};
inline constexpr Tolerance kF32TrainedLayer{1e-4, 1e-4};
// Weights stored with fewer bits: a factor gives what a numpy pass over the same rounded weights found.
inline constexpr Tolerance kStored{1, 1, Unit::kOne};
// Fresh weights: fixed values; products of orthogonal columns.
inline constexpr Tolerance kF32Init{2e-6, 2e-6, Unit::kOne};
inline constexpr Tolerance kF32Orthogonal{1e-5, 1e-5, Unit::kOne};

// ---- Explanations.
// Scores of one report against brute force, or against another cut: relative to the largest score.
inline constexpr Tolerance kF64Scores{1e-12, 1e-12, Unit::kLargest, 1e-12};
inline constexpr Tolerance kF64SplitScores{1e-9, 1e-9, Unit::kLargest, 1e-9};
inline constexpr Tolerance kF32Scores{2e-5, 2e-5, Unit::kLargest, 1e-9};
inline constexpr Tolerance kF32Shares{2e-5, 2e-5, Unit::kOne};
// A tile or block, in units of the largest entry of the whole map.
inline constexpr Tolerance kF32Tile{2e-5, 2e-5, Unit::kGiven};
// Parts against the target they add up to, in float.
inline constexpr Tolerance kF32Complete{1e-4, 1e-4, Unit::kLargest, 1};
// Shares that a report keeps as float; means of rows kept as float.
inline constexpr Tolerance kKeptAsFloat{1e-6, 1e-6, Unit::kLargest, 1};
inline constexpr Tolerance kMeanOfFloats{1e-7, 1e-7, Unit::kLargest, 1e-12};
// Central differences of a whole model: of second order with steps of 1e-6; of fourth with 1e-3, in units of the
// tensor's largest gradient; what a first-order prediction of a small edit misses.
inline constexpr Tolerance kCentralDifference{1e-7, 1e-7, Unit::kLargest, 1};
inline constexpr Tolerance kModelDifference{1e-7, 1e-7, Unit::kGiven};
// Products of a whole model's slopes by central differences, of second order with steps of 1e-4 or 1e-5.
inline constexpr Tolerance kProductOfSlopes{1e-5, 1e-5, Unit::kLargest, 1e-12};
inline constexpr Tolerance kFirstOrder{1e-3, 1e-3, Unit::kEach};
// An integral by hundreds of steps.
inline constexpr Tolerance kManySteps{1e-2, 1e-2, Unit::kEach};

// ---- Training, storage and chance.
// The same micro-batches summed in another order.
inline constexpr Tolerance kF32Regrouped{2e-6, 2e-6};
// log and exp of weights in float, taken back.
inline constexpr Tolerance kLogOfFloat{2e-5, 2e-5, Unit::kOne};
// Logits of a tiny model after its matrices were rounded to bf16.
inline constexpr Tolerance kBf16Tiny{5e-3, 5e-3, Unit::kOne};
// Sizes of pictures, which follow the width of a label.
inline constexpr Tolerance kPixels{8, 8, Unit::kOne};
// Relative frequencies over 20,000 draws.
inline constexpr Tolerance kFrequency{0.012, 0.012, Unit::kOne};
// Means of samples, in units of their standard errors.
inline constexpr Tolerance kSampled{5, 3, Unit::kGiven};

}  // namespace tol
}  // namespace hindscan
