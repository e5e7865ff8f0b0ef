// An update rule applied to all of theta, layer by layer.
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "optimizer.hpp"
#include "problem.hpp"

namespace skgd {

template <class T> struct Theta {
  T* values;
  const T* gradient;
  Slots<T> slots;
  const T* rates;  // one, or one a column
  bool one_rate;
  T scale = 1;   // of the gradient
  T factor = 1;  // of the rates

  // The part that begins at an offset, under rates times a factor.
  Theta at(int64_t offset, double factor = 1) const {
    auto from = [offset](T* slot) { return slot ? slot + offset : nullptr; };
    const Slots<T> part{from(slots.first), from(slots.second), from(slots.third)};
    return {values + offset, gradient + offset, part, rates, one_rate, scale, T(factor)};
  }
  T rate(int64_t k) const { return factor * rates[one_rate ? 0 : k]; }
};

// The penalty p of a weight v that stands for output v. A decay beside the gradients is a share of the weight, which
// knows no unit.
template <class Rule, class P, class T> [[gnu::always_inline]] inline P of_output(const P& p, T output) {
  P found = p.in_units(output);
  if constexpr (requires { Rule::decays; } && requires { found.l2 = p.l2; }) found.l2 = p.l2;
  return found;
}

// The weights (inputs, K) of one layer under a penalty p, whose strength at each weight is given.
template <class Rule, class P, class T>
[[gnu::noinline]] void update_weights(const Rule& rule, const Theta<T>& theta, const P& p, const Strength<T>& strength,
                                      int64_t inputs, int64_t K) {
  T* __restrict w = theta.values;
  const T* __restrict g = theta.gradient;
  const Slots<T> slots = theta.slots;
  const T share = theta.scale;
  const bool uniform = strength.uniform() && (K == 1 || theta.one_rate);
  if (K == 1 && !strength.feature && strength.output) {
    update_weights(rule, theta, of_output<Rule>(p, strength.output[0]), Strength<T>{}, inputs, K);
  } else if (K == 1 && strength.feature) {
    const T rate = theta.rate(0), output = strength.output ? strength.output[0] : T(1);
    const T* __restrict factor = strength.feature, * __restrict scale = strength.scale;
    for_independent<T>(inputs, [&](int64_t i) __attribute__((always_inline)) {
      rule.update(i, w, share * g[i], slots, rate,
                  of_output<Rule>(strength.within(p.times(factor[i]).in_units(scale[i]), i), output));
    });
  } else if (uniform || (theta.one_rate && !strength.column && !strength.output)) {  // alike, or standardised features
    const T rate = theta.rate(0);
    const int64_t rows = uniform ? 1 : inputs, width = uniform ? inputs * K : K;
    for (int64_t j = 0; j < rows; ++j) {
      const P of_feature = strength.at(p, j);
      for_independent<T>(width, [&](int64_t k) __attribute__((always_inline)) {
        rule.update(j * width + k, w, share * g[j * width + k], slots, rate, of_feature);
      });
    }
  } else {  // columns are whole vectors
    constexpr int64_t most = 64;
    T rates[most], column[most], output[most];
    for (int64_t begin = 0; begin < K; begin += most) {
      const int64_t count = full_vectors<T>(std::min(most, K - begin));
      for (int64_t k = 0; k < count; ++k) {
        rates[k] = theta.rate(begin + k);
        column[k] = strength.column ? strength.column[begin + k] : T(1);
        output[k] = strength.output ? strength.output[begin + k] : T(1);
      }
      for (int64_t j = 0; j < inputs; ++j) {
        const P of_feature = strength.at(p, j);
        const int64_t first = j * K + begin;
        SKGD_INDEPENDENT
        for (int64_t k = 0; k < count; ++k)
          rule.update(first + k, w, share * g[first + k], slots, rates[k],
                      of_output<Rule>(of_feature.times(column[k]), output[k]));
      }
    }
  }
}

// The penalty in the form for which a rule is compiled: strengths of zero give the same numbers, and one of l2 costs
// next to nothing. The exponential function of Adagrad's flow costs more.
template <class Rule, class P> auto form_for(const P& p) {
  using T = decltype(p.l2 + 0);
  constexpr bool flows = std::is_same_v<Rule, Adagrad>;
  if constexpr (small_build)
    return ElasticNet<T>{p.l1, p.l2};
  else if constexpr (P::smooth && flows)
    return p;
  else if constexpr (P::smooth && !std::is_same_v<Rule, Cumulative>)
    return L2<T>{p.l2};
  else
    return ElasticNet<T>{p.l1, p.l2};
}

// Moves weights (inputs, K) into their bounds, where there are some.
template <class T> void move_inside(T* w, const Strength<T>& strength, int64_t inputs, int64_t K) {
  if (!strength.low) return;
  const T *low = strength.low, *high = strength.high;
  auto inside = [](T v, T least, T most)
                    __attribute__((always_inline)) { return v < least ? least : (v > most ? most : v); };
  if (K == 1) {
    for_independent<T>(inputs, [=](int64_t j) __attribute__((always_inline)) { w[j] = inside(w[j], low[j], high[j]); });
  } else {
    for (int64_t j = 0; j < inputs; ++j)
      for (T* v = w + j * K; v < w + (j + 1) * K; ++v) *v = inside(*v, low[j], high[j]);
  }
}

// Rules that end with the proximal step, and keep nothing that follows from the weight then, are compiled without
// bounds; the plain rule is not, beside which a pass of its own shows.
template <class Rule, class T>
void update_weights(const Rule& rule, const Theta<T>& theta, const Penalty<T>& penalty, int64_t inputs, int64_t K) {
  penalty.visit([&](auto p) {
    if constexpr (HasBounds<decltype(p)> && (std::is_same_v<Rule, Plain> || requires { Rule::follows_weights; })) {
      update_weights(rule, theta, p, penalty.strength, inputs, K);
    } else {
      update_weights(rule, theta, form_for<Rule>(p), penalty.strength, inputs, K);
      if constexpr (HasBounds<decltype(p)>) move_inside(theta.values, penalty.strength, inputs, K);
    }
  });
}

// Calls f(first, g, count) for the parameters of theta, many at a time, with the gradients g of the objective's smooth
// part there, in double, from `share` times the gradient of the loss. Frozen layers are left out.
template <class T>
void for_each_gradient(const Problem<T>& problem, const T* theta, const T* gradient, T share,
                       const std::function<void(int64_t, const double*, int64_t)>& f) {
  constexpr int64_t most = 256;
  double g[most];
  for (size_t l = 0; l < problem.layers.size(); ++l) {
    if (problem.is_frozen(l)) continue;
    const Layer& layer = problem.layers[l];
    const Penalty<T> penalty = problem.penalty_of(layer);
    for (int64_t first = layer.offset; first < layer.end(); first += most) {
      const int64_t count = std::min(most, layer.end() - first);
      for (int64_t i = 0; i < count; ++i) g[i] = double(share * gradient[first + i]);
      penalty.template visit<double>([&](auto p) {
        const int64_t weights = std::min(count, layer.intercepts() - first);
        for (int64_t i = 0, at = first - layer.offset; i < weights; ++i, ++at)
          g[i] += penalty.strength.at(p, at / layer.columns, at % layer.columns).slope(double(theta[first + i]));
      });
      f(first, g, count);
    }
  }
}

// The factor of the rate of one weight or intercept of a unit that sees one feature.
template <class T> double rate_of_unit(const Problem<T>& problem, const Layer& layer, int64_t at) {
  const FeatureLayer& features = problem.network.features;
  const bool intercept = at >= layer.intercepts();
  const bool of_wave = (at - layer.offset) % layer.columns >= features.d;
  if (of_wave) return intercept ? features.phase_rate : features.frequency_rate;
  return intercept ? 0 : features.scale_rate;
}

// The factor of the rate of one parameter.
template <class T> double rate_factor(const Problem<T>& problem, int64_t at) {
  if (problem.network.rates.empty()) return 1;
  size_t l = 0;
  while (at >= problem.layers[l].end()) ++l;
  const Layer& layer = problem.layers[l];
  if (layer.of_features) return rate_of_unit(problem, layer, at);
  if (at >= layer.shares()) return problem.rate_of_shares(l);
  if (at >= layer.intercepts()) return problem.rate_of_intercepts(l);
  double found = 1;
  const int64_t input = (at - layer.offset) / layer.columns;
  problem.for_rates(l, [&](int64_t begin, int64_t end, double factor) {
    if (begin <= input && input < end) found = factor;
  });
  return found;
}

// Forgets the velocity of a batch descent that would step uphill: <gradient, beta v - rate gradient> > 0
// (O'Donoghue & Candes 2015).
template <class T> void restart(double beta, const Theta<T>& theta, const Problem<T>& problem) {
  double inner = 0;
  const int64_t K = problem.columns();
  auto add = [&](int64_t first, const double* g, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const double rate = double(theta.rate(theta.one_rate ? 0 : (first + i) % K));
      const double factor = rate_factor(problem, first + i);
      inner += g[i] * (beta * double(theta.slots.first[first + i]) - rate * factor * g[i]);
    }
  };
  for_each_gradient(problem, theta.values, theta.gradient, theta.scale, add);
  if (inner > 0) std::fill_n(theta.slots.first, problem.parameters(), T(0));
}

// A rule as loops use it: one loop serves all rules, and calls them for a layer or a part of one.
template <class T> struct AnyRule {
  bool implicit = false;
  std::optional<double> restarts;  // beta of the momentum that does

  virtual ~AnyRule() = default;
  // The updates to come are those of number t.
  virtual void at(int64_t t) = 0;
  virtual void weights(const Theta<T>& theta, const Penalty<T>& penalty, int64_t inputs, int64_t K) const = 0;
  virtual void intercepts(const Theta<T>& theta, int64_t K) const = 0;
  // Update t of one column, whose gradient is that of a row: scale x, and scale for the intercept behind the weights.
  virtual void update_by_row(int64_t t, const Theta<T>& theta, const Penalty<T>& penalty, int64_t d,
                             bool fit_intercept) = 0;
};

template <class T, class Rule> class RuleOf final : public AnyRule<T> {
 public:
  explicit RuleOf(const Rule& rule) : rule_(rule), now_(rule) {
    this->implicit = requires { Rule::implicit; };
    if constexpr (requires { Rule::restarts; }) this->restarts = rule.beta;
  }
  void at(int64_t t) override { now_ = rule_.template at<T>(t); }
  void weights(const Theta<T>& theta, const Penalty<T>& penalty, int64_t inputs, int64_t K) const override {
    update_weights(now_, theta, penalty, inputs, K);
  }
  void intercepts(const Theta<T>& theta, int64_t K) const override {
    for (int64_t k = 0; k < K; ++k)
      now_.update(k, theta.values, theta.scale * theta.gradient[k], theta.slots, theta.rate(k), NoPenalty<T>());
  }
  void update_by_row(int64_t t, const Theta<T>& theta, const Penalty<T>& penalty, int64_t d,
                     bool fit_intercept) override {
    const Rule rule = rule_.template at<T>(t);
    update_weights(rule, theta, penalty, d, 1);
    if (fit_intercept) rule.update(d, theta.values, theta.scale, theta.slots, theta.rates[0], NoPenalty<T>());
  }

 private:
  Rule rule_, now_;
};

// Passive-aggressive updates are the plain rule with other slopes (passive.hpp).
template <class T> std::unique_ptr<AnyRule<T>> any_rule(const Optimizer& optimizer) {
  return match(
      []<class Rule>(const Rule& rule) -> std::unique_ptr<AnyRule<T>> {
        using Known = std::conditional_t<std::is_same_v<Rule, PassiveAggressive>, Plain, Rule>;
        return std::make_unique<RuleOf<T, Known>>(rule);
      },
      optimizer);
}

// Weights or intercepts of the units that see one feature each, those of the features and those of the waves at rates
// of their own; where these are zero they stay.
template <class T>
void update_units(const AnyRule<T>& rule, const Theta<T>& theta, const Problem<T>& problem, const Layer& layer,
                  bool intercepts) {
  const FeatureLayer& features = problem.network.features;
  auto update = [&](int64_t begin, int64_t end, double factor) {
    if (factor > 0 && end > begin) rule.weights(theta.at(begin, factor), Penalty<T>{}, 1, end - begin);
  };
  if (!intercepts) update(0, features.d, features.scale_rate);
  update(features.d, layer.width, intercepts ? features.phase_rate : features.frequency_rate);
}

template <class T> void update(AnyRule<T>& rule, int64_t t, const Theta<T>& theta, const Problem<T>& problem) {
  rule.at(t);
  for (size_t l = 0; l < problem.layers.size(); ++l) {
    if (problem.is_frozen(l)) continue;
    const Layer& layer = problem.layers[l];
    if (layer.of_features) {
      update_units(rule, theta.at(layer.offset), problem, layer, false);
      update_units(rule, theta.at(layer.intercepts()), problem, layer, true);
      continue;
    }
    problem.for_rates(l, [&](int64_t begin, int64_t end, double factor) {
      rule.weights(theta.at(layer.offset + begin * layer.columns, factor), problem.penalty_of(layer).from(begin),
                   end - begin, layer.columns);
    });
    if (problem.fit_intercept && layer.role == Role::whole)
      rule.intercepts(theta.at(layer.intercepts(), problem.rate_of_intercepts(l)), layer.columns);
    if (layer.has_shares) rule.intercepts(theta.at(layer.shares(), problem.rate_of_shares(l)), layer.columns);
  }
  if (problem.penalty.joint) problem.penalty.joint->prox(theta.values, theta.rate(0));
}

// Inputs of a layer whose gradient is formed and used while it is in the first-level cache.
struct LayerPart {
  size_t layer;
  int64_t begin, end;
  double factor;  // of their rate
};

template <class T> int64_t part_inputs(const Layer& layer) {
  return std::max<int64_t>(6, (12 << 10) / (layer.columns * int64_t(sizeof(T))) / 6 * 6);
}

template <class T> std::vector<LayerPart> parts_of(const Problem<T>& problem) {
  std::vector<LayerPart> parts;
  for (size_t l = 0; l < problem.layers.size(); ++l) {
    if (problem.is_frozen(l)) continue;
    const int64_t step = part_inputs<T>(problem.layers[l]);
    if (problem.layers[l].of_features) {
      parts.push_back({l, 0, 1, 1});
      continue;
    }
    problem.for_rates(l, [&](int64_t first, int64_t last, double factor) {
      for (int64_t begin = first; begin < last; begin += step)
        parts.push_back({l, begin, std::min(begin + step, last), factor});
    });
  }
  return parts;
}

// A buffer for each worker, for the gradient of any part.
template <class T>
std::vector<Buffer<T>> part_buffers(const Problem<T>& problem, const std::vector<LayerPart>& parts, int workers) {
  int64_t largest = 0;
  for (const LayerPart& part : parts)
    largest = std::max(largest, (part.end - part.begin) * problem.layers[part.layer].columns);
  return std::vector<Buffer<T>>(workers, Buffer<T>(largest));
}

// The same where the model gives its gradient in parts, which a crew shares.
template <class T>
void update_in_parts(AnyRule<T>& rule, int64_t t, const Theta<T>& theta, const std::vector<LayerPart>& parts,
                     std::vector<Buffer<T>>& buffers, Model<T>& model, const Problem<T>& problem, Crew& crew) {
  rule.at(t);
  crew.run(int64_t(parts.size()), [&](int worker, int64_t p) {
    const auto [l, begin, end, factor] = parts[p];
    const Layer& layer = problem.layers[l];
    const int64_t K = layer.columns;
    T* gradient = buffers[worker].data();
    std::fill_n(gradient, (end - begin) * K, T(0));
    model.add_inputs(l, begin, end, gradient);
    if (layer.of_features) {
      Theta<T> units = theta.at(layer.offset);
      units.gradient = gradient;
      update_units(rule, units, problem, layer, false);
      std::fill_n(gradient, K, T(0));
      model.add_intercepts(l, gradient);
      units = theta.at(layer.intercepts());
      units.gradient = gradient;
      return update_units(rule, units, problem, layer, true);
    }
    Theta<T> part = theta.at(layer.offset + begin * K, factor);
    part.gradient = gradient;
    rule.weights(part, problem.penalty_of(layer).from(begin), end - begin, K);
    if (end < layer.inputs) return;
    auto update_last = [&](int64_t offset, double factor) {
      Theta<T> last = theta.at(offset, factor);
      last.gradient = gradient;
      rule.intercepts(last, K);
    };
    if (problem.fit_intercept) {
      std::fill_n(gradient, K, T(0));
      model.add_intercepts(l, gradient);
      update_last(layer.intercepts(), problem.rate_of_intercepts(l));
    }
    if (layer.has_shares) {
      std::fill_n(gradient, K, T(0));
      model.add_shares(l, gradient);
      update_last(layer.shares(), problem.rate_of_shares(l));
    }
  });
  if (problem.penalty.joint) problem.penalty.joint->prox(theta.values, theta.rate(0));
}

}  // namespace skgd
