// Activations of hidden units: value and slope together, without branches so that loops vectorise.
#pragma once
#include <cmath>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "simd.hpp"
#include "variant.hpp"

namespace skgd {

struct Identity {
  static constexpr std::string_view name = "identity";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    slope = T(1);
    return z;
  }
};

struct Relu {
  static constexpr std::string_view name = "relu";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    slope = z > 0 ? T(1) : T(0);
    return z > 0 ? z : T(0);
  }
};

struct LeakyRelu {
  static constexpr std::string_view name = "leaky_relu";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    slope = z > 0 ? T(1) : T(0.01);
    return slope * z;
  }
};

struct Logistic {
  static constexpr std::string_view name = "logistic";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    const T value = T(1) / (T(1) + exp_(-z));
    slope = value * (T(1) - value);
    return value;
  }
};

struct Tanh {
  static constexpr std::string_view name = "tanh";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    // Lambert's continued fraction where 1 - 2 / (e^2z + 1) would lose digits
    const T q = z * z;
    const T near =
        z * (T(135135) + q * (T(17325) + q * (T(378) + q))) / (T(135135) + q * (T(62370) + q * (T(3150) + q * T(28))));
    const T far = T(1) - T(2) / (exp_(T(2) * z) + T(1));
    const T value = q < T(0.09) ? near : far;
    slope = T(1) - value * value;
    return value;
  }
};

struct Elu {
  static constexpr std::string_view name = "elu";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    const T e = exp_(z < 0 ? z : T(0));
    slope = e;
    return z > 0 ? z : e - T(1);
  }
};

struct Gelu {  // z times the normal distribution function
  static constexpr std::string_view name = "gelu";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    const T phi = T(0.5) * (T(1) + std::erf(z * T(0.70710678118654752440)));
    slope = phi + z * T(0.39894228040143267794) * exp_(T(-0.5) * z * z);
    return z * phi;
  }
};

struct Silu {
  static constexpr std::string_view name = "silu";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    const T share = T(1) / (T(1) + exp_(-z));
    slope = share * (T(1) + z * (T(1) - share));
    return z * share;
  }
};

struct Selu {  // scaled so that means 0 and variances 1 are kept from layer to layer (Klambauer et al. 2017)
  static constexpr std::string_view name = "selu";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    constexpr T scale = T(1.0507009873554804934), alpha = T(1.6732632423543772848);
    const T e = scale * alpha * exp_(z < 0 ? z : T(0));
    slope = z > 0 ? scale : e;
    return z > 0 ? scale * z : e - scale * alpha;
  }
};

struct Mish {  // z tanh(log(1 + e^z)) (Misra 2020)
  static constexpr std::string_view name = "mish";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    const T e = exp_(z < 0 ? z : -z);  // exp(-|z|); below, all is divided by e^(2 z) where z > 0
    // tanh(log(1 + e^z)) = n / (n + 2) with n = e^z (e^z + 2)
    const T n = z < 0 ? e * (e + T(2)) : T(1) + T(2) * e;
    const T rest = z < 0 ? T(2) : T(2) * e * e;
    const T share = n / (n + rest), other = rest / (n + rest);
    const T logistic = (z < 0 ? e : T(1)) / (T(1) + e);
    slope = share + z * logistic * other * (T(1) + share);  // 1 - share^2 = other (1 + share)
    return z * share;
  }
};

struct Softplus {
  static constexpr std::string_view name = "softplus";
  static constexpr int parameters = 0;
  template <class T> T operator()(T z, T& slope) const {
    const T e = exp_(z < 0 ? z : -z);  // exp(-|z|)
    slope = (z < 0 ? e : T(1)) / (T(1) + e);
    return (z < 0 ? T(0) : z) + log1p_(e);
  }
};

// An activation defined outside the core. z (m, columns) becomes values and, unless it is null, `slopes` gets the
// slopes, of the first `width` columns.
struct ActivationCallback {
  std::function<void(float* z, float* slopes, int64_t m, int64_t width, int64_t columns)> on_float;
  std::function<void(double* z, double* slopes, int64_t m, int64_t width, int64_t columns)> on_double;
  void operator()(float* z, float* slopes, int64_t m, int64_t width, int64_t columns) const {
    on_float(z, slopes, m, width, columns);
  }
  void operator()(double* z, double* slopes, int64_t m, int64_t width, int64_t columns) const {
    on_double(z, slopes, m, width, columns);
  }
};

using Activation =
    std::variant<Identity, Relu, LeakyRelu, Logistic, Tanh, Elu, Gelu, Silu, Selu, Mish, Softplus, ActivationCallback>;

inline Activation make_activation(const std::string& name) { return ByName<Activation>::make("activation", name, {}); }

// Columns past `width` become zero.
template <class T> void clear_padding(T* z, int64_t m, int64_t width, int64_t columns) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t k = width; k < columns; ++k) z[i * columns + k] = 0;
}

// z (m, columns) becomes values and, with `slopes`, the slopes; columns past `width` become zero.
template <class T, class A>
void activate(const A& activation, T* __restrict z, T* __restrict slopes, int64_t m, int64_t width, int64_t columns) {
  const int64_t size = m * columns;
  if (slopes) {
    SKGD_INDEPENDENT
    for (int64_t i = 0; i < size; ++i) z[i] = activation(z[i], slopes[i]);
  } else {
    SKGD_INDEPENDENT
    for (int64_t i = 0; i < size; ++i) {
      T unused;
      z[i] = activation(z[i], unused);
    }
  }
  T slope;
  if (columns > width && activation(T(0), slope) != T(0)) clear_padding(z, m, width, columns);
}
template <class T>
void activate(const ActivationCallback& activation, T* z, T* slopes, int64_t m, int64_t width, int64_t columns) {
  activation(z, slopes, m, width, columns);
  clear_padding(z, m, width, columns);
  if (slopes) clear_padding(slopes, m, width, columns);
}

}  // namespace skgd
