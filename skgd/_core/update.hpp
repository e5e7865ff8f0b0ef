// An update rule applied to all of theta.
#pragma once
#include <algorithm>

#include "optimizer.hpp"
#include "penalty.hpp"

namespace skgd {

// One update of theta (d + 1, columns): d rows of weights under the penalty, one row of intercepts.
template <class T> struct Theta {
  T* values;
  const T* gradient;
  Slots<T> slots;
  int64_t d, columns;
  bool fit_intercept;
};

template <bool l1_, bool l2_, class Rule, class T>
void update_weights(const Rule& rule, Theta<T> theta, const Penalty<T>& penalty, const T* rates) {
  T* __restrict w = theta.values;
  const T* __restrict g = theta.gradient;
  const T l1 = T(penalty.l1), l2 = T(penalty.l2);
  const int64_t K = theta.columns, size = theta.d * K;
  if (K == 1 && !penalty.scale) {
    const T rate = rates[0];
#pragma GCC ivdep
    for (int64_t i = 0; i < size; ++i) rule.template update<l1_, l2_>(i, w, g[i], theta.slots, rate, l1, l2);
  } else if (K == 1) {
    const T rate = rates[0];
    const T* __restrict scale = penalty.scale;
#pragma GCC ivdep
    for (int64_t i = 0; i < size; ++i)
      rule.template update<l1_, l2_>(i, w, g[i], theta.slots, rate, l1 * scale[i], l2 * scale[i] * scale[i]);
  } else {
    for (int64_t j = 0; j < theta.d; ++j) {
      const T l1_j = penalty.l1_at(j), l2_j = penalty.l2_at(j);
#pragma GCC ivdep
      for (int64_t k = 0; k < K; ++k)
        rule.template update<l1_, l2_>(j * K + k, w, g[j * K + k], theta.slots, rates[k], l1_j, l2_j);
    }
  }
}

// Forgets the velocity of a batch descent that would step uphill: <gradient, beta v - rate gradient> > 0
// (O'Donoghue & Candes 2015).
template <class Rule, class T>
void restart(const Rule& rule, Theta<T> theta, const Penalty<T>& penalty, const T* rates) {
  if constexpr (requires { Rule::restarts; }) {
    double inner = 0;
    const int64_t K = theta.columns, rows = theta.d + theta.fit_intercept;
    for (int64_t j = 0; j < rows; ++j)
      for (int64_t k = 0; k < K; ++k) {
        const int64_t i = j * K + k;
        const double g =
            double(theta.gradient[i]) + (j < theta.d ? double(penalty.l2_at(j)) * double(theta.values[i]) : 0);
        inner += g * (rule.beta * double(theta.slots.first[i]) - double(rates[k]) * g);
      }
    if (inner > 0) std::fill_n(theta.slots.first, (theta.d + 1) * K, T(0));
  }
}

template <class Rule, class T>
void update(const Rule& rule_, int64_t t, Theta<T> theta, const Penalty<T>& penalty, const T* rates) {
  const auto rule = rule_.template at<T>(t);
  if (penalty.l1 > 0 && penalty.l2 > 0)
    update_weights<true, true>(rule, theta, penalty, rates);
  else if (penalty.l1 > 0)
    update_weights<true, false>(rule, theta, penalty, rates);
  else if (penalty.l2 > 0)
    update_weights<false, true>(rule, theta, penalty, rates);
  else
    update_weights<false, false>(rule, theta, penalty, rates);
  if (!theta.fit_intercept) return;
  for (int64_t i = theta.d * theta.columns, k = 0; k < theta.columns; ++i, ++k)
    rule.template update<false, false>(i, theta.values, theta.gradient[i], theta.slots, rates[k], T(0), T(0));
}

}  // namespace skgd
