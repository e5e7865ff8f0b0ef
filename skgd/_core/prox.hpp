// What penalties do to one weight.
#pragma once
#include "simd.hpp"

namespace skgd {

template <class T> [[gnu::always_inline]] inline T magnitude(T w) { return w < 0 ? -w : w; }

// Soft threshold, the proximal operator of threshold * |w|: exact zeros. What is taken off is written so that compilers
// see a minimum and a maximum, one instruction each.
template <class T> [[gnu::always_inline]] inline T soft(T w, T threshold) {
  const T at_most = threshold < w ? threshold : w;
  return w - (-threshold > at_most ? -threshold : at_most);
}

// The flow of dw/ds = -(l1 sign(w) + l2 w) over a time `step`:
// (|w| + l1 / l2) exp(-l2 step) - l1 / l2, which is |w| exp(-x) - l1 step (1 - exp(-x)) / x with x = l2 step.
template <class T> [[gnu::always_inline]] inline T shrink_and_decay(T w, T step, T l1, T l2) {
  const T x = l2 * step, decay = exp_(-x);
  // (1 - exp(-x)) / x by its series where x is small or zero
  const T series = T(1) - x / 2 * (T(1) - x / 3 * (T(1) - x / 4 * (T(1) - x / 5 * (T(1) - x / 6 * (T(1) - x / 7)))));
  const T share = x < T(sizeof(T) == 8 ? 0.02 : 0.3) ? series : (T(1) - decay) / (x > 0 ? x : T(1));
  return soft(w * decay, l1 * step * share);
}

// Cumulative l1 penalty (Tsuruoka, Tsujii, Ananiadou 2009): `total` is what each weight should have
// received so far, `received` (signed) what it has; weights are clipped towards zero by the difference.
template <class T> [[gnu::always_inline]] inline T clip_cumulative(T w, T total, T& received) {
  const T up = w - (total + received), down = w + (total - received);
  const T clipped = w > 0 ? (up > 0 ? up : T(0)) : (w < 0 ? (down < 0 ? down : T(0)) : w);
  received += clipped - w;
  return clipped;
}

}  // namespace skgd
