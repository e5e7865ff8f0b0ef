// Proximal steps of one weight: what a penalty does to it in one update.
#pragma once
#include "simd.hpp"

namespace skgd {

template <class T> inline T magnitude(T w) { return w < 0 ? -w : w; }

// Proximal operator of threshold * |w|: exact zeros.
template <class T> inline T soft(T w, T threshold) {
  const T up = w - threshold, down = w + threshold;
  return up > 0 ? up : (down < 0 ? down : T(0));
}

// The exact flow of dw/ds = -(l1 sign(w) + l2 w) over a time `step`. Flows compose:
// flow(flow(w, a), b) = flow(w, a + b), which is what makes lazy application exact.
template <bool has_l1, bool has_l2, class T> inline T flow(T w, T step, T l1, T l2) {
  if constexpr (!has_l2) return has_l1 ? soft(w, step * l1) : w;
  const T decay = exp_(-l2 * step);
  if constexpr (!has_l1) return w * decay;
  // (|w| + l1 / l2) decay - l1 / l2 = |w| decay - l1 step (1 - exp(-x)) / x, a series where x is small or zero
  const T x = l2 * step;
  const T few = T(1) - x / 2 * (T(1) - x / 3 * (T(1) - x / 4 * (T(1) - x / 5 * (T(1) - x / 6 * (T(1) - x / 7)))));
  const T share = x < T(sizeof(T) == 8 ? 0.02 : 0.3) ? few : (T(1) - decay) / (x > 0 ? x : T(1));
  return soft(w * decay, l1 * step * share);
}

// Cumulative l1 penalty (Tsuruoka, Tsujii, Ananiadou 2009): `total` is what each weight should have
// received so far, `received` (signed) what it has; weights are clipped towards zero by the difference.
template <class T> inline T clip_cumulative(T w, T total, T& received) {
  const T up = w - (total + received), down = w + (total - received);
  const T clipped = w > 0 ? (up > 0 ? up : T(0)) : (w < 0 ? (down < 0 ? down : T(0)) : w);
  received += clipped - w;
  return clipped;
}

}  // namespace skgd
