// What torch.save builds of plain values: storages, tensors, parameters and dicts with an order.
#pragma once
#include "io/pickle_stack.h"

namespace hindscan {

// Each takes its operands from the stack and leaves the object there. Error(kData) for anything else.
void push_pickle_storage(PickleStack& stack);  // BINPERSID
void reduce_pickle(PickleStack& stack);        // REDUCE
void build_pickle(PickleStack& stack);         // BUILD

}  // namespace hindscan
