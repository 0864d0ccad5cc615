#include "arch/rwkv_names.h"

#include <map>

#include "base/error.h"

namespace hindscan::rwkv {

namespace {

using Table = std::map<std::string, std::string>;

// "blocks.3.att.key.weight": layer "3", part "att", rest "key.weight"; a name without a layer has only rest.
struct Parts {
  std::string layer, part, rest;
};

Parts parts_of(const std::string& name) {
  const std::string blocks = "blocks.";
  if (!name.starts_with(blocks)) return {"", "", name};
  const size_t layer_end = name.find('.', blocks.size()), part_end = name.find('.', layer_end + 1);
  const std::string layer = name.substr(blocks.size(), layer_end - blocks.size());
  if (part_end == std::string::npos) return {layer, name.substr(layer_end + 1), ""};
  return {layer, name.substr(layer_end + 1, part_end - layer_end - 1), name.substr(part_end + 1)};
}

std::string translated(const Table& table, const std::string& word) {
  const auto it = table.find(word);
  return it == table.end() ? word : it->second;
}

// The word before the first dot translated, the rest kept: "key.weight" -> "k_proj.weight".
std::string translated_head(const Table& table, const std::string& text) {
  const size_t dot = text.find('.');
  return dot == std::string::npos ? translated(table, text) : translated(table, text.substr(0, dot)) + text.substr(dot);
}

}  // namespace

std::string hugging_face_name(const std::string& name) {
  static const Table part = {{"ln0", "pre_ln"}, {"att", "attention"}, {"ffn", "feed_forward"}};
  static const Table mix = {{"time_mix_k", "time_mix_key"},
                            {"time_mix_v", "time_mix_value"},
                            {"time_mix_r", "time_mix_receptance"},
                            {"time_mix_g", "time_mix_gate"}};
  const Parts p = parts_of(name);
  if (!p.layer.empty()) {
    const std::string rest = p.rest.empty() ? "" : "." + translated(mix, p.rest);
    return fmt::format("rwkv.blocks.{}.{}{}", p.layer, translated(part, p.part), rest);
  }
  if (name == "emb.weight") return "rwkv.embeddings.weight";
  return name.starts_with("ln_out.") ? "rwkv." + name : name;
}

std::string fla_name(const std::string& name) {
  static const Table whole = {{"emb.weight", "model.embeddings.weight"},
                              {"ln_out.weight", "model.norm.weight"},
                              {"ln_out.bias", "model.norm.bias"},
                              {"head.weight", "lm_head.weight"}};
  static const Table part = {{"ln0", "pre_norm"}, {"ln1", "attn_norm"}, {"ln2", "ffn_norm"}, {"att", "attn"}};
  static const Table mixer = {
      {"receptance", "r_proj"}, {"key", "k_proj"}, {"value", "v_proj"}, {"output", "o_proj"}, {"ln_x", "g_norm"}};
  static const Table low_rank = {{"0", "2.bias"}, {"1", "0.weight"}, {"2", "2.weight"}};
  const Parts p = parts_of(name);
  if (p.layer.empty()) return translated(whole, name);
  std::string rest = p.part == "att" ? translated_head(mixer, p.rest) : p.rest;
  const bool is_low_rank =
      p.part == "att" && rest.size() == 2 && std::string("wavg").find(rest[0]) != std::string::npos;
  if (is_low_rank) rest = fmt::format("{}_lora.lora.{}", rest[0], translated(low_rank, rest.substr(1)));
  return fmt::format("model.layers.{}.{}{}{}", p.layer, translated(part, p.part), rest.empty() ? "" : ".", rest);
}

std::string fla_finch_name(const std::string& name) {
  static const Table time = {{"time_maa_x", "x_proj.0.mu"},
                             {"time_decay", "w_proj.linear.lora.2.bias"},
                             {"time_decay_w1", "w_proj.linear.lora.0.weight"},
                             {"time_decay_w2", "w_proj.linear.lora.2.weight"},
                             {"time_faaaa", "bonus"},
                             {"receptance.weight", "r_proj.linear.weight"},
                             {"key.weight", "k_proj.linear.weight"},
                             {"value.weight", "v_proj.linear.weight"},
                             {"gate.weight", "g_proj.linear.weight"}};
  static const Table channel = {{"time_maa_k", "key.mu"},
                                {"time_maa_r", "receptance.mu"},
                                {"key.weight", "key.linear.weight"},
                                {"receptance.weight", "receptance.linear.weight"}};
  const Parts p = parts_of(name);
  if (p.part == "ffn") return fmt::format("model.layers.{}.ffn.{}", p.layer, translated(channel, p.rest));
  if (p.part != "att" || time.count(p.rest) == 0) return fla_name(name);
  return fmt::format("model.layers.{}.attn.{}", p.layer, time.at(p.rest));
}

}  // namespace hindscan::rwkv
