// The implicit update of one row under half the squared error: its gradient is taken after the step, where the residual
// is the one before the step divided by 1 + rate weight |x|^2.
#pragma once
#include "update.hpp"

namespace skgd {

// |x|^2 of a row, plus 1 if there is an intercept.
template <class T> double squared_length(const Problem<T>& problem, int64_t i) {
  const double squares = match(
      [&](const auto& x) {
        if constexpr (requires { x.buffered(); }) {
          Buffer<T> buffer(x.buffered() ? x.d : 0);
          const T* row = x.row(i, buffer.data());
          return double(dot(row, row, x.d));
        } else {
          return x.row_squares(i, x.offset_squares());
        }
      },
      problem.design);
  return squares + (problem.fit_intercept ? 1 : 0);
}

// The same of every dense row, computed once for a problem.
template <class T> const T* squared_lengths(const Problem<T>& problem) {
  if (problem.squared_lengths.empty()) {
    problem.squared_lengths.resize(problem.n());
    for (int64_t i = 0; i < problem.n(); ++i) problem.squared_lengths[i] = T(squared_length(problem, i));
  }
  return problem.squared_lengths.data();
}

// Divides the gradient of a batch of one row so that it is the one after the step, for rules that are implicit.
template <class T> void make_implicit(const Problem<T>& problem, Rows batch, const Theta<T>& theta, T* gradient) {
  const double weight = problem.targets.weight ? double(problem.targets.weight[batch[0]]) : 1.0;
  const T squares = T(weight * squared_length(problem, batch[0]));
  const int64_t K = problem.columns(), size = problem.parameters();
  for (int64_t i = 0; i < size; ++i) gradient[i] /= T(1) + theta.rate(i % K) * squares;
}

}  // namespace skgd
