// Penalties: alpha R(w) = l1 |w|_1 + l2 / 2 |w|_2^2, never on intercepts.
#pragma once
#include <cstdint>

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
  const T ratio = l1 / l2;  // (|w| + ratio) decay - ratio = |w| decay - ratio (1 - decay)
  return soft(w * decay, ratio * (T(1) - decay));
}

// Cumulative l1 penalty (Tsuruoka, Tsujii, Ananiadou 2009): `total` is what each weight should have
// received so far, `received` (signed) what it has; weights are clipped towards zero by the difference.
template <class T> inline T clip_cumulative(T w, T total, T& received) {
  const T up = w - (total + received), down = w + (total - received);
  const T clipped = w > 0 ? (up > 0 ? up : T(0)) : (w < 0 ? (down < 0 ? down : T(0)) : w);
  received += clipped - w;
  return clipped;
}

template <class T> struct Penalty {
  double l1 = 0, l2 = 0;
  const T* scale = nullptr;  // (d,) or null; the penalty acts on w_j * scale_j (descent in other coordinates)

  T l1_at(int64_t j) const { return T(l1) * (scale ? scale[j] : T(1)); }
  T l2_at(int64_t j) const { return T(l2) * (scale ? scale[j] * scale[j] : T(1)); }

  // The penalty of the first d rows of theta (d, columns).
  double value(const T* theta, int64_t d, int64_t columns) const {
    if (l1 == 0 && l2 == 0) return 0;
    double absolute = 0, squares = 0;
    for (int64_t j = 0; j < d; ++j) {
      const double s = scale ? double(scale[j]) : 1.0;
      for (int64_t k = 0; k < columns; ++k) {
        const double w = s * double(theta[j * columns + k]);
        absolute += w < 0 ? -w : w;
        squares += w * w;
      }
    }
    return l1 * absolute + 0.5 * l2 * squares;
  }
};

}  // namespace skgd
