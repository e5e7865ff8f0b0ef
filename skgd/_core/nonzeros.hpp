// A block of dense rows that are mostly zeros (pixels, counts, one-hot columns): its products skip them. The
// rows are kept by their non-zeros, and by columns for the gradient, which then is formed in registers.
#pragma once
#include <algorithm>
#include <vector>

#include "simd.hpp"

namespace skgd {

template <class T> class NonZeros {
 public:
  // Whether skipping is worth it: counts some of the rows.
  static bool worth(const T* data, int64_t n, int64_t d) {
    constexpr int64_t most = 32;
    const int64_t rows = std::min(n, most);
    int64_t found = 0;
    for (int64_t s = 0; s < rows; ++s) {
      const T* x = data + s * n / rows * d;
      for (int64_t j = 0; j < d; ++j) found += x[j] != T(0);
    }
    return 3 * found < rows * d;
  }

  void start(int64_t d) {
    ends_.assign(1, 0);
    columns_.assign(d + 1, 0);
  }

  void add(const T* x) {
    const int64_t d = int64_t(columns_.size()) - 1;
    int64_t at = ends_.back();
    if (int64_t(index_.size()) < at + d) index_.resize(2 * (at + d)), value_.resize(2 * (at + d));
    int32_t* index = index_.data();
    T* value = value_.data();
    for (int64_t j = 0; j < d; ++j) {  // without a branch: the last place is overwritten until it counts
      index[at] = int32_t(j), value[at] = x[j];
      at += x[j] != T(0);
    }
    ends_.push_back(at);
  }

  // Z (m, n) += A W, a few rows of W at a time, which stay in the first-level cache for all rows of A.
  void add_product(const T* W, int64_t n, T* Z) {
    const int64_t m = int64_t(ends_.size()) - 1, d = int64_t(columns_.size()) - 1;
    const int64_t few = std::max<int64_t>(8, (16 << 10) / (n * int64_t(sizeof(T))));
    at_.assign(ends_.begin(), ends_.end() - 1);
    for (int64_t j = few; j < d + few; j += few)
      for (int64_t i = 0; i < m; ++i) {
        int64_t end = at_[i];
        while (end < ends_[i + 1] && index_[end] < j) ++end;
        add_rows(value_.data() + at_[i], index_.data() + at_[i], end - at_[i], W, n, Z + i * n);
        at_[i] = end;
      }
  }

  // G (d, n) += A' D.
  void add_gradient(const T* D, int64_t n, T* G) {
    sort_by_column();
    const int64_t d = int64_t(columns_.size()) - 1;
    for (int64_t j = 0; j < d; ++j)
      add_rows(by_column_.data() + columns_[j], row_.data() + columns_[j], columns_[j + 1] - columns_[j], D, n,
               G + j * n);
  }

 private:
  std::vector<int64_t> ends_, columns_, at_;  // where rows and columns end; the next of each row
  std::vector<int32_t> index_, row_;
  std::vector<T> value_, by_column_;

  // z (n) += sum_p x_p W[index_p], in as few and equal groups of vectors as the registers hold.
  static void add_rows(const T* x, const int32_t* index, int64_t count, const T* W, int64_t n, T* z) {
    if (count == 0) return;
    constexpr int most = 13, L = lanes<T>;
    int64_t left = n / L;
    while (left > 0) {
      const int64_t groups = (left + most - 1) / most, vectors = (left + groups - 1) / groups;
      add_rows<most>(vectors, x, index, count, W, n, z);
      W += vectors * L, z += vectors * L, left -= vectors;
    }
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

  void sort_by_column() {
    const int64_t m = int64_t(ends_.size()) - 1, all = ends_.back();
    if (int64_t(row_.size()) < all) row_.resize(index_.size()), by_column_.resize(index_.size());
    std::fill(columns_.begin(), columns_.end(), 0);
    for (int64_t p = 0; p < all; ++p) ++columns_[index_[p] + 1];
    for (size_t j = 1; j < columns_.size(); ++j) columns_[j] += columns_[j - 1];
    at_.assign(columns_.begin(), columns_.end() - 1);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t p = ends_[i]; p < ends_[i + 1]; ++p) {
        const int64_t to = at_[index_[p]]++;
        row_[to] = int32_t(i), by_column_[to] = value_[p];
      }
  }
};

}  // namespace skgd
