// Descent on sparse rows at the cost of their non-zeros, exact to rounding.
//
// Plain rule: weights are kept as w = scale * v, so that the l2 penalty is one product for all features; the l1 penalty
// of untouched features adds up, in units of v, and is applied when they are next read. The mean of the iterates of
// the plain rule is kept as sum_t share_t w_t = A v + u, so a step on v costs one more step on u (Xu 2011, Towards
// optimal one pass large scale learning with averaged stochastic gradient descent). Under an l1 penalty u alone is the
// sum: what a weight adds to it while it is not touched follows from what the penalty had amounted to at each iterate
// (OwedHistory). For Adagrad and FTRL see lazy_adaptive.hpp.
//
// What is owed is a LazyState. A fit settles it at the end of each run: theta, slots and mean are then plain arrays. A
// stream keeps it from run to run (lazy_state.hpp), so that a call costs the non-zeros of its rows.
#pragma once
#include "lazy_adaptive.hpp"

namespace skgd {

template <class T>
bool lazy_applies(const Problem<T>& problem, const Descent<T>& descent, const Plan& plan, const Optimizer& optimizer) {
  const bool plain = std::holds_alternative<Plain>(optimizer) || std::holds_alternative<Cumulative>(optimizer) ||
                     std::holds_alternative<PassiveAggressive>(optimizer);
  const bool adaptive = std::holds_alternative<Adagrad>(optimizer) || std::holds_alternative<Ftrl>(optimizer);
  if (!plain && !adaptive) return false;
  if (problem.layers.size() > 1 || plan.max_gradient_norm > 0) return false;
  if (descent.gradient) return false;  // none is formed here
  if (problem.penalty.strength.low || problem.penalty.joint) return false;
  // one history serves the means of all columns
  if (descent.average.values && plan.rate_columns > 1 && !(plain && problem.penalty.smooth())) return false;
  // one scale serves all features
  if (plain && problem.penalty.l2() > 0 && !problem.penalty.strength.uniform()) return false;
  const double row = match(
      [](auto& x) -> double {
        if constexpr (requires { x.inverse_scale && x.indptr; })
          return x.inverse_scale ? double(x.d) : double(x.indptr[x.n]) / double(std::max<int64_t>(1, x.n));
        else
          return double(x.d);
      },
      problem.design);
  return 2 * double(plan.largest_batch()) * row < double(problem.d());
}

template <class T, class I, class Rule> class Lazy {
  using P = ElasticNet<T>;  // of the rules that are not adaptive, which know a penalty by its l1 and l2
  static constexpr bool adagrad = std::is_same_v<Rule, Adagrad>, ftrl = std::is_same_v<Rule, Ftrl>;
  static constexpr bool cumulative = std::is_same_v<Rule, Cumulative>, adaptive = adagrad || ftrl;

 public:
  Lazy(const Problem<T>& problem, Descent<T>& descent, const Rule& rule, LazyState<T>& state)
      : problem_(problem), x_(std::get<Csr<T, I>>(problem.design)), descent_(descent), rule_(rule),
        strength_(problem.penalty.strength), K_(problem.columns()), d_(x_.d), l1_(problem.penalty.l1()),
        l2_(problem.penalty.l2()), penalty_{T(l1_), T(l2_)}, state_(state), now_(state.small),
        adaptive_weights_(problem, descent, rule, state) {
    prefetches_weights_ = d_ * K_ * int64_t(sizeof(T)) > (24 << 10);
  }

  // One run, after which nothing is owed.
  Outcome run(const Plan& plan, Control& control) {
    begin();
    const Outcome outcome = updates(plan, control);
    settle();
    return outcome;
  }

  // One run of a stream, at the cost of its non-zeros.
  Outcome run_on(const Plan& plan, Control& control, Journal<T>& journal) {
    keeps_ = true, journal_ = &journal;
    return updates(plan, control);
  }

  // Before the runs of a call to a stream: settles what has become too much to be carried on.
  void prepare(int64_t batch_size) {
    keeps_ = true, batches_ = batch_size > 1;
    const bool small = state_.active && *std::min_element(now_.scale.begin(), now_.scale.end()) < 1e-6;
    const bool long_ago =
        now_.touched > 4.0 * double(d_ * K_) || state_.history.size() > (1 << 16) || history_is_long();
    const bool lacks_gradients = batches_ && !state_.entries.empty() && !state_.entries.has(Entries<T>::gradient);
    if (state_.active && (small || lacks_gradients || (long_ago && (owes() || averages())))) settle();
    if (!state_.active) begin();
  }

  // Makes theta, slots and mean what they say.
  void settle() {
    if (!state_.active) return;
    if constexpr (!adaptive)
      if (K_ == 1 && averages() && !owes()) return settle_at_once();
    apply_all_penalties();
    if constexpr (adaptive) adaptive_weights_.scatter();
    if (averages()) now_.mean.finish(descent_.average.values, state_.u.data(), int64_t(state_.u.size()));
    state_ = LazyState<T>();
  }

 private:
  const Problem<T>& problem_;
  const Csr<T, I>& x_;
  Descent<T>& descent_;
  Rule rule_;
  const Strength<T>& strength_;
  int64_t K_, d_;
  double l1_, l2_;
  P penalty_;
  LazyState<T>& state_;
  typename LazyState<T>::Small& now_;
  Buffer<T> step_ = Buffer<T>(K_);
  bool prefetches_weights_;  // the weights do not fit the first-level cache
  bool keeps_ = false;       // nothing is settled, and norms of the weights are kept up to date
  bool batches_ = false;     // updates of a stream have several rows
  Journal<T>* journal_ = nullptr;

  struct NoWeights {
    NoWeights(const Problem<T>&, const Descent<T>&, const Rule&, const LazyState<T>&) {}
  };
  std::conditional_t<adaptive, AdaptiveWeights<T, Rule>, NoWeights> adaptive_weights_;

  T* v(int64_t j) const { return descent_.theta + j * K_; }
  T* intercept() const { return v(d_); }
  bool averages() const { return descent_.average.values != nullptr; }
  // The norms of weights that have no penalty are of use to nobody. The plain rule keeps them all the same.
  bool penalised() const { return !adaptive || l1_ > 0 || l2_ > 0; }
  bool averages_shrinking() const { return averages() && !adaptive && l1_ > 0; }
  // Updates of all weights then cost no more than one of a weight each time.
  bool history_is_long() const { return state_.owed_history.size() > std::max<int64_t>(1 << 16, d_ * K_); }
  bool owes() const { return cumulative || l1_ > 0 || (adaptive && (l2_ > 0 || averages())); }

  P penalty_of(int64_t j) const { return strength_.at(penalty_, j); }
  // How strong the l1 penalty of feature j is compared with that of all.
  double l1_factor(int64_t j) const { return strength_.uniform() ? 1.0 : strength_.feature[j] * strength_.scale[j]; }

  void begin() {
    state_ = LazyState<T>();
    now_.scale.assign(K_, 1.0), now_.owed.assign(K_, 0.0), now_.sum.assign(K_, 0.0);
    if (cumulative) continue_cumulative();
    now_.mean.begin(descent_);
    now_.first_update = double(descent_.t);
    if (adaptive && keeps_ && K_ == 1) {
      if constexpr (adaptive) adaptive_weights_.gather(batches_);
    } else {
      if (!cumulative && (l1_ > 0 || (adaptive && l2_ > 0))) state_.applied.assign(d_ * K_, 0.0);
      if (averages()) state_.u.assign(d_ * K_, T(0));
      if (averages() && (adaptive || l1_ > 0)) state_.counted.assign(d_ * K_, 0);
    }
    if constexpr (adaptive) adaptive_weights_.bind();
    if (keeps_) measure([&](int64_t i) { return descent_.theta[i]; });
    state_.active = true;
  }

  // The norms of the weights, which a stream then keeps up to date if their penalty has a value.
  template <class Weight> void measure(Weight weight) {
    now_.l1_norms.assign(K_, 0.0), now_.squares.assign(K_, 0.0);
    for (int64_t j = 0; penalised() && j < d_; ++j)
      for (int64_t k = 0; k < K_; ++k)
        if (const T w = weight(j * K_ + k); w != 0) now_.changed(k, 0, w);
  }

  T weight(int64_t i) const {
    if constexpr (adaptive)
      return adaptive_weights_.weight(i);
    else
      return descent_.theta[i];
  }

  // The penalty of the weights. What an untouched weight owes of l1, or under an adaptive rule, is not off it yet.
  double penalty_value() const {
    double total = 0;
    for (int64_t k = 0; k < K_; ++k) {
      const double scale = now_.scale[k];
      total += l1_ * scale * now_.l1_norms[k] + l2_ / 2 * scale * scale * now_.squares[k];
    }
    return total;
  }

  Outcome updates(const Plan& plan, Control& control) {
    const int64_t updates = plan.updates(), m = plan.largest_batch();
    Buffer<T> z(m * K_), mean_step(m * K_), rates(K_);
    TargetBuffer<T> targets;
    Outcome outcome;
    if constexpr (adaptive)
      if (m > 1) adaptive_weights_.expect_batches();
    for (int64_t u = 0; u < updates && !control.stop; ++u) {
      const Rows batch = plan.batch(u);
      if (!keeps_ && history_is_long()) apply_to_all();
      if (u == updates - 1) report_before(batch, outcome);
      for (int64_t i = 0; i < batch.count; ++i) prefetch_ahead(plan.rows, batch.first - plan.rows.first + i);
      const int64_t touched = forward(batch, z.data());
      const Block<T> block = targets.block(problem_, batch, z.data());
      const double loss = slopes_of(problem_.loss, block);
      if (control.stop) break;
      plan.rates_of(u, rates);
      step(batch, z.data(), mean_step.data(), rates);
      ++descent_.t;
      outcome.loss += loss, outcome.weight += weight_of(problem_, batch);
      now_.touched += double(touched * K_);
      control.done(touched * K_);
    }
    return outcome;
  }

  // A stream keeps no gradients: their norm is not formed. What untouched weights owe is applied before the report
  // where that costs little beside the rows.
  void report_before(Rows batch, Outcome& outcome) {
    if (keeps_) {
      if (owes() && 4 * d_ <= int64_t(x_.indptr[x_.n])) apply_to_all();
      outcome.penalty = penalty_value();
      return;
    }
    if (std::is_same_v<Rule, Plain> && l1_ == 0) {
      const auto [low, high] = std::minmax_element(now_.scale.begin(), now_.scale.end());
      if (*low == *high && strength_.uniform()) return report_smooth(batch, outcome);
    }
    apply_all_penalties();
    report(problem_, descent_.theta, batch, outcome);
  }

  // The report where all weights are up to date but for one scale. Where there is no gradient of the loss, that of the
  // objective is l2 w: of these features only the norm of w is needed.
  void report_smooth(Rows batch, Outcome& outcome) {
    Buffer<T> z(batch.count * K_);
    TargetBuffer<T> targets;
    forward(batch, z.data());
    const Block<T> block = targets.block(problem_, batch, z.data());
    slopes_of(problem_.loss, block);
    const double scale = now_.scale[0], mean = 1 / double(batch.count),
                 norm = l2_ > 0 ? scale * scale * norm_of_v() : 0;
    double squares = l2_ * l2_ * norm;
    std::vector<std::pair<int64_t, std::pair<T, const T*>>> parts;  // of the gradient: feature, its value, slopes
    for (int64_t i = 0; i < batch.count; ++i)
      for (int64_t p = x_.begin(batch[i]), end = p + x_.count(batch[i]); p < end; ++p)
        parts.push_back({x_.indices[p], {x_.data[p], z.data() + i * K_}});
    std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t p = 0, end; p < parts.size(); p = end) {
      const int64_t j = parts[p].first;
      for (end = p; end < parts.size() && parts[end].first == j;) ++end;
      for (int64_t k = 0; k < K_; ++k) {
        double g = 0;
        for (size_t q = p; q < end; ++q) g += double(parts[q].second.first) * double(parts[q].second.second[k]);
        g *= mean;
        squares += g * (g + 2 * l2_ * scale * double(v(j)[k]));
      }
    }
    for (int64_t k = 0; problem_.fit_intercept && k < K_; ++k) {
      double g = 0;
      for (int64_t i = 0; i < batch.count; ++i) g += double(z[i * K_ + k]);
      squares += g * mean * g * mean;
    }
    outcome.gradient_norm = std::sqrt(std::max(squares, 0.0));
    outcome.penalty = l2_ / 2 * norm;
  }

  double norm_of_v() const {
    constexpr int64_t part = 4096;
    double total = 0;
    for (int64_t i = 0; i < d_ * K_; i += part) {
      const int64_t count = std::min(part, d_ * K_ - i);
      total += double(dot(descent_.theta + i, descent_.theta + i, count));
    }
    return total;
  }

  // Reads what the l1 penalty has amounted to so far from the feature on which it is strongest.
  void continue_cumulative() {
    int64_t strongest = 0;
    for (int64_t j = 0; j < d_ && !strength_.uniform(); ++j)
      if (l1_factor(j) > l1_factor(strongest)) strongest = j;
    if (d_ == 0 || l1_factor(strongest) == 0) return;
    for (int64_t k = 0; k < K_; ++k)
      now_.owed[k] = double(descent_.slots.first[strongest * K_ + k]) / l1_factor(strongest);
  }

  // Prefetches the non-zeros of rows to come, and the weights of the next row.
  [[gnu::always_inline]] void prefetch_ahead(const Rows& rows, int64_t i) const {
    if (const int64_t later = rows.row_to_prefetch(i); later >= 0) x_.prefetch_row(later);
    if (!prefetches_weights_ || i + 1 >= rows.count) return;
    const int64_t next = rows[i + 1], begin = x_.begin(next), end = begin + x_.count(next);
    if constexpr (adaptive) {
      for (int64_t p = begin; p < end; ++p) adaptive_weights_.prefetch_weights(x_.indices[p]);
    } else {
      const int64_t bytes = K_ * int64_t(sizeof(T));
      const T* u = averages() ? state_.u.data() : nullptr;
      const int64_t* counted = averages_shrinking() ? state_.counted.data() : nullptr;
      const T* received = cumulative ? descent_.slots.second : nullptr;
      for (int64_t p = begin; p < end; ++p) {
        prefetch(v(x_.indices[p]), bytes);
        if (u) prefetch(u + x_.indices[p] * K_, bytes);
        if (counted) prefetch(counted + x_.indices[p] * K_, K_ * int64_t(sizeof(int64_t)));
        if (received) prefetch(received + x_.indices[p] * K_, bytes);
      }
    }
  }

  // Applies to the weights of feature j the penalties of the updates that did not touch it.
  void apply_penalty(int64_t j) {
    if constexpr (cumulative) {
      const double factor = l1_factor(j);
      T* received = descent_.slots.second + j * K_;
      for (int64_t k = 0; k < K_; ++k) {
        const T before = v(j)[k];
        add_shrinking(j * K_ + k, factor, before < 0 ? double(received[k]) : -double(received[k]));
        v(j)[k] = clip_cumulative(before, T(factor * now_.owed[k]), received[k]);
        if (keeps_) now_.changed(k, before, v(j)[k]);
      }
    } else {
      const P penalty = penalty_of(j);
      for (int64_t k = 0; k < K_; ++k) {
        double& applied = state_.applied[j * K_ + k];
        const T due = T(now_.owed[k] - applied), before = v(j)[k];
        add_shrinking(j * K_ + k, double(penalty.l1), double(penalty.l1) * applied);
        applied = now_.owed[k];
        if (due == 0) continue;
        v(j)[k] = penalty.prox(before, due);
        if (keeps_) now_.changed(k, before, v(j)[k]);
      }
    }
  }

  // Adds to the mean what weight i, of which the l1 penalty has taken `applied`, was at the iterates since it was
  // touched.
  void add_shrinking(int64_t i, double l1, double applied) {
    if (!averages_shrinking()) return;
    const double w = double(descent_.theta[i]);
    if (w != 0)
      state_.u[i] += T(std::copysign(state_.owed_history.sum(std::abs(w) + applied, l1, state_.counted[i]), w));
    state_.counted[i] = state_.owed_history.size();
  }

  int64_t forward(Rows batch, T* z) {
    int64_t touched = 0;
    for (int64_t i = 0; i < batch.count; ++i) {
      T* zi = z + i * K_;
      const int64_t begin = x_.begin(batch[i]), count = x_.count(batch[i]);
      products(x_.data + begin, x_.indices + begin, count, zi);
      for (int64_t k = 0; k < K_; ++k) zi[k] = T(now_.scale[k]) * zi[k] + intercept()[k];
      touched += count;
    }
    return touched;
  }

  // z = W'x of a row, whose weights are brought up to date.
  void products(const T* x, const I* features, int64_t count, T* z) {
    if constexpr (adaptive) {
      if (K_ == 1 && (owes() || adaptive_weights_.together())) {
        z[0] = adaptive_weights_.scores(x, features, count);
        return;
      }
      if (owes()) adaptive_weights_.bring_up_to_date(features, count);
    } else if (owes()) {
      for (int64_t p = 0; p < count; ++p) apply_penalty(features[p]);
    }
    sparse_dot(x, features, count, descent_.theta, K_, z);
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
      for (int64_t i = 0; i < batch.count; ++i) {
        const int64_t begin = x_.begin(batch[i]), count = x_.count(batch[i]);
        const T* slopes = z + i * K_;
        if (batch.count == 1)
          adaptive_weights_.update(x_.data + begin, x_.indices + begin, count, slopes, rates);
        else
          adaptive_weights_.add_gradient(x_.data + begin, x_.indices + begin, count, slopes);
      }
      if (batch.count > 1) adaptive_weights_.update(mean, rates);
      for (int64_t k = 0; k < K_; ++k) now_.owed[k] += ftrl ? 1.0 : double(rates[k]);
      if (averages()) add_to_average(t);
      return;
    }
    double smallest = 1;
    for (int64_t k = 0; k < K_; ++k) smallest = std::min(smallest, now_.scale[k] *= 1 - double(rates[k]) * l2_);
    const double least = keeps_ && !averages() ? 1e-12 : 1e-6;  // a mean is a difference, in which digits get lost
    if (smallest < least) apply_to_all();                       // before v could overflow
    for (int64_t k = 0; k < K_; ++k) step_[k] = -mean * T(double(rates[k]) / now_.scale[k]);
    for (int64_t i = 0; i < batch.count; ++i)
      for (int64_t k = 0; k < K_; ++k) {
        T& c = z[i * K_ + k];
        c *= step_[k];
        if (averages() && !averages_shrinking()) mean_step[i * K_ + k] = T(-now_.sum[k]) * c;
      }
    if (keeps_)
      scatter_and_measure(batch, z);
    else
      scatter(batch, z, descent_.theta);
    if (l1_ > 0)  // the penalty of a weight is multiplied by its l1 already
      for (int64_t k = 0; k < K_; ++k) now_.owed[k] += double(rates[k]) * (cumulative ? l1_ : 1.0) / now_.scale[k];
    if (averages()) add_to_average(t);
    if (averages() && !averages_shrinking()) scatter(batch, mean_step, state_.u.data());
  }

  void scatter(Rows batch, const T* c, T* into) const {
    for (int64_t i = 0; i < batch.count; ++i) {
      const int64_t begin = x_.begin(batch[i]);
      sparse_add(x_.data + begin, x_.indices + begin, x_.count(batch[i]), c + i * K_, into, K_);
    }
  }

  void scatter_and_measure(Rows batch, const T* c) {
    if (!penalised()) return scatter(batch, c, descent_.theta);
    for (int64_t i = 0; i < batch.count && K_ == 1; ++i) {
      constexpr int64_t most = 64;
      T before[most], after[most];
      const int64_t begin = x_.begin(batch[i]), count = x_.count(batch[i]);
      for (int64_t start = 0; start < count; start += most) {
        const int64_t n = std::min(most, count - start);
        for (int64_t p = 0; p < n; ++p) {
          T* w = v(x_.indices[begin + start + p]);
          before[p] = *w;
          *w = after[p] = before[p] + x_.data[begin + start + p] * c[i];
        }
        now_.changed(before, after, n);
      }
    }
    for (int64_t i = 0; i < batch.count && K_ > 1; ++i)
      for (int64_t p = x_.begin(batch[i]), end = p + x_.count(batch[i]); p < end; ++p) {
        T* w = v(x_.indices[p]);
        for (int64_t k = 0; k < K_; ++k) {
          const T before = w[k];
          w[k] += x_.data[p] * c[i * K_ + k];
          now_.changed(k, before, w[k]);
        }
      }
  }

  // Brings every feature up to date, and the scale to 1.
  void apply_all_penalties() {
    if constexpr (adaptive) {
      if (owes()) adaptive_weights_.bring_up_to_date(AllFeatures(), d_);
    } else {
      apply_owed();
    }
  }
  void apply_owed() {
    T* __restrict u = state_.u.data();
    T* __restrict w = descent_.theta;
    const int64_t size = averages_shrinking() ? 0 : int64_t(state_.u.size());
    if (const T sum = T(now_.sum[0]); K_ == 1)
      for (int64_t i = 0; i < size; ++i) u[i] += sum * w[i];
    else
      for (int64_t i = 0; i < size; ++i) u[i] += T(now_.sum[i % K_]) * w[i];
    std::fill(now_.sum.begin(), now_.sum.end(), 0.0);
    const bool owes = this->owes();
    if (!owes && K_ == 1) {
      const T scale = T(now_.scale[0]);
      for (int64_t j = 0; scale != 1 && j < d_; ++j) w[j] *= scale;
    }
    for (int64_t j = 0; (owes || K_ > 1) && j < d_; ++j) {
      if (owes) apply_penalty(j);
      for (int64_t k = 0; k < K_; ++k) {
        v(j)[k] *= T(now_.scale[k]);
        if constexpr (cumulative) {
          descent_.slots.first[j * K_ + k] = T(l1_factor(j) * now_.owed[k] * now_.scale[k]);
          descent_.slots.second[j * K_ + k] *= T(now_.scale[k]);
        }
      }
    }
    std::fill(state_.applied.begin(), state_.applied.end(), 0.0);
    std::fill(state_.counted.begin(), state_.counted.end(), 0);
    state_.owed_history.clear();
    for (int64_t k = 0; k < K_; ++k) now_.owed[k] = cumulative ? now_.owed[k] * now_.scale[k] : 0;
    std::fill(now_.scale.begin(), now_.scale.end(), 1.0);
  }

  // settle() in one reading of the weights, where nothing but the scale is owed.
  void settle_at_once() {
    const T scale = T(now_.scale[0]), sum = T(now_.sum[0]);
    T* __restrict w = descent_.theta;
    T* __restrict mean = descent_.average.values;
    const T* __restrict u = state_.u.data();
    const auto [before, inverse] = now_.mean.template factors<T>();
    SKGD_INDEPENDENT
    for (int64_t i = 0; i < d_; ++i) {
      mean[i] = (before * mean[i] + (u[i] + sum * w[i])) * inverse;
      w[i] *= scale;
    }
    state_ = LazyState<T>();
  }

  // apply_all_penalties() in the midst of a run.
  void apply_to_all() {
    if (journal_) journal_->before_all_change(descent_, state_);
    apply_all_penalties();
    if (keeps_) measure([&](int64_t i) { return weight(i); });
  }

  void add_to_average(int64_t t) {
    const Average<T>& average = descent_.average;
    const double gamma = average.share(t);
    if (gamma == 0) return;
    if (gamma == 1) start_average();
    const double weight = now_.mean.add(gamma);
    if constexpr (adaptive) state_.history.add(now_.owed[0], weight);
    if (averages_shrinking()) state_.owed_history.add(now_.owed[0], weight * now_.scale[0]);
    for (int64_t k = 0; k < K_; ++k) {
      if constexpr (!adaptive) now_.sum[k] += averages_shrinking() ? 0 : weight * now_.scale[k];
      T& b = average.values[d_ * K_ + k];
      b += T(gamma) * (intercept()[k] - b);
    }
  }

  void start_average() {
    if (journal_) journal_->before_all_change(descent_, state_);
    std::fill(now_.sum.begin(), now_.sum.end(), 0.0);
    std::fill(state_.u.begin(), state_.u.end(), T(0));
    std::fill(state_.counted.begin(), state_.counted.end(), 0);
    if constexpr (adaptive) adaptive_weights_.forget_mean();
    state_.history = History();
    state_.owed_history.clear();
  }
};

// Calls f with the Lazy of a problem on CSR rows.
template <class T, class F>
decltype(auto) with_lazy(const Problem<T>& problem, Descent<T>& descent, const Optimizer& optimizer,
                         LazyState<T>& state, F f) {
  auto of_rule = [&]<class I, class Rule>(const Csr<T, I>&, const Rule& rule) {
    Lazy<T, I, Rule> lazy(problem, descent, rule, state);
    return f(lazy);
  };
  auto of_rows = [&](const auto& csr) {
    if (auto* rule = std::get_if<Adagrad>(&optimizer)) return of_rule(csr, *rule);
    if (auto* rule = std::get_if<Ftrl>(&optimizer)) return of_rule(csr, *rule);
    if (auto* rule = std::get_if<Cumulative>(&optimizer)) return of_rule(csr, *rule);
    return of_rule(csr, Plain{});
  };
  return of_rows(std::get<Csr<T>>(problem.design));
}

template <class T>
Outcome lazy_updates(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const Optimizer& optimizer,
                     Control& control) {
  LazyState<T> own;
  LazyStream<T>* stream = descent.stream;
  return with_lazy(problem, descent, optimizer, stream ? stream->state : own, [&](auto& lazy) {
    return stream ? lazy.run_on(plan, control, stream->journal) : lazy.run(plan, control);
  });
}

}  // namespace skgd
