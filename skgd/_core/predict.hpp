// Predictions of linear models: raw scores of dense rows, and what becomes of them.
#pragma once
#include <algorithm>

#include "engine.hpp"
#include "gemm.hpp"
#include "objective.hpp"

namespace skgd {

// The sums of `count` rows of a matrix, each with a chain of additions of its own so that none waits for the others.
template <class T> void sums_of_rows(const T* z, int64_t count, int64_t columns, T* sums) {
  constexpr int together = 8;
  int64_t i = 0;
  for (; i + together <= count; i += together) {
    T total[together] = {};
    for (int64_t k = 0; k < columns; ++k)
      for (int r = 0; r < together; ++r) total[r] += z[(i + r) * columns + k];
    std::copy_n(total, together, sums + i);
  }
  for (; i < count; ++i) {
    sums[i] = 0;
    for (int64_t k = 0; k < columns; ++k) sums[i] += z[i * columns + k];
  }
}

// Divides rows, four at a time, by the sums of their elements; gives the number of rows that are done.
template <class T> int64_t divide_by_sums(T* z, int64_t count, const PaddedRow<T>& row) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  const int64_t columns = row.d, whole = row.vectors - 1;
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    T* x[4];
    V sum[4], last[4];
    T sums[4];
    for (int r = 0; r < 4; ++r) {
      x[r] = z + (i + r) * columns;
      last[r] = load<V>(x[r] + row.tail_begin), sum[r] = last[r] * row.tail_mask;
      for (int64_t v = 0; v < whole; ++v) sum[r] += load<V>(x[r] + v * L);
    }
    sum4<T>(sum[0], sum[1], sum[2], sum[3], sums);
    for (int r = 0; r < 4; ++r) {
      const T scale = T(1) / sums[r];
      for (int64_t v = 0; v < whole; ++v) store(x[r] + v * L, load<V>(x[r] + v * L) * scale);
      store(x[r] + row.tail_begin, last[r] * scale);  // a part of it was in the vector before, which it agrees with
    }
  }
  return i;
}

// Raw scores (n, columns) become the probabilities of classes, in place: exp(z_k) over the sum of them. The largest
// score of a row is subtracted first unless all scores are small.
template <class T> void softmax_rows(T* z, int64_t n, int64_t columns) {
  constexpr int64_t rows = 64;
  constexpr T small = 30;
  for (int64_t begin = 0; begin < n; begin += rows) {
    const int64_t m = std::min(rows, n - begin), size = m * columns;
    T* __restrict block = z + begin * columns;
    T sums[rows];
    const bool inside = all_within(block, size, small);
    for (int64_t i = 0; !inside && i < m; ++i) {
      T* row = block + i * columns;
      const T highest = *std::max_element(row, row + columns);
      for (int64_t k = 0; k < columns; ++k) row[k] -= highest;
    }
    SKGD_INDEPENDENT
    for (int64_t i = 0; i < size; ++i) block[i] = exp_(block[i]);
    int64_t i = columns >= lanes<T> ? divide_by_sums(block, m, PaddedRow<T>(columns)) : 0;
    sums_of_rows(block + i * columns, m - i, columns, sums + i);
    for (; i < m; ++i) {
      const T scale = T(1) / sums[i];
      for (int64_t k = 0; k < columns; ++k) block[i * columns + k] *= scale;
    }
  }
}

// Probabilities (n, 2) of two classes from the raw scores (n,) of the second: 1 / (1 + exp(z)), 1 / (1 + exp(-z)).
template <class T> void logistic_rows(const T* z, int64_t n, T* probabilities) {
  for (int64_t i = 0; i < n; ++i) {
    const T e = exp_(z[i] < 0 ? z[i] : -z[i]), likelier = T(1) / (T(1) + e), other = e / (T(1) + e);
    probabilities[2 * i] = z[i] < 0 ? likelier : other;
    probabilities[2 * i + 1] = z[i] < 0 ? other : likelier;
  }
}

// The first of the largest scores of each row.
template <class T> void largest_of_rows(const T* z, int64_t n, int64_t columns, int64_t* found) {
  for (int64_t i = 0; i < n; ++i) {
    const T* row = z + i * columns;
    T highest = row[0];
    int64_t at = 0;
    for (int64_t k = 1; k < columns; ++k) {
      at = row[k] > highest ? k : at;
      highest = row[k] > highest ? row[k] : highest;
    }
    found[i] = at;
  }
}

// Where the scores of the rows from `begin` on are to be written: in place, or to `spare`.
template <class T> T* place_of(const Prediction<T>& prediction, int64_t begin, int64_t outputs, T* spare) {
  using P = Prediction<T>;
  const bool in_place = prediction.kind == P::scores || (prediction.kind == P::probabilities && outputs > 1);
  return in_place ? prediction.values + begin * outputs : spare;
}

// z (count, outputs): the scores of the rows from `begin` on, which are at their place, and in the cache.
template <class T>
void use_scores(const Prediction<T>& prediction, int64_t begin, int64_t count, int64_t outputs, T* z) {
  using P = Prediction<T>;
  if (prediction.kind == P::probabilities && outputs > 1) softmax_rows(z, count, outputs);
  if (prediction.kind == P::probabilities && outputs == 1) logistic_rows(z, count, prediction.values + 2 * begin);
  if (prediction.kind != P::labels) return;
  const int64_t* classes = prediction.classes;
  int64_t* chosen = prediction.chosen + begin;
  if (outputs > 1) {
    largest_of_rows(z, count, outputs, chosen);
    for (int64_t i = 0; i < count; ++i) chosen[i] = classes[chosen[i]];
  }
  if (outputs == 1) {
    const int64_t other = classes[0], differ = other ^ classes[1];
    SKGD_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) chosen[i] = other ^ (differ & -int64_t(z[i] > 0));  // no branch
  }
}

// Predictions from the scores X W + b for W (d, columns) and b (columns), padded to whole vectors as theta is; gives
// whether all scores are finite. Rows are scored one by one or in tiles whose sums have the same order, so the result
// does not depend on the number of threads.
template <class T>
bool predict_rows(const Dense<T>& X, const T* theta, int64_t outputs, int64_t columns, const Prediction<T>& prediction,
                  int threads, Control& control) {
  constexpr int64_t chunk = 4080, tile_rows = 48, worth_a_thread = 1 << 17;  // rows, rows, elements
  constexpr int64_t short_row = 128;
  const int64_t n = X.n, d = X.d;
  std::atomic<bool> stop{false}, finite{true};
  auto used = [&](int64_t begin, int64_t count, T* z) {
    if (!all_finite(z, count * outputs)) finite = false;
    use_scores(prediction, begin, count, outputs, z);
  };
  auto one_column = [&](int64_t begin, int64_t end) {
    T spare[chunk];
    T* z = place_of(prediction, begin, 1, spare);
    RowScores<T>(X, theta)({nullptr, begin, end - begin}, z);
    used(begin, end - begin, z);
  };
  auto many_columns = [&](int64_t begin, int64_t end) {
    Buffer<T> block(tile_rows * columns), spare(tile_rows * outputs);
    for (int64_t i = begin; i < end; i += tile_rows) {
      const int64_t m = std::min(tile_rows, end - i);
      T* z = place_of(prediction, i, outputs, spare.data());
      if (d <= short_row) prefetch(X.data + (i + m) * d, std::min(tile_rows, n - i - m) * d * int64_t(sizeof(T)));
      affine(X.data + i * d, d, theta, theta + d * columns, m, d, columns, block.data());
      for (int64_t r = 0; r < m; ++r) copy_row(block.data() + r * columns, z + r * outputs, outputs);
      used(i, m, z);
    }
  };
  auto score = [&](int worker, int64_t c) {
    const int64_t begin = c * chunk, end = std::min(n, begin + chunk);
    if (stop) return;
    columns == 1 ? one_column(begin, end) : many_columns(begin, end);
    if (worker == 0 && control.done((end - begin) * d * columns)) stop = true;
  };
  const int64_t workers = std::clamp<int64_t>(n * d * columns / worth_a_thread, 1, std::max(1, threads));
  parallel_for((n + chunk - 1) / chunk, int(workers), score);
  return finite;
}

}  // namespace skgd
