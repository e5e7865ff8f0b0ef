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
  // Where feature j lies among padded weights.
  int64_t place(int64_t j) const {
    const int64_t done = (vectors - 1) * lanes<T>;
    return j < done ? j : done + (j - tail_begin);
  }
  void unpack(const T* packed, T* w) const {
    const int64_t done = (vectors - 1) * lanes<T>;
    std::memcpy(w, packed, done * sizeof(T));
    std::memcpy(w + done, packed + done + (done - tail_begin), (d - done) * sizeof(T));
  }
};

// How rows are standardised, to (x - center) scale; both are padded.
template <class T> struct Standardization {
  const T* center = nullptr;
  const T* scale = nullptr;

  vec<T> operator()(vec<T> x, int64_t at) const { return (x - load<vec<T>>(center + at)) * load<vec<T>>(scale + at); }
};

// Products of four rows x with padded weights (scores, 4 elements) and with each other (gram, 6 elements: rows 1 and 0,
// 2 and 0, 2 and 1, 3 and 0, 3 and 1, 3 and 2). Meanwhile the four rows `ahead` are prefetched from memory, and the
// four rows `soon` from where they have been since.
template <class T>
[[gnu::noinline]] void scores_and_gram(const T* const* x, const T* const* ahead, const T* const* soon, const T* w,
                                       const PaddedRow<T>& row, T* scores, T* gram) {
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
    for (int r = 0; r < 4; ++r) __builtin_prefetch(ahead[r] + j, 0, 2), __builtin_prefetch(soon[r] + j, 0, 3);
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

// What four updates w <- decay w - c x in a row make of the mean of the iterates: each iterate is a combination of the
// w before them and of the rows, so the mean is read and written once for all of them. V: of one column, or of a vector
// of columns.
template <class V> struct MeanOfFour {
  V keep = V{} + 1, of_w = {}, c[4];  // the mean becomes keep mean + of_w w - sum c x, with the mean and the w before

  // share: of the iterate after each update in the mean.
  template <class T> MeanOfFour(const V* decay, const V* step, const T* share) {
    V of_row = {};  // share in the mean of row r times its step: by this and all later iterates
    SKGD_UNROLL
    for (int r = 3; r >= 0; --r) {
      of_row += share[r] * keep;
      keep *= T(1) - share[r];
      c[r] = of_row * step[r];
      of_row *= decay[r];
    }
    of_w = of_row;
  }
};

// w <- keep w - sum_r c_r x_r for padded weights and four rows.
template <class T> [[gnu::noinline]] void step4(T* w, T keep, const T* c, const T* const* x, const PaddedRow<T>& row) {
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
[[gnu::noinline]] void step4_with_mean(T* __restrict w, T keep, const T* c, T* __restrict mean, T keep_mean, T of_w,
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

// v <- v - sum_r c_r x_r for padded weights and four rows.
template <class T>
[[gnu::noinline]] void subtract4(T* __restrict v, const T* c, const T* const* x, const PaddedRow<T>& row) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const T *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  const V c0 = c[0] - V{}, c1 = c[1] - V{}, c2 = c[2] - V{}, c3 = c[3] - V{};
  auto step = [&](int64_t j, V a, V b, V e, V f)
                  __attribute__((always_inline)) { store(v + j, load<V>(v + j) - a * c0 - b * c1 - e * c2 - f * c3); };
  const int64_t full = (row.vectors - 1) * L;
  for (int64_t j = 0; j < full; j += L) step(j, load<V>(x0 + j), load<V>(x1 + j), load<V>(x2 + j), load<V>(x3 + j));
  step(full, row.tail(x0), row.tail(x1), row.tail(x2), row.tail(x3));
}

// Three rows that follow each other, and two to prefetch meanwhile: `far` into the second-level cache or beyond it,
// `soon` from there. Standardised rows are written to `formed`, which may be where `before` lies, while they are the
// next, and are padded from then on.
template <class T> struct RowsInTurn {
  const T *before, *now, *next, *far, *soon;
  T* formed = nullptr;
};

// An update on its way: w <- decay (w - c before), where decay is that of the update to come (1 - rate l2, or, with an
// array l2_of of padded strengths, 1 - rate l2_of for each feature). The mean of the iterates takes its share of w
// before the decay.
template <class T> struct Advance {
  T c, decay, share, rate;
  const T* l2_of;
  Standardization<T> standardization;
};

// Whether all features have the same strength of the penalty, or each its own; and whether rows are standardised too.
enum class Features { alike, featured, standardized };

// Makes the update and gives, for the new w, the products next . w and next . now. All arrays are padded but the rows.
template <bool averaging, Features features, class T>
[[gnu::always_inline]] inline std::array<T, 2> advance(T* __restrict w, T* __restrict mean, const RowsInTurn<T>& rows,
                                                       const Advance<T>& a, const PaddedRow<T>& row) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  constexpr bool standardized = features == Features::standardized;
  const V c = a.c - V{}, decay = a.decay - V{}, share = a.share - V{}, rate = a.rate - V{};
  V score = {}, score_odd = {}, gram = {}, gram_odd = {};
  auto add = [&](int64_t j, V before, V now, V next, V& scores, V& grams) __attribute__((always_inline)) {
    if constexpr (standardized) next = a.standardization(next, j), store(rows.formed + j, next);
    V v = load<V>(w + j) - c * before;
    if constexpr (averaging) store(mean + j, load<V>(mean + j) + share * (v - load<V>(mean + j)));
    if constexpr (features == Features::alike)
      v *= decay;
    else
      v -= v * (rate * load<V>(a.l2_of + j));
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
  if constexpr (standardized)
    add(full, load<V>(before + full), load<V>(now + full), row.tail(next), score_odd, gram_odd);
  else
    add(full, row.tail(before), load<V>(now + row.tail_begin), row.tail(next), score_odd, gram_odd);
  return sum2<T>(score + score_odd, gram + gram_odd);
}

// The same inside of a loop over rows.
template <bool averages, Features features> struct AdvanceInline {
  static constexpr bool averaging = averages;
  template <class T>
  [[gnu::always_inline]] std::array<T, 2> operator()(T* w, T* mean, const RowsInTurn<T>& rows, const Advance<T>& a,
                                                     const PaddedRow<T>& row) const {
    return advance<averages, features>(w, mean, rows, a, row);
  }
};

// The same by a call, where features have strengths of the penalty of their own: the loss has no part in it, so that
// one function serves the loops of all losses. A call costs a few nanoseconds.
template <class T> class AdvanceByCall {
 public:
  bool averaging;
  explicit AdvanceByCall(bool averaging) : averaging(averaging), function_(averaging ? call<true> : call<false>) {}
  std::array<T, 2> operator()(T* w, T* mean, const RowsInTurn<T>& rows, const Advance<T>& a,
                              const PaddedRow<T>& row) const {
    return function_(w, mean, rows, a, row);
  }

 private:
  std::array<T, 2> (*function_)(T*, T*, const RowsInTurn<T>&, const Advance<T>&, const PaddedRow<T>&);

  template <bool averages>
  static std::array<T, 2> call(T* w, T* mean, const RowsInTurn<T>& rows, const Advance<T>& a, const PaddedRow<T>& row) {
    return advance<averages, Features::featured>(w, mean, rows, a, row);
  }
};

// An update on its way under a cumulative l1 penalty: w <- decay w - c before, clipped towards zero by what of the
// total it has not received yet. The mean of the iterates takes its share of w after that. Features with strengths of
// their own, l1_of and l2_of (padded), have totals of their own, `owed`, and the decay 1 - rate l2_of.
template <class T> struct Clipping {
  T c, decay, total, share, rate = 0;
  T* owed = nullptr;
  const T *l1_of = nullptr, *l2_of = nullptr;
  Standardization<T> standardization{};
};

// Makes the update and gives the product of the new w with the row `now`. Decays are not negative, so that no weight
// has received more than its total (clip_cumulative() does without that). All arrays are padded but the rows.
template <bool averaging, Features features, class T>
inline T clip_and_multiply(T* __restrict w, T* __restrict received, T* __restrict mean, const RowsInTurn<T>& rows,
                           const Clipping<T>& a, const PaddedRow<T>& row) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  constexpr bool standardized = features == Features::standardized;
  const V c = a.c - V{}, share = a.share - V{}, rate = a.rate - V{}, zero = {};
  V score = {}, score_odd = {};
  auto add = [&](int64_t j, V before, V now, V& scores) __attribute__((always_inline)) {
    V decay = a.decay - V{}, total = a.total - V{};
    if constexpr (features != Features::alike) {
      decay = T(1) - rate * load<V>(a.l2_of + j);
      total = load<V>(a.owed + j) * decay + rate * load<V>(a.l1_of + j);
      store(a.owed + j, total);
    }
    const V v = load<V>(w + j) * decay - before * c, got = load<V>(received + j) * decay;
    const V above = total + got, below = got - total;
    const V most = above > zero ? above : zero, least = below < zero ? below : zero;  // the same but for rounding
    const V at_most = most < v ? most : v, taken = least > at_most ? least : at_most, clipped = v - taken;
    store(w + j, clipped), store(received + j, got - taken);
    if constexpr (averaging) store(mean + j, load<V>(mean + j) + share * (clipped - load<V>(mean + j)));
    if constexpr (standardized) now = a.standardization(now, j), store(rows.formed + j, now);
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
  add(full, standardized ? load<V>(before + full) : row.tail(before), row.tail(now), score_odd);
  return sum<T>(score + score_odd);
}

// The same inside of a loop over rows, and by a call where features have strengths of their own (see AdvanceByCall).
template <bool averages> struct ClipInline {
  static constexpr bool averaging = averages;
  template <class T>
  [[gnu::always_inline]] T operator()(T* w, T* received, T* mean, const RowsInTurn<T>& rows, const Clipping<T>& a,
                                      const PaddedRow<T>& row) const {
    return clip_and_multiply<averages, Features::alike>(w, received, mean, rows, a, row);
  }
};
template <class T> class ClipByCall {
 public:
  bool averaging;
  ClipByCall(bool averaging, bool standardized)
      : averaging(averaging),
        function_(standardized ? of_kind<Features::standardized>(averaging) : of_kind<Features::featured>(averaging)) {}
  T operator()(T* w, T* received, T* mean, const RowsInTurn<T>& rows, const Clipping<T>& a,
               const PaddedRow<T>& row) const {
    return function_(w, received, mean, rows, a, row);
  }

 private:
  using Function = T (*)(T*, T*, T*, const RowsInTurn<T>&, const Clipping<T>&, const PaddedRow<T>&);
  Function function_;

  template <Features features> static Function of_kind(bool averaging) {
    return averaging ? Function(clip_and_multiply<true, features, T>) : Function(clip_and_multiply<false, features, T>);
  }
};

// (x - center) . w over d features.
template <class T> inline T dot_centered(const T* x, const T* center, const T* w, int64_t d) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V a = {}, b = {};
  int64_t j = 0;
  for (; j + 2 * L <= d; j += 2 * L) {
    a += (load<V>(x + j) - load<V>(center + j)) * load<V>(w + j);
    b += (load<V>(x + j + L) - load<V>(center + j + L)) * load<V>(w + j + L);
  }
  for (; j + L <= d; j += L) a += (load<V>(x + j) - load<V>(center + j)) * load<V>(w + j);
  T z = sum<T>(a + b);
  for (; j < d; ++j) z += (x[j] - center[j]) * w[j];
  return z;
}

// Four rows, less `center` if they are `centered`, against one w, which is loaded once for all of them; the rows
// `ahead` are prefetched.
template <bool centered, class T>
inline void dot4(const T* const* x, const T* const* ahead, const T* center, const T* w, const PaddedRow<T>& row, T* z) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const T *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  V a0 = {}, a1 = {}, a2 = {}, a3 = {}, b0 = {}, b1 = {}, b2 = {}, b3 = {};
  auto add = [&](int64_t j, V wj, V& s0, V& s1, V& s2, V& s3) __attribute__((always_inline)) {
    if constexpr (centered) {
      const V m = load<V>(center + j);
      s0 += (load<V>(x0 + j) - m) * wj, s1 += (load<V>(x1 + j) - m) * wj;
      s2 += (load<V>(x2 + j) - m) * wj, s3 += (load<V>(x3 + j) - m) * wj;
    } else {
      s0 += load<V>(x0 + j) * wj, s1 += load<V>(x1 + j) * wj;
      s2 += load<V>(x2 + j) * wj, s3 += load<V>(x3 + j) * wj;
    }
  };
  const int64_t full = (row.vectors - 1) * L;
  int64_t j = 0;
  auto prefetch_at = [&](int64_t j) __attribute__((always_inline)) {  // see prefetch()
    for (int r = 0; r < 4; ++r) __builtin_prefetch(ahead[r] + j, 0, 2);
  };
  for (; j + 2 * L <= full; j += 2 * L) {
    prefetch_at(j);
    add(j, load<V>(w + j), a0, a1, a2, a3), add(j + L, load<V>(w + j + L), b0, b1, b2, b3);
  }
  prefetch_at(j);
  if (j < full) add(j, load<V>(w + j), a0, a1, a2, a3);
  add(row.tail_begin, row.tail(w), b0, b1, b2, b3);
  sum4(a0 + b0, a1 + b1, a2 + b2, a3 + b3, z);
}

// Products of rows of N vectors with one w, which stays in registers, for all whole fours of `count` rows: row_at(i)
// is one of them.
template <int N, class T, class RowAt>
[[gnu::noinline]] void dots_in_registers(const RowAt& row_at, int64_t count, const T* w, const PaddedRow<T>& row,
                                         T* z) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const int64_t last = row.tail_begin;  // of the lanes that the tail shares with the vector before it w has none
  V weights[N];
  for (int v = 0; v + 1 < N; ++v) weights[v] = load<V>(w + v * L);
  weights[N - 1] = row.tail(w);
  for (int64_t i = 0; i + 4 <= count; i += 4) {
    const T *x0 = row_at(i), *x1 = row_at(i + 1), *x2 = row_at(i + 2), *x3 = row_at(i + 3);
    V s0 = {}, s1 = {}, s2 = {}, s3 = {};
    SKGD_UNROLL
    for (int v = 0; v < N; ++v) {
      const int64_t at = v + 1 < N ? v * L : last;
      s0 += load<V>(x0 + at) * weights[v], s1 += load<V>(x1 + at) * weights[v];
      s2 += load<V>(x2 + at) * weights[v], s3 += load<V>(x3 + at) * weights[v];
    }
    sum4<T>(s0, s1, s2, s3, z + i);
  }
}

// The same for any d; gives the number of products that were found, which is zero where rows are not short.
template <int N = 1, class T, class RowAt>
int64_t dots_of_short_rows(const RowAt& row_at, int64_t count, const T* w, const PaddedRow<T>& row, T* z) {
  constexpr int longest = 8;  // vectors
  if constexpr (!small_build && N <= longest) {
    if (row.vectors > longest || row.d < lanes<T>) return 0;
    if (row.vectors > N) return dots_of_short_rows<N + 1>(row_at, count, w, row, z);
    dots_in_registers<N>(row_at, count, w, row, z);
    return count / 4 * 4;
  }
  return 0;
}

// g <- g + sum_i c_i (x_i - center) over `count` rows, for N vectors of g, which stay in registers; without `centered`,
// center is zero.
template <int N, bool centered, class T>
inline void add_rows_block(T* __restrict g, const T* c, const T* const* x, const T* center, int64_t count, int64_t at) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V acc[N], m[N];
  for (int v = 0; v < N; ++v) acc[v] = load<V>(g + at + v * L), m[v] = centered ? load<V>(center + at + v * L) : V{};
  for (int64_t i = 0; i < count; ++i) {
    const V ci = c[i] - V{};
    for (int v = 0; v < N; ++v) {
      V xv = load<V>(x[i] + at + v * L);
      if constexpr (centered) xv -= m[v];
      acc[v] += xv * ci;
    }
  }
  for (int v = 0; v < N; ++v) store(g + at + v * L, acc[v]);
}
template <bool centered, class T>
inline void add_rows(T* __restrict g, const T* c, const T* const* x, const T* center, int64_t count,
                     const PaddedRow<T>& row) {
  using V = vec<T>;
  constexpr int L = lanes<T>, most = centered ? 4 : 8;  // vectors of g at a time
  if (row.d < L) {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; j < row.d; ++j) g[j] += c[i] * (centered ? x[i][j] - center[j] : x[i][j]);
    return;
  }
  V last = {}, m = {};
  if constexpr (centered) m = load<V>(center + row.tail_begin);
  for (int64_t i = 0; i < count; ++i) last += (load<V>(x[i] + row.tail_begin) - m) * (c[i] - V{});
  const int64_t full = (row.vectors - 1) * L;
  int64_t j = 0;
  for (; j + most * L <= full; j += most * L) add_rows_block<most, centered>(g, c, x, center, count, j);
  if constexpr (most > 4)
    if (j + 4 * L <= full) add_rows_block<4, centered>(g, c, x, center, count, j), j += 4 * L;
  if (j + 2 * L <= full) add_rows_block<2, centered>(g, c, x, center, count, j), j += 2 * L;
  if (j + L <= full) add_rows_block<1, centered>(g, c, x, center, count, j);
  store(g + row.tail_begin, load<V>(g + row.tail_begin) + last * row.tail_mask);
}

// Columns of weights or of sums over rows that are padded, one after the other: column k starts at values + k stride.
template <class T> struct PaddedColumns {
  T* values;
  int64_t stride, count;  // count: of the columns

  PaddedColumns from(int64_t k) const { return {values + k * stride, stride, count - k}; }
};

// The transpose of four vectors of four, as a matrix of which they are the rows.
template <class Q> inline void transpose4(const Q* rows, Q* columns) {
  const Q a = __builtin_shufflevector(rows[0], rows[1], 0, 4, 2, 6),
          b = __builtin_shufflevector(rows[0], rows[1], 1, 5, 3, 7),
          c = __builtin_shufflevector(rows[2], rows[3], 0, 4, 2, 6),
          d = __builtin_shufflevector(rows[2], rows[3], 1, 5, 3, 7);
  columns[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5), columns[1] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
  columns[2] = __builtin_shufflevector(a, c, 2, 3, 6, 7), columns[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

// Padded columns p from W (d, columns), of which those from p.count on are left out; features are multiplied by `scale`
// unless it is null.
template <class T>
void pack_columns(const T* W, int64_t columns, const T* scale, PaddedColumns<T> p, const PaddedRow<T>& row) {
  int64_t j = 0;
  if constexpr (sizeof(T) == 8) {
    using V = vec<T>;
    for (const int64_t full = (row.vectors - 1) * 4; j < full; j += 4)
      for (int64_t k = 0; k < p.count; k += 4) {
        V rows[4], out[4];
        for (int r = 0; r < 4; ++r) rows[r] = load<V>(W + (j + r) * columns + k);
        transpose4(rows, out);
        for (int c = 0; c < 4 && k + c < p.count; ++c)
          store(p.values + (k + c) * p.stride + j, scale ? out[c] * load<V>(scale + j) : out[c]);
      }
  }
  for (; j < row.d; ++j)
    for (int64_t k = 0; k < p.count; ++k)
      p.values[k * p.stride + row.place(j)] = W[j * columns + k] * (scale ? scale[j] : T(1));
}

// The weights of padded columns, into W (d, columns).
template <class T> void unpack_columns(PaddedColumns<T> p, T* W, int64_t columns, const PaddedRow<T>& row) {
  for (int64_t j = 0; j < row.d; ++j)
    for (int64_t k = 0; k < p.count; ++k) W[j * columns + k] = p.values[k * p.stride + row.place(j)];
}

// W (d, columns) <- W + padded columns p, whose features are multiplied by `scale` unless it is null.
template <class T>
void add_packed(PaddedColumns<const T> p, const T* scale, T* W, int64_t columns, const PaddedRow<T>& row) {
  int64_t j = 0;
  if constexpr (sizeof(T) == 8) {
    using V = vec<T>;
    for (const int64_t full = (row.vectors - 1) * 4; j < full; j += 4)
      for (int64_t k = 0; k < p.count; k += 4) {
        V in[4] = {}, rows[4];
        for (int c = 0; c < 4 && k + c < p.count; ++c) {
          in[c] = load<V>(p.values + (k + c) * p.stride + j);
          if (scale) in[c] *= load<V>(scale + j);
        }
        transpose4(in, rows);
        for (int r = 0; r < 4; ++r) {
          T* w = W + (j + r) * columns + k;
          store(w, load<V>(w) + rows[r]);
        }
      }
  }
  for (; j < row.d; ++j)
    for (int64_t k = 0; k < p.count; ++k)
      W[j * columns + k] += (scale ? scale[j] : T(1)) * p.values[k * p.stride + row.place(j)];
}

// Calls f(k, std::integral_constant<int, C>) for groups of C columns from k on, three at a time; four are two and two.
template <class F> inline void by_threes(int64_t begin, int64_t columns, F f) {
  for (int64_t k = begin; k < columns;) {
    const int64_t left = columns - k;
    if (left == 3 || left > 4)
      f(k, std::integral_constant<int, 3>()), k += 3;
    else if (left > 1)
      f(k, std::integral_constant<int, 2>()), k += 2;
    else
      f(k, std::integral_constant<int, 1>()), k += 1;
  }
}

// Four rows, less `center` if they are `centered`, against C columns of weights: z[k ld + r] for row r and column k.
// The rows `ahead` are prefetched.
template <int C, bool centered, class T>
inline void dot4_columns(const T* const* x, const T* const* ahead, const T* center, PaddedColumns<const T> w,
                         const PaddedRow<T>& row, T* z, int64_t ld) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V sums[4][C] = {};
  auto add_at = [&](int64_t j, int64_t at) __attribute__((always_inline)) {
    V m = {}, wj[C];
    if constexpr (centered) m = load<V>(center + j);
    for (int k = 0; k < C; ++k) wj[k] = load<V>(w.values + k * w.stride + at);
    for (int r = 0; r < 4; ++r) {
      V xj = load<V>(x[r] + j);
      if constexpr (centered) xj -= m;
      for (int k = 0; k < C; ++k) sums[r][k] += xj * wj[k];
    }
  };
  const int64_t full = (row.vectors - 1) * L;
  for (int64_t j = 0; j < full; j += L) {
    if (j % (2 * L) == 0)
      for (int r = 0; r < 4; ++r) __builtin_prefetch(ahead[r] + j, 0, 2);  // see prefetch()
    add_at(j, j);
  }
  for (int r = 0; r < 4; ++r) __builtin_prefetch(ahead[r] + row.tail_begin, 0, 2);
  add_at(row.tail_begin, full);
  for (int k = 0; k < C; ++k) sum4(sums[0][k], sums[1][k], sums[2][k], sums[3][k], z + k * ld);
}

// One row in the same way: z[k ld].
template <int C, bool centered, class T>
inline void dot_padded(const T* x, const T* center, PaddedColumns<const T> w, const PaddedRow<T>& row, T* z,
                       int64_t ld) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V sums[C] = {};
  auto add_at = [&](int64_t j, int64_t at) __attribute__((always_inline)) {
    V xj = load<V>(x + j);
    if constexpr (centered) xj -= load<V>(center + j);
    for (int k = 0; k < C; ++k) sums[k] += xj * load<V>(w.values + k * w.stride + at);
  };
  const int64_t full = (row.vectors - 1) * L;
  for (int64_t j = 0; j < full; j += L) add_at(j, j);
  add_at(row.tail_begin, full);
  for (int k = 0; k < C; ++k) z[k * ld] = sum<T>(sums[k]);
}

// Padded sums g_k <- g_k + sum_i c[k ld + i] (x_i - center) over `count` rows, for C columns; without `centered`,
// center is zero.
template <int C, int N, bool centered, class T>
inline void add_rows_block(PaddedColumns<T> g, const T* c, int64_t ld, const T* const* x, const T* center,
                           int64_t count, int64_t from, int64_t at) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V acc[C][N], m[N];
  for (int v = 0; v < N; ++v) m[v] = centered ? load<V>(center + from + v * L) : V{};
  for (int k = 0; k < C; ++k)
    for (int v = 0; v < N; ++v) acc[k][v] = load<V>(g.values + k * g.stride + at + v * L);
  for (int64_t i = 0; i < count; ++i) {
    V ci[C];
    for (int k = 0; k < C; ++k) ci[k] = c[k * ld + i] - V{};
    for (int v = 0; v < N; ++v) {
      V xv = load<V>(x[i] + from + v * L);
      if constexpr (centered) xv -= m[v];
      for (int k = 0; k < C; ++k) acc[k][v] += xv * ci[k];
    }
  }
  for (int k = 0; k < C; ++k)
    for (int v = 0; v < N; ++v) store(g.values + k * g.stride + at + v * L, acc[k][v]);
}
template <int C, bool centered, class T>
inline void add_rows(PaddedColumns<T> g, const T* c, int64_t ld, const T* const* x, const T* center, int64_t count,
                     const PaddedRow<T>& row) {
  constexpr int L = lanes<T>, most = centered ? 2 : 4;  // vectors of each column at a time
  const int64_t full = (row.vectors - 1) * L;
  int64_t j = 0;
  for (; j + most * L <= full; j += most * L) add_rows_block<C, most, centered>(g, c, ld, x, center, count, j, j);
  if constexpr (most > 2)
    if (j + 2 * L <= full) add_rows_block<C, 2, centered>(g, c, ld, x, center, count, j, j), j += 2 * L;
  if (j < full) add_rows_block<C, 1, centered>(g, c, ld, x, center, count, j, j);
  add_rows_block<C, 1, centered>(g, c, ld, x, center, count, row.tail_begin, full);
}

// sums <- sums + part, part <- 0, for `count` elements.
inline void move_to_double(float* __restrict part, double* __restrict sums, int64_t count) {
  using V = vec<float>;
  using W = vec<double>;
  constexpr int L = lanes<float>;
  int64_t j = 0;
  for (; j + L <= count; j += L) {
    const V v = load<V>(part + j);
    const W low = __builtin_convertvector(__builtin_shufflevector(v, v, 0, 1, 2, 3), W),
            high = __builtin_convertvector(__builtin_shufflevector(v, v, 4, 5, 6, 7), W);
    store(sums + j, load<W>(sums + j) + low), store(sums + j + L / 2, load<W>(sums + j + L / 2) + high);
    store(part + j, V{});
  }
  for (; j < count; ++j) sums[j] += double(part[j]), part[j] = 0;
}

}  // namespace skgd
