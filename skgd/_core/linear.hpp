// The linear model: raw scores of a block of rows (forward) and the gradient of their loss (backward).
// theta is (d + 1, columns): row j holds the weights of feature j, the last row the intercepts.
#pragma once
#include <vector>

#include "blocks.hpp"
#include "gemm.hpp"
#include "problem.hpp"

namespace skgd {

template <class T> class Linear final : public Model<T> {
 public:
  explicit Linear(const Problem<T>& problem)
      : problem_(problem), d_(problem.d()), columns_(problem.columns()), outputs_(problem.targets.columns) {
    // The rows of a block should about fit the first-level cache, to be there from forward to backward; smaller blocks
    // leave fewer loads from memory in flight (a fifth more time for mini-batches at d = 100).
    const int64_t row_bytes = std::max<int64_t>(1, d_ * int64_t(sizeof(T)));
    const bool dense = std::holds_alternative<Dense<T>>(problem.design);
    block_rows_ = dense ? std::clamp<int64_t>((32 << 10) / row_bytes, 4, 64) : 64;
    block_rows_ -= block_rows_ % 4;
    prefetch_distance_ = dense ? std::max<int64_t>(1, (8 << 10) / row_bytes) : 0;
    z_.resize(block_rows_ * columns_), shift_.resize(columns_);
    rows_.resize(block_rows_), prefetched_.resize(block_rows_);
    if (auto* dense = std::get_if<Dense<T>>(&problem.design)) {
      const bool moderate = !dense->buffered() || dense->is_moderate();
      one_by_one_ = outputs_ == 1 || (outputs_ <= few_outputs && d_ >= lanes<T> && moderate);
      if (one_by_one_ && moderate)
        scale_ = dense->inverse_scale;
      else if (dense->buffered())
        buffer_.resize(block_rows_ * d_);
      if (copied()) weights_.resize(outputs_ * d_), sums_.resize(outputs_ * d_), column_.resize(block_rows_);
    }
  }

  int64_t block_rows() const override { return block_rows_; }

  double loss_and_gradient(const T* theta, Rows rows, T* gradient) override {
    double total = 0;
    if (theta) theta = for_rows(theta);
    std::fill(sums_.begin(), sums_.end(), T(0));
    for (int64_t start = 0; start < rows.count; start += block_rows_) {
      const Rows part = rows.part(start, std::min(block_rows_, rows.count - start));
      if (theta)
        forward(theta, part, z_.data());
      else
        std::fill_n(z_.data(), part.count * columns_, T(0));
      const Block<T> block = targets_.block(problem_, part, z_.data());
      total += std::visit([&](auto& loss) { return slopes_of(loss, block); }, problem_.loss);
      if (gradient) backward(part, z_.data(), gradient);
    }
    if (gradient && copied())
      for (int64_t k = 0; k < outputs_; ++k)
        for (int64_t j = 0; j < d_; ++j) gradient[j * columns_ + k] += (scale_ ? scale_[j] : T(1)) * sums_[k * d_ + j];
    return total;
  }

  void scores(const T* theta, Rows rows, T* z) override {
    theta = for_rows(theta);
    for (int64_t start = 0; start < rows.count; start += block_rows_)
      forward(theta, rows.part(start, std::min(block_rows_, rows.count - start)), z + start * columns_);
  }

 private:
  // z (count, columns) of at most block_rows() rows.
  void forward(const T* theta, Rows rows, T* z) {
    std::visit([&](auto& design) { forward(design, theta, rows, z); }, problem_.design);
  }

  const Problem<T>& problem_;
  int64_t d_, columns_, outputs_, block_rows_, prefetch_distance_;
  // Dense rows of few outputs are multiplied with one column of weights after the other, whose features follow each
  // other in a copy if there are several. Standardised rows are then not formed: x - center is multiplied by weights
  // w / scale, and the gradient by 1 / scale once the rows are summed up.
  static constexpr int64_t few_outputs = 16;
  bool one_by_one_ = false;
  const T* scale_ = nullptr;  // 1 / scale of such standardised rows; null: they are not, or they are formed
  const T* intercepts_ = nullptr;
  Buffer<T> weights_, sums_;  // (outputs, d) those weights; sums of slope (x - center) over rows
  Buffer<T> column_;          // scores or slopes of a block for one output
  bool copied() const { return one_by_one_ && (scale_ || outputs_ > 1); }
  Buffer<T> z_, buffer_;
  Buffer<T> shift_;      // (columns,) what all CSR rows of a block have in common
  CsrValues<T> values_;  // of CSR rows
  std::vector<const T*> rows_, prefetched_;
  PaddedRow<T> row_{d_};
  TargetBuffer<T> targets_;

  // The weights that rows are multiplied by.
  const T* for_rows(const T* theta) {
    intercepts_ = theta + d_ * columns_;
    if (!copied()) return theta;
    for (int64_t k = 0; k < outputs_; ++k)
      for (int64_t j = 0; j < d_; ++j) weights_[k * d_ + j] = theta[j * columns_ + k] * (scale_ ? scale_[j] : T(1));
    return weights_.data();
  }

  void forward(const Dense<T>& design, const T* theta, Rows rows, T* z) {
    const int64_t m = rows.count;
    for (int64_t i = 0; i < m; ++i) {
      rows_[i] = buffer_.empty() ? design.data + rows[i] * d_ : design.row(rows[i], buffer_.data() + i * d_);
      const int64_t next = rows.order ? rows.row_to_prefetch(i) : rows[i] + prefetch_distance_;
      prefetched_[i] = next >= 0 && next < design.n ? design.data + next * d_ : rows_[i];
    }
    if (one_by_one_) return forward_one_by_one(design, theta, rows, z);
    for (int64_t i = 0; i < m; ++i) {
      prefetch(prefetched_[i], d_ * int64_t(sizeof(T)));
      std::copy_n(intercepts_, columns_, z + i * columns_);
      dot_columns(rows_[i], theta, d_, columns_, z + i * columns_);
    }
  }

  void forward_one_by_one(const Dense<T>& design, const T* weights, Rows rows, T* z) {
    if (columns_ > 1) std::fill_n(z, rows.count * columns_, T(0));
    for (int64_t k = 0; k < outputs_; ++k) {
      T* column = columns_ == 1 ? z : column_.data();
      const T* w = weights + k * d_;
      scale_ ? products<true>(design.center, w, rows, column) : products<false>(design.center, w, rows, column);
      for (int64_t i = 0; i < rows.count; ++i) z[i * columns_ + k] = column[i] + intercepts_[k];
    }
  }

  // z (count): rows_, less the center if they are `centered`, times one column of weights.
  template <bool centered> void products(const T* center, const T* w, Rows rows, T* z) {
    int64_t i = 0;
    if (d_ >= lanes<T> && rows.order)  // rows in their natural order load faster one by one
      for (; i + 4 <= rows.count; i += 4)
        dot4<centered>(rows_.data() + i, prefetched_.data() + i, center, w, row_, z + i);
    for (; i < rows.count; ++i) {
      prefetch(prefetched_[i], d_ * int64_t(sizeof(T)));
      z[i] = centered ? dot_centered(rows_[i], center, w, d_) : dot(rows_[i], w, d_);
    }
  }

  template <class I> void forward(const Csr<T, I>& design, const T* theta, Rows rows, T* z) {
    std::copy_n(intercepts_, columns_, shift_.data());
    design.add_offset_scores(theta, columns_, shift_.data());
    for (int64_t i = 0; i < rows.count; ++i) {
      if (const int64_t next = rows.row_to_prefetch(i); next >= 0) design.prefetch_row(next);
      const I* indices = design.indices + design.begin(rows[i]);
      T* zi = z + i * columns_;
      sparse_dot(values_.of_row(design, rows[i]), indices, design.count(rows[i]), theta, columns_, zi);
      for (int64_t k = 0; k < columns_; ++k) zi[k] += shift_[k];
    }
  }

  void backward(Rows rows, const T* slopes, T* gradient) {
    std::visit([&](auto& design) { backward(design, rows, slopes, gradient); }, problem_.design);
    if (!problem_.fit_intercept) return;
    T* intercept = gradient + d_ * columns_;
    if (columns_ == 1) {
      *intercept += total(slopes, rows.count);
      return;
    }
    for (int64_t i = 0; i < rows.count; ++i)
      for (int64_t k = 0; k < columns_; ++k) intercept[k] += slopes[i * columns_ + k];
  }

  void backward(const Dense<T>& design, Rows rows, const T* slopes, T* gradient) {
    const int64_t m = rows.count;
    if (one_by_one_) {
      for (int64_t k = 0; k < outputs_; ++k) {
        const T* column = slopes;
        if (columns_ > 1) {
          for (int64_t i = 0; i < m; ++i) column_[i] = slopes[i * columns_ + k];
          column = column_.data();
        }
        T* sums = copied() ? sums_.data() + k * d_ : gradient;
        scale_ ? add_rows<true>(sums, column, rows_.data(), design.center, m, row_)
               : add_rows<false>(sums, column, rows_.data(), design.center, m, row_);
      }
      return;
    }
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < d_; ++j)
        add_columns(gradient + j * columns_, rows_[i][j], slopes + i * columns_, columns_);
  }

  template <class I> void backward(const Csr<T, I>& design, Rows rows, const T* slopes, T* gradient) {
    std::fill(shift_.begin(), shift_.end(), T(0));
    if (design.offset) add_sums(slopes, rows.count, columns_, shift_.data());
    design.add_offset_gradient(shift_.data(), columns_, gradient);
    for (int64_t i = 0; i < rows.count; ++i) {
      const I* indices = design.indices + design.begin(rows[i]);
      sparse_add(values_.of_row(design, rows[i]), indices, design.count(rows[i]), slopes + i * columns_, gradient,
                 columns_);
    }
  }
};

}  // namespace skgd
