// One tensor of an RWKV model under the names checkpoints give it; `name` is BlinkDL's ("blocks.3.att.key.weight").
#pragma once
#include <string>

namespace hindscan::rwkv {

std::string hugging_face_name(const std::string& name);  // rwkv.blocks.3.attention.key.weight
std::string fla_name(const std::string& name);           // model.layers.3.attn.k_proj.weight

// RWKV-6 of the same library, where mixes are layers of their own: model.layers.3.attn.k_proj.linear.weight
std::string fla_finch_name(const std::string& name);

}  // namespace hindscan::rwkv
