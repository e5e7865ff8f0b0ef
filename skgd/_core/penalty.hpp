// Penalties: alpha R(w) = l1 |w|_1 + l2 / 2 |w|_2^2, never on intercepts.
#pragma once
#include <cstdint>

#include "simd.hpp"

namespace skgd {

template <class T> struct Penalty {
  double l1 = 0, l2 = 0;
  const T* scale = nullptr;     // (d,) or null; the penalty acts on w_j * scale_j (descent in other coordinates)
  const T* strength = nullptr;  // (columns,) or null; multiplies l1 and l2 in each column (columns.hpp)

  T l1_at(int64_t j) const { return T(l1) * (scale ? scale[j] : T(1)); }
  T l2_at(int64_t j) const { return T(l2) * (scale ? scale[j] * scale[j] : T(1)); }

  // The penalty of the features from `begin` on.
  Penalty from(int64_t begin) const { return {l1, l2, scale ? scale + begin : nullptr}; }

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
