// The multi-layer perceptron: blocks of rows through layers (forward) and the slopes of their losses back
// through them (backward). theta holds, layer by layer, the weights (inputs, columns) and the intercepts.
#pragma once
#include <vector>

#include "activation.hpp"
#include "gemm.hpp"
#include "nonzeros.hpp"
#include "problem.hpp"
#include "random.hpp"

namespace skgd {

template <class T> class Mlp final : public Model<T> {
 public:
  explicit Mlp(const Problem<T>& problem) : problem_(problem), layers_(problem.layers), d_(problem.d()) {
    int64_t widest = 0, total = 0;
    for (const Layer& layer : layers_) widest = std::max(widest, layer.columns), total += layer.columns;
    // values and slopes of a block should stay in the second-level cache from forward to backward
    block_rows_ = std::clamp<int64_t>((256 << 10) / (2 * total * int64_t(sizeof(T))), 128, 512);
    // the BLAS repacks the weights for every block, so blocks are larger; a block takes 40 ms at most
    if (use_blas<T>(block_rows_, d_, layers_[0].columns))
      block_rows_ = std::clamp<int64_t>((int64_t(1) << 29) / problem.parameters(), 128, 1024);
    auto* dense = std::get_if<Dense<T>>(&problem.design);
    skips_zeros_ = dense && !dense->buffered() && NonZeros<T>::pays_off(dense->data, dense->n, d_);
    if (skips_zeros_) block_rows_ = 64;  // whose deltas stay in the first-level cache
    const int64_t rows = std::min(block_rows_, problem.n());
    for (const Layer& layer : layers_) {
      values_.emplace_back(rows * layer.columns);
      slopes_.emplace_back(&layer == &layers_.back() ? 0 : rows * layer.columns);
    }
    pulled_.resize(rows * widest);
    if (dense && !skips_zeros_) gathered_.resize(rows > 1 || dense->buffered() ? rows * d_ : 0);
  }

  int64_t block_rows() const override { return block_rows_; }
  void seed_dropout(uint64_t seed) override { seed_ = seed; }

  double loss_and_gradient(const T* theta, Rows rows, T* gradient) override {
    double total = 0;
    for (int64_t start = 0; start < rows.count; start += block_rows_) {
      const Rows part = rows.part(start, std::min(block_rows_, rows.count - start));
      total += loss_of(theta, part, gradient != nullptr);
      if (!gradient) continue;
      upper_gradient(theta, part, gradient);
      if (!problem_.is_frozen(0)) add_inputs(0, d_, gradient);
    }
    return total;
  }

  bool gives_parts(int64_t rows) const override {
    return rows <= block_rows_ && std::holds_alternative<Dense<T>>(problem_.design);
  }
  double loss_and_upper_gradient(const T* theta, Rows rows, T* gradient) override {
    const double total = loss_of(theta, rows, true);
    upper_gradient(theta, rows, gradient);
    return total;
  }
  void add_inputs(int64_t begin, int64_t end, T* gradient) override {
    std::visit([&](auto& design) { add_inputs(design, begin, end, gradient); }, problem_.design);
  }

  void scores(const T* theta, Rows rows, T* z) override {
    const int64_t columns = problem_.columns();
    for (int64_t start = 0; start < rows.count; start += block_rows_) {
      const Rows part = rows.part(start, std::min(block_rows_, rows.count - start));
      forward(theta, part, false);
      to_output_units(part.count);
      std::copy_n(values_.back().data(), part.count * columns, z + start * columns);
    }
  }

 private:
  const Problem<T>& problem_;
  const std::vector<Layer>& layers_;
  int64_t d_, block_rows_;
  std::vector<Buffer<T>> values_, slopes_;  // (rows, columns) of each layer; the slopes become deltas
  Buffer<T> pulled_, gathered_, transposed_;
  Rows rows_;                 // of the block at work
  const T* input_ = nullptr;  // (rows, d) of it, dense
  const T* delta_ = nullptr;  // (rows, columns) of it, of the first layer
  bool skips_zeros_ = false;  // dense rows are mostly zeros, and a block of them is in nonzeros_
  NonZeros<T> nonzeros_;
  Buffer<T> shift_;          // (columns,) of the first layer: what all CSR rows of a block have in common
  CsrValues<T> csr_values_;  // of CSR rows
  TargetBuffer<T> targets_;
  uint64_t seed_ = 0;  // of the dropout; 0: none is dropped

  // The weighted losses of a block; their slopes replace the last layer's values.
  double loss_of(const T* theta, Rows rows, bool learning) {
    T* z = values_.back().data();
    if (theta)
      forward(theta, rows, learning);
    else
      std::fill_n(z, rows.count * problem_.columns(), T(0));
    to_output_units(rows.count);
    const Block<T> block = targets_.block(problem_, rows, z);
    const double total = std::visit([&](auto& loss) { return slopes_of(loss, block); }, problem_.loss);
    if (const T* scale = problem_.outputs.scale)
      for (int64_t i = 0; i < rows.count; ++i)
        for (int64_t k = 0; k < problem_.columns(); ++k) z[i * problem_.columns() + k] *= scale[k];
    return total;
  }

  // The values of the last layer become raw scores.
  void to_output_units(int64_t rows) {
    if (!problem_.outputs.scale) return;
    const int64_t columns = problem_.columns();
    const T *shift = problem_.outputs.shift, *scale = problem_.outputs.scale;
    T* z = values_.back().data();
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t k = 0; k < columns; ++k) z[i * columns + k] = shift[k] + scale[k] * z[i * columns + k];
  }

  // Values of all layers; with `learning` also slopes, and dropout.
  void forward(const T* theta, Rows rows, bool learning) {
    first_layer(theta, rows);
    for (size_t l = 0; l + 1 < layers_.size(); ++l) {
      const Layer &layer = layers_[l], &next = layers_[l + 1];
      T *values = values_[l].data(), *slopes = learning ? slopes_[l].data() : nullptr;
      std::visit([&](auto& a) { activate(a, values, slopes, rows.count, layer.width, layer.columns); },
                 problem_.network.activations[l]);
      if (learning && problem_.network.dropout > 0 && seed_) drop(rows, l);
      affine(values, layer.columns, theta + next.offset, theta + next.intercepts(), rows.count, next.inputs,
             next.columns, values_[l + 1].data());
    }
  }

  void first_layer(const T* theta, Rows rows) {
    const Layer& layer = layers_[0];
    T* z = values_[0].data();
    std::visit([&](auto& design) { first_layer(design, theta, theta + layer.intercepts(), rows, z); }, problem_.design);
  }

  void first_layer(const Dense<T>& design, const T* W, const T* b, Rows rows, T* z) {
    if (skips_zeros_) return first_layer_of_nonzeros(design, W, b, rows, z);
    if (!design.buffered() && (!rows.order || rows.count == 1)) {
      input_ = design.data + rows[0] * d_;
    } else {
      for (int64_t i = 0; i < rows.count; ++i) {
        const T* row = design.row(rows[i], gathered_.data() + i * d_);
        if (const int64_t next = rows.row_to_prefetch(i); next >= 0) design.prefetch_row(next);
        if (!design.buffered()) std::copy_n(row, d_, gathered_.data() + i * d_);
      }
      input_ = gathered_.data();
    }
    affine(input_, d_, W, b, rows.count, d_, layers_[0].columns, z);
  }

  void first_layer_of_nonzeros(const Dense<T>& design, const T* W, const T* b, Rows rows, T* z) {
    const int64_t columns = layers_[0].columns;
    nonzeros_.start(d_, columns);
    for (int64_t i = 0; i < rows.count; ++i) {
      if (const int64_t next = rows.row_to_prefetch(i); next >= 0) design.prefetch_row(next);
      nonzeros_.add(design.row(rows[i], nullptr));
      std::copy_n(b, columns, z + i * columns);
    }
    nonzeros_.add_product(W, z);
  }

  template <class I> void first_layer(const Csr<T, I>& design, const T* W, const T* b, Rows rows, T* z) {
    const int64_t columns = layers_[0].columns;
    shift_.assign(b, b + columns);
    design.add_offset_scores(W, columns, shift_.data());
    for (int64_t i = 0; i < rows.count; ++i) {
      const I* indices = design.indices + design.begin(rows[i]);
      T* zi = z + i * columns;
      sparse_dot(csr_values_.of_row(design, rows[i]), indices, design.count(rows[i]), W, columns, zi);
      for (int64_t k = 0; k < columns; ++k) zi[k] += shift_[k];
    }
  }

  // Adds the gradient of all but the first layer's weights, which add_inputs() gives. That of frozen layers is left
  // out.
  void upper_gradient(const T* theta, Rows rows, T* gradient) {
    const int64_t m = rows.count;
    const T* delta = values_.back().data();
    for (size_t l = layers_.size() - 1; l > 0; --l) {
      const Layer &layer = layers_[l], &below = layers_[l - 1];
      if (!problem_.is_frozen(l)) {
        add_gradient(values_[l - 1].data(), below.columns, delta, m, layer.inputs, layer.columns,
                     gradient + layer.offset);
        add_sums(delta, m, layer.columns, gradient + layer.intercepts());
      }
      pull_back(delta, theta + layer.offset, m, layer.columns, layer.width, layer.inputs, pulled_.data(), below.columns,
                transposed_);
      T* __restrict slopes = slopes_[l - 1].data();
      const T* __restrict pulled = pulled_.data();
      for (int64_t i = 0; i < m * below.columns; ++i) slopes[i] *= pulled[i];
      delta = slopes;
    }
    if (!problem_.is_frozen(0)) add_sums(delta, m, layers_[0].columns, gradient + layers_[0].intercepts());
    if (!problem_.fit_intercept)
      for (const Layer& layer : layers_) std::fill_n(gradient + layer.intercepts(), layer.columns, T(0));
    delta_ = delta, rows_ = rows;
    if (skips_zeros_) nonzeros_.sort_by_column();
  }

  void add_inputs(const Dense<T>&, int64_t begin, int64_t end, T* gradient) {
    const int64_t columns = layers_[0].columns;
    if (skips_zeros_) return nonzeros_.add_gradient(begin, end, delta_, gradient);
    add_gradient(input_ + begin, d_, delta_, rows_.count, end - begin, columns, gradient);
  }

  template <class I> void add_inputs(const Csr<T, I>& design, int64_t, int64_t, T* gradient) {  // all of them
    const int64_t columns = layers_[0].columns;
    shift_.assign(columns, T(0));
    if (design.offset) add_sums(delta_, rows_.count, columns, shift_.data());
    design.add_offset_gradient(shift_.data(), columns, gradient);
    for (int64_t i = 0; i < rows_.count; ++i) {
      const I* indices = design.indices + design.begin(rows_[i]);
      sparse_add(csr_values_.of_row(design, rows_[i]), indices, design.count(rows_[i]), delta_ + i * columns, gradient,
                 columns);
    }
  }

  // Drops hidden units at random, anew for every layer, row and update, and scales the rest.
  void drop(Rows rows, size_t l) {
    const Layer& layer = layers_[l];
    const double p = problem_.network.dropout;
    const auto limit = uint32_t(p * 4294967296.0);
    const T kept = T(1 / (1 - p));
    for (int64_t i = 0; i < rows.count; ++i) {
      uint64_t state = seed_ + (uint64_t(rows.first + i) * layers_.size() + l) * 0xD1B54A32D192ED03u;
      T *value = values_[l].data() + i * layer.columns, *slope = slopes_[l].data() + i * layer.columns;
      for (int64_t k = 0; k < layer.width; k += 2) {
        const uint64_t bits = next_random(state);
        for (int64_t j = k; j < std::min(k + 2, layer.width); ++j) {
          const T factor = uint32_t(bits >> (32 * (j - k))) < limit ? T(0) : kept;
          value[j] *= factor, slope[j] *= factor;
        }
      }
    }
  }
};

}  // namespace skgd
