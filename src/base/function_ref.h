// A callable for the length of a call: nothing is copied of it or taken from the heap (C++26 has std::function_ref).
#pragma once
#include <memory>
#include <type_traits>

namespace hindscan {

template <class Signature>
class FunctionRef;

template <class Result, class... Arguments>
class FunctionRef<Result(Arguments...)> {
 public:
  template <class F>
  requires(!std::is_same_v<F, FunctionRef>)
      FunctionRef(const F& f)  // NOLINT(google-explicit-constructor): lambdas are passed as they are
      : callable_(std::addressof(f)), call_([](const void* callable, Arguments... arguments) -> Result {
          return (*static_cast<const F*>(callable))(arguments...);
        }) {}
  Result operator()(Arguments... arguments) const { return call_(callable_, arguments...); }

 private:
  const void* callable_;
  Result (*call_)(const void*, Arguments...);
};

}  // namespace hindscan
