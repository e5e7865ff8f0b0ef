// Descent on sparse rows at the cost of their non-zeros, exact to rounding.
//
// Plain rule: weights are kept as w = scale * v, so that the l2 penalty is one product for all features;
// the l1 penalty is owed by untouched features in units of v and paid when they are next read. Adagrad:
// its penalty is a flow over time, owed likewise. FTRL: its weights follow from its state at any time. The mean of the
// iterates is kept as sum_t share_t w_t = A v + u, so a step on v costs one more step on u (Xu 2011, Towards optimal
// one pass large scale learning with averaged stochastic gradient descent).
#pragma once
#include "descent.hpp"

namespace skgd {

template <class T>
bool lazy_applies(const Problem<T>& problem, const Descent<T>& descent, const Plan& plan, const Optimizer& optimizer) {
  const bool plain = std::holds_alternative<Plain>(optimizer) || std::holds_alternative<Cumulative>(optimizer);
  const bool adaptive = std::holds_alternative<Adagrad>(optimizer) || std::holds_alternative<Ftrl>(optimizer);
  if (!plain && !(adaptive && plan.batch_size == 1)) return false;
  if (problem.layers.size() > 1 || plan.max_gradient_norm > 0) return false;
  if (descent.gradient) return false;  // none is formed here
  if (descent.average.values && (problem.penalty.l1 > 0 || adaptive)) return false;
  const double row = std::visit(
      [](auto& x) -> double {
        if constexpr (requires { x.center; })
          return double(x.d);
        else
          return double(x.indptr[x.n]) / double(std::max<int64_t>(1, x.n));
      },
      problem.design);
  return 2 * double(plan.batch_size) * row < double(problem.d());
}

template <class T, class I, class Rule> class Lazy {
  static constexpr bool adagrad = std::is_same_v<Rule, Adagrad>, ftrl = std::is_same_v<Rule, Ftrl>;
  static constexpr bool cumulative = std::is_same_v<Rule, Cumulative>, adaptive = adagrad || ftrl;

 public:
  Lazy(const Problem<T>& problem, Descent<T>& descent, const Rule& rule)
      : problem_(problem), x_(std::get<Csr<T, I>>(problem.design)), descent_(descent), rule_(rule),
        K_(problem.columns()), d_(x_.d), l1_(problem.penalty.l1), l2_(problem.penalty.l2), scale_(K_, 1.0),
        owed_(K_, 0.0), sum_(K_, 0.0) {
    if (!cumulative && (l1_ > 0 || (adaptive && l2_ > 0))) paid_.assign(d_ * K_, 0.0);
    if (cumulative)  // what should have been received is the same for all features
      for (int64_t k = 0; k < K_; ++k) owed_[k] = d_ ? double(descent.slots.first[k]) : 0;
    far_ = d_ * K_ * int64_t(sizeof(T)) > (24 << 10);
    if (descent.average.values) u_.assign(d_ * K_, T(0));
    share_ = descent.t > descent.average.start ? 1 : 0;
    begun_ = double(descent.t);
  }

  Outcome run(const Plan& plan, Control& control) {
    const int64_t updates = plan.updates(), m = plan.batch_size;
    Buffer<T> z(m * K_), mean_step(m * K_), rates(K_);
    TargetBuffer<T> targets;
    Outcome outcome;
    for (int64_t u = 0; u < updates && !control.stop; ++u) {
      const Rows batch = plan.batch(u);
      if (u == updates - 1) {
        settle();
        report(problem_, descent_.theta, batch, outcome);
      }
      for (int64_t i = 0; i < batch.count; ++i) ahead(plan.rows, u * m + i);
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
    settle();
    finish_average();
    return outcome;
  }

 private:
  const Problem<T>& problem_;
  const Csr<T, I>& x_;
  Descent<T>& descent_;
  Rule rule_;
  int64_t K_, d_;
  double l1_, l2_;
  std::vector<double> scale_, owed_, sum_, paid_;  // sum_ is A above
  Buffer<T> u_, step_ = Buffer<T>(K_);
  bool far_;      // the weights do not fit the first-level cache
  double begun_;  // updates before the penalties owed
  double share_;  // total weight of the mean so far, in units in which it was 1 before this run

  T* v(int64_t j) const { return descent_.theta + j * K_; }
  T* intercept() const { return v(d_); }

  // Asks memory for the non-zeros of rows to come, and for the weights of the next row.
  [[gnu::always_inline]] void ahead(const Rows& rows, int64_t i) const {
    if (const int64_t later = rows.ahead(i); later >= 0) x_.ahead(later);
    if (!far_ || i + 1 >= rows.count) return;
    const int64_t next = rows[i + 1], begin = x_.begin(next), end = begin + x_.count(next);
    for (int64_t p = begin; p < end; ++p) prefetch(v(x_.indices[p]), K_ * int64_t(sizeof(T)));
  }

  // Brings feature j up to date with the penalty.
  void pay(int64_t j) {
    if constexpr (cumulative) {
      T* received = descent_.slots.second + j * K_;
      for (int64_t k = 0; k < K_; ++k) v(j)[k] = clip_cumulative(v(j)[k], T(owed_[k]), received[k]);
    } else {
      if (paid_.empty()) return;
      for (int64_t k = 0; k < K_; ++k) {
        double& paid = paid_[j * K_ + k];
        const double before = paid;
        const T due = T(owed_[k] - paid);
        paid = owed_[k];
        if (due == 0) continue;
        T& w = v(j)[k];
        if constexpr (ftrl) {
          Ftrl::go(j * K_ + k, descent_.theta, T(0), descent_.slots, begun_ + before, begun_ + paid, T(l1_), T(l2_));
        } else if constexpr (adagrad) {
          const T squares = descent_.slots.first[j * K_ + k];
          const T time = squares > 0 ? rule_.step(squares, due) : T(0);
          if (l1_ > 0 && l2_ > 0)
            w = flow<true, true>(w, time, T(l1_), T(l2_));
          else if (l1_ > 0)
            w = flow<true, false>(w, time, T(l1_), T(l2_));
          else
            w = flow<false, true>(w, time, T(l1_), T(l2_));
        } else {
          w = soft(w, due);
        }
      }
    }
  }

  int64_t forward(Rows batch, T* z) {
    int64_t touched = 0;
    const bool pays = cumulative || !paid_.empty();
    for (int64_t i = 0; i < batch.count; ++i) {
      T* zi = z + i * K_;
      const int64_t begin = x_.begin(batch[i]), count = x_.count(batch[i]);
      if (pays)
        for (int64_t p = begin; p < begin + count; ++p) pay(x_.indices[p]);
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
          rule_.template update<false, false>(d_ * K_ + k, descent_.theta, mean * g, descent_.slots, rates[k], T(0),
                                              T(0));
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
    if (smallest < 1e-6) settle();
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
    if (l1_ > 0)
      for (int64_t k = 0; k < K_; ++k) owed_[k] += double(rates[k]) * l1_ / scale_[k];
  }

  void scatter(Rows batch, const T* c, T* into) const {
    for (int64_t i = 0; i < batch.count; ++i) {
      const int64_t begin = x_.begin(batch[i]);
      sparse_add(x_.data + begin, x_.indices + begin, x_.count(batch[i]), c + i * K_, into, K_);
    }
  }

  // One row, its features up to date: what the penalties add over this update is owed.
  void adaptive_step(int64_t row, const T* slopes, const Buffer<T>& rates) {
    for (I p = x_.indptr[row]; p < x_.indptr[row + 1]; ++p)
      for (int64_t k = 0; k < K_; ++k) {
        const int64_t i = int64_t(x_.indices[p]) * K_ + k;
        const T g = x_.data[p] * slopes[k];
        if constexpr (ftrl) {
          const double now = begun_ + owed_[k];
          rule_.see(i, g, descent_.slots, rates[k]);
          Ftrl::go(i, descent_.theta, g, descent_.slots, now, now, T(l1_), T(l2_));
        } else {
          rule_.template update<false, false>(i, descent_.theta, g, descent_.slots, rates[k], T(0), T(0));
        }
      }
    for (int64_t k = 0; k < K_; ++k) owed_[k] += ftrl ? 1.0 : double(rates[k]);
  }

  // Every feature up to date, scale 1.
  void settle() {
    for (int64_t i = 0; i < int64_t(u_.size()); ++i) u_[i] += T(sum_[i % K_]) * descent_.theta[i];
    std::fill(sum_.begin(), sum_.end(), 0.0);
    const bool pays = cumulative || !paid_.empty();
    for (int64_t j = 0; j < d_; ++j) {
      if (pays) pay(j);
      for (int64_t k = 0; k < K_; ++k) {
        v(j)[k] *= T(scale_[k]);
        if constexpr (cumulative) {
          descent_.slots.first[j * K_ + k] = T(owed_[k] * scale_[k]);
          descent_.slots.second[j * K_ + k] *= T(scale_[k]);
        }
      }
    }
    std::fill(paid_.begin(), paid_.end(), 0.0);
    if (ftrl) begun_ = double(descent_.t);
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
  auto with = [&]<class I>(const Csr<T, I>&) {
    if (auto* rule = std::get_if<Adagrad>(&optimizer))
      return Lazy<T, I, Adagrad>(problem, descent, *rule).run(plan, control);
    if (auto* rule = std::get_if<Ftrl>(&optimizer)) return Lazy<T, I, Ftrl>(problem, descent, *rule).run(plan, control);
    if (auto* rule = std::get_if<Cumulative>(&optimizer))
      return Lazy<T, I, Cumulative>(problem, descent, *rule).run(plan, control);
    return Lazy<T, I, Plain>(problem, descent, Plain{}).run(plan, control);
  };
  if (auto* csr = std::get_if<Csr<T, int32_t>>(&problem.design)) return with(*csr);
  return with(std::get<Csr<T, int64_t>>(problem.design));
}

}  // namespace skgd
