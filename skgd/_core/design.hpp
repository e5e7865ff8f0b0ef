// The rows of X: dense or CSR, as they are or standardised on the fly. Nothing here is copied or owned: the arrays
// belong to the caller, need no alignment, and hold what the bindings have checked (indices in 0 .. d - 1, indptr that
// starts with 0 and never falls). CSR rows have indices of one width, so that each loop over them is there once.
#pragma once
#include <algorithm>
#include <cstdint>
#include <variant>

#include "simd.hpp"

namespace skgd {

// CSR rows. With `inverse_scale` and `offset` they stand for the dense rows x * inverse_scale + offset, which are never
// formed: the offset is the same for all rows, so that a block of rows costs its non-zeros and d. A null offset is
// zero.
template <class T, class I = int32_t> struct Csr {
  const T* data;
  const I* indices;
  const int64_t* indptr;
  int64_t n, d;
  const T* inverse_scale = nullptr;  // (d,)
  const T* offset = nullptr;         // (d,)

  int64_t begin(int64_t i) const { return indptr[i]; }
  int64_t count(int64_t i) const { return indptr[i + 1] - indptr[i]; }
  [[gnu::always_inline]] void prefetch_row(int64_t i) const {
    prefetch(data + begin(i), count(i) * int64_t(sizeof(T)));
    prefetch(indices + begin(i), count(i) * int64_t(sizeof(I)));
  }

  // z (columns) += W' offset, the offset's part of the scores of every row, for W (d, columns).
  void add_offset_scores(const T* W, int64_t columns, T* z) const {
    if (!offset) return;
    if (columns == 1)
      z[0] += dot(offset, W, d);
    else
      dot_columns(offset, W, d, columns, z);
  }
  // G (d, columns) += offset totals', the offset's part of a gradient, for slopes summed over rows in totals (columns).
  void add_offset_gradient(const T* totals, int64_t columns, T* G) const {
    if (!offset) return;
    if (columns == 1) return add_row(G, totals[0], offset, d);
    for (int64_t j = 0; j < d; ++j) add_columns(G + j * columns, offset[j], totals, columns);
  }
  // |offset|^2, and |x|^2 of a row, given that number.
  double offset_squares() const {
    double total = 0;
    for (int64_t j = 0; offset && j < d; ++j) total += square(offset[j]);
    return total;
  }
  double row_squares(int64_t i, double of_offset) const {
    if (!inverse_scale) return double(dot(data + begin(i), data + begin(i), count(i)));
    double total = of_offset;
    for (int64_t p = begin(i), end = p + count(i); p < end; ++p) {
      const int64_t j = indices[p];
      const T o = offset ? offset[j] : T(0);
      total += square(data[p] * inverse_scale[j] + o) - square(o);
    }
    return total;
  }

 private:
  static double square(T value) { return double(value) * double(value); }
};

// The values of CSR rows, in the coordinates of the design but without the offset. Those of one row are valid until the
// next is asked for.
template <class T> class CsrValues {
 public:
  template <class I> const T* of_row(const Csr<T, I>& x, int64_t i) {
    const T* values = x.data + x.begin(i);
    if (!x.inverse_scale) return values;
    const int64_t count = x.count(i);
    const I* indices = x.indices + x.begin(i);
    if (int64_t(buffer_.size()) < count) buffer_.resize(count);
    for (int64_t p = 0; p < count; ++p) buffer_[p] = values[p] * x.inverse_scale[indices[p]];
    return buffer_.data();
  }

 private:
  Buffer<T> buffer_;
};

// Dense rows. With `center` and `inverse_scale` a row is (x - center) * inverse_scale, written into the caller's
// buffer.
template <class T> struct Dense {
  const T* data;
  int64_t n, d;
  const T* center = nullptr;         // (d,)
  const T* inverse_scale = nullptr;  // (d,)

  bool buffered() const { return center != nullptr; }
  // Whether weights and sums of rows stay within the range of T in the units of X.
  bool is_moderate() const {
    const T most = T(sizeof(T) == 8 ? 1e100 : 1e10);
    return std::all_of(inverse_scale, inverse_scale + d, [most](T s) { return s < most && s > 1 / most; });
  }

  const T* row(int64_t i, T* buffer) const {
    if (!buffered()) return data + i * d;
    const T* __restrict x = data + i * d;
    T* __restrict out = buffer;
    const T* __restrict m = center, * __restrict s = inverse_scale;
    SKGD_INDEPENDENT
    for (int64_t j = 0; j < d; ++j) out[j] = (x[j] - m[j]) * s[j];
    return buffer;
  }

  [[gnu::always_inline]] void prefetch_row(int64_t i) const { prefetch(data + i * d, d * int64_t(sizeof(T))); }
};

template <class T> using Design = std::variant<Dense<T>, Csr<T>>;

// Which rows, in which order: order[0 .. count), or first .. first + count where order is null. `first` is
// the position within the epoch. A shuffled order (shuffle.hpp) also tells which rows come a window later,
// block by block, so that they can be prefetched in the order in which they lie in memory.
struct Rows {
  const int32_t* order;
  int64_t first, count;
  const int32_t* blocks = nullptr;
  int block_bits = 0;
  int64_t window = 0, n = 0;
  const int32_t* numbers = nullptr;  // of the rows that blocks are made of, where these are some of X only

  int64_t operator[](int64_t i) const { return order ? int64_t(order[i]) : first + i; }
  Rows part(int64_t start, int64_t length) const {
    Rows rows = *this;
    rows.order = order ? order + start : nullptr, rows.first = first + start, rows.count = length;
    return rows;
  }
  // The row that is at work soon after row i, or -1: what was prefetched a window ago may have left the second-level
  // cache since.
  int64_t row_soon(int64_t i) const { return blocks && i + 8 < count ? int64_t(order[i + 8]) : -1; }
  // The row to prefetch while row i is at work, or -1. (Behind the one shorter block it is a few rows
  // off, which costs nothing.)
  int64_t row_to_prefetch(int64_t i) const {
    const int64_t position = first + i + window;
    if (!blocks || position >= n) return -1;
    const int64_t row =
        (int64_t(blocks[position >> block_bits]) << block_bits) + (position & ((int64_t(1) << block_bits) - 1));
    return row >= n ? -1 : numbers ? numbers[row] : row;
  }
};

}  // namespace skgd
