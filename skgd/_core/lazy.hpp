// Descent on sparse rows at the cost of their non-zeros, exact to rounding.
//
// Plain rule: weights are kept as w = scale * v, so that the l2 penalty is one product for all features; the l1 penalty
// of untouched features adds up, in units of v, and is applied when they are next read. Adagrad: its penalty is a flow
// over time, which adds up likewise. FTRL: its weights follow from its state at any time. The mean of the iterates is
// kept as sum_t share_t w_t = A v + u, so a step on v costs one more step on u (Xu 2011, Towards optimal one pass large
// scale learning with averaged stochastic gradient descent).
#pragma once
#include "descent.hpp"

namespace skgd {

template <class T>
bool lazy_applies(const Problem<T>& problem, const Descent<T>& descent, const Plan& plan, const Optimizer& optimizer) {
  const bool plain = std::holds_alternative<Plain>(optimizer) || std::holds_alternative<Cumulative>(optimizer);
  const bool adaptive = std::holds_alternative<Adagrad>(optimizer) || std::holds_alternative<Ftrl>(optimizer);
  if (!plain && !(adaptive && plan.largest_batch() == 1)) return false;
  if (problem.layers.size() > 1 || plan.max_gradient_norm > 0) return false;
  if (descent.gradient) return false;  // none is formed here
  if (descent.average.values && (!problem.penalty.smooth() || adaptive)) return false;
  // one scale serves all features
  if (plain && problem.penalty.l2() > 0 && !problem.penalty.strength.uniform()) return false;
  const double row = std::visit(
      [](auto& x) -> double {
        if constexpr (requires { x.inverse_scale && x.indptr; })
          return x.inverse_scale ? double(x.d) : double(x.indptr[x.n]) / double(std::max<int64_t>(1, x.n));
        else
          return double(x.d);
      },
      problem.design);
  return 2 * double(plan.largest_batch()) * row < double(problem.d());
}

// P is the penalty of a weight (penalty.hpp).
template <class T, class I, class Rule, class P> class Lazy {
  static constexpr bool adagrad = std::is_same_v<Rule, Adagrad>, ftrl = std::is_same_v<Rule, Ftrl>;
  static constexpr bool cumulative = std::is_same_v<Rule, Cumulative>, adaptive = adagrad || ftrl;

 public:
  Lazy(const Problem<T>& problem, Descent<T>& descent, const Rule& rule, const P& penalty)
      : problem_(problem), x_(std::get<Csr<T, I>>(problem.design)), descent_(descent), rule_(rule), penalty_(penalty),
        strength_(problem.penalty.strength), K_(problem.columns()), d_(x_.d), l1_(problem.penalty.l1()),
        l2_(problem.penalty.l2()), scale_(K_, 1.0), owed_(K_, 0.0), sum_(K_, 0.0) {
    if (!cumulative && (l1_ > 0 || (adaptive && l2_ > 0))) applied_.assign(d_ * K_, 0.0);
    if (cumulative) continue_cumulative();
    prefetches_weights_ = d_ * K_ * int64_t(sizeof(T)) > (24 << 10);
    if (descent.average.values) u_.assign(d_ * K_, T(0));
    share_ = descent.t > descent.average.start ? 1 : 0;
    first_update_ = double(descent.t);
  }

  Outcome run(const Plan& plan, Control& control) {
    const int64_t updates = plan.updates(), m = plan.largest_batch();
    Buffer<T> z(m * K_), mean_step(m * K_), rates(K_);
    TargetBuffer<T> targets;
    Outcome outcome;
    for (int64_t u = 0; u < updates && !control.stop; ++u) {
      const Rows batch = plan.batch(u);
      if (u == updates - 1) {
        apply_all_penalties();
        report(problem_, descent_.theta, batch, outcome);
      }
      for (int64_t i = 0; i < batch.count; ++i) prefetch_ahead(plan.rows, batch.first - plan.rows.first + i);
      int64_t touched = forward(batch, z.data());
      const Block<T> block = targets.block(problem_, batch, z.data());
      const double loss = std::visit([&](auto& l) { return slopes_of(l, block); }, problem_.loss);
      if (control.stop) break;
      plan.rates_of(u, rates);
      step(batch, z.data(), mean_step.data(), rates);
      ++descent_.t, ++outcome.updates;
      outcome.loss += loss, outcome.weight += weight_of(problem_, batch);
      control.done(touched * K_);
    }
    apply_all_penalties();
    finish_average();
    return outcome;
  }

 private:
  const Problem<T>& problem_;
  const Csr<T, I>& x_;
  Descent<T>& descent_;
  Rule rule_;
  P penalty_;
  const Strength<T>& strength_;
  int64_t K_, d_;
  double l1_, l2_;
  std::vector<double> scale_;    // (K,)
  std::vector<double> owed_;     // (K,) the penalty of all updates, as the rule measures it, for a strength of 1
  std::vector<double> applied_;  // (d, K) what of it each weight has got; empty where there is nothing to apply
  std::vector<double> sum_;      // (K,) A above
  Buffer<T> u_, step_ = Buffer<T>(K_);
  bool prefetches_weights_;  // the weights do not fit the first-level cache
  double first_update_;      // number of the update from which owed_ counts
  double share_;             // total weight of the mean so far, in units in which it was 1 before this run

  T* v(int64_t j) const { return descent_.theta + j * K_; }
  T* intercept() const { return v(d_); }

  P penalty_of(int64_t j) const { return strength_.at(penalty_, j); }
  // How strong the l1 penalty of feature j is compared with that of all.
  double l1_factor(int64_t j) const { return strength_.uniform() ? 1.0 : strength_.feature[j] * strength_.scale[j]; }

  // Reads what the l1 penalty has amounted to so far from the feature on which it is strongest.
  void continue_cumulative() {
    int64_t strongest = 0;
    for (int64_t j = 0; j < d_ && !strength_.uniform(); ++j)
      if (l1_factor(j) > l1_factor(strongest)) strongest = j;
    if (d_ == 0 || l1_factor(strongest) == 0) return;
    for (int64_t k = 0; k < K_; ++k) owed_[k] = double(descent_.slots.first[strongest * K_ + k]) / l1_factor(strongest);
  }

  // Prefetches the non-zeros of rows to come, and the weights of the next row.
  [[gnu::always_inline]] void prefetch_ahead(const Rows& rows, int64_t i) const {
    if (const int64_t later = rows.row_to_prefetch(i); later >= 0) x_.prefetch_row(later);
    if (!prefetches_weights_ || i + 1 >= rows.count) return;
    const int64_t next = rows[i + 1], begin = x_.begin(next), end = begin + x_.count(next);
    for (int64_t p = begin; p < end; ++p) prefetch(v(x_.indices[p]), K_ * int64_t(sizeof(T)));
  }

  // Applies to the weights of feature j the penalties of the updates that did not touch it.
  void apply_penalty(int64_t j) {
    if constexpr (cumulative) {
      const double factor = l1_factor(j);
      T* received = descent_.slots.second + j * K_;
      for (int64_t k = 0; k < K_; ++k) v(j)[k] = clip_cumulative(v(j)[k], T(factor * owed_[k]), received[k]);
    } else {
      if (applied_.empty()) return;
      const P penalty = penalty_of(j);
      for (int64_t k = 0; k < K_; ++k) {
        double& applied = applied_[j * K_ + k];
        const double before = applied;
        const T due = T(owed_[k] - applied);
        applied = owed_[k];
        if (due == 0) continue;
        const int64_t i = j * K_ + k;
        T& w = descent_.theta[i];
        if constexpr (ftrl) {
          const double from = first_update_ + before, to = first_update_ + applied;
          Ftrl::advance(i, descent_.theta, T(0), descent_.slots, from, to, penalty);
        } else if constexpr (adagrad) {
          const T squares = descent_.slots.first[i];
          w = penalty.flow(w, squares > 0 ? rule_.step(squares, due) : T(0));
        } else {
          w = penalty.prox(w, due);
        }
      }
    }
  }

  int64_t forward(Rows batch, T* z) {
    int64_t touched = 0;
    const bool owes = cumulative || !applied_.empty();
    for (int64_t i = 0; i < batch.count; ++i) {
      T* zi = z + i * K_;
      const int64_t begin = x_.begin(batch[i]), count = x_.count(batch[i]);
      if (owes)
        for (int64_t p = begin; p < begin + count; ++p) apply_penalty(x_.indices[p]);
      sparse_dot(x_.data + begin, x_.indices + begin, count, descent_.theta, K_, zi);
      for (int64_t k = 0; k < K_; ++k) zi[k] = T(scale_[k]) * zi[k] + intercept()[k];
      touched += count;
    }
    return touched;
  }

  // z holds the weighted slopes of the batch.
  void step(Rows batch, T* z, T* mean_step, const Buffer<T>& rates) {
    const T mean = T(1) / T(batch.count);
    const int64_t t = descent_.t;
    if (problem_.fit_intercept) {
      for (int64_t k = 0; k < K_; ++k) {
        T g = 0;
        for (int64_t i = 0; i < batch.count; ++i) g += z[i * K_ + k];
        if constexpr (adaptive)
          rule_.update(d_ * K_ + k, descent_.theta, mean * g, descent_.slots, rates[k], NoPenalty<T>());
        else
          intercept()[k] -= rates[k] * mean * g;
      }
    }
    if constexpr (adaptive) {
      adaptive_step(batch[0], z, rates);
      return;
    }
    double smallest = 1;
    for (int64_t k = 0; k < K_; ++k) smallest = std::min(smallest, scale_[k] *= 1 - double(rates[k]) * l2_);
    if (smallest < 1e-6) apply_all_penalties();
    for (int64_t k = 0; k < K_; ++k) step_[k] = -mean * T(double(rates[k]) / scale_[k]);
    for (int64_t i = 0; i < batch.count; ++i)
      for (int64_t k = 0; k < K_; ++k) {
        T& c = z[i * K_ + k];
        c *= step_[k];
        if (!u_.empty()) mean_step[i * K_ + k] = T(-sum_[k]) * c;
      }
    scatter(batch, z, descent_.theta);
    if (!u_.empty()) {
      add_to_average(t);
      scatter(batch, mean_step, u_.data());
    }
    if (l1_ > 0)  // the penalty of a weight is multiplied by its l1 already
      for (int64_t k = 0; k < K_; ++k) owed_[k] += double(rates[k]) * (cumulative ? l1_ : 1.0) / scale_[k];
  }

  void scatter(Rows batch, const T* c, T* into) const {
    for (int64_t i = 0; i < batch.count; ++i) {
      const int64_t begin = x_.begin(batch[i]);
      sparse_add(x_.data + begin, x_.indices + begin, x_.count(batch[i]), c + i * K_, into, K_);
    }
  }

  // One row, whose features are up to date; the penalties of this update are applied when features are next read.
  void adaptive_step(int64_t row, const T* slopes, const Buffer<T>& rates) {
    for (I p = x_.indptr[row]; p < x_.indptr[row + 1]; ++p)
      for (int64_t k = 0; k < K_; ++k) {
        const int64_t i = int64_t(x_.indices[p]) * K_ + k;
        const T g = x_.data[p] * slopes[k];
        if constexpr (ftrl) {
          const double now = first_update_ + owed_[k];
          rule_.accumulate(i, g, descent_.slots, rates[k]);
          Ftrl::advance(i, descent_.theta, g, descent_.slots, now, now, penalty_of(x_.indices[p]));
        } else {
          rule_.update(i, descent_.theta, g, descent_.slots, rates[k], NoPenalty<T>());
        }
      }
    for (int64_t k = 0; k < K_; ++k) owed_[k] += ftrl ? 1.0 : double(rates[k]);
  }

  // Brings every feature up to date, and the scale to 1.
  void apply_all_penalties() {
    for (int64_t i = 0; i < int64_t(u_.size()); ++i) u_[i] += T(sum_[i % K_]) * descent_.theta[i];
    std::fill(sum_.begin(), sum_.end(), 0.0);
    const bool owes = cumulative || !applied_.empty();
    for (int64_t j = 0; j < d_; ++j) {
      if (owes) apply_penalty(j);
      for (int64_t k = 0; k < K_; ++k) {
        v(j)[k] *= T(scale_[k]);
        if constexpr (cumulative) {
          descent_.slots.first[j * K_ + k] = T(l1_factor(j) * owed_[k] * scale_[k]);
          descent_.slots.second[j * K_ + k] *= T(scale_[k]);
        }
      }
    }
    std::fill(applied_.begin(), applied_.end(), 0.0);
    if (ftrl) first_update_ = double(descent_.t);
    for (int64_t k = 0; k < K_; ++k) owed_[k] = cumulative ? owed_[k] * scale_[k] : 0;
    std::fill(scale_.begin(), scale_.end(), 1.0);
  }

  void add_to_average(int64_t t) {
    const Average<T>& average = descent_.average;
    const double gamma = average.share(t);
    if (gamma == 0) return;
    if (gamma == 1) {  // the mean starts here
      std::fill(sum_.begin(), sum_.end(), 0.0);
      std::fill(u_.begin(), u_.end(), T(0));
      share_ = 0;
    }
    const double weight = gamma == 1 ? 1 : gamma / (1 - gamma) * share_;
    share_ += weight;
    for (int64_t k = 0; k < K_; ++k) {
      sum_[k] += weight * scale_[k];
      T& b = average.values[d_ * K_ + k];
      b += T(gamma) * (intercept()[k] - b);
    }
    started_ = started_ || gamma == 1;
  }

  bool started_ = false;  // the mean started in this run, so what was there before does not count

  void finish_average() {
    if (u_.empty() || share_ == 0) return;
    T* mean = descent_.average.values;
    const T before = started_ ? T(0) : T(1), inverse = T(1 / share_);
    for (int64_t i = 0; i < int64_t(u_.size()); ++i) mean[i] = (before * mean[i] + u_[i]) * inverse;
  }
};

template <class T>
Outcome lazy_updates(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const Optimizer& optimizer,
                     Control& control) {
  auto run = [&]<class I, class Rule>(const Csr<T, I>&, const Rule& rule) {
    return problem.penalty.visit(
        [&](auto p) { return Lazy<T, I, Rule, decltype(p)>(problem, descent, rule, p).run(plan, control); });
  };
  auto with = [&](const auto& csr) {
    if (auto* rule = std::get_if<Adagrad>(&optimizer)) return run(csr, *rule);
    if (auto* rule = std::get_if<Ftrl>(&optimizer)) return run(csr, *rule);
    if (auto* rule = std::get_if<Cumulative>(&optimizer)) return run(csr, *rule);
    return run(csr, Plain{});
  };
  if (auto* csr = std::get_if<Csr<T, int32_t>>(&problem.design)) return with(*csr);
  return with(std::get<Csr<T, int64_t>>(problem.design));
}

}  // namespace skgd
