// The published cases of the official mamba_ssm package (data folder, goldens/): how they are read and compared.
#pragma once
#include <gtest/gtest.h>
#include <hindscan_paths.h>
#include <simdjson.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "base/testing/compare.h"

namespace hindscan {

inline std::string cases_path() {
  const char* data = std::getenv("HINDSCAN_DATA");
  const std::string folder = data ? data : std::string(HINDSCAN_SOURCE_DIR) + "/../shared/data";
  return folder + "/goldens/mamba_ssm-reference-cases.json";
}

struct Tensor {
  std::vector<int64_t> shape;
  std::vector<double> values;
  std::vector<double> imaginary;  // of complex data

  template <class R>
  std::vector<R> as() const {
    return {values.begin(), values.end()};
  }
  // values[from], values[from + step], ...
  template <class R>
  std::vector<R> strided(int64_t from, int64_t step, int64_t count) const {
    std::vector<R> out;
    for (int64_t i = 0; i < count; ++i) out.push_back(static_cast<R>(values[static_cast<size_t>(from + i * step)]));
    return out;
  }
};

inline void flatten(simdjson::dom::element e, std::vector<double>& to) {
  if (e.is_null()) return to.push_back(std::numeric_limits<double>::quiet_NaN());
  if (!e.is_array()) return to.push_back(e.get_double());
  for (const simdjson::dom::element item : e.get_array()) flatten(item, to);
}

// Inputs under their names, outputs as out.NAME, gradients as grad.NAME.
class Case {
 public:
  Case(simdjson::dom::element document, const std::string& group, const std::string& name) {
    const simdjson::dom::element one = document[group][name];
    for (const auto& [part, prefix] : {std::pair{"inputs", ""}, {"outputs", "out."}, {"gradients", "grad."}}) {
      simdjson::dom::object fields;
      if (one[part].get(fields) != simdjson::SUCCESS) continue;  // not every case has gradients
      for (const auto& field : fields) {
        if (!field.value.is_object()) continue;  // a plain number such as chunk_size
        Tensor& t = tensors_[prefix + std::string(field.key)];
        for (const simdjson::dom::element n : field.value["shape"].get_array()) t.shape.push_back(n.get_int64());
        simdjson::dom::element data;
        if (field.value["data"].get(data) == simdjson::SUCCESS) {
          flatten(data, t.values);
        } else {
          flatten(field.value["data_real"], t.values);
          flatten(field.value["data_imag"], t.imaginary);
        }
      }
    }
  }
  bool has(const std::string& name) const { return tensors_.count(name) != 0; }
  const Tensor& at(const std::string& name) const { return tensors_.at(name); }

 private:
  std::map<std::string, Tensor> tensors_;
};

template <class R>
std::vector<R> poison(size_t n) {
  return std::vector<R>(n, std::numeric_limits<R>::quiet_NaN());
}

// Entries for which the official kernel gives NaN say nothing and are left out.
template <class R>
void expect_close(const std::vector<R>& found, const Tensor& reference, const std::string& what,
                  const Tolerance& t = tol::kOfficial) {
  ASSERT_EQ(found.size(), reference.values.size()) << what;
  std::vector<double> got, want;
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(reference.values[i])) continue;
    got.push_back(static_cast<double>(found[i]));
    want.push_back(reference.values[i]);
  }
  EXPECT_GT(largest(want), 0) << what << ": nothing to compare with";
  EXPECT_TRUE(agree(got, want, t)) << what;
}

// As the GPU peers measure their tensor-core products.
template <class R>
void expect_rms(const std::vector<R>& found, const std::vector<double>& reference, const std::string& what) {
  EXPECT_GT(largest(reference), 0) << what << ": nothing to compare with";
  EXPECT_TRUE(agree(found, reference, tol::kTensorCores)) << what;
}

template <class R>
class MambaSsmCases : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(cases_path())) GTEST_SKIP() << "skipped: no data (" << cases_path() << ")";
    std::ifstream file(cases_path());
    std::string text(std::istreambuf_iterator<char>(file), {});
    // Where A > 0 some gradients of the official kernel are NaN, which is not JSON.
    text = std::regex_replace(text, std::regex("NaN"), "null");
    document_ = parser_.parse(text);
  }
  Case load(const std::string& group, const std::string& name) const { return Case(document_, group, name); }

 private:
  simdjson::dom::parser parser_;
  simdjson::dom::element document_;
};
using Reals = ::testing::Types<float, double>;

}  // namespace hindscan
