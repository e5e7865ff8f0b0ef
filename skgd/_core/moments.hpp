// Moments of the columns of dense rows.
#pragma once
#include <algorithm>

#include "simd.hpp"

namespace skgd {

// Weighted means, sums of squared deviations from them, and weights of the non-zeros, of the columns of rows x (n, d).
class ColumnMoments {
 public:
  // The arrays (d) belong to the caller and hold zeros.
  ColumnMoments(int64_t d, double* mean, double* squares, double* filled)
      : d_(d), mean_(mean), squares_(squares), filled_(filled), sums_(d), deviations_(d), of_squares_(d) {}

  // Adds rows, which weigh one each where weight (n) is null. Blocks of them that stay in the first-level cache are
  // read twice, for their means and for deviations from these, and combined as Chan, Golub & LeVeque (1983) do.
  template <class T> void add(const T* x, int64_t n, const double* weight) {
    const int64_t block = std::clamp<int64_t>((16 << 10) / (d_ * int64_t(sizeof(T))), 32, 256) / 4 * 4;
    for (int64_t i = 0; i < n; i += block) add_block(x + i * d_, std::min(block, n - i), weight ? weight + i : nullptr);
  }

 private:
  int64_t d_;
  double total_ = 0;
  double *mean_, *squares_, *filled_;
  Buffer<double> sums_, deviations_, of_squares_;

  template <class T> void add_block(const T* x, int64_t n, const double* weight) {
    double total = 0;
    for (int64_t i = 0; i < n; ++i) total += weight ? weight[i] : 1.0;
    if (total == 0) return;
    double* __restrict sums = sums_.data(), * __restrict rest = deviations_.data(), * __restrict squares = of_squares_.data();
    double* __restrict filled = filled_;
    std::fill_n(sums, d_, 0.0), std::fill_n(rest, d_, 0.0), std::fill_n(squares, d_, 0.0);
    by_fours(x, n, weight, [&](const T* a, const T* b, const T* c, const T* e, const double* w) {
      for_independent<double>(d_, [=](int64_t j) __attribute__((always_inline)) {
        sums[j] += (w[0] * double(a[j]) + w[1] * double(b[j])) + (w[2] * double(c[j]) + w[3] * double(e[j]));
      });
    });
    const double inverse = 1 / total;
    for (int64_t j = 0; j < d_; ++j) sums[j] *= inverse;
    by_fours(x, n, weight, [&](const T* a, const T* b, const T* c, const T* e, const double* w) {
      for_independent<double>(d_, [=](int64_t j) __attribute__((always_inline)) {
        const double p = double(a[j]) - sums[j], q = double(b[j]) - sums[j], r = double(c[j]) - sums[j],
                     s = double(e[j]) - sums[j];
        const double wp = w[0] * p, wq = w[1] * q, wr = w[2] * r, ws = w[3] * s;
        rest[j] += (wp + wq) + (wr + ws), squares[j] += (wp * p + wq * q) + (wr * r + ws * s);
        filled[j] += ((a[j] != 0 ? w[0] : 0.0) + (b[j] != 0 ? w[1] : 0.0)) +
                     ((c[j] != 0 ? w[2] : 0.0) + (e[j] != 0 ? w[3] : 0.0));
      });
    });
    const double share = total / (total_ + total), both = total_ * share;
    for (int64_t j = 0; j < d_; ++j) {
      const double apart = sums[j] + rest[j] * inverse - mean_[j];  // rest: what rounding left of the mean
      mean_[j] += share * apart;
      squares_[j] += (squares[j] - rest[j] * rest[j] * inverse) + apart * apart * both;
    }
    total_ += total;
  }

  // Calls f for four rows and their weights at a time; rows that are missing at the end are the last one, and weigh
  // nothing.
  template <class T, class F>
  [[gnu::always_inline]] void by_fours(const T* x, int64_t n, const double* weight, F f) const {
    for (int64_t i = 0; i < n; i += 4) {
      const T* rows[4];
      double w[4];
      for (int64_t r = 0; r < 4; ++r) {
        const int64_t at = std::min(i + r, n - 1);
        rows[r] = x + at * d_, w[r] = i + r < n ? (weight ? weight[at] : 1.0) : 0.0;
      }
      f(rows[0], rows[1], rows[2], rows[3], w);
    }
  }
};

}  // namespace skgd
