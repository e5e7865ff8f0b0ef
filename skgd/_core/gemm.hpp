// Products of row-major matrices, as layers need them: made here, in registers, as fast as a BLAS makes them
// and without its call. For large ones the BLAS that SciPy carries is called (the pointers are set once, from
// Python).
//
// Matrices belong to the caller and need no alignment. A number of columns n is 1 or a multiple of lanes<T>, and a row
// of such a matrix takes n elements, unless a leading dimension (lda, lde) is given. Outputs must not overlap with
// inputs.
#pragma once
#include <algorithm>
#include <vector>

#include "simd.hpp"

namespace skgd {

template <class T>
using Gemm = void (*)(const char*, const char*, const int*, const int*, const int*, const T*, const T*, const int*,
                      const T*, const int*, const T*, T*, const int*);
template <class T> inline Gemm<T> blas_gemm = nullptr;

// Weights that do not fit the second-level cache are for the BLAS, which packs them; below, it is no faster.
template <class T> bool use_blas(int64_t m, int64_t k, int64_t n) {
  return blas_gemm<T> && m >= 64 && k * n * int64_t(sizeof(T)) >= (512 << 10);
}

// C (m, n) = beta C + op(A) B in row-major terms: the BLAS sees the transposes, C' = beta C' + B' op(A)'.
template <class T>
void call_blas(bool transposed_a, bool transposed_b, int64_t m, int64_t k, int64_t n, const T* A, int64_t lda,
               const T* B, int64_t ldb, T beta, T* C, int64_t ldc) {
  const char a = transposed_a ? 'T' : 'N', b = transposed_b ? 'T' : 'N';
  const int M = int(m), K = int(k), N = int(n), LA = int(lda), LB = int(ldb), LC = int(ldc);
  const T one = 1;
  blas_gemm<T>(&b, &a, &N, &M, &K, &one, B, &LB, A, &LA, &beta, C, &LC);
}

// A tile of R rows and V vectors: Z += A W, where a_step is the way from one a to the next along the sum
// and a_row from row to row of the tile (so that A may lie transposed).
template <int R, int V_, class T>
inline void tile(const T* A, int64_t a_step, int64_t a_row, const T* W, int64_t w_step, int64_t count, T* Z,
                 int64_t z_row) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V sums[R][V_];
  SKGD_UNROLL
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V_; ++v) sums[r][v] = load<V>(Z + r * z_row + v * L);
  for (int64_t k = 0; k < count; ++k) {
    V w[V_];
    for (int v = 0; v < V_; ++v) w[v] = load<V>(W + k * w_step + v * L);
    for (int r = 0; r < R; ++r) {
      const V a = A[k * a_step + r * a_row] - V{};
      for (int v = 0; v < V_; ++v) sums[r][v] += a * w[v];
    }
  }
  SKGD_UNROLL
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V_; ++v) store(Z + r * z_row + v * L, sums[r][v]);
}

// All vectors of R rows, V at a time.
template <int R, int V_, class T>
inline void tile_rows(const T* A, int64_t a_step, int64_t a_row, const T* W, int64_t w_step, int64_t count, T* Z,
                      int64_t n) {
  constexpr int L = lanes<T>;
  int64_t j = 0;
  for (; j + V_ * L <= n; j += V_ * L) tile<R, V_>(A, a_step, a_row, W + j, w_step, count, Z + j, n);
  if constexpr (V_ > 4)
    for (; j + 4 * L <= n; j += 4 * L) tile<R, 4>(A, a_step, a_row, W + j, w_step, count, Z + j, n);
  if constexpr (V_ > 2)
    for (; j + 2 * L <= n; j += 2 * L) tile<R, 2>(A, a_step, a_row, W + j, w_step, count, Z + j, n);
  for (; j < n; j += L) tile<R, 1>(A, a_step, a_row, W + j, w_step, count, Z + j, n);
}

// Z (m, n) += A W for n a multiple of the vector width: six rows by two vectors fill the registers.
template <class T>
void add_product(const T* A, int64_t a_step, int64_t a_row, const T* W, int64_t w_step, int64_t m, int64_t count, T* Z,
                 int64_t n) {
  int64_t i = 0;
  for (; i + 6 <= m; i += 6) tile_rows<6, 2>(A + i * a_row, a_step, a_row, W, w_step, count, Z + i * n, n);
  A += i * a_row, Z += i * n;
  switch (m - i) {
    case 5:
      return tile_rows<5, 2>(A, a_step, a_row, W, w_step, count, Z, n);
    case 4:
      return tile_rows<4, 2>(A, a_step, a_row, W, w_step, count, Z, n);
    case 3:
      return tile_rows<3, 4>(A, a_step, a_row, W, w_step, count, Z, n);
    case 2:
      return tile_rows<2, 4>(A, a_step, a_row, W, w_step, count, Z, n);
    case 1:
      return tile_rows<1, 8>(A, a_step, a_row, W, w_step, count, Z, n);
  }
}

// Z (m, n) = A (m, k) W (k, n) + b. Rows of A lie lda apart.
template <class T> void affine(const T* A, int64_t lda, const T* W, const T* b, int64_t m, int64_t k, int64_t n, T* Z) {
  if (n == 1) {
    for (int64_t i = 0; i < m; ++i) Z[i] = b[0] + dot(A + i * lda, W, k);
    return;
  }
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; j += lanes<T>) store(Z + i * n + j, load<vec<T>>(b + j));
  if (use_blas<T>(m, k, n)) return call_blas(false, false, m, k, n, A, lda, W, n, T(1), Z, n);
  add_product(A, int64_t(1), lda, W, n, m, k, Z, n);
}

// g (n) += column sums of D (m, n).
template <class T> void add_sums(const T* D, int64_t m, int64_t n, T* g) {
  if (n == 1)
    for (int64_t i = 0; i < m; ++i) g[0] += D[i];
  else
    for (int64_t i = 0; i < m; ++i) add_columns(g, T(1), D + i * n, n);
}

// G (k, n) += A' D, for A (m, k) and D (m, n).
template <class T> void add_gradient(const T* A, int64_t lda, const T* D, int64_t m, int64_t k, int64_t n, T* G) {
  if (n == 1) {
    for (int64_t i = 0; i < m; ++i) add_row(G, D[i], A + i * lda, k);
    return;
  }
  if (use_blas<T>(m, k, n)) return call_blas(true, false, k, m, n, A, lda, D, n, T(1), G, n);
  constexpr int64_t block_rows = 128;  // rows whose part of A and D stays in the first-level cache
  for (int64_t i = 0; i < m; i += block_rows)
    add_product(A + i * lda, lda, int64_t(1), D + i * n, n, k, std::min(block_rows, m - i), G, n);
}

// Whether pull_back() of m rows needs the weights transposed.
template <class T> bool pulls_by_transposed(int64_t m, int64_t k, int64_t n) {
  return !use_blas<T>(m, k, n) && (m >= 4 || n == 1);
}

// W (k, n) transposed, without the columns that do not count: (n_used, lde), zero past k.
template <class T>
void transpose(const T* W, int64_t k, int64_t n, int64_t n_used, int64_t lde, Buffer<T>& transposed) {
  constexpr int64_t side = 16;  // of squares, whose rows stay in the first-level cache
  transposed.assign(n_used * lde, T(0));
  for (int64_t j0 = 0; j0 < k; j0 += side)
    for (int64_t c0 = 0; c0 < n_used; c0 += side)
      for (int64_t c = c0; c < std::min(c0 + side, n_used); ++c)
        for (int64_t j = j0; j < std::min(j0 + side, k); ++j) transposed[c * lde + j] = W[j * n + c];
}

// E (m, lde) = D (m, n) W' for W (k, n), of which n_used columns count; columns of E past k become zero. `transposed`
// is null, or W as transpose() gives it.
template <class T>
void pull_back(const T* D, const T* W, const T* transposed, int64_t m, int64_t n, int64_t n_used, int64_t k, T* E,
               int64_t lde) {
  if (transposed) {
    std::fill_n(E, m * lde, T(0));
    return add_product(D, int64_t(1), n, transposed, lde, m, n_used, E, lde);
  }
  if (use_blas<T>(m, k, n)) {
    call_blas(false, true, m, n, k, D, n, W, n, T(0), E, lde);
  } else {
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < k; ++j) E[i * lde + j] = dot(D + i * n, W + j * n, n);
  }
  for (int64_t i = 0; i < m; ++i) std::fill(E + i * lde + k, E + (i + 1) * lde, T(0));
}

}  // namespace skgd
