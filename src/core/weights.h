// One declaration per weight serves load, save, initialise, optimise and count.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/dtype.h"

namespace hindscan {

struct Init {
  enum class Kind : uint8_t {
    kZeros,
    kOnes,
    kNormal,
    kUniform,
    kLogArange,
    kInvSoftplusDt,
    kCustom
  } kind = Kind::kZeros;
  double a = 0, b = 0, c = 0;  // kNormal: std a; kUniform: +-a; kInvSoftplusDt: dt in [a, b], floor c
  // kCustom: fills values [shape], row-major, from the weight's own random stream.
  std::function<void(std::span<double> values, const std::vector<int64_t>& shape, Rng& rng)> fill = {};
  static Init custom(decltype(fill) f) { return {Kind::kCustom, 0, 0, 0, std::move(f)}; }
  static Init constant(double value);
  static Init uniform_range(double low, double high);
  static Init log_uniform(double low, double high);  // log of U(low, high): A_log of Mamba-2
  static Init orthogonal(double gain);               // rows or columns orthonormal, times gain
  static Init zeros() { return {}; }
  static Init ones() { return {Kind::kOnes}; }
  static Init normal(double std_dev) { return {Kind::kNormal, std_dev}; }
  static Init uniform(double bound) { return {Kind::kUniform, bound}; }
  static Init log_arange() { return {Kind::kLogArange}; }  // row r: log(1..columns), S4D-real (layers 1.2)
  static Init inv_softplus_dt(double lo, double hi, double floor) { return {Kind::kInvSoftplusDt, lo, hi, floor}; }
};

// A weight that some checkpoints keep as part of another tensor, or in another order.
struct StoredView {
  std::string name;
  std::vector<int64_t> shape;             // of the stored tensor
  std::function<int64_t(int64_t)> place;  // where element i of the weight lies in it
};

struct Weight {
  std::string name;                             // checkpoint key
  std::vector<std::string> aliases;             // other names under which checkpoints hold it
  std::vector<std::string> transposed_aliases;  // names under which the matrix is stored as [cols, rows]
  std::vector<StoredView> views;
  std::vector<int64_t> shape;
  Init init;
  bool matrix = false;        // may be stored as bf16/f16; otherwise always compute type
  bool weight_decay = false;  // AdamW decay applies
  int index = 0;              // position in the table
  DType dtype = DType::kF32;
  void* data = nullptr;            // [shape], owned by the table
  const uint16_t* bf16 = nullptr;  // training's bf16 copy of a matrix, or null

  int64_t size() const;
  int64_t rows() const { return shape.empty() ? 1 : shape[0]; }
  int64_t cols() const { return rows() == 0 ? 0 : size() / rows(); }
  template <class R>
  const R* as() const;  // Error(kInternal) unless stored as R
};
template <>
const float* Weight::as<float>() const;
template <>
const double* Weight::as<double>() const;

class WeightTable {
 public:
  WeightTable();
  ~WeightTable();
  WeightTable(WeightTable&&) noexcept;
  WeightTable& operator=(WeightTable&&) noexcept;

  // A file that holds so many tensors cannot fill many more weights: Error(kData) before they take memory.
  void expect_from(std::string label, size_t tensors);

  // The reference stays valid for the table's life. Error(kData) for a shape that no memory holds.
  Weight& add(std::string name, std::vector<int64_t> shape, Init init);
  Weight& add_matrix(std::string name, std::vector<int64_t> shape, Init init);  // decays, may be 16 bit

  // Tensors of checkpoints that this family has no use for: names that start or end with `part` are passed over.
  void ignore(std::string part) { ignored_.push_back(std::move(part)); }
  bool ignores(const std::string& name) const;

  size_t size() const { return weights_.size(); }
  Weight& operator[](size_t i) { return *weights_[i]; }
  const Weight& operator[](size_t i) const { return *weights_[i]; }
  Weight* find(const std::string& name);  // by name or alias, null if absent
  int64_t parameters() const;

  // matrix_type: kF32, kBF16, kF16, or kF64 (then everything is double). Contents are zero. Error(kResource).
  void allocate(DType matrix_type);
  void initialise(uint64_t seed);            // f32 or f64 tables; the same numbers for both
  void copy_from(const WeightTable& other);  // same declarations, converts storage types
  void make_bf16();                          // gives every f32 matrix a bf16 copy (bf16 training)
  void refresh_bf16();                       // brings these copies up to date, if there are any
  size_t bytes() const;

 private:
  struct Storage;
  std::vector<std::unique_ptr<Weight>> weights_;
  std::unordered_map<std::string, Weight*> by_name_;
  std::vector<std::string> ignored_;
  std::string source_;
  size_t most_ = SIZE_MAX;
  std::unique_ptr<Storage> storage_;
};

// One gradient per weight, in the compute type.
class GradTable {
 public:
  GradTable(const WeightTable& weights, DType compute);
  ~GradTable();
  void zero();
  DType dtype() const { return dtype_; }
  template <class R>
  R* of(const Weight& w) const {
    return static_cast<R*>(at(w));
  }
  void* at(const Weight& w) const;
  int64_t size() const { return total_; }  // numbers in all

 private:
  DType dtype_;
  int64_t total_ = 0;
  std::vector<int64_t> offset_;
  std::unique_ptr<char[]> owned_;
  char* base_ = nullptr;
};

}  // namespace hindscan
