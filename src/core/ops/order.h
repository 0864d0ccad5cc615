// Role order: other tokens, same channels.
#pragma once
#include "core/context.h"

namespace hindscan {

// A sequence of tokens read in another order: output token i of each sequence is its token index[i].
struct TokenOrder {
  std::vector<int64_t> index;   // [L_out], each in 0..L_in-1; tokens may be left out or repeated
  std::vector<uint8_t> resets;  // [L_out] or empty; non-zero: recurrences start from zero before this token
};

namespace ops {

Var gather_tokens(Ctx& ctx, Var x, const TokenOrder& order);                 // [B*L_out, C]
Var scatter_add_tokens(Ctx& ctx, Var x, const TokenOrder& order, Var like);  // the transpose; rows of `like`
Var pool_tokens(Ctx& ctx, Var x, const TokenOrder& order, int64_t window);   // means of `window` tokens of the order
Var insert_token(Ctx& ctx, const Weight& token, Var x, int64_t position);    // [B*(L+1), C]; a class token

}  // namespace ops
}  // namespace hindscan
