// The linear model: raw scores of a block of rows (forward) and the gradient of their loss (backward).
// theta is (d + 1, columns): row j holds the weights of feature j, the last row the intercepts.
#pragma once
#include <vector>

#include "blocks.hpp"
#include "gemm.hpp"
#include "problem.hpp"

namespace skgd {

template <class T> class Linear final : public Model<T> {
  using Model<T>::few_rows;

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
      if (sums_in_double())
        while (few_rows % block_rows_) block_rows_ -= 4;
      if (one_by_one_ && moderate)
        scale_ = dense->inverse_scale;
      else if (dense->buffered())
        buffer_.resize(block_rows_ * d_);
      if (by_columns()) {
        stride_ = row_.vectors * lanes<T>;
        weights_.resize(outputs_ * stride_), sums_.resize(outputs_ * stride_);
        columns_z_.resize(outputs_ * block_rows_), y_.resize(block_rows_), weight_.resize(block_rows_);
        columnwise_ = match([&](auto& loss) { return has_columns<T>(loss, outputs_); }, problem.loss);
      } else if (scale_) {
        weights_.resize(d_), sums_.resize(d_);
      }
    }
  }

  int64_t block_rows() const override { return block_rows_; }

  double loss_and_gradient(const T* theta, Rows rows, T* gradient) override {
    const bool apart = scale_ || by_columns();
    const double total = add_gradient_of(theta, rows, gradient, apart ? sums_.data() : gradient);
    if (gradient && by_columns())
      add_packed<T>({sums_.data(), stride_, outputs_}, scale_, gradient, columns_, row_);
    else if (gradient && scale_)
      for (int64_t j = 0; j < d_; ++j) gradient[j] += scale_[j] * sums_[j];
    return total;
  }

  // Of double the sums are in double anyway.
  bool sums_in_double() const override { return sizeof(T) == 4 && one_by_one_; }

  double loss_and_sums(const T* theta, Rows rows, double* gradient) override {
    if constexpr (sizeof(T) == 8) {
      return loss_and_gradient(theta, rows, gradient);
    } else {
      sums_.resize(by_columns() ? outputs_ * stride_ : d_);
      wide_sums_.assign(sums_.size(), 0.0);
      const double total = add_gradient_of(theta, rows, gradient, sums_.data());
      move_sums();
      for (int64_t k = 0; k < outputs_; ++k)
        for (int64_t j = 0; j < d_; ++j)
          gradient[j * columns_ + k] +=
              double(scale_ ? scale_[j] : T(1)) * wide_sums_[by_columns() ? k * stride_ + row_.place(j) : j];
      return total;
    }
  }

  void scores(const T* theta, Rows rows, T* z) override {
    theta = for_rows(theta);
    for (int64_t start = 0; start < rows.count; start += block_rows_)
      forward(theta, rows.part(start, std::min(block_rows_, rows.count - start)), z + start * columns_);
  }

 private:
  // Loss of the rows. Unless `gradient` is null, that of the intercepts is added to it, in T or in double, and that of
  // the weights to `sums`, over x - center and for each output apart where there are such; in double after few rows.
  template <class G> double add_gradient_of(const T* theta, Rows rows, G* gradient, T* sums) {
    double total = 0;
    const bool apart = columnwise_ && !problem_.passive.inverse;
    if (theta) theta = for_rows(theta);
    std::fill(sums_.begin(), sums_.end(), T(0));
    int64_t added = 0;  // rows
    for (int64_t start = 0; start < rows.count; start += block_rows_) {
      const Rows part = rows.part(start, std::min(block_rows_, rows.count - start));
      if (apart) {
        total += loss_by_columns(theta, part, gradient, sums);
      } else {
        if (theta)
          forward(theta, part, z_.data());
        else
          std::fill_n(z_.data(), part.count * columns_, T(0));
        const Block<T> block = targets_.block(problem_, part, z_.data());
        total += slopes_of(problem_.loss, block);
        if (gradient) backward(part, z_.data(), gradient, sums);
      }
      if constexpr (!std::is_same_v<G, T>)
        if ((added += part.count) == few_rows) move_sums(), added = 0;
    }
    return total;
  }

  void move_sums() {
    if constexpr (sizeof(T) == 4) move_to_double(sums_.data(), wide_sums_.data(), int64_t(sums_.size()));
  }

  // z (count, columns) of at most block_rows() rows.
  void forward(const T* theta, Rows rows, T* z) {
    match([&](auto& design) { forward(design, theta, rows, z); }, problem_.design);
  }

  const Problem<T>& problem_;
  int64_t d_, columns_, outputs_, block_rows_, prefetch_distance_;
  // Dense rows of few outputs are multiplied with columns of weights whose features follow each other, in a copy if
  // there are several: four rows with three columns at a time. Standardised rows are then not formed: x - center is
  // multiplied by weights w / scale, and the gradient by 1 / scale once the rows are summed up.
  static constexpr int64_t few_outputs = 16;
  bool one_by_one_ = false;
  bool columnwise_ = false;   // the loss of several outputs is a sum over them
  const T* scale_ = nullptr;  // 1 / scale of such standardised rows; null: they are not, or they are formed
  const T* intercepts_ = nullptr;
  int64_t stride_ = 0;        // of the columns below
  Buffer<T> weights_, sums_;  // (outputs, stride) padded, those weights; sums of slope (x - center) over rows
  Buffer<double> wide_sums_;  // the latter in double
  Buffer<T> columns_z_;       // (outputs, block_rows) scores or slopes of a block
  Buffer<T> y_, weight_;      // (block_rows,) of one output
  bool by_columns() const { return one_by_one_ && outputs_ > 1; }
  Buffer<T> z_, buffer_;
  Buffer<T> shift_;      // (columns,) what all CSR rows of a block have in common
  CsrValues<T> values_;  // of CSR rows
  std::vector<const T*> rows_, prefetched_;
  PaddedRow<T> row_{d_};
  TargetBuffer<T> targets_;

  // The weights that rows are multiplied by.
  const T* for_rows(const T* theta) {
    intercepts_ = theta + d_ * columns_;
    if (weights_.empty()) return theta;
    if (!by_columns()) {
      for (int64_t j = 0; j < d_; ++j) weights_[j] = theta[j] * scale_[j];
      return weights_.data();
    }
    pack_columns<T>(theta, columns_, scale_, {weights_.data(), stride_, outputs_}, row_);
    return weights_.data();
  }

  // Where the dense rows of a block are, and those to prefetch meanwhile.
  void find_rows(const Dense<T>& design, Rows rows) {
    for (int64_t i = 0; i < rows.count; ++i) {
      rows_[i] = buffer_.empty() ? design.data + rows[i] * d_ : design.row(rows[i], buffer_.data() + i * d_);
      const int64_t next = rows.order ? rows.row_to_prefetch(i) : rows[i] + prefetch_distance_;
      prefetched_[i] = next >= 0 && next < design.n ? design.data + next * d_ : rows_[i];
    }
  }

  void forward(const Dense<T>& design, const T* theta, Rows rows, T* z) {
    const int64_t m = rows.count;
    find_rows(design, rows);
    if (by_columns()) {
      columns_forward(design, theta, m);
      std::fill_n(z, m * columns_, T(0));
      for (int64_t i = 0; i < m; ++i)
        for (int64_t k = 0; k < outputs_; ++k) z[i * columns_ + k] = columns_z_[k * block_rows_ + i];
      return;
    }
    if (one_by_one_) {
      scale_ ? products<true>(design.center, theta, rows, z) : products<false>(design.center, theta, rows, z);
      for (int64_t i = 0; i < m; ++i) z[i] += *intercepts_;
      return;
    }
    for (int64_t i = 0; i < m; ++i) {
      prefetch(prefetched_[i], d_ * int64_t(sizeof(T)));
      std::copy_n(intercepts_, columns_, z + i * columns_);
      dot_columns(rows_[i], theta, d_, columns_, z + i * columns_);
    }
  }

  // columns_z_ of rows_.
  void columns_forward(const Dense<T>& design, const T* weights, int64_t count) {
    scale_ ? column_products<true>(design.center, weights, count)
           : column_products<false>(design.center, weights, count);
    for (int64_t k = 0; k < outputs_; ++k)
      for (int64_t i = 0; i < count; ++i) columns_z_[k * block_rows_ + i] += intercepts_[k];
  }
  template <bool centered> void column_products(const T* center, const T* weights, int64_t count) {
    const PaddedColumns<const T> all{weights, stride_, outputs_};
    int64_t i = 0;
    for (; i + 4 <= count; i += 4)
      by_threes(0, outputs_, [&](int64_t k, auto C) {
        dot4_columns<C.value, centered>(rows_.data() + i, (k ? rows_ : prefetched_).data() + i, center, all.from(k),
                                        row_, columns_z_.data() + k * block_rows_ + i, block_rows_);
      });
    for (; i < count; ++i) {
      prefetch(prefetched_[i], d_ * int64_t(sizeof(T)));
      by_threes(0, outputs_, [&](int64_t k, auto C) {
        dot_padded<C.value, centered>(rows_[i], center, all.from(k), row_, columns_z_.data() + k * block_rows_ + i,
                                      block_rows_);
      });
    }
  }

  // Adds slopes (outputs, block_rows) times rows_ to the sums.
  void columns_backward(const Dense<T>& design, int64_t count, T* sums) {
    const PaddedColumns<T> all{sums, stride_, outputs_};
    by_threes(0, outputs_, [&](int64_t k, auto C) {
      const T* slopes = columns_z_.data() + k * block_rows_;
      scale_ ? add_rows<C.value, true>(all.from(k), slopes, block_rows_, rows_.data(), design.center, count, row_)
             : add_rows<C.value, false>(all.from(k), slopes, block_rows_, rows_.data(), design.center, count, row_);
    });
  }

  // Loss of a block of rows, output by output; adds its gradient.
  template <class G> double loss_by_columns(const T* theta, Rows rows, G* gradient, T* sums) {
    const Dense<T>& design = std::get<Dense<T>>(problem_.design);
    const Targets<T>& t = problem_.targets;
    if (theta || gradient) find_rows(design, rows);
    if (theta)
      columns_forward(design, theta, rows.count);
    else
      std::fill(columns_z_.begin(), columns_z_.end(), T(0));
    const T* weight = nullptr;
    if (t.weight) {
      for (int64_t i = 0; i < rows.count; ++i) weight_[i] = t.weight[rows[i]];
      weight = weight_.data();
    }
    double total = 0;
    for (int64_t k = 0; k < outputs_; ++k) {
      T* z = columns_z_.data() + k * block_rows_;
      for (int64_t i = 0; i < rows.count; ++i) y_[i] = t.codes ? T(t.y[rows[i]] == T(k)) : t.y[rows[i] * t.columns + k];
      if (t.offset)
        for (int64_t i = 0; i < rows.count; ++i) z[i] += t.offset[rows[i] * t.columns + k];
      const Block<T> block{z, y_.data(), weight, rows.count, 1, 1, false};
      total += slopes_of_column(problem_.loss, k, block);
      if (gradient && problem_.fit_intercept) gradient[d_ * columns_ + k] += skgd::total(z, rows.count);
    }
    if (gradient) columns_backward(design, rows.count, sums);
    return total;
  }

  // z (count): rows_, less the center if they are `centered`, times one column of weights.
  template <bool centered> void products(const T* center, const T* w, Rows rows, T* z) {
    int64_t i = 0;
    const bool one_by_one = !rows.order && row_.vectors > 3;  // long rows in their natural order load faster so
    if constexpr (!centered) {
      auto row_at = [&](int64_t i) {
        prefetch(prefetched_[i], d_ * int64_t(sizeof(T)));
        return rows_[i];
      };
      if (!one_by_one) i = dots_of_short_rows(row_at, rows.count, w, row_, z);
    }
    if (d_ >= lanes<T> && rows.order)
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

  template <class G> void backward(Rows rows, const T* slopes, G* gradient, T* sums) {
    match([&](auto& design) { backward(design, rows, slopes, sums); }, problem_.design);
    if (!problem_.fit_intercept) return;
    G* intercept = gradient + d_ * columns_;
    if (columns_ == 1) {
      *intercept += total(slopes, rows.count);
      return;
    }
    for (int64_t i = 0; i < rows.count; ++i)
      for (int64_t k = 0; k < columns_; ++k) intercept[k] += slopes[i * columns_ + k];
  }

  void backward(const Dense<T>& design, Rows rows, const T* slopes, T* sums) {
    const int64_t m = rows.count;
    if (by_columns()) {
      for (int64_t k = 0; k < outputs_; ++k)
        for (int64_t i = 0; i < m; ++i) columns_z_[k * block_rows_ + i] = slopes[i * columns_ + k];
      return columns_backward(design, m, sums);
    }
    if (one_by_one_) {
      scale_ ? add_rows<true>(sums, slopes, rows_.data(), design.center, m, row_)
             : add_rows<false>(sums, slopes, rows_.data(), design.center, m, row_);
      return;
    }
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < d_; ++j) add_columns(sums + j * columns_, rows_[i][j], slopes + i * columns_, columns_);
  }

  template <class I> void backward(const Csr<T, I>& design, Rows rows, const T* slopes, T* sums) {
    std::fill(shift_.begin(), shift_.end(), T(0));
    if (design.offset) add_sums(slopes, rows.count, columns_, shift_.data());
    design.add_offset_gradient(shift_.data(), columns_, sums);
    for (int64_t i = 0; i < rows.count; ++i) {
      const I* indices = design.indices + design.begin(rows[i]);
      sparse_add(values_.of_row(design, rows[i]), indices, design.count(rows[i]), slopes + i * columns_, sums,
                 columns_);
    }
  }
};

}  // namespace skgd
