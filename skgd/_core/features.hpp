// A first layer of units that see one feature each: every feature times a weight, and beside them cosines of the first
// features at frequencies and phases that are learnt. Its weights are one row of theta, its intercepts another.
#pragma once
#include <cstdint>

#include "simd.hpp"

namespace skgd {

struct FeatureLayer {
  int64_t d = 0, numbers = 0, waves = 0;  // units: one for each of d features, then so many for each of the numbers
  double scale_rate = 0, frequency_rate = 1,
         phase_rate = 1;  // factors of the learning rate; 0: they stay

  int64_t units() const { return d + numbers * waves; }
  // Calls f(first unit, units, x_j) for the units that see feature j.
  template <class T, class F> [[gnu::always_inline]] void for_units(int64_t j, T x, F f) const {
    f(j, int64_t(1), x);
    if (j < numbers && waves > 0) f(d + j * waves, waves, x);
  }
};

// z (units) += w x, for the dense row x (d,) or for features `indices` of it.
template <class T, class I>
void add_features(const FeatureLayer& layer, const T* x, const I* indices, int64_t count, const T* w, T* z) {
  for (int64_t p = 0; p < count; ++p)
    layer.for_units(indices ? int64_t(indices[p]) : p, x[p], [&](int64_t u, int64_t units, T value) {
      for (int64_t k = u; k < u + units; ++k) z[k] += w[k] * value;
    });
}

// g (units) += delta x: the gradient of the weights that are learnt.
template <class T, class I>
void add_feature_gradient(const FeatureLayer& layer, const T* x, const I* indices, int64_t count, const T* delta,
                          T* g) {
  for (int64_t p = 0; p < count; ++p)
    layer.for_units(indices ? int64_t(indices[p]) : p, x[p], [&](int64_t u, int64_t units, T value) {
      if (u < layer.d && layer.scale_rate == 0) return;
      for (int64_t k = u; k < u + units; ++k) g[k] += delta[k] * value;
    });
}

// g (units) += column sums of delta (rows, columns), where units have phases.
template <class T>
void add_phase_gradient(const FeatureLayer& layer, const T* delta, int64_t rows, int64_t columns, T* g) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t k = layer.d; k < layer.units(); ++k) g[k] += delta[i * columns + k];
}

// z (rows, columns) becomes values and, with `slopes`, the slopes: of the units that are no waves themselves and one.
template <class T>
void activate(const FeatureLayer& layer, T* __restrict z, T* __restrict slopes, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i, z += columns, slopes += slopes ? columns : 0) {
    T unused;
    for (int64_t k = 0; slopes && k < columns; ++k) slopes[k] = k < layer.d ? T(1) : T(0);
    if (slopes) {
      SKGD_INDEPENDENT
      for (int64_t k = layer.d; k < layer.units(); ++k) z[k] = cosine_of_turns(z[k], slopes[k]);
    } else {
      for (int64_t k = layer.d; k < layer.units(); ++k) z[k] = cosine_of_turns(z[k], unused);
    }
  }
}

}  // namespace skgd
