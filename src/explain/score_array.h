// What a method of attribution gives back: arrays that say what their axes are, in which unit they are and whether they
// add up. The terminal, the page, pictures and files show them without knowing the method.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace hindscan {

inline constexpr const char* kTokenAxis = "token";
inline constexpr const char* kLayerAxis = "layer";  // token mixers, the first one first

// What the numbers of an array are.
inline constexpr const char* kTargetUnit = "target";  // parts of the target's value, in its unit
inline constexpr const char* kWeightUnit = "weight";  // of an implicit attention row: how much is read from where
inline constexpr const char* kSlopeUnit = "slope";    // of the target, for each unit of an embedding

// Of scores that decompose the target: target = sum + state + no_token + residual.
struct Completeness {
  double target = 0, residual = 0;
};

struct ScoreArray {
  using Values = std::variant<std::vector<double>, std::vector<float>>;  // few numbers, or one for each layer and token

  std::string name;               // arrays of one name show the same, on other axes
  std::string words;              // what they show
  std::string unit;               // kTargetUnit, kWeightUnit, kSlopeUnit
  std::string part_of;            // the array that this one and its like add up to; empty: it stands for itself
  std::vector<std::string> axes;  // the outermost first
  std::vector<uint64_t> shape;    // of each axis
  Values values;                  // row-major
  double sum = 0;                 // of a [token] array
  double state = 0;               // what the state from before the text brings to the target
  double no_token = 0;            // what biases and baselines bring
  std::optional<Completeness> completeness;
  bool has_adjoint = false;  // the adjoint that the method keeps is that of these scores

  bool by_token() const { return axes.size() == 1 && axes[0] == kTokenAxis; }
  bool by_layer_and_token() const { return axes.size() == 2 && axes[0] == kLayerAxis && axes[1] == kTokenAxis; }
  std::span<const double> tokens() const;  // [T] of a [token] array
  std::span<const float> layers() const;   // [L, T] of a [layer, token] array
};

// Scores [T] and, by layer, [L, T], while a walk fills them.
struct ScoreMap {
  std::vector<double> scores;
  std::vector<float> layers;
};

// by_layer: what an entry of a layer shows, and how the scores come from it, where `words` do not say it.
struct ArrayName {
  std::string name, words, unit, part_of = {}, by_layer = {};
};
inline constexpr const char* kMeanOfLayers = "; the score is the mean over layers";
// Of the scores of a method that takes the target apart at the input of every layer.
inline constexpr const char* kHeldByLayers =
    "how much of the target the layer's input at that position holds; earlier tokens have left theirs in it, so the "
    "layers do not add up to the score";
ScoreArray token_array(const ArrayName& name, std::vector<double> scores);
ScoreArray layer_array(const ArrayName& name, std::vector<float> layers, size_t tokens);
// The scores, and the layers where there are any.
void append(std::vector<ScoreArray>& arrays, const ArrayName& name, ScoreMap map);

double largest_size(std::span<const double> values);  // the largest finite |value|; 0 of none

// What a face shows as one: the arrays of one name.
struct ScoreView {
  const ScoreArray* tokens = nullptr;  // [T], or null
  const ScoreArray* layers = nullptr;  // [L, T], or null
  const ScoreArray& any() const { return tokens != nullptr ? *tokens : *layers; }
};
std::vector<ScoreView> views_of(std::span<const ScoreArray> arrays);

}  // namespace hindscan
