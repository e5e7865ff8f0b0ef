// An update rule applied to all of theta, layer by layer.
#pragma once
#include <algorithm>

#include "optimizer.hpp"
#include "problem.hpp"

namespace skgd {

template <class T> struct Theta {
  T* values;
  const T* gradient;
  Slots<T> slots;
  const T* rates;  // one, or one a column
  bool one_rate;
  T scale = 1;  // of the gradient

  Theta at(int64_t offset) const {
    auto from = [offset](T* slot) { return slot ? slot + offset : nullptr; };
    const Slots<T> part{from(slots.first), from(slots.second), from(slots.third)};
    return {values + offset, gradient + offset, part, rates, one_rate, scale};
  }
  T rate(int64_t k) const { return rates[one_rate ? 0 : k]; }
};

// The weights (inputs, columns) of one layer, under the penalty.
template <bool l1_, bool l2_, class Rule, class T>
void update_weights(const Rule& rule, const Theta<T>& theta, const Penalty<T>& penalty, int64_t inputs, int64_t K) {
  T* __restrict w = theta.values;
  const T* __restrict g = theta.gradient;
  const T l1 = T(penalty.l1), l2 = T(penalty.l2);
  const Slots<T> slots = theta.slots;
  const T share = theta.scale;
  if ((K == 1 || theta.one_rate) && !penalty.scale) {
    const T rate = theta.rates[0];
    const int64_t size = inputs * K;
    SKGD_INDEPENDENT
    for (int64_t i = 0; i < size; ++i) rule.template update<l1_, l2_>(i, w, share * g[i], slots, rate, l1, l2);
  } else if (K == 1) {
    const T rate = theta.rates[0];
    const T* __restrict scale = penalty.scale;
    SKGD_INDEPENDENT
    for (int64_t i = 0; i < inputs; ++i)
      rule.template update<l1_, l2_>(i, w, share * g[i], slots, rate, l1 * scale[i], l2 * scale[i] * scale[i]);
  } else if (const T* __restrict strength = penalty.strength) {
    for (int64_t j = 0; j < inputs; ++j) {
      const T l1_j = penalty.l1_at(j), l2_j = penalty.l2_at(j);
      SKGD_INDEPENDENT
      for (int64_t k = 0; k < K; ++k)
        rule.template update<l1_, l2_>(j * K + k, w, share * g[j * K + k], slots, theta.rates[k], l1_j * strength[k],
                                       l2_j * strength[k]);
    }
  } else {
    for (int64_t j = 0; j < inputs; ++j) {
      const T l1_j = penalty.l1_at(j), l2_j = penalty.l2_at(j);
      SKGD_INDEPENDENT
      for (int64_t k = 0; k < K; ++k)
        rule.template update<l1_, l2_>(j * K + k, w, share * g[j * K + k], slots, theta.rate(k), l1_j, l2_j);
    }
  }
}

// Forgets the velocity of a batch descent that would step uphill: <gradient, beta v - rate gradient> > 0
// (O'Donoghue & Candes 2015).
template <class Rule, class T> void restart(const Rule& rule, const Theta<T>& theta, const Problem<T>& problem) {
  if constexpr (requires { Rule::restarts; }) {
    double inner = 0;
    for (const Layer& layer : problem.layers) {
      const Penalty<T> penalty = problem.penalty_of(layer);
      const Theta<T> part = theta.at(layer.offset);
      for (int64_t j = 0; j < layer.inputs + problem.fit_intercept; ++j)
        for (int64_t k = 0; k < layer.columns; ++k) {
          const int64_t i = j * layer.columns + k;
          const double l2 = j < layer.inputs ? double(penalty.l2_at(j)) : 0;
          const double g = double(part.scale * part.gradient[i]) + l2 * double(part.values[i]);
          inner += g * (rule.beta * double(part.slots.first[i]) - double(part.rate(k)) * g);
        }
    }
    if (inner > 0) std::fill_n(theta.slots.first, problem.parameters(), T(0));
  }
}

template <class Rule, class T>
void update_weights(const Rule& rule, const Theta<T>& theta, const Penalty<T>& penalty, int64_t inputs, int64_t K) {
  if (penalty.l1 > 0 && penalty.l2 > 0)
    update_weights<true, true>(rule, theta, penalty, inputs, K);
  else if (penalty.l1 > 0)
    update_weights<true, false>(rule, theta, penalty, inputs, K);
  else if (penalty.l2 > 0)
    update_weights<false, true>(rule, theta, penalty, inputs, K);
  else
    update_weights<false, false>(rule, theta, penalty, inputs, K);
}

template <class Rule, class T> void update_intercepts(const Rule& rule, const Theta<T>& theta, int64_t K) {
  for (int64_t k = 0; k < K; ++k)
    rule.template update<false, false>(k, theta.values, theta.scale * theta.gradient[k], theta.slots, theta.rate(k),
                                       T(0), T(0));
}

// All layers from the one given on.
template <class Rule, class T>
void update(const Rule& rule_, int64_t t, const Theta<T>& theta, const Problem<T>& problem, size_t from = 0) {
  const auto rule = rule_.template at<T>(t);
  for (size_t l = from; l < problem.layers.size(); ++l) {
    const Layer& layer = problem.layers[l];
    update_weights(rule, theta.at(layer.offset), problem.penalty_of(layer), layer.inputs, layer.columns);
    if (problem.fit_intercept) update_intercepts(rule, theta.at(layer.intercepts()), layer.columns);
  }
}

// The same where the model gives the first layer's gradient in parts: each is formed, used and forgotten while it is
// in the first-level cache. The place of the first serves for all.
template <class Rule, class T>
void update_in_parts(const Rule& rule_, int64_t t, const Theta<T>& theta, T* gradient, Model<T>& model,
                     const Problem<T>& problem) {
  const auto rule = rule_.template at<T>(t);
  const Layer& first = problem.layers[0];
  const int64_t K = first.columns, few = std::max<int64_t>(6, (12 << 10) / (K * int64_t(sizeof(T))) / 6 * 6);
  for (int64_t begin = 0; begin < first.inputs; begin += few) {
    const int64_t count = std::min(few, first.inputs - begin);
    std::fill_n(gradient, count * K, T(0));
    model.add_inputs(begin, begin + count, gradient);
    Theta<T> part = theta.at(begin * K);
    part.gradient = gradient;
    update_weights(rule, part, problem.penalty_of(first).from(begin), count, K);
  }
  if (problem.fit_intercept) update_intercepts(rule, theta.at(first.intercepts()), K);
  update(rule_, t, theta, problem, 1);
}

}  // namespace skgd
