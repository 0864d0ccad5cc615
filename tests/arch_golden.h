// A file of tests/golden/arch: a tiny model of some family with what its reference computes. See
// tests/golden/README.md.
#pragma once
#include <filesystem>
#include <map>
#include <set>

#include "golden_file.h"
#include "io/json.h"
#include "model/config_json.h"
#include "model/model.h"

namespace hindscan::testing {

template <class R>
constexpr DType kType = sizeof(R) == 4 ? DType::kF32 : DType::kF64;

// Tokens or feature vectors of one sequence, or a part of it.
struct Sequence {
  std::vector<int32_t> tokens;
  std::vector<float> features;  // [length, dim]
  int64_t dim = 0;

  int64_t length() const {
    return static_cast<int64_t>(dim > 0 ? features.size() / static_cast<size_t>(dim) : tokens.size());
  }
  Sequence part(int64_t begin, int64_t count) const {
    if (dim > 0) return {{}, {features.begin() + begin * dim, features.begin() + (begin + count) * dim}, dim};
    return {{tokens.begin() + begin, tokens.begin() + begin + count}, {}, 0};
  }
  Sequence from(int64_t begin) const { return part(begin, length() - begin); }
  void append(const Sequence& other) {
    tokens.insert(tokens.end(), other.tokens.begin(), other.tokens.end());
    features.insert(features.end(), other.features.begin(), other.features.end());
    dim = other.dim;
  }
  Input input() const {
    Input in;
    in.tokens = tokens;
    in.features = features;
    in.feature_dim = dim;
    return in;
  }
};

class ArchGolden {
 public:
  explicit ArchGolden(const std::string& name) : file_("arch/" + name + ".safetensors") {
    for (int s = 0; s < 2; ++s) {
      const std::string features = fmt::format("features.{}", s), tokens = fmt::format("tokens.{}", s);
      if (file_.has(features)) {
        sequences_.push_back({{}, file_.reals<float>(features), file_.shape(features)[1]});
      } else {
        sequences_.push_back({file_.ids(tokens), {}, 0});
      }
    }
  }

  const GoldenFile& file() const { return file_; }
  const std::vector<Sequence>& sequences() const { return sequences_; }
  std::vector<double> logits(size_t s) const { return file_.reals<double>(fmt::format("logits.{}", s)); }
  std::vector<int32_t> targets(size_t s) const { return file_.ids(fmt::format("targets.{}", s)); }
  std::vector<float> loss_weights(size_t s) const { return file_.reals<float>(fmt::format("loss_weights.{}", s)); }

  // How far the reference's own float run was from its double run; 0 where it was not measured.
  double noise(const std::string& what) const {
    const Json metadata = parse_json(file_.metadata(), "golden");
    const Json* all = metadata.find("float32_noise");
    const Json* one = all == nullptr || all->is_null() ? nullptr : all->find(what);
    return one == nullptr ? 0 : one->as_double();
  }
  // A bar of float tests. Each was made for a reference whose own noise is at most `room`; it grows with the excess.
  // Room of logits: a fifth under that noise, since each instruction set rounds in an order of its own.
  template <class R>
  Tolerance bar(const Tolerance& usual, const std::string& what) const {
    static const std::map<std::string, double> room = {
        {"logits", 3.2e-7}, {"largest", 5e-7}, {"grads", 3e-6}, {"rows", 4e-6}};
    return sizeof(R) == 8 ? usual : usual.times(std::max(1.0, noise(what) / room.at(what)));
  }

  Config config() const { return config_from_json(*parse_json(file_.metadata(), "golden").find("config"), "golden"); }

  // The stored tensor `kind`.<name or alias of w>, laid out as w; empty when there is none.
  std::vector<double> of_weight(const std::string& kind, const Weight& w, std::set<std::string>* used = nullptr) const {
    std::vector<std::string> names = w.aliases;
    names.insert(names.begin(), w.name);
    for (const std::string& name : names) {
      if (!take(kind + name, used)) continue;
      return file_.reals<double>(kind + name);
    }
    for (const std::string& name : w.transposed_aliases) {
      if (!take(kind + name, used)) continue;
      const std::vector<double> stored = file_.reals<double>(kind + name);  // [cols, rows]
      std::vector<double> out(stored.size());
      const auto rows = static_cast<size_t>(w.rows()), cols = static_cast<size_t>(w.cols());
      for (size_t r = 0; r < rows; ++r) {
        for (size_t c = 0; c < cols; ++c) out[r * cols + c] = stored[c * rows + r];
      }
      return out;
    }
    for (const StoredView& view : w.views) {
      if (!take(kind + view.name, used)) continue;
      const std::vector<double> stored = file_.reals<double>(kind + view.name);
      std::vector<double> out(static_cast<size_t>(w.size()));
      for (size_t i = 0; i < out.size(); ++i)
        out[i] = stored.at(static_cast<size_t>(view.place(static_cast<int64_t>(i))));
      return out;
    }
    return {};
  }

  // The model with the stored weights; a weight that is missing, superfluous or of another size fails the test.
  template <class R>
  Model model() const {
    Model m = Model::create(config(), kType<R>, 1);
    std::set<std::string> used;
    for (size_t k = 0; k < m.weights().size(); ++k) {
      Weight& w = m.weights()[k];
      const std::vector<double> values = of_weight("weights.", w, &used);
      EXPECT_EQ(values.size(), static_cast<size_t>(w.size())) << w.name << " is not in the golden file in this size";
      if (values.size() == static_cast<size_t>(w.size()))
        std::copy(values.begin(), values.end(), static_cast<R*>(w.data));
    }
    for (const TensorInfo& t : file_.tensors()) {
      if (t.name.rfind("weights.", 0) != 0 || used.count(t.name) || m.weights().ignores(t.name.substr(8))) continue;
      ADD_FAILURE() << t.name << " is no weight of this architecture";
    }
    return m;
  }

 private:
  bool take(const std::string& name, std::set<std::string>* used) const {
    if (!file_.has(name)) return false;
    if (used != nullptr) used->insert(name);
    return true;
  }
  GoldenFile file_;
  std::vector<Sequence> sequences_;
};

// Stems of the files of an architecture: its name, or its name and "-variant".
inline std::vector<std::string> golden_cases(const std::string& architecture) {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(golden_path("arch"))) {
    const std::string stem = entry.path().stem().string();
    if (stem.substr(0, stem.find('-')) == architecture) found.insert(stem);
  }
  return {found.begin(), found.end()};
}

}  // namespace hindscan::testing
