// Losses: each one small struct, value and slope together. y is the target, z the raw score, slope is
// d value / d z. Classification targets are y in {0, 1}; margins use t = 2y - 1.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "simd.hpp"
#include "variant.hpp"

namespace skgd {

struct SquaredError {
  static constexpr std::string_view name = "squared_error";
  static constexpr int parameters = 0;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    slope = z - y;
    return T(0.5) * slope * slope;
  }
};

struct Huber {
  static constexpr std::string_view name = "huber";
  static constexpr int parameters = 1;
  double epsilon;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T eps = T(epsilon), r = z - y, a = r < 0 ? -r : r;
    slope = r > eps ? eps : (r < -eps ? -eps : r);
    return a <= eps ? T(0.5) * r * r : eps * (a - T(0.5) * eps);
  }
};

struct AbsoluteError {
  static constexpr std::string_view name = "absolute_error";
  static constexpr int parameters = 0;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T r = z - y;
    slope = T(r > 0) - T(r < 0);
    return r < 0 ? -r : r;
  }
};

struct Quantile {
  static constexpr std::string_view name = "quantile";
  static constexpr int parameters = 1;
  double quantile;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T q = T(quantile), r = z - y;
    slope = r > 0 ? T(1) - q : (r < 0 ? -q : T(0));
    return slope * r;
  }
};

struct LogCosh {
  static constexpr std::string_view name = "log_cosh";
  static constexpr int parameters = 0;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T r = z - y, a = r < 0 ? -r : r, e = exp_(T(-2) * a);  // cosh r = exp|r| (1 + e) / 2
    const T t = (T(1) - e) / (T(1) + e), s = a * a;
    const bool small = a < T(0.03125);  // where differences would lose the digits, series
    const T tanh = small ? a * (T(1) - s * (T(1.0 / 3) - s * (T(2.0 / 15) - s * T(17.0 / 315)))) : t;
    slope = r < 0 ? -tanh : tanh;
    return small ? s * (T(0.5) - s * (T(1.0 / 12) - s * (T(1.0 / 45) - s * T(17.0 / 2520))))
                 : a + log1p_(e) - T(0.6931471805599453);
  }
};

struct EpsilonInsensitive {
  static constexpr std::string_view name = "epsilon_insensitive";
  static constexpr int parameters = 1;
  static constexpr bool has_margin = true;  // value and slope are those of the distance to an interval or half-line
  double epsilon;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T r = z - y, excess = (r < 0 ? -r : r) - T(epsilon);
    slope = excess > 0 ? (r < 0 ? T(-1) : T(1)) : T(0);
    return excess > 0 ? excess : T(0);
  }
};

struct SquaredEpsilonInsensitive {
  static constexpr std::string_view name = "squared_epsilon_insensitive";
  static constexpr int parameters = 1;
  double epsilon;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T r = z - y, a = (r < 0 ? -r : r) - T(epsilon), excess = a > 0 ? a : T(0);
    slope = r < 0 ? T(-2) * excess : T(2) * excess;
    return excess * excess;
  }
};

// Half deviances with log link, constants in y left out.
struct Poisson {
  static constexpr std::string_view name = "poisson";
  static constexpr int parameters = 0;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T mean = exp_(z);
    slope = mean - y;
    return mean - y * z;
  }
};

struct Gamma {
  static constexpr std::string_view name = "gamma";
  static constexpr int parameters = 0;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T ratio = y * exp_(-z);
    slope = T(1) - ratio;
    return z + ratio;
  }
};

struct Tweedie {
  static constexpr std::string_view name = "tweedie";
  static constexpr int parameters = 1;
  double power;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T a = T(1 - power), b = T(2 - power);
    const T ya = y * exp_(a * z), eb = exp_(b * z);
    slope = eb - ya;
    return eb / b - ya / a;
  }
};

// The value is what `without_log` gives plus log(1 + e): a sum of values needs but the logarithm of a product.
struct LogLoss {
  static constexpr std::string_view name = "log_loss";
  static constexpr int parameters = 0;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    T e;
    const T rest = without_log(y, z, slope, e);
    return rest + log1p_(e);
  }
  // The slope alone, soon after z is known.
  template <class T> [[gnu::always_inline]] T quick_slope(T y, T z) const { return centred_logistic(z) + (T(0.5) - y); }
  // 1 / (1 + e) from the slope: the larger one of s and 1 - s, where s = slope + y.
  template <class T> [[gnu::always_inline]] T larger(T y, T slope) const {
    return T(0.5) + std::fabs(slope - (T(0.5) - y));
  }
  // Sum of the values of up to 512 rows whose slopes are known. The logarithms are one of a product.
  template <class T> double total(const T* __restrict y, const T* __restrict z, const T* slope, int64_t count) const {
    constexpr int parts = 16;
    T rest[parts] = {}, product[parts];
    for (T& p : product) p = 1;
    int64_t i = 0;
    auto add = [&](int64_t row, int p) {
      rest[p] += (z[row] > 0 ? z[row] : T(0)) - y[row] * z[row];
      product[p] *= larger(y[row], slope[row]);
    };
    for (; i + parts <= count; i += parts)
      for (int p = 0; p < parts; ++p) add(i + p, p);
    for (; i < count; ++i) add(i, 0);
    double sum = 0, whole = 1;
    for (int p = 0; p < parts; ++p) sum += double(rest[p]), whole *= double(product[p]);
    return sum - std::log(whole);
  }
  template <class T> [[gnu::always_inline]] T without_log(T y, T z, T& slope, T& e) const {
    T above, below;
    exp_quotient(-z, above, below);
    e = (z < 0 ? below : above) / (z < 0 ? above : below);  // exp(-|z|)
    slope = below / (above + below) - y;                    // 1 / (1 + exp(-z))
    return (z > 0 ? z : T(0)) - y * z;                      // softplus(z) = max(z, 0) + log(1 + e)
  }
};

// Targets between the classes: (1 - s) y + s / 2.
struct SmoothedLogLoss {
  static constexpr std::string_view name = "smoothed_log_loss";
  static constexpr int parameters = 1;
  double smoothing;
  template <class T> T target(T y) const { return y + T(smoothing) * (T(0.5) - y); }
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    return LogLoss()(target(y), z, slope);
  }
  template <class T> [[gnu::always_inline]] T quick_slope(T y, T z) const {
    return LogLoss().quick_slope(target(y), z);
  }
  template <class T> [[gnu::always_inline]] T larger(T y, T slope) const { return LogLoss().larger(target(y), slope); }
  template <class T> [[gnu::always_inline]] T without_log(T y, T z, T& slope, T& e) const {
    return LogLoss().without_log(target(y), z, slope, e);
  }
};

struct Hinge {
  static constexpr std::string_view name = "hinge";
  static constexpr int parameters = 0;
  static constexpr bool has_margin = true;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T t = T(2) * y - T(1), gap = T(1) - t * z;
    slope = gap > 0 ? -t : T(0);
    return gap > 0 ? gap : T(0);
  }
};

struct SquaredHinge {
  static constexpr std::string_view name = "squared_hinge";
  static constexpr int parameters = 0;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T t = T(2) * y - T(1), a = T(1) - t * z, gap = a > 0 ? a : T(0);
    slope = T(-2) * t * gap;
    return gap * gap;
  }
};

struct ModifiedHuber {  // squared hinge for margins above -1, linear below
  static constexpr std::string_view name = "modified_huber";
  static constexpr int parameters = 0;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T t = T(2) * y - T(1), margin = t * z, a = T(1) - margin, gap = a > 0 ? a : T(0);
    slope = margin < -1 ? T(-4) * t : T(-2) * t * gap;
    return margin < -1 ? T(-4) * margin : gap * gap;
  }
};

struct Perceptron {
  static constexpr std::string_view name = "perceptron";
  static constexpr int parameters = 0;
  template <class T> [[gnu::always_inline]] T operator()(T y, T z, T& slope) const {
    const T t = T(2) * y - T(1), margin = t * z;
    slope = margin <= 0 ? -t : T(0);
    return margin < 0 ? -margin : T(0);
  }
};

// What slopes are multiplied with under passive-aggressive updates (passive.hpp): min(most, value inverse) for the
// row's inverse; null: nothing.
template <class T> struct Passive {
  const T* inverse = nullptr;
  T most = 0;

  T factor(T value, int64_t i) const { return std::min(most, value * inverse[i]); }
  Passive from(int64_t i) const { return {inverse ? inverse + i : nullptr, most}; }
};

// A block of m rows: raw scores in z (m, stride) become weighted slopes in place.
template <class T> struct Block {
  T* z;
  const T* y;       // (m, columns) targets, or (m,) class codes 0 .. columns - 1
  const T* weight;  // (m,) or null
  int64_t m, columns, stride;
  bool codes;
  Passive<T> passive{};
};

template <class T> inline T largest(const T* z, int64_t columns) {
  T found = z[0];
  for (int64_t k = 1; k < columns; ++k) found = z[k] > found ? z[k] : found;
  return found;
}

// Raw scores z (columns) of a row, of which `highest` is the largest, become `weight` times their softmax; gives the
// sum of exp(z - highest).
template <class T> inline T weighted_softmax(T* z, int64_t columns, T highest, T weight) {
  for_independent<T>(columns, [=](int64_t k) __attribute__((always_inline)) { z[k] = exp_(z[k] - highest); });
  const T partition = total(z, columns), scale = weight / partition;
  for_independent<T>(columns, [=](int64_t k) __attribute__((always_inline)) { z[k] *= scale; });
  return partition;
}

// The same for a block of rows; gives the sum over rows of weight * log sum_k exp(z_k).
template <class T> double weighted_softmax(const Block<T>& b) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  constexpr int64_t together = 8;  // rows whose sums have one logarithm, of their product
  constexpr T small = 30;          // the largest score of a row is subtracted unless all of its scores are small
  const int64_t last = (b.columns - 1) / L * L;
  V number;
  for (int l = 0; l < L; ++l) number[l] = T(last + l);
  const V zero = {}, columns = T(b.columns) - V{};
  double found = 0;
  for (int64_t begin = 0; begin < b.m; begin += together) {
    const int64_t m = std::min(together, b.m - begin);
    const T* weight = b.weight ? b.weight + begin : nullptr;
    T* __restrict z = b.z + begin * b.stride;
    const bool inside = all_within(z, m * b.stride, small);
    for (int64_t i = 0; !inside && i < m; ++i) {
      T* row = z + i * b.stride;
      const T highest = all_within(row, b.columns, small) ? T(0) : largest(row, b.columns);
      for (int64_t k = 0; k < b.columns; ++k) row[k] -= highest;
      found += double(weight ? weight[i] : T(1)) * double(highest);
    }
    for_independent<T>(m * b.stride, [=](int64_t i) __attribute__((always_inline)) { z[i] = exp_(z[i]); });
    V sums[together] = {};
    T partition[together];
    for (int64_t i = 0; i < m; ++i) {
      const T* row = z + i * b.stride;
      for (int64_t k = 0; k < last; k += L) sums[i] += load<V>(row + k);
      sums[i] += number < columns ? load<V>(row + last) : zero;
    }
    for (int64_t i = 0; i < together; i += 4) sum4<T>(sums[i], sums[i + 1], sums[i + 2], sums[i + 3], partition + i);
    double product = 1;
    for (int64_t i = 0; i < m; ++i) {
      T* row = z + i * b.stride;
      const V scale = (weight ? weight[i] : T(1)) / partition[i] - zero;
      for (int64_t k = 0; k < last; k += L) store(row + k, load<V>(row + k) * scale);
      store(row + last, number < columns ? load<V>(row + last) * scale : zero);
      for (int64_t k = last + L; k < b.stride; ++k) row[k] = 0;
      if (weight)
        found += double(weight[i]) * std::log(double(partition[i]));
      else
        product *= double(partition[i]);
    }
    found += std::log(product);
  }
  return found;
}

// One value a row over all its columns: log loss for more than two classes.
struct Softmax {
  static constexpr std::string_view name = "softmax";
  static constexpr int parameters = 0;
  template <class T> double operator()(const Block<T>& b) const {
    if (b.m >= 4 && b.stride % lanes<T> == 0) return of_block(b);
    double total = 0;
    for (int64_t i = 0; i < b.m; ++i) {
      T* z = b.z + i * b.stride;
      const int64_t target = static_cast<int64_t>(b.y[i]);
      const T at_target = z[target], highest = largest(z, b.columns), weight = b.weight ? b.weight[i] : T(1);
      const T partition = weighted_softmax(z, b.columns, highest, weight);
      for (int64_t k = b.columns; k < b.stride; ++k) z[k] = 0;
      z[target] -= weight;
      total += double(weight) * (double(highest - at_target) + std::log(double(partition)));
    }
    return total;
  }

 private:
  template <class T> static double of_block(const Block<T>& b) {
    double at_targets = 0;
    for (int64_t i = 0; i < b.m; ++i)
      at_targets += double(b.weight ? b.weight[i] : T(1)) * double(b.z[i * b.stride + int64_t(b.y[i])]);
    const double total = weighted_softmax(b);
    for (int64_t i = 0; i < b.m; ++i) b.z[i * b.stride + int64_t(b.y[i])] -= b.weight ? b.weight[i] : T(1);
    return total - at_targets;
  }
};

// Targets (1 - s) of the class and s / K of each of K classes: above softmax lies s (z of the class less the mean of
// z).
struct SmoothedSoftmax {
  static constexpr std::string_view name = "smoothed_softmax";
  static constexpr int parameters = 1;
  double smoothing;
  template <class T> double operator()(const Block<T>& b) const {
    double above = 0;
    for (int64_t i = 0; i < b.m; ++i) {
      const T* z = b.z + i * b.stride;
      const T gap = z[static_cast<int64_t>(b.y[i])] - skgd::total(z, b.columns) / T(b.columns);
      above += double(b.weight ? b.weight[i] : T(1)) * double(gap);
    }
    const double value = Softmax()(b) + smoothing * above;
    for (int64_t i = 0; i < b.m; ++i) {
      T* z = b.z + i * b.stride;
      const T part = T(smoothing) * (b.weight ? b.weight[i] : T(1));
      for (int64_t k = 0; k < b.columns; ++k) z[k] -= part / T(b.columns);
      z[static_cast<int64_t>(b.y[i])] += part;
    }
    return value;
  }
};

// Targets are the probabilities of the classes, which sum to one.
struct CrossEntropy {
  static constexpr std::string_view name = "cross_entropy";
  static constexpr int parameters = 0;
  template <class T> double operator()(const Block<T>& b) const {
    double total = 0;
    for (int64_t i = 0; i < b.m; ++i) {
      T* z = b.z + i * b.stride;
      const T* y = b.y + i * b.columns;
      const T highest = largest(z, b.columns), weight = b.weight ? b.weight[i] : T(1);
      T at_targets = 0;
      for (int64_t k = 0; k < b.columns; ++k) at_targets += y[k] * (z[k] - highest);
      const T partition = weighted_softmax(z, b.columns, highest, weight);
      for (int64_t k = 0; k < b.columns; ++k) z[k] -= weight * y[k];
      for (int64_t k = b.columns; k < b.stride; ++k) z[k] = 0;
      total += double(weight) * (std::log(double(partition)) - double(at_targets));
    }
    return total;
  }
};

// Pinball losses, of one quantile in each column.
struct Quantiles {
  static constexpr std::string_view name = "quantiles";
  static constexpr int parameters = any_number;
  std::vector<double> quantiles;
  Quantile of_column(int64_t k) const { return {quantiles[k]}; }
  template <class T> double operator()(const Block<T>& b) const {
    double total = 0;
    const int64_t known = int64_t(quantiles.size()), columns = b.columns < known ? b.columns : known;
    for (int64_t i = 0; i < b.m; ++i) {
      T* z = b.z + i * b.stride;
      const T weight = b.weight ? b.weight[i] : T(1);
      T row = 0;
      for (int64_t k = 0; k < columns; ++k) {
        T slope;
        row += Quantile{quantiles[k]}(b.y[i * b.columns + k], z[k], slope);
        z[k] = weight * slope;
      }
      for (int64_t k = columns; k < b.stride; ++k) z[k] = 0;
      total += double(weight) * double(row);
    }
    return total;
  }
};

// A loss defined outside the core: value and slope of a whole block by a callback, which sets `failed`
// and returns zero slopes when it could not answer.
struct Callback {
  std::function<double(Block<float>)> on_float;
  std::function<double(Block<double>)> on_double;
  template <class T> double operator()(const Block<T>& b) const {
    if constexpr (sizeof(T) == 4)
      return on_float(b);
    else
      return on_double(b);
  }
};

template <class L, class T>
concept Elementwise = requires(const L& loss, T y, T& slope) {
  { loss(y, y, slope) } -> std::same_as<T>;
};

// The slope of a single row that others wait for.
template <class T, class L> inline T slope_of(const L& loss, T y, T z) {
  if constexpr (requires { loss.quick_slope(y, z); }) {
    return loss.quick_slope(y, z);
  } else {
    T slope;
    loss(y, z, slope);
    return slope;
  }
}

// Sum over the block of weight * value; weighted slopes replace the raw scores.
template <class T, class L> double slopes_of(const L& loss, const Block<T>& b) {
  if constexpr (!Elementwise<L, T>) {
    return loss(b);
  } else if (b.stride == 1) {
    double total = 0;
    constexpr int64_t width = 64;
    T value[width];
    for (int64_t start = 0; start < b.m; start += width) {
      const int64_t count = b.m - start < width ? b.m - start : width;
      T* __restrict z = b.z + start;
      const T* __restrict y = b.y + start;
      if constexpr (requires { loss.total(y, z, value, count); }) {
        if (!b.weight) {
          SKGD_INDEPENDENT
          for (int64_t i = 0; i < count; ++i) loss(y[i], z[i], value[i]);
          total += loss.total(y, z, value, count);
          std::copy_n(value, count, z);
          continue;
        }
      }
      SKGD_INDEPENDENT
      for (int64_t i = 0; i < count; ++i) {
        T slope;
        value[i] = loss(y[i], z[i], slope);
        z[i] = slope;
      }
      if constexpr (requires { L::has_margin; })
        if (b.passive.inverse)
          for (int64_t i = 0; i < count; ++i) z[i] *= b.passive.factor(value[i], start + i);
      if (const T* weight = b.weight ? b.weight + start : nullptr) {
        SKGD_INDEPENDENT
        for (int64_t i = 0; i < count; ++i) value[i] *= weight[i], z[i] *= weight[i];
      }
      double part[4] = {};
      int64_t i = 0;
      for (; i + 4 <= count; i += 4)
        for (int p = 0; p < 4; ++p) part[p] += double(value[i + p]);
      for (; i < count; ++i) part[0] += double(value[i]);
      total += (part[0] + part[1]) + (part[2] + part[3]);
    }
    return total;
  } else {
    double total = 0;
    for (int64_t i = 0; i < b.m; ++i) {
      T* z = b.z + i * b.stride;
      const T weight = b.weight ? b.weight[i] : T(1);
      T row = 0;
      for (int64_t k = 0; k < b.columns; ++k) {
        const T y = b.codes ? T(b.y[i] == T(k)) : b.y[i * b.columns + k];
        T slope;
        const T value = loss(y, z[k], slope);
        if constexpr (requires { L::has_margin; })
          if (b.passive.inverse) slope *= b.passive.factor(value, i);
        row += value;
        z[k] = weight * slope;
      }
      for (int64_t k = b.columns; k < b.stride; ++k) z[k] = 0;
      total += double(weight) * double(row);
    }
    return total;
  }
}

// Whether the loss of several outputs is a sum over them, so that slopes_of_column() serves.
template <class T, class L> bool has_columns(const L& loss, int64_t columns) {
  if constexpr (requires { loss.of_column(0); })
    return int64_t(loss.quantiles.size()) == columns;
  else
    return Elementwise<L, T>;
}

using Loss =
    std::variant<SquaredError, Huber, AbsoluteError, Quantile, LogCosh, EpsilonInsensitive, SquaredEpsilonInsensitive,
                 Poisson, Gamma, Tweedie, LogLoss, SmoothedLogLoss, Hinge, SquaredHinge, ModifiedHuber, Perceptron,
                 Softmax, SmoothedSoftmax, CrossEntropy, Quantiles, Callback>;

// slopes_of() of the loss that it is, in one function for all loops.
template <class T> [[gnu::noinline]] double slopes_of(const Loss& loss, const Block<T>& b) {
  return match([&](const auto& l) { return slopes_of(l, b); }, loss);
}

// The same for a block of one output, the k-th of a loss that has_columns().
template <class T> double slopes_of_column(const Loss& loss, int64_t k, const Block<T>& b) {
  if (auto* quantiles = std::get_if<Quantiles>(&loss)) return slopes_of(quantiles->of_column(k), b);
  return slopes_of(loss, b);
}

// The loss of a name and its parameters.
inline Loss make_loss(const std::string& name, const std::vector<double>& parameters) {
  return ByName<Loss>::make("loss", name, parameters);
}

}  // namespace skgd
