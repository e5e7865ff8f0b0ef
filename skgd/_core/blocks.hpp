// Several dense rows at once against one column of weights: products, steps and gradients, over whole vectors.
//
// Rows and weights are arrays of d elements that belong to the caller and need no alignment; nothing is read or written
// beyond them. "Padded" weights are a copy in row.vectors * lanes<T> elements (PaddedRow::pack). Outputs must not
// overlap with inputs.
#pragma once
#include "simd.hpp"

namespace skgd {

// A row of d >= lanes features as whole vectors. The last vector, the tail, ends where the row ends, so it may share
// lanes with the vector before it; these count as zero in the tail. Padded weights have the tail as a vector of its
// own, so that every sum and step over a row is one over whole vectors. With d < lanes only `d` may be used.
template <class T> struct PaddedRow {
  using V = vec<T>;
  int64_t d, vectors, tail_begin;
  V tail_mask;  // 1 in the lanes of the tail that count, else 0

  explicit PaddedRow(int64_t d) : d(d), vectors((d + lanes<T> - 1) / lanes<T>), tail_begin(d - lanes<T>), tail_mask{} {
    for (int l = 0; l < lanes<T>; ++l) tail_mask[l] = T(tail_begin + l >= (vectors - 1) * lanes<T>);
  }
  V tail(const T* x) const { return load<V>(x + tail_begin) * tail_mask; }
  void pack(const T* w, T* packed) const {
    std::memcpy(packed, w, (vectors - 1) * sizeof(V));
    store(packed + (vectors - 1) * lanes<T>, tail(w));
  }
  void unpack(const T* packed, T* w) const {
    const int64_t done = (vectors - 1) * lanes<T>;
    std::memcpy(w, packed, done * sizeof(T));
    std::memcpy(w + done, packed + done + (done - tail_begin), (d - done) * sizeof(T));
  }
};

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

// Products of four rows x with padded weights (scores, 4 elements) and with each other (gram, 6 elements: rows 1 and 0,
// 2 and 0, 2 and 1, 3 and 0, 3 and 1, 3 and 2). Meanwhile the four rows `ahead` are prefetched.
template <class T>
inline void scores_and_gram(const T* const* x, const T* const* ahead, const T* w, const PaddedRow<T>& row, T* scores,
                            T* gram) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const T *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  V s0 = {}, s1 = {}, s2 = {}, s3 = {}, g10 = {}, g20 = {}, g21 = {}, g30 = {}, g31 = {}, g32 = {};
  auto add = [&](V wj, V a, V b, V c, V e) __attribute__((always_inline)) {
    s0 += a * wj, s1 += b * wj, s2 += c * wj, s3 += e * wj;
    g10 += b * a, g20 += c * a, g21 += c * b, g30 += e * a, g31 += e * b, g32 += e * c;
  };
  auto add_at = [&](int64_t j) __attribute__((always_inline)) {
    add(load<V>(w + j), load<V>(x0 + j), load<V>(x1 + j), load<V>(x2 + j), load<V>(x3 + j));
  };
  auto prefetch_at = [&](int64_t j) __attribute__((always_inline)) {  // see prefetch()
    for (int r = 0; r < 4; ++r) __builtin_prefetch(ahead[r] + j, 0, 2);
  };
  const int64_t full = (row.vectors - 1) * L;
  int64_t j = 0;
  for (; j + 2 * L <= full; j += 2 * L) prefetch_at(j), add_at(j), add_at(j + L);
  prefetch_at(j);
  if (j < full) add_at(j);
  add(load<V>(w + full), row.tail(x0), row.tail(x1), row.tail(x2), row.tail(x3));
  sum4(s0, s1, s2, s3, scores);
  sum4(g10, g20, g21, g30, gram);
  gram[4] = sum<T>(g31), gram[5] = sum<T>(g32);
}

// w <- keep w - sum_r c_r x_r for padded weights and four rows.
template <class T> inline void step4(T* w, T keep, const T* c, const T* const* x, const PaddedRow<T>& row) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const T *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  const V k = keep - V{}, c0 = c[0] - V{}, c1 = c[1] - V{}, c2 = c[2] - V{}, c3 = c[3] - V{};
  auto step = [&](int64_t j, V a, V b, V e, V f) __attribute__((always_inline)) {
    store(w + j, (load<V>(w + j) * k - a * c0 - b * c1) - (e * c2 + f * c3));
  };
  auto step_at = [&](int64_t j) __attribute__((always_inline)) {
    step(j, load<V>(x0 + j), load<V>(x1 + j), load<V>(x2 + j), load<V>(x3 + j));
  };
  const int64_t full = (row.vectors - 1) * L;
  int64_t j = 0;
  for (; j + 2 * L <= full; j += 2 * L) step_at(j), step_at(j + L);
  if (j < full) step_at(j);
  step(full, row.tail(x0), row.tail(x1), row.tail(x2), row.tail(x3));
}

// The same, and before it mean <- keep_mean mean + of_w w - sum_r mean_c_r x_r with the w before the step.
template <class T>
inline void step4_with_mean(T* __restrict w, T keep, const T* c, T* __restrict mean, T keep_mean, T of_w,
                            const T* mean_c, const T* const* x, const PaddedRow<T>& row) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const T *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  const V k = keep - V{}, c0 = c[0] - V{}, c1 = c[1] - V{}, c2 = c[2] - V{}, c3 = c[3] - V{};
  const V km = keep_mean - V{}, s = of_w - V{}, m0 = mean_c[0] - V{}, m1 = mean_c[1] - V{}, m2 = mean_c[2] - V{},
          m3 = mean_c[3] - V{};
  auto step = [&](int64_t j, V a, V b, V e, V f) __attribute__((always_inline)) {
    const V v = load<V>(w + j);
    store(mean + j, (load<V>(mean + j) * km + v * s - a * m0 - b * m1) - (e * m2 + f * m3));
    store(w + j, (v * k - a * c0 - b * c1) - (e * c2 + f * c3));
  };
  const int64_t full = (row.vectors - 1) * L;
  for (int64_t j = 0; j < full; j += L) step(j, load<V>(x0 + j), load<V>(x1 + j), load<V>(x2 + j), load<V>(x3 + j));
  step(full, row.tail(x0), row.tail(x1), row.tail(x2), row.tail(x3));
}

// Three rows that follow each other, and two to prefetch meanwhile: `far` into the second-level cache or beyond it,
// `soon` from there.
template <class T> struct RowsInTurn {
  const T *before, *now, *next, *far, *soon;
};

// An update on its way: w <- decay (w - c before), where decay is that of the update to come (1 - rate l2, or, with an
// array l2_of of padded strengths, 1 - rate l2_of for each feature). The mean of the iterates takes its share of w
// before the decay.
template <class T> struct Advance {
  T c, decay, share, rate;
  const T* l2_of;
};

// Makes the update and gives, for the new w, the products next . w and next . now. All arrays are padded but the rows.
template <bool averaging, bool featured, class T>
[[gnu::always_inline]] inline std::array<T, 2> advance(T* __restrict w, T* __restrict mean, const RowsInTurn<T>& rows,
                                                       const Advance<T>& a, const PaddedRow<T>& row) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const V c = a.c - V{}, decay = a.decay - V{}, share = a.share - V{}, rate = a.rate - V{};
  V score = {}, score_odd = {}, gram = {}, gram_odd = {};
  auto add = [&](int64_t j, V before, V now, V next, V& scores, V& grams) __attribute__((always_inline)) {
    V v = load<V>(w + j) - c * before;
    if constexpr (averaging) store(mean + j, load<V>(mean + j) + share * (v - load<V>(mean + j)));
    if constexpr (featured)
      v -= v * (rate * load<V>(a.l2_of + j));
    else
      v *= decay;
    store(w + j, v);
    scores += v * next, grams += now * next;
  };
  const T *before = rows.before, *now = rows.now, *next = rows.next, *far = rows.far, *soon = rows.soon;
  auto add_at = [&](int64_t j, V& scores, V& grams) __attribute__((always_inline)) {
    add(j, load<V>(before + j), load<V>(now + j), load<V>(next + j), scores, grams);
  };
  auto prefetch_at = [&](int64_t j) __attribute__((always_inline)) {  // see prefetch()
    __builtin_prefetch(far + j, 0, 2);
    __builtin_prefetch(soon + j, 0, 2);
  };
  const int64_t full = (row.vectors - 1) * L;
  int64_t j = 0;
  for (; j + 2 * L <= full; j += 2 * L) prefetch_at(j), add_at(j, score, gram), add_at(j + L, score_odd, gram_odd);
  prefetch_at(j);
  if (j < full) add_at(j, score, gram);
  add(full, row.tail(before), load<V>(now + row.tail_begin), row.tail(next), score_odd, gram_odd);
  return sum2<T>(score + score_odd, gram + gram_odd);
}

// An update on its way under a cumulative l1 penalty: w <- decay w - c before, clipped towards zero by what of the
// total it has not received yet. The mean of the iterates takes its share of w after that.
template <class T> struct Clipping {
  T c, decay, total, share;
};

// Makes the update and gives the product of the new w with the row `now`. All arrays are padded but the rows.
template <bool averaging, class T>
inline T clip_and_multiply(T* __restrict w, T* __restrict received, T* __restrict mean, const RowsInTurn<T>& rows,
                           const Clipping<T>& a, const PaddedRow<T>& row) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const V c = a.c - V{}, decay = a.decay - V{}, total = a.total - V{}, share = a.share - V{}, zero = {};
  V score = {}, score_odd = {};
  auto add = [&](int64_t j, V before, V now, V& scores) __attribute__((always_inline)) {
    const V v = load<V>(w + j) * decay - before * c, got = load<V>(received + j) * decay;
    const V up = v - (total + got), down = v + (total - got);
    const V clipped = v > zero ? (up > zero ? up : zero) : (v < zero ? (down < zero ? down : zero) : v);
    store(w + j, clipped), store(received + j, got + (clipped - v));
    if constexpr (averaging) store(mean + j, load<V>(mean + j) + share * (clipped - load<V>(mean + j)));
    scores += clipped * now;
  };
  const T *before = rows.before, *now = rows.now, *far = rows.far, *soon = rows.soon;
  auto add_at = [&](int64_t j, V& scores)
                    __attribute__((always_inline)) { add(j, load<V>(before + j), load<V>(now + j), scores); };
  auto prefetch_at = [&](int64_t j) __attribute__((always_inline)) {  // see prefetch()
    __builtin_prefetch(far + j, 0, 2);
    __builtin_prefetch(soon + j, 0, 2);
  };
  const int64_t full = (row.vectors - 1) * L;
  int64_t j = 0;
  for (; j + 2 * L <= full; j += 2 * L) prefetch_at(j), add_at(j, score), add_at(j + L, score_odd);
  prefetch_at(j);
  if (j < full) add_at(j, score);
  add(full, row.tail(before), row.tail(now), score_odd);
  return sum<T>(score + score_odd);
}

// Four rows against one w, which is loaded once for all of them; the rows `ahead` are prefetched.
template <class T>
inline void dot4(const T* const* x, const T* const* ahead, const T* w, const PaddedRow<T>& row, T* z) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const T *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  V a0 = {}, a1 = {}, a2 = {}, a3 = {}, b0 = {}, b1 = {}, b2 = {}, b3 = {};
  const int64_t full = (row.vectors - 1) * L;
  int64_t j = 0;
  auto prefetch_at = [&](int64_t j) __attribute__((always_inline)) {  // see prefetch()
    for (int r = 0; r < 4; ++r) __builtin_prefetch(ahead[r] + j, 0, 2);
  };
  for (; j + 2 * L <= full; j += 2 * L) {
    prefetch_at(j);
    const V w0 = load<V>(w + j), w1 = load<V>(w + j + L);
    a0 += load<V>(x0 + j) * w0, b0 += load<V>(x0 + j + L) * w1;
    a1 += load<V>(x1 + j) * w0, b1 += load<V>(x1 + j + L) * w1;
    a2 += load<V>(x2 + j) * w0, b2 += load<V>(x2 + j + L) * w1;
    a3 += load<V>(x3 + j) * w0, b3 += load<V>(x3 + j + L) * w1;
  }
  prefetch_at(j);
  if (j < full) {
    const V w0 = load<V>(w + j);
    a0 += load<V>(x0 + j) * w0, a1 += load<V>(x1 + j) * w0;
    a2 += load<V>(x2 + j) * w0, a3 += load<V>(x3 + j) * w0;
  }
  const V wt = row.tail(w);
  b0 += load<V>(x0 + row.tail_begin) * wt, b1 += load<V>(x1 + row.tail_begin) * wt;
  b2 += load<V>(x2 + row.tail_begin) * wt, b3 += load<V>(x3 + row.tail_begin) * wt;
  sum4(a0 + b0, a1 + b1, a2 + b2, a3 + b3, z);
}

// g <- g + sum_i c_i x_i over `count` rows, for N vectors of g, which stay in registers.
template <int N, class T>
inline void add_rows_block(T* __restrict g, const T* c, const T* const* x, int64_t count, int64_t at) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V acc[N];
  for (int v = 0; v < N; ++v) acc[v] = load<V>(g + at + v * L);
  for (int64_t i = 0; i < count; ++i) {
    const V ci = c[i] - V{};
    for (int v = 0; v < N; ++v) acc[v] += load<V>(x[i] + at + v * L) * ci;
  }
  for (int v = 0; v < N; ++v) store(g + at + v * L, acc[v]);
}
template <class T>
inline void add_rows(T* __restrict g, const T* c, const T* const* x, int64_t count, const PaddedRow<T>& row) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  if (row.d < L) {
    for (int64_t i = 0; i < count; ++i) add_row(g, c[i], x[i], row.d);
    return;
  }
  V last = {};
  for (int64_t i = 0; i < count; ++i) last += load<V>(x[i] + row.tail_begin) * (c[i] - V{});
  const int64_t full = (row.vectors - 1) * L;
  int64_t j = 0;
  for (; j + 8 * L <= full; j += 8 * L) add_rows_block<8>(g, c, x, count, j);
  if (j + 4 * L <= full) add_rows_block<4>(g, c, x, count, j), j += 4 * L;
  if (j + 2 * L <= full) add_rows_block<2>(g, c, x, count, j), j += 2 * L;
  if (j + L <= full) add_rows_block<1>(g, c, x, count, j);
  store(g + row.tail_begin, load<V>(g + row.tail_begin) + last * row.tail_mask);
}

}  // namespace skgd
