// Per-sample descent on dense rows under the plain rule: dot -> slope -> step, no gradient is formed.
#pragma once
#include "descent.hpp"

namespace skgd {

template <class T> bool per_sample_applies(const Problem<T>& problem, const Plan& plan, const Optimizer& optimizer) {
  return plan.batch_size == 1 && std::holds_alternative<Plain>(optimizer) && problem.penalty.l1 == 0 &&
         std::holds_alternative<Dense<T>>(problem.design);
}

// One step on W (d, columns): W_j <- (1 - l2_j rate) W_j - x_j c, with c = rate * slope for each column.
template <class T> void step_columns(T* W, const T* x, const T* c, const T* rates, const Penalty<T>& penalty, int64_t d, int64_t columns) {
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

template <class T, class L>
Outcome per_sample(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const L& loss, Control& control) {
  const Dense<T>& design = std::get<Dense<T>>(problem.design);
  const Targets<T>& targets = problem.targets;
  const Penalty<T>& penalty = problem.penalty;
  const int64_t d = design.d, K = problem.columns(), size = problem.parameters(), updates = plan.rows.count;
  const int64_t width = targets.codes ? 1 : targets.columns;
  const bool averaging = descent.average.values != nullptr, intercept = problem.fit_intercept;
  T* const w = descent.theta;
  std::vector<T> buffer(design.buffered() ? d : 0), z(K), rates(K), l2(penalty.scale ? d : 0);
  for (int64_t j = 0; j < int64_t(l2.size()); ++j) l2[j] = penalty.l2_at(j);
  Outcome outcome;
  constexpr int64_t stretch = 256;  // rows between two looks at the stop flag
  for (int64_t begin = 0; begin < updates && !control.stop; begin += stretch) {
    const int64_t end = std::min(begin + stretch, updates);
    double total = 0;
    for (int64_t u = begin; u < end; ++u) {
      if (const int64_t next = plan.rows.ahead(u); next >= 0) {
        design.ahead(next);
        prefetch(targets.y + next * width, 1);
      }
      if (u == updates - 1) report(problem, w, plan.batch(u), outcome);
      const int64_t i = plan.rows[u];
      const T* x = design.row(i, buffer.data());
      const T weight = targets.weight ? targets.weight[i] : T(1);
      const Block<T> block{z.data(), targets.y + i * width, targets.weight ? &weight : nullptr, 1, targets.columns, K, targets.codes};
      if (K == 1) {
        const T score = dot(x, w, d) + w[d], rate = T(plan.rates[u]);
        T slope;
        if constexpr (Elementwise<L, T>) {
          total += double(weight) * double(loss(targets.y[i], score, slope));
          slope *= weight;
        } else {
          z[0] = score;
          total += slopes_of(loss, block);
          slope = z[0];
        }
        if (l2.empty())
          decay_and_step(w, T(1) - rate * T(penalty.l2), rate * slope, x, d);
        else
          decay_and_step(w, l2.data(), rate, rate * slope, x, d);
        if (intercept) w[d] -= rate * slope;
      } else {
        std::copy_n(w + d * K, K, z.data());
        dot_columns(x, w, d, K, z.data());
        total += slopes_of(loss, block);
        plan.rates_of(u, rates);
        for (int64_t k = 0; k < K; ++k) z[k] *= rates[k];
        step_columns(w, x, z.data(), rates.data(), penalty, d, K);
        if (intercept)
          for (int64_t k = 0; k < K; ++k) w[d * K + k] -= z[k];
      }
      if (averaging) descent.average.add(w, size, descent.t);
      ++descent.t;
    }
    outcome.updates = end;
    outcome.loss += total;
    outcome.weight += weight_of(problem, plan.rows.part(begin, end - begin));
    control.done((end - begin) * size);
  }
  return outcome;
}

}  // namespace skgd
