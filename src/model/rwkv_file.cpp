#include "model/rwkv_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/budget.h"
#include "base/counted.h"
#include "base/error.h"

namespace hindscan {
namespace {

class RwkvFile {
 public:
  RwkvFile(TensorStore& tensors, bool from_rwkv_cpp)
      : t_(tensors), from_rwkv_cpp_(from_rwkv_cpp), config_(tensors.label()) {}

  std::optional<Config> config() {
    if (has("e.weight") && has("rwkv1.x_r")) rename_reverser();
    const std::string type = model_type();
    if (type.empty()) return std::nullopt;
    config_.set("model_type", type);
    set("hidden_size", dim("emb.weight", 1, 2));
    set("vocab_size", dim("emb.weight", 0, 2));
    layers_ = count_layers();
    set("num_hidden_layers", layers_);
    set("intermediate_size", dim("blocks.0.ffn.key.weight", 0, 2));
    set("attention_hidden_size", dim("blocks.0.att.key.weight", 0, 2));
    if (!has("blocks.0.ln0.weight")) config_.set("embedding_norm", false);
    if (has("head.bias")) config_.set("head_bias", true);
    if (has("blocks.0.constant")) config_.set("layer_constant", true);
    if (type == "rwkv5") read_v5();
    if (type == "rwkv6") read_v6();
    if (type == "rwkv7") read_v7();
    return config_;
  }

 private:
  bool has(std::string_view name) const { return static_cast<bool>(t_.find(name)); }
  void set(const std::string& key, uint64_t value) { config_.set(key, static_cast<int64_t>(value)); }

  uint64_t dim(const std::string& name, size_t i, size_t rank) const {
    const TensorStore::Entry e = t_.find(name);
    check(static_cast<bool>(e), ErrorCode::kData, "[{}] expected tensor '{}' of an RWKV model, found none", t_.label(),
          name);
    check(e.info->shape.size() == rank, ErrorCode::kData, "[{}] '{}': expected {}, found [{}]", t_.label(), name,
          counted(rank, "dimension"), fmt::join(e.info->shape, ", "));
    check(e.info->elements() > 0, ErrorCode::kData, "[{}] '{}': expected numbers, found a shape of none: [{}]",
          t_.label(), name, fmt::join(e.info->shape, ", "));  // of which no byte of the file vouches for the rest
    return e.info->shape[i];
  }

  std::string model_type() const {
    if (!has("emb.weight") || !has("blocks.0.att.key.weight") || !has("blocks.0.ffn.key.weight")) return "";
    if (has("blocks.0.att.r_k")) return "rwkv7";
    if (has("blocks.0.att.time_maa_x")) return "rwkv6";
    if (has("blocks.0.att.ln_x.weight")) return "rwkv5";
    return has("blocks.0.att.time_first") ? "rwkv4" : "";
  }

  uint64_t count_layers() const {
    uint64_t n = 0;
    while (has(fmt::format("blocks.{}.att.key.weight", n))) ++n;
    Budget(t_.label(), 0).count(n, limit::kLayers, "layers");
    return n;
  }

  void read_v5() {
    const std::string decay = "blocks.0.att.time_decay";
    const TensorStore::Entry e = t_.find(decay);
    check(e && !e.info->shape.empty() && e.info->shape[0] > 0, ErrorCode::kData,
          "[{}] expected tensor '{}' of an RWKV-5 model, found none", t_.label(), decay);
    const uint64_t heads = e.info->shape[0], width = dim("blocks.0.att.key.weight", 0, 2);
    check(width % heads == 0, ErrorCode::kData, "[{}] '{}': expected heads that divide {} channels, found {}",
          t_.label(), decay, width, heads);
    const bool scalar = e.info->elements() == heads && width != heads;
    const bool gated = has("blocks.0.att.gate.weight");
    if (scalar && gated) spread_decays(heads, width / heads);
    config_.set("version", std::string(scalar && !gated ? "5.1" : "5.2"));
    config_.set("head_size_divisor", from_rwkv_cpp_ ? 1.0 : 8.0);
    set("head_size", width / heads);
  }

  // One decay and one log u per head -> one decay and one u per channel.
  void spread_decays(uint64_t heads, uint64_t head_size) {
    for (uint64_t l = 0; l < layers_; ++l) {
      const std::string p = fmt::format("blocks.{}.att.", l);
      const uint64_t width = dim(p + "key.weight", 0, 2);
      check(width == heads * head_size, ErrorCode::kData, "[{}] '{}key.weight': expected {} channels, found {}",
            t_.label(), p, heads * head_size, width);
      const TensorStore::Entry decay = t_.find(p + "time_decay"), first = t_.find(p + "time_first");
      if (!decay || !first) return;  // the loader names what is missing
      const std::vector<float> w = floats_of(decay), log_u = floats_of(first);
      check(w.size() == heads && log_u.size() == heads, ErrorCode::kData,
            "[{}] '{}time_decay': expected {}, found {} and {}", t_.label(), p, counted(heads, "head"), w.size(),
            log_u.size());
      std::vector<float> wide_w, wide_u;  // [H, head_size]
      for (const float v : w) wide_w.insert(wide_w.end(), head_size, v);
      for (const float v : log_u) wide_u.insert(wide_u.end(), head_size, std::exp(v));
      t_.replace(p + "time_decay", {w.size(), head_size}, wide_w);
      t_.erase(p + "time_first");
      t_.add_floats(p + "time_faaaa", {log_u.size(), head_size}, wide_u);
    }
  }

  void read_v6() {
    set("head_size", dim("blocks.0.att.time_faaaa", 1, heads_rank("blocks.0.att.time_faaaa")));
    set("mix_lora", dim("blocks.0.att.time_maa_w2", 1, 3));
    set("decay_lora", dim("blocks.0.att.time_decay_w1", 1, 2));
  }

  // [H, head size], or [H, head size, 1] of rwkv.cpp.
  size_t heads_rank(const std::string& name) const {
    const TensorStore::Entry e = t_.find(name);
    return e && e.info->shape.size() == 3 && e.info->shape[2] == 1 ? 3 : 2;
  }

  void read_v7() {
    set("head_size", dim("blocks.0.att.r_k", 1, 2));
    set("decay_lora", dim("blocks.0.att.w1", 1, 2));
    set("a_lora", dim("blocks.0.att.a1", 1, 2));
    set("gate_lora", dim("blocks.0.att.g1", 1, 2));
    if (has("blocks.1.att.v1")) set("v_lora", dim("blocks.1.att.v1", 1, 2));
    config_.set("group_norm_eps", 64e-5);
  }

  // Layers count from 1 there. ROSA itself adds nothing but the bias of its output: its table must be zero.
  void rename_reverser() {
    for (const std::string& name : t_.names()) {
      if (name.ends_with(".rosa_qkv.emb")) {
        const std::vector<float> table = floats_of(t_.find(name));
        check(std::all_of(table.begin(), table.end(), [](float v) { return v == 0; }), ErrorCode::kData,
              "[{}] '{}': expected zeros (ROSA unused), found a trained table; models with ROSA are not supported",
              t_.label(), name);
      }
    }
    for (const std::string& name : t_.names()) {
      const std::string to = blinkdl_name(name);
      if (to.empty()) {
        t_.erase(name);
      } else {
        t_.rename(name, to);
      }
    }
  }

  // Empty for what has no part in the result.
  static std::string blinkdl_name(const std::string& name) {
    const size_t dot = name.find('.'), digit = name.find_first_of("0123456789");
    if (dot == std::string::npos) return name;
    const std::string head = name.substr(0, dot), rest = name.substr(dot);
    if (head == "e") return "emb" + rest;
    if (head == "lno") return "ln_out" + rest;
    if (head == "o") return "head" + rest;
    if (digit >= dot) return name;
    uint64_t layer = 0;
    const char* end = head.data() + head.size();
    const auto [after, error] = std::from_chars(head.data() + digit, end, layer);
    if (error != std::errc() || layer == 0) return name;
    const std::string kind = head.substr(0, digit), variant(after, end), block = fmt::format("blocks.{}.", layer - 1);
    if (kind == "rwkv" && variant.empty()) return block + "att" + rest;
    if (kind == "ffn" && variant.empty()) return block + "ffn" + rest;
    if (kind == "ln" && variant == "a") return block + "ln1" + rest;
    if (kind == "ln" && variant == "b") return block + "ln2" + rest;
    if (kind == "rosa" && rest == ".o.bias") return block + "constant";
    const bool unused = kind == "rosa" || (kind == "ln" && variant == "c");  // ROSA and its norm
    return unused ? "" : name;
  }

  TensorStore& t_;
  bool from_rwkv_cpp_;
  Config config_;
  uint64_t layers_ = 0;
};

}  // namespace

std::optional<Config> rwkv_config(TensorStore& tensors, bool from_rwkv_cpp) {
  return RwkvFile(tensors, from_rwkv_cpp).config();
}

}  // namespace hindscan
