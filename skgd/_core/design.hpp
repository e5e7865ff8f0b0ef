// The rows of X: dense (as they are, or standardised on the fly) or CSR. Nothing here is copied or owned: the arrays
// belong to the caller, need no alignment, and hold what the bindings have checked (indices in 0 .. d - 1, indptr that
// starts with 0 and never falls).
#pragma once
#include <cstdint>
#include <variant>

#include "simd.hpp"

namespace skgd {

template <class T, class I> struct Csr {
  const T* data;
  const I* indices;
  const I* indptr;
  int64_t n, d;

  int64_t begin(int64_t i) const { return indptr[i]; }
  int64_t count(int64_t i) const { return indptr[i + 1] - indptr[i]; }
  [[gnu::always_inline]] void prefetch_row(int64_t i) const {
    prefetch(data + begin(i), count(i) * int64_t(sizeof(T)));
    prefetch(indices + begin(i), count(i) * int64_t(sizeof(I)));
  }
};

// Dense rows. With `center` and `inverse_scale` a row is (x - center) * inverse_scale, written into the
// caller's buffer; then the source may also be CSR, whose standardised rows are dense.
template <class T> struct Dense {
  const T* data;
  int64_t n, d;
  const T* center = nullptr;         // (d,)
  const T* inverse_scale = nullptr;  // (d,)
  const void* indices = nullptr;
  const void* indptr = nullptr;
  bool has_int64 = false;  // indices and indptr

  bool buffered() const { return center != nullptr; }

  const T* row(int64_t i, T* buffer) const {
    if (!buffered()) return data + i * d;
    if (!indptr) {
      const T* __restrict x = data + i * d;
      T* __restrict out = buffer;
      const T* __restrict m = center, * __restrict s = inverse_scale;
      for (int64_t j = 0; j < d; ++j) out[j] = (x[j] - m[j]) * s[j];
    } else if (has_int64) {
      fill<int64_t>(i, buffer);
    } else {
      fill<int32_t>(i, buffer);
    }
    return buffer;
  }

  [[gnu::always_inline]] void prefetch_row(int64_t i) const {
    if (!indptr) prefetch(data + i * d, d * int64_t(sizeof(T)));
  }

 private:
  template <class I> void fill(int64_t i, T* out) const {
    for (int64_t j = 0; j < d; ++j) out[j] = -center[j] * inverse_scale[j];
    const I* columns = static_cast<const I*>(indices);
    const I* ends = static_cast<const I*>(indptr);
    for (I p = ends[i]; p < ends[i + 1]; ++p) {
      const int64_t j = columns[p];
      out[j] = (data[p] - center[j]) * inverse_scale[j];
    }
  }
};

template <class T> using Design = std::variant<Dense<T>, Csr<T, int32_t>, Csr<T, int64_t>>;

// Which rows, in which order: order[0 .. count), or first .. first + count where order is null. `first` is
// the position within the epoch. A shuffled order (shuffle.hpp) also tells which rows come a window later,
// block by block, so that they can be prefetched in the order in which they lie in memory.
struct Rows {
  const int32_t* order;
  int64_t first, count;
  const int32_t* blocks = nullptr;
  int block_bits = 0;
  int64_t window = 0, n = 0;

  int64_t operator[](int64_t i) const { return order ? int64_t(order[i]) : first + i; }
  Rows part(int64_t start, int64_t length) const {
    Rows rows = *this;
    rows.order = order ? order + start : nullptr, rows.first = first + start, rows.count = length;
    return rows;
  }
  // The row to prefetch while row i is at work, or -1. (Behind the one shorter block it is a few rows
  // off, which costs nothing.)
  int64_t row_to_prefetch(int64_t i) const {
    const int64_t position = first + i + window;
    if (!blocks || position >= n) return -1;
    const int64_t row =
        (int64_t(blocks[position >> block_bits]) << block_bits) + (position & ((int64_t(1) << block_bits) - 1));
    return row < n ? row : -1;
  }
};

}  // namespace skgd
