// One step of each cell and its adjoint, number by number. Arrays are [arrays, n], n = H*d; tapes hold, in this order:
//   kTanh, kRelu: derivative, slope       kGru: r z n, R_n h + b_n, slope of n
//   kLstm: i f g o, slope of g, c before, tanh c, slope of tanh c
//   kSlstm: i' f' z o, slope of z, c, n, c before, n before, derivative of logsigmoid(f)
#pragma once
#include <algorithm>
#include <cmath>

#include "kernels/nonlinear_recurrence.h"

namespace hindscan::kernels {

template <class R>
R sigmoid_of(R x) {
  return x >= 0 ? R(1) / (R(1) + std::exp(-x)) : std::exp(x) / (R(1) + std::exp(x));
}
template <class R>
R log_sigmoid_of(R x) {
  return std::min(x, R(0)) - std::log1p(std::exp(-std::abs(x)));
}
// y / x with its limit at 0.
template <class R>
R slope_of(R y, R x) {
  return x == 0 ? R(1) : y / x;
}
template <class R>
void accumulate_row(int64_t n, const R* from, R* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

// The gate whose tanh is what gets written: the only one with an adjoint when gates are held.
constexpr int64_t cell_candidate(Cell c) { return c == Cell::kTanh || c == Cell::kRelu ? 0 : 2; }

// x, a [gates, n]; state [states, n] advances.
template <class R>
void cell_step(Cell cell, int64_t n, const R* x, const R* a, R* state, R* tape) {
  R *h = state, *c = state + n, *norm = state + 2 * n, *top = state + 3 * n;
  for (int64_t i = 0; i < n; ++i) {
    const auto pre = [&](int64_t gate) { return x[gate * n + i] + a[gate * n + i]; };
    const auto keep = [&](int64_t array, R value) { tape[array * n + i] = value; };
    switch (cell) {
      case Cell::kTanh:
      case Cell::kRelu: {
        const bool relu = cell == Cell::kRelu;
        const R z = pre(0), y = relu ? (z < 0 ? R(0) : z) : std::tanh(z);
        keep(0, relu ? R(z > 0 ? 1 : 0) : R(1) - y * y);
        keep(1, relu ? R(z > 0 ? 1 : 0) : slope_of(y, z));
        h[i] = y;
        break;
      }
      case Cell::kGru: {
        const R r = sigmoid_of(pre(0)), z = sigmoid_of(pre(1)), hidden = a[2 * n + i],
                candidate = x[2 * n + i] + r * hidden;
        const R value = std::tanh(candidate);
        keep(0, r), keep(1, z), keep(2, value), keep(3, hidden), keep(4, slope_of(value, candidate));
        h[i] = (R(1) - z) * value + z * h[i];
        break;
      }
      case Cell::kLstm: {
        const R in = sigmoid_of(pre(0)), f = sigmoid_of(pre(1)), g = std::tanh(pre(2)), o = sigmoid_of(pre(3));
        keep(0, in), keep(1, f), keep(2, g), keep(3, o), keep(4, slope_of(g, pre(2))), keep(5, c[i]);
        c[i] = f * c[i] + in * g;
        const R out = std::tanh(c[i]);
        keep(6, out), keep(7, slope_of(out, c[i]));
        h[i] = o * out;
        break;
      }
      case Cell::kSlstm: {
        const bool fresh = norm[i] == 0;  // nothing seen: the old scale means nothing
        const R log_f = log_sigmoid_of(pre(1)) + top[i], now = fresh ? pre(0) : std::max(pre(0), log_f);
        const R in = std::exp(pre(0) - now), f = fresh ? R(0) : std::exp(log_f - now), z = std::tanh(pre(2)),
                o = sigmoid_of(pre(3));
        keep(0, in), keep(1, f), keep(2, z), keep(3, o), keep(4, slope_of(z, pre(2))), keep(7, c[i]), keep(8, norm[i]);
        keep(9, sigmoid_of(-pre(1)));
        c[i] = f * c[i] + in * z;
        norm[i] = f * norm[i] + in;
        top[i] = now;
        keep(5, c[i]), keep(6, norm[i]);
        h[i] = o * c[i] / norm[i];
        break;
      }
    }
  }
}

// dstate [states, n] in: adjoint of the state after the step (dh with dy added); out: of the state before, but for what
// comes back through R. dx, da [gates, n] are overwritten: adjoint of x and of R h + b. before [n]: h before the step.
template <class R>
void cell_step_back(Cell cell, bool frozen, int64_t n, const R* tape, const R* before, R* dstate, R* dx, R* da) {
  R *dh = dstate, *dc = dstate + n, *dn = dstate + 2 * n;
  for (int64_t i = 0; i < n; ++i) {
    const auto kept = [&](int64_t array) { return tape[array * n + i]; };
    const auto put = [&](int64_t gate, R value) { dx[gate * n + i] = da[gate * n + i] = value; };
    const auto sigmoid_gate = [&](int64_t gate, R adjoint, R s) {
      put(gate, frozen ? R(0) : adjoint * s * (R(1) - s));
    };
    switch (cell) {
      case Cell::kTanh:
      case Cell::kRelu:
        put(0, dh[i] * kept(frozen ? 1 : 0));
        dh[i] = 0;
        break;
      case Cell::kGru: {
        const R r = kept(0), z = kept(1), value = kept(2);
        const R candidate = dh[i] * (R(1) - z) * (frozen ? kept(4) : R(1) - value * value);
        sigmoid_gate(0, candidate * kept(3), r);
        sigmoid_gate(1, dh[i] * (before[i] - value), z);
        dx[2 * n + i] = candidate;
        da[2 * n + i] = candidate * r;
        dh[i] *= z;
        break;
      }
      case Cell::kLstm: {
        const R in = kept(0), f = kept(1), g = kept(2), o = kept(3), out = kept(6);
        const R cell_adjoint = dc[i] + dh[i] * o * (frozen ? kept(7) : R(1) - out * out);
        sigmoid_gate(0, cell_adjoint * g, in);
        sigmoid_gate(1, cell_adjoint * kept(5), f);
        put(2, cell_adjoint * in * (frozen ? kept(4) : R(1) - g * g));
        sigmoid_gate(3, dh[i] * out, o);
        dc[i] = cell_adjoint * f;
        dh[i] = 0;
        break;
      }
      case Cell::kSlstm: {
        const R in = kept(0), f = kept(1), z = kept(2), o = kept(3), c = kept(5), norm = kept(6);
        const R cell_adjoint = dc[i] + dh[i] * o / norm;
        const R norm_adjoint = frozen ? R(0) : dn[i] - dh[i] * o * c / (norm * norm);
        put(0, frozen ? R(0) : in * (cell_adjoint * z + norm_adjoint));
        put(1, frozen ? R(0) : f * (cell_adjoint * kept(7) + norm_adjoint * kept(8)) * kept(9));
        put(2, cell_adjoint * in * (frozen ? kept(4) : R(1) - z * z));
        sigmoid_gate(3, dh[i] * c / norm, o);
        dc[i] = cell_adjoint * f;
        dn[i] = norm_adjoint * f;
        dh[i] = 0;
        break;
      }
    }
  }
}

}  // namespace hindscan::kernels
