// Per-sample descent on dense rows under rules that keep a state for each weight.
#pragma once
#include "descent.hpp"
#include "row_losses.hpp"

namespace skgd {

// Updates by single rows for one column, an elementwise loss and any rule that takes weights one by one: the gradient
// of a row is its slope times x, so the rule takes it from x, and none is formed.
template <class T> class PerSampleRule {
 public:
  PerSampleRule(const Problem<T>& problem, Descent<T>& descent, const Plan& plan)
      : problem_(problem), design_(std::get<Dense<T>>(problem.design)), targets_(problem.targets), descent_(descent),
        plan_(plan), d_(design_.d), buffer_(design_.buffered() ? d_ : 0) {}

  static bool applies(const Problem<T>& problem, const Descent<T>& descent, const Plan& plan) {
    return is_elementwise<T>(problem.loss) && plan.largest_batch() == 1 && problem.n() > 1 && problem.columns() == 1 &&
           problem.layers.size() == 1 && plan.max_gradient_norm == 0 && !descent.gradient && !problem.passive.inverse &&
           !problem.penalty.joint && std::holds_alternative<Dense<T>>(problem.design);
  }

  Outcome run(AnyRule<T>& rule, Control& control) {
    Outcome outcome;
    const int64_t updates = plan_.rows.count;
    const int64_t rows_at_once = descent_.loss_beside ? descent_.loss_beside->rows() : rows_per_check;
    for (int64_t begin = 0; begin < updates && !control.stop; begin += rows_at_once) {
      const int64_t end = std::min(begin + rows_at_once, updates);
      for (int64_t u = begin; u < end; ++u) {
        if (u == updates - 1) report(problem_, descent_.theta, plan_.batch(u), outcome);
        update_by(rule, u, u - begin);
      }
      outcome.loss += scored_.loss(problem_.loss, end - begin, targets_.weight);
      if (descent_.loss_beside) descent_.loss_beside->add(plan_.rows.part(begin, end - begin));
      outcome.weight += weight_of(problem_, plan_.rows.part(begin, end - begin));
      control.done((end - begin) * problem_.parameters());
    }
    return outcome;
  }

 private:
  static constexpr int64_t rows_per_check = 256;
  const Problem<T>& problem_;
  const Dense<T>& design_;
  const Targets<T>& targets_;
  Descent<T>& descent_;
  const Plan& plan_;
  AnyLoss<T> loss_{problem_.loss};
  int64_t d_;
  Buffer<T> buffer_;
  ScoredRows<T> scored_{rows_per_check};

  void update_by(AnyRule<T>& rule, int64_t u, int64_t at) {
    const int64_t i = plan_.rows[u];
    if (const int64_t next = plan_.rows.row_to_prefetch(u); next >= 0) {
      design_.prefetch_row(next);
      prefetch(targets_.y + next, 1);
    }
    if (const int64_t soon = plan_.rows.row_soon(u); soon >= 0) design_.prefetch_row(soon);
    const T* x = design_.row(i, buffer_.data());
    const T y = targets_.y[i], weight = targets_.weight ? targets_.weight[i] : T(1), rate = T(plan_.rate(u));
    const T offset = targets_.offset ? targets_.offset[i] : T(0);
    const T z = dot(x, descent_.theta, d_) + descent_.theta[d_] + offset, s = loss_.quick_slope(y, z);
    scored_.set(at, z, y, s, weight);
    const Theta<T> theta{descent_.theta, x, descent_.slots, &rate, true, weight * s};
    rule.update_by_row(descent_.t, theta, problem_.penalty, d_, problem_.fit_intercept);
    descent_.average.add(descent_.theta, problem_.parameters(), descent_.t);
    ++descent_.t;
  }
};

}  // namespace skgd
