// Squared error over all rows from their second moments: O(d^2) however many rows there are.
#pragma once
#include "problem.hpp"

namespace skgd {

// Sum over all rows of weight * loss at theta (d + 1, columns) and its gradient, in double:
//   1/2 sum_k theta_k' G theta_k - b_k' theta_k + c / 2,  G = Z'Z, b = Z'y, c = sum y^2, Z = (X, 1), rows weighted.
template <class T> double quadratic(const Problem<T>& problem, const T* theta, T* gradient) {
  const Moments& moments = problem.moments;
  const int64_t size = problem.d() + 1, columns = problem.columns(), outputs = problem.targets.columns;
  std::vector<double> w(size);
  double total = moments.squares;
  std::fill_n(gradient, problem.parameters(), T(0));
  for (int64_t k = 0; k < outputs; ++k) {
    for (int64_t j = 0; j < size; ++j) w[j] = double(theta[j * columns + k]);
    for (int64_t j = 0; j < size; ++j) {
      const double product = moments.products[j * outputs + k],
                   slope = dot(moments.gram + j * size, w.data(), size) - product;
      gradient[j * columns + k] = T(slope);
      total += w[j] * (slope - product);
    }
    if (!problem.fit_intercept) gradient[problem.d() * columns + k] = 0;
  }
  return total / 2;
}

}  // namespace skgd
