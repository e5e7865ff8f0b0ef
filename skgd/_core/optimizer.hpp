// Update rules: each one small struct, with the number of its `slots` (state arrays). at(t) gives the rule for update
// number t (from 0); update() changes weight i of w and the state of that weight, from the gradient g of the loss, the
// rate and the penalty of that weight (penalty.hpp). w and the slots point to arrays of the same size.
#pragma once
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "prox.hpp"
#include "variant.hpp"

namespace skgd {

template <class T> struct Slots {  // optimizer state, each the size of theta
  T* first;
  T* second;
  T* third;
};

struct Plain {
  static constexpr std::string_view name = "plain";
  static constexpr int parameters = 0;
  static constexpr int slots = 0;
  template <class T> Plain at(int64_t) const { return *this; }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T>, T rate, const P& penalty) const {
    w[i] = penalty.prox(w[i] - rate * (g + penalty.slope(w[i])), rate);
  }
};

// Plain per-sample descent under an l1 penalty: the penalty accumulates, so that noise does not undo
// zeros. What is owed shrinks with the weights, which keeps the lazy form on sparse rows exact.
struct Cumulative {
  static constexpr std::string_view name = "cumulative";
  static constexpr int parameters = 0;
  static constexpr int slots = 2;
  template <class T> Cumulative at(int64_t) const { return *this; }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    const T decay = T(1) - rate * penalty.l2;
    s.first[i] = s.first[i] * decay + rate * penalty.l1;
    T received = s.second[i] * decay;
    w[i] = clip_cumulative(w[i] * decay - rate * g, s.first[i], received);
    s.second[i] = received;
  }
};

struct Momentum {
  static constexpr std::string_view name = "momentum";
  static constexpr int parameters = 1;
  static constexpr int slots = 1;
  static constexpr bool follows_weights = true;  // its state is how far they went
  double beta;
  template <class T> Momentum at(int64_t) const { return *this; }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    const T velocity = T(beta) * s.first[i] - rate * (g + penalty.slope(w[i])), before = w[i];
    w[i] = penalty.prox(before + velocity, rate);
    s.first[i] = P::smooth ? velocity : w[i] - before;
  }
};

// w is the look-ahead point y = x + beta v of Nesterov's method; with l1 the proximal step is taken at
// x+ = prox(y - rate grad(y)), as in FISTA.
struct Nesterov {
  static constexpr std::string_view name = "nesterov";
  static constexpr int parameters = 1;
  static constexpr int slots = 1;
  static constexpr bool restarts = true;         // see restart() in update.hpp
  static constexpr bool follows_weights = true;  // its state is how far they went
  double beta;
  template <class T> Nesterov at(int64_t) const { return *this; }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    const T b = T(beta), step = rate * (g + penalty.slope(w[i]));
    if constexpr (P::smooth) {
      s.first[i] = b * s.first[i] - step;
      w[i] = w[i] + b * s.first[i] - step;
    } else {
      const T ahead = b * s.first[i], tiny = 8 * std::numeric_limits<T>::epsilon() * magnitude(ahead);
      T before = w[i] - ahead;
      before = magnitude(before) > tiny ? before : T(0);  // what rounding leaves of an exact zero
      const T x = penalty.prox(w[i] - step, rate);
      s.first[i] = x - before;
      w[i] = x + b * s.first[i];
    }
  }
};

// The penalty is decoupled: its flow for the time step = rate / (sqrt(G) + epsilon) of each weight.
struct Adagrad {
  static constexpr std::string_view name = "adagrad";
  static constexpr int parameters = 1;
  static constexpr int slots = 1;
  double epsilon;
  template <class T> Adagrad at(int64_t) const { return *this; }
  template <class T> T step(T squares, T rate) const { return rate / (std::sqrt(squares) + T(epsilon)); }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    s.first[i] += g * g;
    const T time = step(s.first[i], rate);
    w[i] = penalty.flow(w[i] - time * g, s.first[i] > 0 ? time : T(0));
  }
};

// Follow the regularised leader: w minimises sum g w + t (l1 |w| + l2 w^2 / 2) + the proximal terms of all
// steps. Kept are the squares, the subgradient of the l1 term that held so far (second), and the step (third),
// which moves only with a gradient: what the penalties do meanwhile is known at any later time.
struct Ftrl {
  static constexpr std::string_view name = "ftrl";
  static constexpr int parameters = 1;
  static constexpr int slots = 3;
  double epsilon;
  double t = 0;
  template <class T> Ftrl at(int64_t now) const { return {epsilon, double(now)}; }
  // The weight after `after` updates, from w after `before`, with g in the first of those between. There are no
  // branches, so that loops over weights are vectorised.
  template <class P, class T>
  [[gnu::always_inline]] static T advanced(T w, T g, T& subgradient, T step, T before, T after, const P& penalty) {
    const bool moves = step > 0;
    const T s = moves ? step : T(1), time = s * after;
    const T target = w + s * before * penalty.slope(w) - s * (subgradient + g);
    const T shrunk = penalty.prox(target, time);
    subgradient = !moves ? subgradient : P::smooth ? T(0) : (shrunk - target) / s;
    return moves ? penalty.prox_smooth(shrunk, time) : w;
  }
  // The step after a gradient, from the sum of squares with it.
  template <class T> T step(T squares, T rate) const { return rate / (std::sqrt(squares) + T(epsilon)); }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    s.first[i] += g * g;
    s.third[i] = g != 0 ? step(s.first[i], rate) : s.third[i];
    w[i] = advanced(w[i], g, s.second[i], s.third[i], T(t), T(t + 1), penalty);
  }
};

struct Adadelta {
  static constexpr std::string_view name = "adadelta";
  static constexpr int parameters = 2;
  static constexpr int slots = 2;
  double rho, epsilon;
  template <class T> Adadelta at(int64_t) const { return *this; }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    g += penalty.slope(w[i]);
    s.first[i] = T(rho) * s.first[i] + T(1 - rho) * (g * g);
    const T ratio = std::sqrt((s.second[i] + T(epsilon)) / (s.first[i] + T(epsilon))), change = ratio * g;
    s.second[i] = T(rho) * s.second[i] + T(1 - rho) * (change * change);
    const T step = rate * ratio;
    w[i] = penalty.prox(w[i] - step * g, step);
  }
};

struct RMSProp {
  static constexpr std::string_view name = "rmsprop";
  static constexpr int parameters = 2;
  static constexpr int slots = 1;
  double rho, epsilon;
  template <class T> RMSProp at(int64_t) const { return *this; }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    g += penalty.slope(w[i]);
    s.first[i] = T(rho) * s.first[i] + T(1 - rho) * (g * g);
    const T step = rate / (std::sqrt(s.first[i]) + T(epsilon));
    w[i] = penalty.prox(w[i] - step * g, step);
  }
};

// base^exponent for a base below one; zero where that is nothing beside one.
inline double power(double base, double exponent) {
  return exponent * (1 - base) > 45 ? 0 : std::pow(base, exponent);  // base^e <= exp(-e (1 - base))
}

struct Adam {
  static constexpr std::string_view name = "adam";
  static constexpr int parameters = 3;
  static constexpr int slots = 2;
  double beta_1, beta_2, epsilon;
  double correction_1 = 1, correction_2 = 1;  // 1 / (1 - beta^t)
  template <class T> Adam at(int64_t t) const {
    return {beta_1, beta_2, epsilon, 1 / (1 - power(beta_1, double(t + 1))), 1 / (1 - power(beta_2, double(t + 1)))};
  }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    g += penalty.slope(w[i]);
    const T m = T(beta_1) * s.first[i] + T(1 - beta_1) * g;
    const T v = T(beta_2) * s.second[i] + T(1 - beta_2) * (g * g);
    s.first[i] = m, s.second[i] = v;
    const T step = rate / (std::sqrt(v * T(correction_2)) + T(epsilon));
    w[i] = penalty.prox(w[i] - step * (m * T(correction_1)), step);
  }
};

// Adam with the largest second moment so far.
struct AMSGrad {
  static constexpr std::string_view name = "amsgrad";
  static constexpr int parameters = 3;
  static constexpr int slots = 3;
  Adam adam;
  template <class T> AMSGrad at(int64_t t) const { return {adam.at<T>(t)}; }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    g += penalty.slope(w[i]);
    const T m = T(adam.beta_1) * s.first[i] + T(1 - adam.beta_1) * g;
    const T v = T(adam.beta_2) * s.second[i] + T(1 - adam.beta_2) * (g * g);
    const T largest = s.third[i] > v ? s.third[i] : v;
    s.first[i] = m, s.second[i] = v, s.third[i] = largest;
    const T step = rate / (std::sqrt(largest * T(adam.correction_2)) + T(adam.epsilon));
    w[i] = penalty.prox(w[i] - step * (m * T(adam.correction_1)), step);
  }
};

// Adam with Nesterov's look-ahead; its momentum mu_t = beta_1 (1 - q^t / 2) grows with t = 1, 2, ...
struct NAdam {
  static constexpr std::string_view name = "nadam";
  static constexpr int parameters = 4;
  static constexpr int slots = 2;
  double beta_1, beta_2, epsilon, decay;
  double of_gradient = 1, of_moment = 1, of_both = 1, correction_2 = 1;  // both: of a gradient always the same
  template <class T> NAdam at(int64_t now) const {
    const double t = double(now + 1), q = std::pow(0.96, decay);
    const double mu = beta_1 * (1 - 0.5 * power(q, t)), next = beta_1 * (1 - 0.5 * power(q, t + 1));
    const double product = momenta(t, std::log(q)), moment = next / (1 - product * next);
    const double gradient = (1 - mu) / (1 - product), both = gradient + moment * (1 - power(beta_1, t));
    return {beta_1, beta_2, epsilon, decay, gradient, moment, both, 1 / (1 - power(beta_2, t))};
  }
  // mu_1 ... mu_t = beta_1^t prod (1 - q^i / 2): its logarithm is a sum of geometric series.
  double momenta(double t, double log_q) const {
    const double of_beta = power(beta_1, t);
    if (of_beta < 1e-18) return 0;
    double log_product = 0, half = 1;
    for (int k = 1; k < 54; ++k) {
      half *= 0.5;
      const double x = k * log_q;  // sum over i of q^(k i) = q^k (1 - q^(k t)) / (1 - q^k)
      log_product -= half / k * (x == 0 ? t : std::exp(x) * std::expm1(x * t) / std::expm1(x));
    }
    return of_beta * std::exp(log_product);
  }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    g += penalty.slope(w[i]);
    const T m = T(beta_1) * s.first[i] + T(1 - beta_1) * g;
    const T v = T(beta_2) * s.second[i] + T(1 - beta_2) * (g * g);
    s.first[i] = m, s.second[i] = v;
    const T step = rate / (std::sqrt(v * T(correction_2)) + T(epsilon));
    w[i] = penalty.prox(w[i] - step * (T(of_gradient) * g + T(of_moment) * m), step * T(of_both));
  }
};

// Adam whose l2 penalty acts with `share` of the rate, whatever the moments and the units of the outputs.
struct AdamW {
  static constexpr std::string_view name = "adamw";
  static constexpr int parameters = 4;
  static constexpr int slots = 2;
  static constexpr bool decays = true;
  double share;
  Adam adam;
  AdamW(double share, double beta_1, double beta_2, double epsilon) : share(share), adam{beta_1, beta_2, epsilon} {}
  template <class T> AdamW at(int64_t t) const {
    AdamW rule = *this;
    rule.adam = adam.at<T>(t);
    return rule;
  }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    w[i] -= T(share) * rate * penalty.slope(w[i]);
    adam.update(i, w, g, s, rate, penalty.kinked());
  }
};

// w is the point y = (1 - beta) z + beta x between the descending z and its mean x, of which D = z - x is
// kept: the gradient is taken at y, z moves, and the mean follows with weights rate^2.
struct ScheduleFree {
  static constexpr std::string_view name = "schedule_free";
  static constexpr int parameters = 1;
  static constexpr int slots = 2;
  double beta;
  template <class T> ScheduleFree at(int64_t) const { return *this; }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T> s, T rate, const P& penalty) const {
    const T D = s.first[i], x = w[i] - T(1 - beta) * D;
    const T z = penalty.prox(w[i] + T(beta) * D - rate * (g + penalty.slope(w[i])), rate);
    s.second[i] += rate * rate;
    const T rest = s.second[i] > 0 ? T(1) - rate * rate / s.second[i] : T(0);
    s.first[i] = rest * (z - x);
    w[i] = z - T(beta) * s.first[i];
  }
};

// The step ends where the gradient there would have led: of the loss by implicit.hpp, which shortens g, of
// the penalties by their proximal operator.
struct Implicit {
  static constexpr std::string_view name = "implicit";
  static constexpr int parameters = 0;
  static constexpr int slots = 0;
  static constexpr bool implicit = true;
  template <class T> Implicit at(int64_t) const { return *this; }
  template <class P, class T>
  [[gnu::always_inline]] void update(int64_t i, T* w, T g, Slots<T>, T rate, const P& penalty) const {
    w[i] = penalty.prox_smooth(penalty.prox(w[i] - rate * g, rate), rate);
  }
};

// The plain rule with slopes of the length that passive.hpp gives to each row (Crammer et al. 2006).
struct PassiveAggressive : Plain {
  static constexpr std::string_view name = "passive_aggressive";
  static constexpr int parameters = 2;
  static constexpr bool passive = true;
  double C, second;  // the second of the two variants if not zero

  PassiveAggressive(double C, double second) : C(C), second(second) {}
};

using Optimizer = std::variant<Plain, Cumulative, Momentum, Nesterov, Adagrad, Adadelta, RMSProp, Adam, AMSGrad, NAdam,
                               AdamW, Ftrl, ScheduleFree, Implicit, PassiveAggressive>;

// The rule of a name with its parameters, in the order of the Python class.
inline Optimizer make_optimizer(const std::string& name, const std::vector<double>& parameters) {
  return ByName<Optimizer>::make("optimizer", name, parameters);
}

}  // namespace skgd
