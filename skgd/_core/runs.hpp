// Sparse rows in which runs of columns are filled from the left, as those of the bins of a number are: 1, 1, 1, f, 0,
// 0. Such a row is a sum of rows (1, .., 1, 0, .., 0), here 1 - f of the one of three ones and f of that of four, so
// that two of its products with prefix sums of the weights along the run do for all.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "design.hpp"
#include "simd.hpp"

namespace skgd {

template <class T> class Runs {
 public:
  // Finds runs: columns that no row has without a one, stored just before, in the column to the left.
  explicit Runs(const Csr<T>& rows) {
    const int64_t stored = rows.n ? rows.indptr[rows.n] : 0;
    goes_on_.assign(rows.d + 1, 0);
    std::vector<char> starts(rows.d + 1, 0);
    for (int64_t i = 0; i < rows.n; ++i)
      for (int64_t p = rows.indptr[i]; p < rows.indptr[i + 1]; ++p) {
        const bool follows =
            p > rows.indptr[i] && rows.indices[p - 1] + 1 == rows.indices[p] && rows.data[p - 1] == T(1);
        (follows ? goes_on_ : starts)[rows.indices[p]] = 1;
      }
    int64_t following = 0;
    for (int64_t j = 0; j < rows.d; ++j) goes_on_[j] = goes_on_[j] && !starts[j];
    for (int64_t p = 0; p < stored; ++p) following += goes_on_[rows.indices[p]];
    if (4 * following < stored) return;  // not worth it
    values_.reserve(stored), indices_.reserve(stored), indptr_.reserve(rows.n + 1);
    indptr_.push_back(0);
    for (int64_t i = 0; i < rows.n; ++i) {
      for (int64_t p = rows.indptr[i]; p < rows.indptr[i + 1]; ++p) {
        if (goes_on_[rows.indices[p]] && (values_.back() -= rows.data[p]) == 0) values_.pop_back(), indices_.pop_back();
        values_.push_back(rows.data[p]), indices_.push_back(rows.indices[p]);
      }
      indptr_.push_back(int64_t(indices_.size()));
    }
    coded_ = {values_.data(), indices_.data(), indptr_.data(), rows.n, rows.d};
  }

  bool pays_off() const { return !indptr_.empty(); }
  // The rows, for products with prefix sums.
  const Csr<T>& coded() const { return coded_; }

  // sums (d, n): prefix sums of W along the runs.
  void sum_up(const T* W, int64_t n, T* sums) const {
    for (int64_t j = 0; j < coded_.d; ++j, W += n, sums += n) {
      if (goes_on_[j])
        for (int64_t k = 0; k < n; k += lanes<T>) store(sums + k, load<vec<T>>(sums - n + k) + load<vec<T>>(W + k));
      else
        std::copy_n(W, n, sums);
    }
  }
  // G (d, n) += the gradient of W, from that of its prefix sums, which is used up.
  void add_gradient(T* of_sums, int64_t n, T* G) const {
    for (int64_t j = coded_.d - 1; j >= 0; --j) {
      T* g = of_sums + j * n;
      for (int64_t k = 0; k < n; k += lanes<T>) {
        const vec<T> sum = goes_on_[j + 1] ? load<vec<T>>(g + k) + load<vec<T>>(g + n + k) : load<vec<T>>(g + k);
        store(g + k, sum);
        store(G + j * n + k, load<vec<T>>(G + j * n + k) + sum);
      }
    }
  }

 private:
  std::vector<char> goes_on_;  // (d + 1,): whether a column continues the run of the one before
  Buffer<T> values_;
  std::vector<int32_t> indices_;
  std::vector<int64_t> indptr_;
  Csr<T> coded_{};
};

}  // namespace skgd
