// Per-sample descent on dense rows under the plain rule: dot -> slope -> step, no gradient is formed.
#pragma once
#include "descent.hpp"

namespace skgd {

template <class T> bool per_sample_applies(const Problem<T>& problem, const Plan& plan, const Optimizer& optimizer) {
  return plan.batch_size == 1 && std::holds_alternative<Plain>(optimizer) && problem.penalty.l1 == 0 &&
         problem.layers.size() == 1 && plan.max_gradient_norm == 0 && std::holds_alternative<Dense<T>>(problem.design);
}

// One step on W (d, columns): W_j <- (1 - l2_j rate) W_j - x_j c, with c = rate * slope for each column.
template <class T>
void step_columns(T* W, const T* x, const T* c, const T* rates, const Penalty<T>& penalty, int64_t d, int64_t columns) {
  using V = vec<T>;
  for (int64_t j = 0; j < d; ++j) {
    const V l2 = penalty.l2_at(j) - V{}, xj = x[j] - V{};
    for (int64_t k = 0; k < columns; k += lanes<T>) {
      T* w = W + j * columns + k;
      const V now = load<V>(w);
      store(w, now - now * l2 * load<V>(rates + k) - xj * load<V>(c + k));
    }
  }
}

template <class T, class L> class PerSample {
 public:
  PerSample(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const L& loss)
      : problem_(problem), design_(std::get<Dense<T>>(problem.design)), targets_(problem.targets), descent_(descent),
        plan_(plan), loss_(loss), d_(design_.d), K_(problem.columns()), size_(problem.parameters()), w_(descent.theta),
        z_(K_), rates_(K_) {
    for (auto& buffer : buffers_) buffer.resize(design_.buffered() ? d_ : 0);
    if (problem.penalty.scale)
      for (int64_t j = 0; j < d_; ++j) l2_.push_back(problem.penalty.l2_at(j));
  }

  Outcome run(Control& control) {
    Outcome outcome;
    const int64_t updates = plan_.rows.count;
    constexpr int64_t stretch = 256;  // rows between two looks at the stop flag
    for (int64_t begin = 0; begin < updates && !control.stop; begin += stretch) {
      const int64_t end = std::min(begin + stretch, updates);
      const bool last = end == updates;  // the last update is made on its own, after the report
      outcome.loss += rows(begin, end - last);
      if (last) {
        report(problem_, w_, plan_.batch(end - 1), outcome);
        outcome.loss += rows(end - 1, end);
      }
      outcome.weight += weight_of(problem_, plan_.rows.part(begin, end - begin));
      outcome.updates = end;
      control.done((end - begin) * size_);
    }
    return outcome;
  }

 private:
  const Problem<T>& problem_;
  const Dense<T>& design_;
  const Targets<T>& targets_;
  Descent<T>& descent_;
  const Plan& plan_;
  const L& loss_;
  int64_t d_, K_, size_;
  T* w_;
  std::vector<T> z_, rates_, l2_, buffers_[2];

  double rows(int64_t begin, int64_t end) {
    if constexpr (Elementwise<L, T>)
      if (K_ == 1) return l2_.empty() && d_ <= 128 ? looking_ahead(begin, end) : one_column(begin, end);
    return any_columns(begin, end);
  }

  const T* row(int64_t u) {
    if (const int64_t next = plan_.rows.ahead(u); next >= 0) {
      design_.ahead(next);
      prefetch(targets_.y + next * (targets_.codes ? 1 : targets_.columns), 1);
    }
    return design_.row(plan_.rows[u], buffers_[u & 1].data());
  }

  T weight(int64_t i) const { return targets_.weight ? targets_.weight[i] : T(1); }

  void average() {
    if (descent_.average.values) descent_.average.add(w_, size_, descent_.t);
    ++descent_.t;
  }

  // While the slope of a row is under way, the products of the next row with w and with this row are formed:
  // its score under the new w = decay w - c x is decay (next . w) - c (next . x). The step then waits for the
  // slope only, not for a sum over features.
  double looking_ahead(int64_t begin, int64_t end) {
    if (begin == end) return 0;
    double total = 0;
    const T* x = row(begin);
    T score = dot(x, w_, d_) + w_[d_];
    for (int64_t u = begin; u < end; ++u) {
      const int64_t i = plan_.rows[u];
      const T rate = T(plan_.rate(u)), decay = T(1) - rate * T(problem_.penalty.l2);
      const T* next = u + 1 < end ? row(u + 1) : x;
      T slope, next_w, next_x;
      const T value = loss_(targets_.y[i], score, slope);
      dot2(next, w_, x, d_, next_w, next_x);
      const T c = rate * weight(i) * slope;
      total += double(weight(i)) * double(value);
      decay_and_step(w_, decay, c, x, d_);
      if (problem_.fit_intercept) w_[d_] -= c;
      score = decay * next_w - c * next_x + w_[d_];
      x = next;
      average();
    }
    return total;
  }

  double one_column(int64_t begin, int64_t end) {
    double total = 0;
    for (int64_t u = begin; u < end; ++u) {
      const T* x = row(u);
      const int64_t i = plan_.rows[u];
      T slope;
      const T rate = T(plan_.rate(u)), value = loss_(targets_.y[i], dot(x, w_, d_) + w_[d_], slope);
      const T c = rate * weight(i) * slope;
      total += double(weight(i)) * double(value);
      if (l2_.empty())
        decay_and_step(w_, T(1) - rate * T(problem_.penalty.l2), c, x, d_);
      else
        decay_and_step(w_, l2_.data(), rate, c, x, d_);
      if (problem_.fit_intercept) w_[d_] -= c;
      average();
    }
    return total;
  }

  double any_columns(int64_t begin, int64_t end) {
    double total = 0;
    const int64_t width = targets_.codes ? 1 : targets_.columns;
    for (int64_t u = begin; u < end; ++u) {
      const T* x = row(u);
      const int64_t i = plan_.rows[u];
      T* intercept = w_ + d_ * K_;
      std::copy_n(intercept, K_, z_.data());
      if (K_ == 1)
        z_[0] += dot(x, w_, d_);
      else
        dot_columns(x, w_, d_, K_, z_.data());
      total +=
          slopes_of(loss_, Block<T>{z_.data(), targets_.y + i * width, targets_.weight ? targets_.weight + i : nullptr,
                                    1, targets_.columns, K_, targets_.codes});
      plan_.rates_of(u, rates_);
      for (int64_t k = 0; k < K_; ++k) z_[k] *= rates_[k];
      if (K_ > 1)
        step_columns(w_, x, z_.data(), rates_.data(), problem_.penalty, d_, K_);
      else if (l2_.empty())
        decay_and_step(w_, T(1) - rates_[0] * T(problem_.penalty.l2), z_[0], x, d_);
      else
        decay_and_step(w_, l2_.data(), rates_[0], z_[0], x, d_);
      if (problem_.fit_intercept)
        for (int64_t k = 0; k < K_; ++k) intercept[k] -= z_[k];
      average();
    }
    return total;
  }
};

}  // namespace skgd
