// Descent by the plain rule on sparse rows that stand for dense ones (x * inverse_scale + offset), or whose features
// have strengths of the penalty of their own, at the cost of the non-zeros, exact to rounding.
//
// An update multiplies weight j by 1 - rate l2_j and subtracts rate slope (x_j + offset_j), where x_j is mostly zero.
// With s_j = l2_j / max l2, in [0, 1],
//     w_j = P(s_j) v_j + Q(s_j) offset_j
// for two polynomials that all features share: an update multiplies both by 1 - a s, a = rate max l2, and subtracts
// rate slope from the constant term of Q. Of v it changes what its row touches. Twelve terms are kept: those left out
// are below total^12 / 12!, where total is the sum of all a, which is 1e-16 for a quarter. Before it grows larger all
// weights are settled, and P = 1, Q = 0 again. The offset's part of a score is C_0 of the moments of the weights
//     C_t = sum_j offset_j s_j^t w_j,
// to which an update adds -rate slope sum_j (x_j + offset_j) offset_j s_j^t, once a C_(t+1) has been subtracted. The
// mean of the iterates is u_j + P'(s_j) v_j + Q'(s_j) offset_j, where P' and Q' are weighted sums of P and Q, so a step
// on v_j costs one more step on u_j (Xu 2011, as in lazy.hpp).
#pragma once
#include "lazy_state.hpp"

namespace skgd {

// c_0 + c_1 s + c_2 s^2 + ...
class Polynomial {
 public:
  static constexpr int terms = 12;

  explicit Polynomial(double constant = 0) { constant_term() = constant; }
  double& constant_term() { return terms_[0]; }
  double constant_term() const { return terms_[0]; }
  // Times 1 - a s, terms beyond the last left out.
  [[gnu::always_inline]] void shrink(double a) {
    V before = {};
    for (int q = 0; q < parts; ++q) {
      const V part = load<V>(terms_ + q * width);
      store(terms_ + q * width, part - a * __builtin_shufflevector(before, part, 3, 4, 5, 6));
      before = part;
    }
  }
  // Subtracts from each term a times the next one.
  [[gnu::always_inline]] void subtract_next(double a) {
    for (int q = 0; q < parts; ++q) {
      const V part = load<V>(terms_ + q * width), next = q + 1 < parts ? load<V>(terms_ + (q + 1) * width) : V{};
      store(terms_ + q * width, part - a * __builtin_shufflevector(part, next, 1, 2, 3, 4));
    }
  }
  [[gnu::always_inline]] void add(double factor, const Polynomial& other) {
    for (int q = 0; q < parts; ++q)
      store(terms_ + q * width, load<V>(terms_ + q * width) + factor * load<V>(other.terms_ + q * width));
  }
  // Adds factor (1, s, s^2, ...).
  [[gnu::always_inline]] void add_powers(double factor, double s) {
    V powers = V{1, s, 1, s} * V{1, 1, s * s, s * s} * factor;
    const double fourth = (s * s) * (s * s);
    for (int q = 0; q < parts; ++q, powers *= fourth) store(terms_ + q * width, load<V>(terms_ + q * width) + powers);
  }
  // The sum of the products of terms.
  [[gnu::always_inline]] double dot(const Polynomial& other) const {
    V sums = {};
    for (int q = 0; q < parts; ++q) sums += load<V>(terms_ + q * width) * load<V>(other.terms_ + q * width);
    return sum<double>(sums);
  }
  template <class S> [[gnu::always_inline]] S operator()(S s) const {  // a number, or a vector of them
    S value = terms_[terms - 1] - S{};
    SKGD_UNROLL
    for (int t = terms - 2; t >= 0; --t) value = value * s + terms_[t];
    return value;
  }

 private:
  using V = vec<double>;
  static constexpr int width = lanes<double>, parts = terms / width;
  alignas(32) double terms_[terms] = {};
};

// The penalty of weights (d,) of one output as strengths of the squared norm.
template <class T> std::vector<double> l2_of_features(const Problem<T>& problem) {
  std::vector<double> l2(problem.d());
  const Penalty<T> penalty = problem.penalty_of(problem.layers[0]);
  penalty.visit([&](auto p) {
    for (size_t j = 0; j < l2.size(); ++j) l2[j] = double(penalty.strength.at(p, j, 0).l2);
  });
  return l2;
}

template <class T, class I> class LazyStandardized {
 public:
  LazyStandardized(const Problem<T>& problem, Descent<T>& descent)
      : problem_(problem), x_(std::get<Csr<T, I>>(problem.design)), descent_(descent), K_(problem.columns()), d_(x_.d),
        relative_(l2_of_features(problem)), Q_(K_), C_(K_), sum_of_Q_(K_) {
    for (double l2 : relative_) strongest_ = std::max(strongest_, l2);
    for (double& l2 : relative_) l2 = strongest_ > 0 ? l2 / strongest_ : 0;
    if (x_.offset)
      for (int64_t j = 0; j < d_; ++j) B_.add_powers(double(x_.offset[j]) * double(x_.offset[j]), relative_[j]);
    if (descent_.average.values) u_.assign(d_ * K_, T(0));
    mean_.begin(descent_);
    find_moments();
  }

  // The greatest product of a rate and a strength for which this pays: weights are settled once in 64 updates at most.
  static constexpr double most_decay = 1.0 / 256;

  Outcome run(const Plan& plan, Control& control) {
    const int64_t updates = plan.updates(), m = plan.largest_batch();
    Buffer<T> z(m * K_);
    TargetBuffer<T> targets;
    Outcome outcome;
    for (int64_t u = 0; u < updates && !control.stop; ++u) {
      const Rows batch = plan.batch(u);
      if (u == updates - 1) {
        settle();
        report(problem_, descent_.theta, batch, outcome);
      }
      const int64_t touched = forward(batch, plan.rows, plan.rate(u) * strongest_, z.data());
      const Block<T> block = targets.block(problem_, batch, z.data());
      const double loss = slopes_of(problem_.loss, block);
      if (control.stop) break;
      step(batch, z.data(), plan.rate(u));
      ++descent_.t;
      outcome.loss += loss, outcome.weight += weight_of(problem_, batch);
      control.done(touched * K_);
    }
    settle();
    finish_average();
    return outcome;
  }

 private:
  static constexpr double most_total_decay = 0.25;
  const Problem<T>& problem_;
  const Csr<T, I>& x_;
  Descent<T>& descent_;
  int64_t K_, d_;
  std::vector<double> relative_;      // (d,) s
  double strongest_ = 0, decay_ = 0;  // max l2; the sum of rate max l2 since weights were settled
  Polynomial P_{1}, B_, sum_of_P_;
  std::vector<Polynomial> Q_, C_, sum_of_Q_;  // (K,)
  Buffer<T> u_;                               // (d, K) of the mean
  MeanWeights mean_;
  // Of the non-zeros of a batch: s, their values x without the offset, x P(s), and x over P(s) after the
  // update; some more at the end.
  Buffer<double> s_, x_of_s_;
  Buffer<T> scaled_, inverse_;
  std::vector<Polynomial> in_row_;  // of each row of a batch: sum of offset x s^t as term t
  Buffer<T> factors_ = Buffer<T>(K_);

  T* intercept() const { return descent_.theta + d_ * K_; }
  double offset(int64_t j) const { return x_.offset ? double(x_.offset[j]) : 0.0; }

  // z (rows of the batch, K): the raw scores, before an update that takes decay s_j off weight j. Returns the number of
  // non-zeros.
  int64_t forward(Rows batch, const Rows& rows, double decay, T* z) {
    int64_t count = 0, first = 0;
    for (int64_t i = 0; i < batch.count; ++i) count += x_.count(batch[i]);
    make_room(count, batch.count);
    for (int64_t i = 0; i < batch.count; ++i) {
      const int64_t row = batch[i], next = rows.row_to_prefetch(batch.first - rows.first + i);
      if (next >= 0) x_.prefetch_row(next);
      read(row, first, decay, in_row_[i]);
      T* zi = z + i * K_;
      sparse_dot(scaled_.data() + first, x_.indices + x_.begin(row), x_.count(row), descent_.theta, K_, zi);
      for (int64_t k = 0; k < K_; ++k) zi[k] += intercept()[k] + T(Q_[k].dot(in_row_[i]) + C_[k].constant_term());
      first += x_.count(row);
    }
    return count;
  }

  void make_room(int64_t count, int64_t rows) {
    if (int64_t(in_row_.size()) < rows) in_row_.resize(rows);
    if (const size_t size = count + lanes<double>; s_.size() < size)
      s_.resize(size), x_of_s_.resize(size), scaled_.resize(size), inverse_.resize(size);
  }

  // Fills in what is kept of the non-zeros of a row, the first of which is number `first` of the batch.
  [[gnu::always_inline]] void read(int64_t row, int64_t first, double decay, Polynomial& in_row) {
    const int64_t begin = x_.begin(row), count = x_.count(row);
    const I* __restrict indices = x_.indices + begin;
    double* __restrict s = s_.data() + first, * __restrict x = x_of_s_.data() + first;
    for (int64_t p = 0; p < count; ++p) {
      s[p] = relative_[indices[p]];
      x[p] = double(x_.data[begin + p] * (x_.inverse_scale ? x_.inverse_scale[indices[p]] : T(1)));
    }
    Polynomial sums;
    for (int64_t p = 0; x_.offset && p < count; ++p) sums.add_powers(double(x_.offset[indices[p]]) * x[p], s[p]);
    in_row = sums;
    const Polynomial P = P_;
    T* __restrict scaled = scaled_.data() + first, * __restrict inverse = inverse_.data() + first;
    for (int64_t p = 0; p < count; p += lanes<double>) {  // the last lanes may be those of the next row
      const vec<double> value = load<vec<double>>(x + p), at = load<vec<double>>(s + p), now = P(at);
      const vec<double> times = value * now, over = value / (now - decay * at * now);
      for (int l = 0; l < lanes<double>; ++l) scaled[p + l] = T(times[l]), inverse[p + l] = T(over[l]);
    }
  }

  // z holds the weighted slopes of the batch.
  void step(Rows batch, const T* z, double rate) {
    const double mean = 1 / double(batch.count), decay = rate * strongest_;
    for (Polynomial& moments : C_) moments.subtract_next(decay);
    int64_t first = 0;
    for (int64_t i = 0; i < batch.count; ++i) {
      const int64_t count = x_.count(batch[i]);
      const I* indices = x_.indices + x_.begin(batch[i]);
      in_row_[i].add(1, B_);
      for (int64_t k = 0; k < K_; ++k) {
        const double factor = -rate * mean * double(z[i * K_ + k]);
        factors_[k] = T(factor);
        C_[k].add(factor, in_row_[i]);
      }
      sparse_add(inverse_.data() + first, indices, count, factors_.data(), descent_.theta, K_);
      if (averages()) {
        multiply_by_sums(first, count);
        sparse_add(inverse_.data() + first, indices, count, factors_.data(), u_.data(), K_);
      }
      first += count;
    }
    P_.shrink(decay);
    for (int64_t k = 0; k < K_; ++k) {
      double slopes = 0;
      for (int64_t i = 0; i < batch.count; ++i) slopes += double(z[i * K_ + k]);
      Q_[k].shrink(decay), Q_[k].constant_term() -= rate * mean * slopes;
      if (problem_.fit_intercept) intercept()[k] -= T(rate * mean * slopes);
    }
    if (averages()) add_to_average();
    if ((decay_ += decay) > most_total_decay - most_decay) settle();
  }

  // Steps on v times -P'(s), steps on u.
  [[gnu::always_inline]] void multiply_by_sums(int64_t first, int64_t count) {
    const Polynomial sums = sum_of_P_;
    const double* __restrict s = s_.data() + first;
    T* __restrict inverse = inverse_.data() + first;
    for (int64_t p = 0; p < count; ++p) inverse[p] *= T(-sums(s[p]));
  }

  bool averages() const { return !u_.empty(); }

  void add_to_average() {
    const double gamma = descent_.average.share(descent_.t);
    if (gamma == 0) return;
    if (gamma == 1) {
      sum_of_P_ = Polynomial();
      std::fill(sum_of_Q_.begin(), sum_of_Q_.end(), Polynomial());
      std::fill(u_.begin(), u_.end(), T(0));
    }
    const double weight = mean_.add(gamma);
    sum_of_P_.add(weight, P_);
    for (int64_t k = 0; k < K_; ++k) {
      sum_of_Q_[k].add(weight, Q_[k]);
      T& b = descent_.average.values[d_ * K_ + k];
      b += T(gamma) * (intercept()[k] - b);
    }
  }

  // Makes theta the weights, and u the sum of the iterates so far.
  void settle() {
    if (K_ == 1)
      settle_column();
    else
      for (int64_t j = 0; j < d_; ++j) {
        const double s = relative_[j], P = P_(s), sums = averages() ? sum_of_P_(s) : 0, o = offset(j);
        for (int64_t k = 0; k < K_; ++k) {
          T& w = descent_.theta[j * K_ + k];
          if (averages()) u_[j * K_ + k] += T(sums * double(w) + (o == 0 ? 0 : o * sum_of_Q_[k](s)));
          w = T(P * double(w) + (o == 0 ? 0 : o * Q_[k](s)));
        }
      }
    P_ = Polynomial(1), sum_of_P_ = Polynomial();
    std::fill(Q_.begin(), Q_.end(), Polynomial());
    std::fill(sum_of_Q_.begin(), sum_of_Q_.end(), Polynomial());
    decay_ = 0;
    find_moments();
  }

  void settle_column() {
    const Polynomial P = P_, Q = Q_[0], sum_of_P = sum_of_P_, sum_of_Q = sum_of_Q_[0];
    const double* __restrict s = relative_.data();
    const T* __restrict offset = x_.offset;
    T* __restrict w = descent_.theta, * __restrict u = u_.data();
    if (averages() && offset) {
      SKGD_INDEPENDENT
      for (int64_t j = 0; j < d_; ++j) u[j] += T(sum_of_P(s[j]) * double(w[j]) + sum_of_Q(s[j]) * double(offset[j]));
    } else if (averages()) {
      SKGD_INDEPENDENT
      for (int64_t j = 0; j < d_; ++j) u[j] += T(sum_of_P(s[j]) * double(w[j]));
    }
    if (offset) {
      SKGD_INDEPENDENT
      for (int64_t j = 0; j < d_; ++j) w[j] = T(P(s[j]) * double(w[j]) + Q(s[j]) * double(offset[j]));
    } else {
      SKGD_INDEPENDENT
      for (int64_t j = 0; j < d_; ++j) w[j] = T(P(s[j]) * double(w[j]));
    }
  }

  void find_moments() {
    if (!x_.offset) return;
    for (int64_t k = 0; k < K_; ++k) {
      C_[k] = Polynomial();
      for (int64_t j = 0; j < d_; ++j)
        C_[k].add_powers(double(x_.offset[j]) * double(descent_.theta[j * K_ + k]), relative_[j]);
    }
  }

  void finish_average() {
    if (averages()) mean_.finish(descent_.average.values, u_.data(), int64_t(u_.size()));
  }
};

// Whether a batch touches so few of the features that this is faster than going through all of them.
template <class T>
bool lazy_standardized_applies(const Problem<T>& problem, const Descent<T>& descent, const Plan& plan,
                               const Optimizer& optimizer) {
  const Penalty<T>& penalty = problem.penalty;
  if (!std::holds_alternative<Plain>(optimizer) || std::holds_alternative<Dense<T>>(problem.design)) return false;
  if (problem.layers.size() > 1 || plan.max_gradient_norm > 0 || plan.rate_columns > 1) return false;
  if (descent.gradient || descent.stream || !penalty.smooth() || penalty.strength.low || penalty.strength.column)
    return false;
  if (problem.outputs.scale && problem.targets.columns > 1) return false;
  if (!(12.0 * double(plan.largest_batch()) * double(row_length(problem)) < double(problem.d()))) return false;
  const std::vector<double> l2 = l2_of_features(problem);
  double fastest = 0;
  for (int64_t u = 0; u < (plan.rate_stride ? plan.updates() : 1); ++u) fastest = std::max(fastest, plan.rate(u));
  const double strongest = *std::max_element(l2.begin(), l2.end());
  return fastest * strongest <= LazyStandardized<T, int32_t>::most_decay;
}

template <class T>
Outcome lazy_standardized_updates(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, Control& control) {
  return LazyStandardized<T, int32_t>(problem, descent).run(plan, control);
}

}  // namespace skgd
