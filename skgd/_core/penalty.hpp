// Penalties alpha R(w) on the weights, never on the intercepts: each one small struct for a single weight.
//
// A penalty is the sum of a smooth part S and of a part N with kinks; either may be zero.
//   value(w)              S(w) + N(w)
//   slope(w)              S'(w)
//   prox(w, step)         the proximal operator of N: the u that minimises step N(u) + (u - w)^2 / 2
//   prox_smooth(w, step)  the proximal operator of S
//   flow(w, time)         where dw/ds = -(S + N)'(w) has led after a time; flows compose: flow(flow(w, a), b) is
//                         flow(w, a + b)
//   times(factor)         the penalty, `factor` times as strong
//   in_units(scale)       the penalty as a function of v, where w = scale v
//   kinked()              N alone
// `smooth` says that N is zero. l1 and l2 are the strengths of the two norms, for the loops that know only these
// (lazy.hpp, fused.hpp). A penalty is added as one struct, and one place in PenaltyKind.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <variant>

#include "prox.hpp"

namespace skgd {

template <class T> struct NoPenalty {
  static constexpr std::string_view name = "none";
  static constexpr int parameters = 0;
  static constexpr bool smooth = true;
  static constexpr T l1 = 0, l2 = 0;

  T value(T) const { return 0; }
  T slope(T) const { return 0; }
  [[gnu::always_inline]] T prox(T w, T) const { return w; }
  [[gnu::always_inline]] T prox_smooth(T w, T) const { return w; }
  [[gnu::always_inline]] T flow(T w, T) const { return w; }
  NoPenalty times(T) const { return {}; }
  NoPenalty in_units(T) const { return {}; }
  NoPenalty kinked() const { return {}; }
  template <class U> NoPenalty<U> as() const { return {}; }
};

// l2 w^2 / 2
template <class T> struct L2 {
  static constexpr std::string_view name = "l2";
  static constexpr int parameters = 1;
  static constexpr bool smooth = true;
  T l2;
  static constexpr T l1 = 0;

  T value(T w) const { return l2 * w * w / 2; }
  T slope(T w) const { return l2 * w; }
  [[gnu::always_inline]] T prox(T w, T) const { return w; }
  [[gnu::always_inline]] T prox_smooth(T w, T step) const { return w / (T(1) + step * l2); }
  [[gnu::always_inline]] T flow(T w, T time) const { return w * exp_(-l2 * time); }
  L2 times(T factor) const { return {l2 * factor}; }
  L2 in_units(T scale) const { return {l2 * scale * scale}; }
  NoPenalty<T> kinked() const { return {}; }
  template <class U> L2<U> as() const { return {U(l2)}; }
};

// l1 |w|
template <class T> struct L1 {
  static constexpr std::string_view name = "l1";
  static constexpr int parameters = 1;
  static constexpr bool smooth = false;
  T l1;
  static constexpr T l2 = 0;

  T value(T w) const { return l1 * magnitude(w); }
  T slope(T) const { return 0; }
  [[gnu::always_inline]] T prox(T w, T step) const { return soft(w, step * l1); }
  [[gnu::always_inline]] T prox_smooth(T w, T) const { return w; }
  [[gnu::always_inline]] T flow(T w, T time) const { return soft(w, time * l1); }
  L1 times(T factor) const { return {l1 * factor}; }
  L1 in_units(T scale) const { return {l1 * scale}; }
  L1 kinked() const { return *this; }
  template <class U> L1<U> as() const { return {U(l1)}; }
};

// l1 |w| + l2 w^2 / 2 (Zou & Hastie 2005)
template <class T> struct ElasticNet {
  static constexpr std::string_view name = "elasticnet";
  static constexpr int parameters = 2;
  static constexpr bool smooth = false;
  T l1, l2;

  T value(T w) const { return l1 * magnitude(w) + l2 * w * w / 2; }
  T slope(T w) const { return l2 * w; }
  [[gnu::always_inline]] T prox(T w, T step) const { return soft(w, step * l1); }
  [[gnu::always_inline]] T prox_smooth(T w, T step) const { return w / (T(1) + step * l2); }
  [[gnu::always_inline]] T flow(T w, T time) const { return shrink_and_decay(w, time, l1, l2); }
  ElasticNet times(T factor) const { return {l1 * factor, l2 * factor}; }
  ElasticNet in_units(T scale) const { return {l1 * scale, l2 * scale * scale}; }
  L1<T> kinked() const { return {l1}; }
  template <class U> ElasticNet<U> as() const { return {U(l1), U(l2)}; }
};

// The same for weights in [low, high], which Strength gives for each feature. Not made by name: bounds hold for any of
// the penalties above. The proximal operator of a function on an interval is that of the function, moved into it.
template <class T> struct Bounded {
  static constexpr bool smooth = false;
  T l1, l2;
  T low = -std::numeric_limits<T>::infinity(), high = std::numeric_limits<T>::infinity();

  [[gnu::always_inline]] T inside(T w) const { return w < low ? low : (w > high ? high : w); }
  T value(T w) const { return l1 * magnitude(w) + l2 * w * w / 2; }
  T slope(T w) const { return l2 * w; }
  [[gnu::always_inline]] T prox(T w, T step) const { return inside(soft(w, step * l1)); }
  [[gnu::always_inline]] T prox_smooth(T w, T step) const { return inside(w / (T(1) + step * l2)); }
  [[gnu::always_inline]] T flow(T w, T time) const { return inside(shrink_and_decay(w, time, l1, l2)); }
  Bounded times(T factor) const { return {l1 * factor, l2 * factor, low, high}; }
  Bounded in_units(T scale) const { return {l1 * scale, l2 * scale * scale, low, high}; }
  Bounded kinked() const { return {l1, 0, low, high}; }
  template <class U> Bounded<U> as() const { return {U(l1), U(l2), U(low), U(high)}; }
};

template <class P>
concept HasBounds = requires(P p) { p.inside(p.low); };

// The penalty without its bounds.
template <class P> auto unbounded(const P& p) {
  if constexpr (HasBounds<P>)
    return ElasticNet<decltype(p.l1)>{p.l1, p.l2};
  else
    return p;
}

using PenaltyKind = std::variant<NoPenalty<double>, L2<double>, L1<double>, ElasticNet<double>, Bounded<double>>;

// The penalty l1 |w| + l2 w^2 / 2 as the struct with no more terms than it needs.
inline PenaltyKind elastic_net(double l1, double l2) {
  if (l1 > 0 && l2 > 0) return ElasticNet<double>{l1, l2};
  if (l1 > 0) return L1<double>{l1};
  if (l2 > 0) return L2<double>{l2};
  return NoPenalty<double>{};
}

// How strong the penalty is where. `feature` and `scale` are both null (every feature alike), or both arrays (d,):
// the penalty of feature j is feature[j] times as strong and acts on scale[j] w_j, as descent in other coordinates
// needs it. `column` is null or an array (columns,) of further factors (columns.hpp). `output` is null or an array
// (columns,): the penalty acts on output[k] w_jk, where the outputs have units of their own. `low` and `high` are the
// bounds (d,) of weights in the coordinates of the descent, where the penalty has some; `feature` is then not null. The
// arrays belong to the caller.
template <class T> struct Strength {
  const T* feature = nullptr;
  const T* scale = nullptr;
  const T* column = nullptr;
  const T* output = nullptr;
  const T* low = nullptr;
  const T* high = nullptr;

  bool uniform() const { return !feature && !output; }
  Strength from(int64_t begin) const {
    if (!feature) return *this;
    const int64_t bound = low ? begin : 0;
    return {feature + begin, scale + begin, column, output, low + bound, high + bound};
  }
  // The penalty p of feature j within its bounds.
  template <class P> P within(P p, int64_t j) const {
    if constexpr (HasBounds<P>) p.low = low[j], p.high = high[j];
    return p;
  }
  // The penalty p of feature j, factors of columns and units of outputs left aside.
  template <class P> P at(const P& p, int64_t j) const {
    return feature ? within(p.times(feature[j]).in_units(scale[j]), j) : p;
  }
  // The penalty p of feature j in column k, factors of columns left aside.
  template <class P> P at(const P& p, int64_t j, int64_t k) const {
    return output ? at(p, j).in_units(output[k]) : at(p, j);
  }
};

// A penalty of all weights (d, columns) of a linear model together, beside that of each: its value, and its proximal
// step, which changes them in place.
template <class T> struct Joint {
  std::function<double(const T* weights)> value;
  std::function<void(T* weights, T step)> prox;
};

template <class T> struct Penalty {
  PenaltyKind kind;
  Strength<T> strength;
  const Joint<T>* joint = nullptr;

  // Calls f with the struct of the penalty, for weights of type U.
  template <class U = T, class F> decltype(auto) visit(F&& f) const {
    return match([&](const auto& p) -> decltype(auto) { return f(p.template as<U>()); }, kind);
  }
  bool smooth() const {
    return !joint && visit([](auto p) { return p.smooth; });
  }
  double l1() const {
    return visit<double>([](auto p) { return p.l1; });
  }
  double l2() const {
    return visit<double>([](auto p) { return p.l2; });
  }

  // The penalty of the features from `begin` on.
  Penalty from(int64_t begin) const { return {kind, strength.from(begin), joint}; }

  // The penalty of the first d rows of theta (d, columns), factors of columns left aside.
  double value(const T* theta, int64_t d, int64_t columns) const {
    const double each = visit<double>([&](auto p) {
      double total = 0;
      if (strength.uniform()) {  // four sums, which do not wait for each other
        double parts[4] = {};
        const int64_t size = d * columns, whole = size - size % 4;
        for (int64_t i = 0; i < whole; i += 4)
          for (int q = 0; q < 4; ++q) parts[q] += p.value(double(theta[i + q]));
        for (int64_t i = whole; i < size; ++i) total += p.value(double(theta[i]));
        return total + ((parts[0] + parts[1]) + (parts[2] + parts[3]));
      }
      for (int64_t j = 0; j < d; ++j) {
        for (int64_t k = 0; k < columns; ++k) total += strength.at(p, j, k).value(double(theta[j * columns + k]));
      }
      return total;
    });
    return joint ? each + joint->value(theta) : each;
  }
};

}  // namespace skgd
