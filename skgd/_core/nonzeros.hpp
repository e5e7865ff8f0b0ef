// A block of dense rows that are mostly zeros (pixels, counts, one-hot columns): its products skip the
// zeros. The non-zeros are kept by row for products and by column for the gradient, which then is formed in registers.
#pragma once
#include <algorithm>
#include <vector>

#include "simd.hpp"

namespace skgd {

template <class T> class NonZeros {
 public:
  // Whether skipping zeros is faster, from a sample of the rows (n, d).
  static bool pays_off(const T* data, int64_t n, int64_t d) {
    constexpr int64_t sampled_rows = 32;
    const int64_t rows = std::min(n, sampled_rows);
    int64_t found = 0;
    for (int64_t s = 0; s < rows; ++s) {
      const T* x = data + s * n / rows * d;
      for (int64_t j = 0; j < d; ++j) found += x[j] != T(0);
    }
    return 3 * found < rows * d;
  }

  // Begins a block of rows with d features, for products with matrices (d, n), n a multiple of lanes<T>.
  void start(int64_t d, int64_t n) {
    d_ = d, n_ = n;
    part_columns_ = std::max<int64_t>(1, (2 << 10) / (n * int64_t(sizeof(T)))) * 8;
    parts_ = (d + part_columns_ - 1) / part_columns_;
    rows_ = 0;
    const int64_t vectors = n / lanes<T>, groups = (vectors + max_vectors - 1) / max_vectors;
    vectors_ = (vectors + groups - 1) / groups;
    ends_.assign(1, 0);
    columns_.assign(d + 1, 0);
  }

  // Takes in a row x (d), which is not needed afterwards.
  void add(const T* x) {
    int64_t end = ends_.back();
    if (int64_t(index_.size()) < end + d_ + lanes<T>) {
      index_.resize(2 * (end + d_ + lanes<T>));
      value_.resize(index_.size());
    }
    for (int64_t begin = 0; begin < d_; begin += part_columns_) {
      end = add_nonzeros(x, begin, std::min(begin + part_columns_, d_), end, index_.data(), value_.data(),
                         columns_.data() + 1);
      ends_.push_back(end);
    }
    ++rows_;
  }

  // Z (rows, n) += A W, a few rows of W at a time, which stay in the first-level cache for all rows of A.
  void add_product(const T* W, T* Z) const {
    for (int64_t part = 0; part < parts_; ++part)
      for (int64_t i = 0; i < rows_; ++i) {
        const int64_t *end = &ends_[i * parts_ + part + 1], begin = end[-1];
        add_rows(value_.data() + begin, index_.data() + begin, *end - begin, W, Z + i * n_);
      }
  }

  // To be called once all rows are there and before add_gradient().
  void sort_by_column() {
    const int64_t all = ends_.back();
    if (int64_t(row_.size()) < all) row_.resize(index_.size()), by_column_.resize(index_.size());
    for (int64_t j = 0; j < d_; ++j) columns_[j + 1] += columns_[j];
    next_.assign(columns_.begin(), columns_.end() - 1);
    for (int64_t i = 0; i < rows_; ++i)
      for (int64_t p = ends_[i * parts_]; p < ends_[(i + 1) * parts_]; ++p) {
        const int32_t to = next_[index_[p]]++;
        row_[to] = int32_t(i), by_column_[to] = value_[p];
      }
  }

  // G (end - begin, n) += those rows of A' D.
  void add_gradient(int64_t begin, int64_t end, const T* D, T* G) const {
    for (int64_t j = begin; j < end; ++j)
      add_rows(by_column_.data() + columns_[j], row_.data() + columns_[j], columns_[j + 1] - columns_[j], D,
               G + (j - begin) * n_);
  }

 private:
  int64_t d_ = 0, n_ = 0, rows_ = 0;
  static constexpr int max_vectors = 13;  // that the registers hold
  int64_t vectors_ = 0;                   // of a row of W at a time: equal groups, as large as registers allow
  int64_t part_columns_ = 0, parts_ = 0;  // columns of a part, parts of a row
  std::vector<int64_t> ends_;             // of the parts of all rows, after a 0
  std::vector<int32_t> columns_,
      next_;  // where columns end, after a 0 (counts until they are sorted); the next of each
  std::vector<int32_t> index_, row_;
  Buffer<T> value_, by_column_;

  // z (n) += sum_p x_p W[index_p].
  void add_rows(const T* x, const int32_t* index, int64_t count, const T* W, T* z) const {
    if (count == 0) return;
    int64_t left = n_ / lanes<T>;
    for (; left > 0; left -= vectors_, W += vectors_ * lanes<T>, z += vectors_ * lanes<T>)
      add_rows<max_vectors>(std::min(left, vectors_), x, index, count, W, n_, z);
  }
  template <int V_>
  static void add_rows(int64_t vectors, const T* x, const int32_t* index, int64_t count, const T* W, int64_t n, T* z) {
    if constexpr (V_ > 1)
      if (vectors < V_) return add_rows<V_ - 1>(vectors, x, index, count, W, n, z);
    using V = vec<T>;
    constexpr int L = lanes<T>;
    V sums[V_];
    for (int v = 0; v < V_; ++v) sums[v] = load<V>(z + v * L);
    for (int64_t p = 0; p < count; ++p) {
      const V xp = x[p] - V{};
      const T* w = W + int64_t(index[p]) * n;
      for (int v = 0; v < V_; ++v) sums[v] += xp * load<V>(w + v * L);
    }
    for (int v = 0; v < V_; ++v) store(z + v * L, sums[v]);
  }
};

}  // namespace skgd
