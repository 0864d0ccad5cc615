#include "nn/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "core/ops/rotate.h"

namespace hindscan::nn {

namespace {

constexpr double kMost = 1e12;  // of a base, a factor, a length

class Reader {
 public:
  Reader(const Config& c, int64_t head_dim, const RotaryKeys& keys)
      : c_(c),
        keys_(keys),
        group_(group_of(c)),
        type_(c.text(group_ + "rope_type", c.text(group_ + "type", "default"))) {
    check(type_ == c.text(group_ + "type", type_), ErrorCode::kData,
          "[{}] expected one kind of positions, found \"rope_type\" {} and \"type\" {}", c.label(), type_,
          c.text(group_ + "type", type_));
    base_ = one_of_two("rope_theta", keys.base, 1, kMost, keys.default_base);
    const double partial = one_of_two("partial_rotary_factor", keys.partial, 0, 1, keys.default_partial);
    dim_ = static_cast<int64_t>(static_cast<double>(head_dim) * partial);
    check(dim_ % 2 == 0, ErrorCode::kData, "[{}] expected an even number of rotary channels in heads of {}, found {}",
          c.label(), head_dim, dim_);
  }

  Rotary read() const {
    Rotary out{dim_, base_, nullptr};
    auto scale = std::make_shared<RopeScale>();
    scale->rates = plain();
    if (type_ == "default") return out;
    if (type_ == "linear") {
      for (double& rate : scale->rates) rate /= factor();
    } else if (type_ == "dynamic") {
      scale->positions = positions();
      factor();  // of the frequencies beyond `positions`, which are refused
    } else if (type_ == "llama3") {
      llama3(*scale);
    } else if (type_ == "yarn") {
      yarn(*scale);
    } else {
      fail(ErrorCode::kData, "[{}] expected rotary positions default, linear, dynamic, llama3 or yarn, found \"{}\"",
           c_.label(), type_);
    }
    out.scale = std::move(scale);
    return out;
  }

 private:
  // The older and the newer name of the object; empty counts as absent.
  static std::string group_of(const Config& c) {
    const auto object = [&c](const char* key) {
      const ConfigValue* value = c.find(key);
      const auto* members = value == nullptr ? nullptr : value->as<ConfigValue::Object>();
      check(value == nullptr || members != nullptr, ErrorCode::kData, "[{}] \"{}\" must be an object", c.label(), key);
      return members != nullptr && !members->empty() ? members : nullptr;
    };
    const auto *scaling = object("rope_scaling"), *parameters = object("rope_parameters");
    check(scaling == nullptr || parameters == nullptr || *scaling == *parameters, ErrorCode::kData,
          "[{}] expected one of \"rope_scaling\" and \"rope_parameters\", found both, and they differ", c.label());
    return scaling != nullptr ? "rope_scaling." : "rope_parameters.";
  }

  // A number that stands inside the object, beside it under `outer`, or in both places.
  double one_of_two(const char* inner, const std::string& outer, double low, double high, double fallback) const {
    const double beside = c_.real(outer, low, high, fallback), inside = c_.real(group_ + inner, low, high, beside);
    check(inside == beside || !c_.has(outer), ErrorCode::kData,
          "[{}] expected one value for both, found \"{}{}\" {} and \"{}\" {}", c_.label(), group_, inner, inside, outer,
          beside);
    return inside;
  }

  double number(const char* key, double low, double fallback) const {
    return c_.real(group_ + key, low, kMost, fallback);
  }
  // A number this kind cannot do without.
  double needed(const char* key, double low) const {
    check(c_.has(group_ + key), ErrorCode::kData, "[{}] expected \"{}{}\" for {} positions, found none", c_.label(),
          group_, key, type_);
    return number(key, low, 0);
  }
  double factor() const { return needed("factor", 1); }
  int64_t positions() const {
    return c_.integer("max_position_embeddings", 1, int64_t{1} << 40, keys_.default_positions);
  }
  // Tokens of the training before the positions were stretched.
  double original() const {
    const std::string key = "original_max_position_embeddings";
    const double inner = number(key.c_str(), 1, static_cast<double>(positions()));
    return c_.real(key, 1, kMost, inner);
  }

  std::vector<double> plain() const {
    std::vector<double> rates;
    for (int64_t i = 0; i < dim_; i += 2)
      rates.push_back(std::pow(base_, -static_cast<double>(i) / static_cast<double>(dim_)));
    return rates;
  }

  void llama3(RopeScale& scale) const {
    const double factor = this->factor(), length = original();
    const double low = needed("low_freq_factor", 1e-6), high = needed("high_freq_factor", 1e-6);
    check(high > low, ErrorCode::kData, "[{}] expected high_freq_factor above low_freq_factor {}, found {}", c_.label(),
          low, high);
    for (double& rate : scale.rates) {
      const double turns = length * rate / (2 * std::numbers::pi);  // in the original length
      const double smooth = std::clamp((turns - low) / (high - low), 0.0, 1.0);
      rate *= (1 - smooth) / factor + smooth;
    }
  }

  // The channel that makes so many turns in the original length.
  double channel_of(double turns) const {
    return static_cast<double>(dim_) * std::log(original() / (turns * 2 * std::numbers::pi)) / (2 * std::log(base_));
  }

  static double stretch(double factor, double m) { return factor <= 1 ? 1 : 0.1 * m * std::log(factor) + 1; }

  void yarn(RopeScale& scale) const {
    const double factor = c_.has(group_ + "factor") ? this->factor() : static_cast<double>(positions()) / original();
    const double m = number("mscale", 0, 0), m_all = number("mscale_all_dim", 0, 0);
    const double own = m > 0 && m_all > 0 ? stretch(factor, m) / stretch(factor, m_all) : stretch(factor, 1);
    scale.size = number("attention_factor", 1e-6, own);
    const auto beta = [&](const char* key, double fallback) {
      const double value = number(key, 0, fallback);
      return value > 0 ? value : fallback;
    };
    check(base_ > 1, ErrorCode::kData, "[{}] expected a rope_theta above 1 for yarn positions, found {}", c_.label(),
          base_);
    double low = channel_of(beta("beta_fast", 32)), high = channel_of(beta("beta_slow", 1));
    if (c_.flag(group_ + "truncate", true)) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, static_cast<double>(dim_ - 1));
    if (low == high) high += 0.001;
    for (size_t i = 0; i < scale.rates.size(); ++i) {
      const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
      scale.rates[i] *= ramp / factor + (1 - ramp);
    }
  }

  const Config& c_;
  RotaryKeys keys_;
  std::string group_, type_;
  double base_ = 0;
  int64_t dim_ = 0;
};

}  // namespace

Rotary read_rotary(const Config& config, int64_t head_dim, const RotaryKeys& keys) {
  return Reader(config, head_dim, keys).read();
}

}  // namespace hindscan::nn
