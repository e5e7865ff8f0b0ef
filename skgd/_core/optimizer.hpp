// Update rules: each one small struct. `at(t)` gives the rule for update number t (from 0); its call
// updates weight i of `w` from the loss gradient g, the rate and the penalty at that weight.
#pragma once
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "prox.hpp"

namespace skgd {

template <class T> struct Slots {  // optimizer state, each the size of theta
  T* first;
  T* second;
};

struct Plain {
  static constexpr int slots = 0;
  template <class T> Plain at(int64_t) const { return *this; }
  template <bool l1_, bool l2_, class T> void update(int64_t i, T* w, T g, Slots<T>, T rate, T l1, T l2) const {
    const T step = w[i] - rate * (g + l2 * w[i]);
    w[i] = l1_ ? soft(step, rate * l1) : step;
  }
};

// Plain per-sample descent under an l1 penalty: the penalty accumulates, so that noise does not undo
// zeros. What is owed shrinks with the weights, which keeps the lazy form on sparse rows exact.
struct Cumulative {
  static constexpr int slots = 2;
  template <class T> Cumulative at(int64_t) const { return *this; }
  template <bool, bool, class T> void update(int64_t i, T* w, T g, Slots<T> s, T rate, T l1, T l2) const {
    const T decay = T(1) - rate * l2;
    s.first[i] = s.first[i] * decay + rate * l1;
    T received = s.second[i] * decay;
    w[i] = clip_cumulative(w[i] * decay - rate * g, s.first[i], received);
    s.second[i] = received;
  }
};

struct Momentum {
  static constexpr int slots = 1;
  double beta;
  template <class T> Momentum at(int64_t) const { return *this; }
  template <bool l1_, bool l2_, class T> void update(int64_t i, T* w, T g, Slots<T> s, T rate, T l1, T l2) const {
    const T velocity = T(beta) * s.first[i] - rate * (g + l2 * w[i]);
    const T before = w[i], after = before + velocity;
    w[i] = l1_ ? soft(after, rate * l1) : after;
    s.first[i] = l1_ ? w[i] - before : velocity;
  }
};

// w is the look-ahead point y = x + beta v of Nesterov's method; with l1 the proximal step is taken at
// x+ = prox(y - rate grad(y)), as in FISTA.
struct Nesterov {
  static constexpr int slots = 1;
  static constexpr bool restarts = true;  // see restart() in update.hpp
  double beta;
  template <class T> Nesterov at(int64_t) const { return *this; }
  template <bool l1_, bool l2_, class T> void update(int64_t i, T* w, T g, Slots<T> s, T rate, T l1, T l2) const {
    const T b = T(beta), descent = rate * (g + l2 * w[i]);
    if constexpr (l1_) {
      const T ahead = b * s.first[i], tiny = 8 * std::numeric_limits<T>::epsilon() * magnitude(ahead);
      T before = w[i] - ahead;
      before = magnitude(before) > tiny ? before : T(0);  // what rounding leaves of an exact zero
      const T x = soft(w[i] - descent, rate * l1);
      s.first[i] = x - before;
      w[i] = x + b * s.first[i];
    } else {
      s.first[i] = b * s.first[i] - descent;
      w[i] = w[i] + b * s.first[i] - descent;
    }
  }
};

// The penalty is decoupled: its flow for the time step = rate / (sqrt(G) + epsilon) of each weight.
struct Adagrad {
  static constexpr int slots = 1;
  double epsilon;
  template <class T> Adagrad at(int64_t) const { return *this; }
  template <class T> T step(T squares, T rate) const { return rate / (std::sqrt(squares) + T(epsilon)); }
  template <bool l1_, bool l2_, class T> void update(int64_t i, T* w, T g, Slots<T> s, T rate, T l1, T l2) const {
    s.first[i] += g * g;
    const T time = step(s.first[i], rate);
    w[i] = flow<l1_, l2_>(w[i] - time * g, s.first[i] > 0 ? time : T(0), l1, l2);
  }
};

struct RMSProp {
  static constexpr int slots = 1;
  double rho, epsilon;
  template <class T> RMSProp at(int64_t) const { return *this; }
  template <bool l1_, bool l2_, class T> void update(int64_t i, T* w, T g, Slots<T> s, T rate, T l1, T l2) const {
    g += l2 * w[i];
    s.first[i] = T(rho) * s.first[i] + T(1 - rho) * (g * g);
    const T step = rate / (std::sqrt(s.first[i]) + T(epsilon)), after = w[i] - step * g;
    w[i] = l1_ ? soft(after, step * l1) : after;
  }
};

struct Adam {
  static constexpr int slots = 2;
  double beta_1, beta_2, epsilon;
  double correction_1 = 1, correction_2 = 1;  // 1 / (1 - beta^t)
  template <class T> Adam at(int64_t t) const {
    return {beta_1, beta_2, epsilon, 1 / (1 - std::pow(beta_1, double(t + 1))),
            1 / (1 - std::pow(beta_2, double(t + 1)))};
  }
  template <bool l1_, bool l2_, class T> void update(int64_t i, T* w, T g, Slots<T> s, T rate, T l1, T l2) const {
    g += l2 * w[i];
    const T m = T(beta_1) * s.first[i] + T(1 - beta_1) * g;
    const T v = T(beta_2) * s.second[i] + T(1 - beta_2) * (g * g);
    s.first[i] = m, s.second[i] = v;
    const T step = rate / (std::sqrt(v * T(correction_2)) + T(epsilon)), after = w[i] - step * (m * T(correction_1));
    w[i] = l1_ ? soft(after, step * l1) : after;
  }
};

using Optimizer = std::variant<Plain, Cumulative, Momentum, Nesterov, Adagrad, RMSProp, Adam>;

// The rule of a name and its parameters, in the order of the Python class.
inline Optimizer make_optimizer(const std::string& name, const std::vector<double>& p) {
  if (name == "plain") return Plain{};
  if (name == "cumulative") return Cumulative{};
  if (name == "momentum") return Momentum{p.at(0)};
  if (name == "nesterov") return Nesterov{p.at(0)};
  if (name == "adagrad") return Adagrad{p.at(0)};
  if (name == "rmsprop") return RMSProp{p.at(0), p.at(1)};
  if (name == "adam") return Adam{p.at(0), p.at(1), p.at(2)};
  throw std::invalid_argument("no optimizer is named " + name);
}

}  // namespace skgd
