#include "io/pickle_objects.h"

#include "io/pickle_globals.h"

namespace hindscan {

using Kind = PickleValue::Kind;

// ("storage", <class>, key, device, elements)
void push_pickle_storage(PickleStack& stack) {
  const PickleValue& id = stack.value(stack.pop_some(1)[0]);
  stack.require(id.kind == Kind::kTuple && id.items.size() == 5, "a storage");
  const PickleValue &word = stack.value(id.items[0]), &type = stack.value(id.items[1]), &key = stack.value(id.items[2]),
                    &elements = stack.value(id.items[4]);
  stack.require(word.kind == Kind::kText && word.text == "storage" && type.kind == Kind::kGlobal &&
                    type.number >= kFirstStorage && key.kind == Kind::kText &&
                    stack.value(id.items[3]).kind == Kind::kText && elements.kind == Kind::kInt && elements.number >= 0,
                "a storage");
  PickleValue v{Kind::kStorage};
  v.index = static_cast<uint32_t>(stack.data.storages.size());
  stack.data.storages.push_back(
      {key.text, static_cast<TensorDType>(type.number - kFirstStorage), static_cast<uint64_t>(elements.number)});
  stack.push(std::move(v));
}

namespace {

std::vector<uint64_t> dimensions(PickleStack& stack, PickleRef tuple) {
  const PickleValue& v = stack.value(tuple);
  stack.require(v.kind == Kind::kTuple && v.items.size() <= limit::kRank, "at most 8 dimensions");
  std::vector<uint64_t> out;
  for (const PickleRef r : v.items) {
    stack.require(stack.value(r).kind == Kind::kInt && stack.value(r).number >= 0, "sizes and strides of 0 or more");
    out.push_back(static_cast<uint64_t>(stack.value(r).number));
  }
  return out;
}

// (storage, offset, size, stride, requires_grad, hooks[, metadata])
void push_tensor(PickleStack& stack, const std::vector<PickleRef>& a) {
  stack.require((a.size() == 6 || a.size() == 7) && stack.value(a[0]).kind == Kind::kStorage &&
                    stack.value(a[1]).kind == Kind::kInt,
                "a tensor");
  PickleTensor t;
  t.storage = stack.value(a[0]).index;
  stack.require(stack.value(a[1]).number >= 0, "an offset of 0 or more");
  t.offset = static_cast<uint64_t>(stack.value(a[1]).number);
  t.shape = dimensions(stack, a[2]);
  t.stride = dimensions(stack, a[3]);
  stack.require(t.shape.size() == t.stride.size(), "a stride for every dimension");
  PickleValue v{Kind::kTensor};
  v.index = static_cast<uint32_t>(stack.data.tensors.size());
  stack.data.tensors.push_back(std::move(t));
  stack.push(std::move(v));
}

}  // namespace

void reduce_pickle(PickleStack& stack) {
  const std::vector<PickleRef> both = stack.pop_some(2);
  const PickleValue &function = stack.value(both[0]), &arguments = stack.value(both[1]);
  stack.require(function.kind == Kind::kGlobal && arguments.kind == Kind::kTuple,
                "one of the three constructors torch.save writes");
  const std::vector<PickleRef>& a = arguments.items;
  if (function.number == kOrderedDict) {
    stack.require(a.empty(), "an empty OrderedDict");
    PickleValue v{Kind::kDict};
    v.ordered = true;
    return stack.push(std::move(v));
  }
  if (function.number == kRebuildParameter) {
    stack.require(a.size() == 3 && stack.value(a[0]).kind == Kind::kTensor, "a parameter");
    return stack.push_again(a[0]);
  }
  stack.require(function.number == kRebuildTensor, "one of the three constructors torch.save writes");
  push_tensor(stack, a);
}

// The one state torch.save sets: _metadata (module versions) of a state_dict. It is dropped.
void build_pickle(PickleStack& stack) {
  const PickleValue& state = stack.value(stack.pop_some(1)[0]);
  const PickleValue* to = stack.top();
  stack.require(to != nullptr && to->kind == Kind::kDict && to->ordered, "an OrderedDict");
  stack.require(state.kind == Kind::kDict && state.items.size() == 2 &&
                    stack.value(state.items[0]).kind == Kind::kText && stack.value(state.items[0]).text == "_metadata",
                "_metadata as the only state");
}

}  // namespace hindscan
