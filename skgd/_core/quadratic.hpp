// Squared error over all rows from their second moments: O(d^2) however many rows there are.
#pragma once
#include <vector>

#include "gemm.hpp"
#include "problem.hpp"

namespace skgd {

// For `count` columns of theta (d + 1, stride) their gradients of the sum over all rows of weight * loss, times
// `scale`, and the sum of that loss itself for each, in double, without its constant c / 2:
//   1/2 theta_k' G theta_k - b_k' theta_k + c / 2,  G = Z'Z, b = Z'y, c = sum y^2, Z = (X, 1), rows weighted.
// Columns beyond the moments' outputs have the targets of the last one.
template <class T> class Quadratic {
 public:
  void operator()(const Moments& moments, int64_t size, const T* theta, int64_t count, int64_t stride, T* gradient,
                  double* totals, double scale = 1) {
    const int64_t width = count == 1 ? 1 : (count + lanes<double> - 1) / lanes<double> * lanes<double>;
    w_.assign(size * width, 0.0), slopes_.resize(size * width), zeros_.assign(width, 0.0);
    for (int64_t j = 0; j < size; ++j)
      for (int64_t k = 0; k < count; ++k) w_[j * width + k] = double(theta[j * stride + k]);
    affine(moments.gram, size, w_.data(), zeros_.data(), size, size, width, slopes_.data());
    std::fill_n(totals, count, 0.0);
    for (int64_t j = 0; j < size; ++j)
      for (int64_t k = 0; k < count; ++k) {
        const double product = moments.products[j * moments.outputs + std::min(k, moments.outputs - 1)],
                     slope = slopes_[j * width + k] - product;
        gradient[j * stride + k] = T(slope * scale);
        totals[k] += w_[j * width + k] * (slope - product) / 2;
      }
  }

 private:
  Buffer<double> w_, slopes_, zeros_;
};

// Sum over all rows and outputs of weight * loss at theta, and `scale` times its gradient.
template <class T> double quadratic(const Problem<T>& problem, const T* theta, T* gradient, double scale) {
  const Moments& moments = problem.moments[0];
  const int64_t size = problem.d() + 1, columns = problem.columns(), outputs = problem.targets.columns;
  std::vector<double> totals(outputs);
  std::fill_n(gradient, problem.parameters(), T(0));
  Quadratic<T>()(moments, size, theta, outputs, columns, gradient, totals.data(), scale);
  if (!problem.fit_intercept) std::fill_n(gradient + problem.d() * columns, columns, T(0));
  double total = moments.squares / 2;
  for (double part : totals) total += part;
  return total;
}

}  // namespace skgd
