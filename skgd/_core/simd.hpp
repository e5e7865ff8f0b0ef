// The only code that knows about vector widths: sums over features, row updates, exp and log.
//
// Vectors are GCC/Clang vector extensions of 32 bytes. The order of every sum is written out here, so
// no unsafe floating-point flag is needed and both builds (baseline, x86-64-v3) mean the same sums.
//
// Arrays belong to the caller and need no alignment (aligned ones are faster). A function reads and writes exactly the
// elements that its sizes name, unless it says otherwise; outputs must not overlap with inputs. A number `columns` is 1
// or a multiple of lanes<T>, and a row of W takes `columns` elements.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <vector>
#if defined(__linux__)
#include <sys/mman.h>
#endif

// Put before a loop whose turns do not depend on each other through memory.
#if defined(__clang__) && defined(SKGD_SMALL)
#define SKGD_INDEPENDENT
#define SKGD_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__clang__)
#define SKGD_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define SKGD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SKGD_INDEPENDENT _Pragma("omp simd")
#define SKGD_UNROLL _Pragma("GCC unroll 16")
#endif

namespace skgd {

// A build to be small rather than fast: the one that wheels carry for processors without AVX2 (CMakeLists.txt). Fewer
// loops are then compiled for each loss and penalty of its own.
#ifdef SKGD_SMALL
inline constexpr bool small_build = true;
#else
inline constexpr bool small_build = false;
#endif

template <class T> struct simd {
  typedef T vec __attribute__((vector_size(32)));
  typedef T half __attribute__((vector_size(16)));
  typedef T quad __attribute__((vector_size(4 * sizeof(T))));
  static constexpr int lanes = 32 / sizeof(T);
};
template <class T> using vec = typename simd<T>::vec;
template <class T> using half = typename simd<T>::half;
template <class T> using quad = typename simd<T>::quad;
template <class T> inline constexpr int lanes = simd<T>::lanes;

template <class V, class T> inline V load(const T* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V, class T> inline void store(T* p, V v) { std::memcpy(p, &v, sizeof v); }

// Memory that starts a cache line: a vector that crosses two of them costs two loads. Much memory is asked for in huge
// pages, where the system has them: to touch it for the first time, and at random places, then costs less.
template <class T> struct Aligned {
  using value_type = T;
  static constexpr size_t line = 64, huge = size_t(1) << 21;
  Aligned() = default;
  template <class U> Aligned(const Aligned<U>&) {}
  static std::align_val_t alignment(size_t count) {
    return std::align_val_t{count * sizeof(T) < 2 * huge ? line : huge};
  }
  T* allocate(size_t count) {
    void* memory = ::operator new(count * sizeof(T), alignment(count));
#ifdef MADV_HUGEPAGE
    if (count * sizeof(T) >= 2 * huge) madvise(memory, count * sizeof(T), MADV_HUGEPAGE);
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* p, size_t count) { ::operator delete(p, alignment(count)); }
  bool operator==(const Aligned&) const { return true; }
};
template <class T> using Buffer = std::vector<T, Aligned<T>>;

// Copies a short row, for which a call of memcpy would take longer than the copy.
template <class T> void copy_row(const T* from, T* to, int64_t count) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  if (count < L) return (void)std::copy_n(from, count, to);
  for (int64_t k = 0; k + L < count; k += L) store(to + k, load<V>(from + k));
  store(to + count - L, load<V>(from + count - L));
}

// The largest multiple of the lanes up to count; compilers know by the mask that no loop for a rest is needed.
template <class T> [[gnu::always_inline]] inline int64_t full_vectors(int64_t count) {
  return count & -int64_t(lanes<T>);
}

// Calls f(i) for i in 0 .. count - 1, which do not depend on each other, by whole vectors, half of one, and the rest.
template <class T, class F> [[gnu::always_inline]] inline void for_independent(int64_t count, F f) {
  const int64_t whole = full_vectors<T>(count);
  SKGD_INDEPENDENT
  for (int64_t i = 0; i < whole; ++i) f(i);
  int64_t rest = whole;
  if (rest + lanes<T> / 2 <= count) {
    SKGD_INDEPENDENT
    for (int64_t i = 0; i < lanes<T> / 2; ++i) f(rest + i);
    rest += lanes<T> / 2;
  }
  for (; rest < count; ++rest) f(rest);
}

template <class T> inline T sum(half<T> h) {
  if constexpr (sizeof(T) == 8)
    return h[0] + h[1];
  else
    return (h[0] + h[2]) + (h[1] + h[3]);
}
template <class T> inline T sum(vec<T> v) {
  if constexpr (sizeof(T) == 8)
    return sum<T>(__builtin_shufflevector(v, v, 0, 1) + __builtin_shufflevector(v, v, 2, 3));
  else
    return sum<T>(__builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7));
}

// The sums of two vectors.
template <class T> inline std::array<T, 2> sum2(vec<T> a, vec<T> b) {
  if constexpr (sizeof(T) == 8) {
    const vec<T> ab = __builtin_shufflevector(a, b, 0, 4, 2, 6) + __builtin_shufflevector(a, b, 1, 5, 3, 7);
    const half<T> sums = __builtin_shufflevector(ab, ab, 0, 1) + __builtin_shufflevector(ab, ab, 2, 3);
    return {sums[0], sums[1]};
  } else {
    const vec<T> ab = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13) +
                      __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    const half<T> sums = __builtin_shufflevector(ab, ab, 0, 1, 2, 3) + __builtin_shufflevector(ab, ab, 4, 5, 6, 7);
    return {sums[0] + sums[2], sums[1] + sums[3]};
  }
}

// The sums of four vectors, into out (4).
template <class T> inline void sum4(vec<T> a, vec<T> b, vec<T> c, vec<T> d, T* out) {
  if constexpr (sizeof(T) == 8) {
    const vec<T> ab = __builtin_shufflevector(a, b, 0, 4, 2, 6) + __builtin_shufflevector(a, b, 1, 5, 3, 7);
    const vec<T> cd = __builtin_shufflevector(c, d, 0, 4, 2, 6) + __builtin_shufflevector(c, d, 1, 5, 3, 7);
    store(out, __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
  } else {
    const vec<T> ab = __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14) +
                      __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
    const vec<T> cd = __builtin_shufflevector(c, d, 0, 8, 2, 10, 4, 12, 6, 14) +
                      __builtin_shufflevector(c, d, 1, 9, 3, 11, 5, 13, 7, 15);
    const vec<T> all = __builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13) +
                       __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
    store(out, __builtin_shufflevector(all, all, 0, 1, 2, 3) + __builtin_shufflevector(all, all, 4, 5, 6, 7));
  }
}

// x . w over d features.
template <class T> inline T dot(const T* x, const T* w, int64_t d) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V a = {}, b = {}, c = {}, e = {};
  int64_t j = 0;
  for (; j + 4 * L <= d; j += 4 * L) {
    a += load<V>(x + j) * load<V>(w + j);
    b += load<V>(x + j + L) * load<V>(w + j + L);
    c += load<V>(x + j + 2 * L) * load<V>(w + j + 2 * L);
    e += load<V>(x + j + 3 * L) * load<V>(w + j + 3 * L);
  }
  for (; j + L <= d; j += L) a += load<V>(x + j) * load<V>(w + j);
  T z = sum<T>((a + b) + (c + e));
  if (j + L / 2 <= d) {
    z += sum<T>(load<half<T>>(x + j) * load<half<T>>(w + j));
    j += L / 2;
  }
  for (; j < d; ++j) z += x[j] * w[j];
  return z;
}

// w <- decay * w - c * x
template <class T> inline void decay_and_step(T* __restrict w, T decay, T c, const T* __restrict x, int64_t d) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const V vd = decay - V{}, vc = c - V{};
  int64_t j = 0;
  for (; j + 2 * L <= d; j += 2 * L) {
    store(w + j, load<V>(w + j) * vd - load<V>(x + j) * vc);
    store(w + j + L, load<V>(w + j + L) * vd - load<V>(x + j + L) * vc);
  }
  for (; j + L <= d; j += L) store(w + j, load<V>(w + j) * vd - load<V>(x + j) * vc);
  if (j + L / 2 <= d) {
    using H = half<T>;
    store(w + j, load<H>(w + j) * (decay - H{}) - load<H>(x + j) * (c - H{}));
    j += L / 2;
  }
  for (; j < d; ++j) w[j] = w[j] * decay - x[j] * c;
}

// w <- w - rate * l2 * w - c * x, with its own l2 for each feature
template <class T>
inline void decay_and_step(T* __restrict w, const T* __restrict l2, T rate, T c, const T* __restrict x, int64_t d) {
  SKGD_INDEPENDENT
  for (int64_t j = 0; j < d; ++j) w[j] -= rate * l2[j] * w[j] + c * x[j];
}

// g <- g + c x
template <class T> inline void add_row(T* __restrict g, T c, const T* __restrict x, int64_t d) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const V vc = c - V{};
  int64_t j = 0;
  for (; j + 2 * L <= d; j += 2 * L) {
    store(g + j, load<V>(g + j) + load<V>(x + j) * vc);
    store(g + j + L, load<V>(g + j + L) + load<V>(x + j + L) * vc);
  }
  for (; j < d; ++j) g[j] += x[j] * c;
}

// The sum of `count` numbers.
template <class T> inline T total(const T* c, int64_t count) {
  T part[4] = {};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    for (int p = 0; p < 4; ++p) part[p] += c[i + p];
  for (; i < count; ++i) part[0] += c[i];
  return (part[0] + part[1]) + (part[2] + part[3]);
}

// z (columns) <- z + sum_j x_j W_j, for V vectors of columns of the row-major W (d, columns). Features are summed in
// several chains: a sum waits four cycles for the one before.
template <int V_, class T> inline void dot_columns_block(const T* x, const T* W, int64_t d, int64_t columns, T* z) {
  using V = vec<T>;
  constexpr int L = lanes<T>, chains = V_ == 1 ? 8 : V_ == 2 ? 4 : 2;
  V sums[chains][V_] = {};
  for (int v = 0; v < V_; ++v) sums[0][v] = load<V>(z + v * L);
  int64_t j = 0;
  for (; j + chains <= d; j += chains) {
    const T* w = W + j * columns;
    for (int c = 0; c < chains; ++c)
      for (int v = 0; v < V_; ++v) sums[c][v] += (x[j + c] - V{}) * load<V>(w + c * columns + v * L);
  }
  for (; j < d; ++j)
    for (int v = 0; v < V_; ++v) sums[0][v] += (x[j] - V{}) * load<V>(W + j * columns + v * L);
  for (int c = chains / 2; c > 0; c /= 2)
    for (int i = 0; i < c; ++i)
      for (int v = 0; v < V_; ++v) sums[i][v] += sums[i + c][v];
  for (int v = 0; v < V_; ++v) store(z + v * L, sums[0][v]);
}
template <class T> inline void dot_columns(const T* x, const T* W, int64_t d, int64_t columns, T* z) {
  constexpr int L = lanes<T>;
  int64_t k = 0;
  for (; k + 4 * L <= columns; k += 4 * L) dot_columns_block<4>(x, W + k, d, columns, z + k);
  switch ((columns - k) / L) {
    case 3:
      return dot_columns_block<3>(x, W + k, d, columns, z + k);
    case 2:
      return dot_columns_block<2>(x, W + k, d, columns, z + k);
    case 1:
      return dot_columns_block<1>(x, W + k, d, columns, z + k);
  }
}

// z (columns) = sum_p x_p W[index_p] over the `count` non-zeros of a sparse row.
template <int V_, class T, class I>
inline void sparse_dot_block(const T* x, const I* index, int64_t count, const T* W, int64_t columns, T* z) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V acc[V_] = {};
  for (int64_t p = 0; p < count; ++p) {
    const V xp = x[p] - V{};
    const T* w = W + int64_t(index[p]) * columns;
    for (int v = 0; v < V_; ++v) acc[v] += xp * load<V>(w + v * L);
  }
  for (int v = 0; v < V_; ++v) store(z + v * L, acc[v]);
}
template <class T, class I>
inline void sparse_dot(const T* x, const I* index, int64_t count, const T* W, int64_t columns, T* z) {
  if (columns == 1) {
    T sums[4] = {};  // each waits for the one before
    int64_t p = 0;
    for (; p + 4 <= count; p += 4)
      for (int64_t q = 0; q < 4; ++q) sums[q] += x[p + q] * W[index[p + q]];
    for (int64_t q = 0; p + q < count; ++q) sums[q] += x[p + q] * W[index[p + q]];
    z[0] = (sums[0] + sums[2]) + (sums[1] + sums[3]);
    return;
  }
  constexpr int L = lanes<T>;
  int64_t k = 0;
  for (; k + 5 * L <= columns; k += 5 * L) sparse_dot_block<5>(x, index, count, W + k, columns, z + k);
  for (; k + 2 * L <= columns; k += 2 * L) sparse_dot_block<2>(x, index, count, W + k, columns, z + k);
  for (; k < columns; k += L) sparse_dot_block<1>(x, index, count, W + k, columns, z + k);
}

// W[index_p] <- W[index_p] + x_p c for the non-zeros of a sparse row.
template <class T, class I>
inline void sparse_add(const T* x, const I* index, int64_t count, const T* c, T* W, int64_t columns) {
  if (columns == 1) {
    const T c0 = c[0];
    for (int64_t p = 0; p < count; ++p) W[index[p]] += x[p] * c0;
    return;
  }
  using V = vec<T>;
  for (int64_t p = 0; p < count; ++p) {
    T* w = W + int64_t(index[p]) * columns;
    const V xp = x[p] - V{};
    for (int64_t k = 0; k < columns; k += lanes<T>) store(w + k, load<V>(w + k) + xp * load<V>(c + k));
  }
}

// w (columns) <- w + c * s (columns), columns a multiple of the vector width
template <class T> inline void add_columns(T* __restrict w, T c, const T* __restrict s, int64_t columns) {
  using V = vec<T>;
  const V vc = c - V{};
  for (int64_t k = 0; k < columns; k += lanes<T>) store(w + k, load<V>(w + k) + vc * load<V>(s + k));
}

#ifdef __AVX2__
typedef uint8_t uint8x4 __attribute__((vector_size(4)));
typedef uint8_t uint8x8 __attribute__((vector_size(8)));
typedef int32_t int32x4 __attribute__((vector_size(16)));
typedef int32_t int32x8 __attribute__((vector_size(32)));
// For each byte: the places of its bits that are set. For each of `units` adjacent lanes of 32 bits that are one
// element, `units` times the place, and the ones after it.
template <int units>
inline constexpr auto places_of_bits = [] {
  constexpr int bits = 8 / units;
  std::array<std::array<uint8_t, 8>, 1 << bits> table{};
  for (int mask = 0; mask < 1 << bits; ++mask)
    for (int bit = 0, at = 0; bit < bits; ++bit)
      if (mask >> bit & 1)
        for (int unit = 0; unit < units; ++unit) table[mask][at++] = uint8_t(units * bit + unit);
  return table;
}();
#endif

// Appends places and values of the non-zeros of x[begin:end] to `index` and `value`, which hold `at` elements so far,
// counts them in counts[begin:end], and gives the new number of elements. index and value need room for end - begin +
// lanes<T> more elements: up to a vector beyond the new end is overwritten.
template <class T>
inline int64_t add_nonzeros(const T* x, int64_t begin, int64_t end, int64_t at, int32_t* index, T* value,
                            int32_t* counts) {
  int64_t j = begin;
#ifdef __AVX2__
  constexpr int L = lanes<T>;
  using Int = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
  using Bytes = std::conditional_t<L == 8, uint8x8, uint8x4>;
  using Ints = std::conditional_t<L == 8, int32x8, int32x4>;
  for (; j + L <= end; j += L) {
    const auto v = load<vec<T>>(x + j);
    const vec<Int> found = v != vec<T>{};
    int bits;
    if constexpr (sizeof(T) == 8)
      bits = __builtin_ia32_movmskpd256(vec<T>(found));
    else
      bits = __builtin_ia32_movmskps256(vec<T>(found));
    const auto places = load<Bytes>(places_of_bits<1>[bits].data());
    const auto lanes32 = load<uint8x8>(places_of_bits<sizeof(T) / 4>[bits].data());
    store(counts + j, load<Ints>(counts + j) - __builtin_convertvector(found, Ints));
    store(index + at, __builtin_convertvector(places, Ints) + int32_t(j));
    store(value + at, __builtin_ia32_permvarsi256(int32x8(v), __builtin_convertvector(lanes32, int32x8)));
    at += __builtin_popcount(bits);
  }
#endif
  for (; j < end; ++j) {  // without a branch: the last place is overwritten until it counts
    const bool found = x[j] != T(0);
    index[at] = int32_t(j), value[at] = x[j];
    counts[j] += found, at += found;
  }
  return at;
}

// Whether no element is infinite or NaN: such a one times zero is NaN.
template <class T> inline bool all_finite(const T* x, int64_t count) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V a = {}, b = {}, c = {}, e = {};
  int64_t j = 0;
  for (; j + 4 * L <= count; j += 4 * L) {
    a += load<V>(x + j) * V{}, b += load<V>(x + j + L) * V{};
    c += load<V>(x + j + 2 * L) * V{}, e += load<V>(x + j + 3 * L) * V{};
  }
  T total = sum<T>((a + b) + (c + e));
  for (; j < count; ++j) total += x[j] * T(0);
  return total == T(0);
}

// Whether all values are whole numbers 0 .. classes - 1. Numbers from 2^(digits - 1) on have no digits behind the
// point: a smaller one loses its own where that is added to it.
template <class T> inline bool are_codes(const T* values, int64_t count, int64_t classes) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  constexpr T large_number = T(int64_t(1) << (std::numeric_limits<T>::digits - 1));
  const V zero = {}, most = T(classes - 1) - V{}, large = large_number - V{};
  V all = T(1) - V{};
  auto look_at = [&](V v) __attribute__((always_inline)) {
    const V rounded = v < large ? (v + large) - large : v;
    all = v >= zero ? all : zero, all = v <= most ? all : zero, all = v == rounded ? all : zero;
  };
  int64_t i = 0;
  for (; i + L <= count; i += L) look_at(load<V>(values + i));
  for (; i < count; ++i) look_at(values[i] - V{});
  return sum<T>(all) == T(L);
}

// Whether all of these numbers are from -most to most.
template <class T> inline bool all_within(const T* z, int64_t count, T most) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const V high = most - V{}, low = -most - V{};
  auto inside = (high == high);
  int64_t i = 0;
  for (; i + L <= count; i += L) inside &= (load<V>(z + i) <= high) & (load<V>(z + i) >= low);
  bool all = true;
  for (int l = 0; l < L; ++l) all &= inside[l] != 0;
  for (; i < count; ++i) all &= z[i] <= most && z[i] >= -most;
  return all;
}

// Into the second-level cache. Forced inline: GCC takes a function that only prefetches for one without
// effect and drops calls to it.
[[gnu::always_inline]] inline void prefetch(const void* address, int64_t bytes) {
  for (int64_t b = 0; b < bytes; b += 64) __builtin_prefetch(static_cast<const char*>(address) + b, 0, 2);
}

// x = n log 2 + r, |r| <= log(2)/2: gives 2^n (through the exponent bits) and r. Arguments are clamped where exp(x)
// would leave the normal range; NaN stays NaN.
template <class T> inline T reduce(T x, T& r) {
  using I = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
  constexpr bool wide = sizeof(T) == 8;
  constexpr T high = wide ? T(709.4) : T(88.37), low = wide ? T(-708) : T(-87);
  constexpr T magic = wide ? T(6755399441055744.0) : T(12582912.0);  // 1.5 * 2^52, 1.5 * 2^23: rounds to whole
  constexpr T ln2_high = wide ? T(6.93147180369123816490e-01) : T(0.693359375);
  constexpr T ln2_low = wide ? T(1.90821492927058770002e-10) : T(-2.12194440e-4);
  x = high < x ? high : x;
  x = low > x ? low : x;
  const T shifted = x * T(1.4426950408889634) + magic, m = shifted - magic;
  I bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = static_cast<I>((static_cast<std::make_unsigned_t<I>>(bits) + (wide ? 1023 : 127)) << (wide ? 52 : 23));
  T power;
  std::memcpy(&power, &bits, sizeof power);
  r = (x - m * ln2_high) - m * ln2_low;
  return power;
}

// exp without branches, so that loops over rows vectorise and a single row waits little: a Taylor polynomial in r
// by Estrin's scheme; relative error about 2 eps.
template <class T> [[gnu::always_inline]] inline T exp_(T x) {
  T r;
  const T power = reduce(x, r), r2 = r * r, r4 = r2 * r2;
  const T p01 = T(1) + r, p23 = T(1.0 / 2) + r * T(1.0 / 6), p45 = T(1.0 / 24) + r * T(1.0 / 120);
  if constexpr (sizeof(T) == 4) {
    const T p67 = T(1.0 / 720) + r * T(1.0 / 5040);
    return ((p01 + r2 * p23) + r4 * (p45 + r2 * p67)) * power;
  } else {
    const T r8 = r4 * r4;
    const T p67 = T(1.0 / 720) + r * T(1.0 / 5040), p89 = T(1.0 / 40320) + r * T(1.0 / 362880);
    const T p1011 = T(1.0 / 3628800) + r * T(1.0 / 39916800), p1213 = T(1.0 / 479001600) + r * T(1.0 / 6227020800.0);
    return (((p01 + r2 * p23) + r4 * (p45 + r2 * p67)) + r8 * ((p89 + r2 * p1011) + r4 * p1213)) * power;
  }
}

struct InverseFactorials {
  double of[24];
  constexpr InverseFactorials() : of{} {
    double product = 1;
    for (int k = 0; k < 24; ++k) of[k] = 1 / (product *= k > 1 ? k : 1);
  }
};
inline constexpr InverseFactorials inverse_factorials;

// cos(2 pi p) and its slope by p, without branches: with r = p less the nearest whole number and t = 1/4 - |r| they are
// sin(2 pi t) and, up to sign, 2 pi cos(2 pi t), for which Taylor polynomials up to a quarter of a turn are exact to
// rounding. A p so large that it has no fraction counts as whole.
template <class T> [[gnu::always_inline]] inline T cosine_of_turns(T p, T& slope) {
  constexpr T turn = T(6.28318530717958647692), to_whole = sizeof(T) == 4 ? T(3 << 22) : T(int64_t(3) << 51);
  constexpr T largest = to_whole / 3;
  const T whole = (p + to_whole) - to_whole, r = p < largest && p > -largest ? p - whole : T(0) * p;
  const T x = turn * (T(0.25) - (r < 0 ? -r : r)), q = -x * x;
  constexpr int terms = sizeof(T) == 4 ? 6 : 11;
  T sine = 0, cosine = 0;
  SKGD_UNROLL
  for (int k = terms; k > 0; --k) {
    sine = q * (sine + T(inverse_factorials.of[2 * k + 1]));
    cosine = q * (cosine + T(inverse_factorials.of[2 * k]));
  }
  sine += T(1), cosine += T(1);
  slope = (r < 0 ? turn : -turn) * cosine;
  return x * sine;
}

// exp(x) = above / below, which where exp is divided by anyway costs half the terms: Pade's approximant
// exp(r) = N(r) / N(-r) with N of degree 6 (float: 3), whose error is below the rounding.
template <class T> [[gnu::always_inline]] inline void exp_quotient(T x, T& above, T& below) {
  T r, even, odd;
  const T power = reduce(x, r), q = r * r;
  if constexpr (sizeof(T) == 4) {
    even = T(1) + q * T(1.0 / 10);
    odd = r * (T(1.0 / 2) + q * T(1.0 / 120));
  } else {
    even = T(1) + q * (T(5.0 / 44) + q * (T(1.0 / 792) + q * T(1.0 / 665280)));
    odd = r * (T(1.0 / 2) + q * (T(1.0 / 66) + q * T(1.0 / 15840)));
  }
  above = (even + odd) * power;
  below = even - odd;
}

// Taylor coefficients of 1 / (1 + exp(-x)) - 1/2 at the multiples of 1/16 up to `limit`, where it is 1/2 to rounding.
template <class T> struct LogisticTable {
  static constexpr int terms = sizeof(T) == 8 ? 8 : 4, limit = sizeof(T) == 8 ? 40 : 20, per_unit = 16;
  alignas(64) T at[limit * per_unit + 1][terms];

  void fill() {
    for (int m = 0; m <= limit * per_unit; ++m) {
      long double s[terms];  // of s(x) = 1 / (1 + exp(x)), whose slope is s^2 - s
      s[0] = 1 / (1 + std::exp((long double)(m) / per_unit));
      for (int k = 0; k + 1 < terms; ++k) {
        long double slope = -s[k];
        for (int i = 0; i <= k; ++i) slope += s[i] * s[k - i];
        s[k + 1] = slope / (k + 1);
      }
      for (int k = 0; k < terms; ++k) at[m][k] = T((k == 0 ? 0.5L : 0.0L) - s[k]);
    }
  }
};
// Filled when the engine is chosen. A constructor would run when the module is loaded, on any processor.
template <class T> inline LogisticTable<T> logistic_table{};

// 1 / (1 + exp(-x)) - 1/2 for a single x that others wait for; error below the rounding of 1. Takes neither exp nor a
// division, whose latencies add up. Infinities and NaN give NaN.
template <class T> [[gnu::always_inline]] inline T centred_logistic(T x) {
  using Table = LogisticTable<T>;
  using I = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
  constexpr T magic = sizeof(T) == 8 ? T(6755399441055744.0) : T(12582912.0);  // see reduce()
  T a = std::fabs(x);
  a = a < T(Table::limit) ? a : T(Table::limit);
  const T shifted = a * T(Table::per_unit) + magic, r = a - (shifted - magic) * (T(1) / Table::per_unit), r2 = r * r;
  I bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  const T* c = logistic_table<T>.at[bits & 1023];
  T value = (c[0] + r * c[1]) + r2 * (c[2] + r * c[3]);
  if constexpr (Table::terms == 8) value += (r2 * r2) * ((c[4] + r * c[5]) + r2 * (c[6] + r * c[7]));
  return std::copysign(value, x) + (x - x);
}

// log(1 + e) for 0 <= e <= 1, as 2 atanh(s), s = e / (2 + e) <= 1/3: an odd series in s.
template <class T> [[gnu::always_inline]] inline T log1p_(T e) {
  const T s = e / (T(2) + e), q = s * s;
  T p;
  if constexpr (sizeof(T) == 8) {
    p = T(1.0 / 33);
    p = p * q + T(1.0 / 31);
    p = p * q + T(1.0 / 29);
    p = p * q + T(1.0 / 27);
    p = p * q + T(1.0 / 25);
    p = p * q + T(1.0 / 23);
    p = p * q + T(1.0 / 21);
    p = p * q + T(1.0 / 19);
    p = p * q + T(1.0 / 17);
    p = p * q + T(1.0 / 15);
  } else {
    p = T(1.0 / 15);
  }
  p = p * q + T(1.0 / 13);
  p = p * q + T(1.0 / 11);
  p = p * q + T(1.0 / 9);
  p = p * q + T(1.0 / 7);
  p = p * q + T(1.0 / 5);
  p = p * q + T(1.0 / 3);
  p = p * q + T(1);
  return T(2) * s * p;
}

}  // namespace skgd
