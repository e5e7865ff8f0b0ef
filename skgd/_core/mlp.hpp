// The multi-layer perceptron: blocks of rows through layers (forward) and the slopes of their losses back
// through them (backward). theta holds, layer by layer, the weights (inputs, columns) and the intercepts.
#pragma once
#include <numeric>
#include <vector>

#include "activation.hpp"
#include "gemm.hpp"
#include "nonzeros.hpp"
#include "problem.hpp"
#include "random.hpp"

namespace skgd {

template <class T> class Mlp final : public Model<T> {
 public:
  explicit Mlp(const Problem<T>& problem) : Mlp(problem, problem.layers) {}
  // With layers that lie elsewhere than those of the problem.
  Mlp(const Problem<T>& problem, const std::vector<Layer>& layers)
      : problem_(problem), layers_(layers), d_(problem.d()) {
    int64_t widest = 0, total = 0;
    for (const Layer& layer : layers_) widest = std::max(widest, layer.columns), total += layer.columns;
    // values and slopes of so many rows stay in the second-level cache from forward to backward
    rows_in_cache_ = std::clamp<int64_t>((256 << 10) / (2 * total * int64_t(sizeof(T))), 128, 512);
    block_rows_ = 1024;
    // the BLAS repacks the weights for every part of a block, so there is one; it takes 40 ms at most
    if (use_blas<T>(rows_in_cache_, layers_[0].inputs, layers_[0].columns))
      rows_in_cache_ = block_rows_ = std::clamp<int64_t>((int64_t(1) << 29) / layers.back().end(), 128, 1024);
    auto* dense = std::get_if<Dense<T>>(&problem.design);
    skips_zeros_ =
        dense && !dense->buffered() && !layers_[0].of_features && NonZeros<T>::pays_off(dense->data, dense->n, d_);
    if (!dense) block_rows_ = rows_in_cache_, runs_ = runs_of(problem);
    if (skips_zeros_) rows_in_cache_ = block_rows_ = 64;  // whose deltas stay in the first-level cache
    const int64_t rows = std::min(block_rows_, problem.n());
    for (const Layer& layer : layers_) {
      values_.emplace_back(rows * layer.columns);
      slopes_.emplace_back(&layer == &layers_.back() ? 0 : rows * layer.columns);
      bends_.emplace_back(layer.has_shares ? rows * layer.columns : 0);
    }
    scratch_size_ = std::min(rows, rows_in_cache_) * widest, transposed_.resize(layers_.size());
    prepare_scratch(1);
    if (dense && !skips_zeros_) gathered_.resize(rows > 1 || dense->buffered() ? rows * d_ : 0);
  }

  int64_t block_rows() const override { return block_rows_; }
  void drop(uint64_t seed, double share) override { seed_ = seed, dropped_ = share; }

  double loss_and_gradient(const T* theta, Rows rows, T* gradient) override {
    double total = 0;
    for (int64_t start = 0; start < rows.count; start += block_rows_) {
      total +=
          loss_and_deltas_of(theta, rows.part(start, std::min(block_rows_, rows.count - start)), gradient != nullptr);
      for (size_t l = 0; gradient && l < layers_.size(); ++l) {
        if (&layers_ == &problem_.layers && problem_.is_frozen(l)) continue;
        add_inputs(l, 0, layers_[l].inputs, gradient + layers_[l].offset);
        add_intercepts(l, gradient + layers_[l].intercepts());
        if (layers_[l].has_shares) add_shares(l, gradient + layers_[l].shares());
      }
    }
    return total;
  }

  bool gives_parts(int64_t rows) const override {
    return rows <= block_rows_ && std::holds_alternative<Dense<T>>(problem_.design);
  }
  double loss_and_deltas(const T* theta, Rows rows, Crew& crew) override {
    begin_block(rows, true);
    transpose_weights(theta);
    if (skips_zeros_) return loss_and_deltas_of_spans(theta);
    prepare_scratch(crew.size());
    const int64_t size = shared_span(rows.count), spans = (rows.count + size - 1) / size;
    losses_.assign(spans, 0.0);
    crew.run(spans, [&](int worker, int64_t s) {
      const Span span{s * size, std::min(size, rows.count - s * size)};
      losses_[s] = loss_of(theta, span, scratch_[worker]);
      pull_back_deltas(theta, span, scratch_[worker]);
    });
    return std::accumulate(losses_.begin(), losses_.end(), 0.0);
  }
  void add_inputs(size_t l, int64_t begin, int64_t end, T* gradient) override {
    if (l == 0) return match([&](auto& design) { add_inputs(design, begin, end, gradient); }, problem_.design);
    add_gradient(values_[l - 1].data() + begin, layers_[l - 1].columns, delta(l), rows_.count, end - begin,
                 layers_[l].columns, gradient);
  }
  void add_intercepts(size_t l, T* gradient) override {
    if (layers_[l].of_features)
      add_phase_gradient(problem_.network.features, delta(l), rows_.count, layers_[l].columns, gradient);
    else if (problem_.fit_intercept)
      add_sums(delta(l), rows_.count, layers_[l].columns, gradient);
  }
  void add_shares(size_t l, T* gradient) override {
    add_sums(bends_[l].data(), rows_.count, layers_[l].columns, gradient);
  }

  void scores(const T* theta, Rows rows, T* z) override {
    const int64_t columns = problem_.columns();
    for (int64_t start = 0; start < rows.count; start += block_rows_) {
      begin_block(rows.part(start, std::min(block_rows_, rows.count - start)), false);
      sum_up_runs(theta);
      for_spans([&](Span span) {
        forward(theta, span);
        to_output_units(span);
      });
      std::copy_n(values_.back().data(), rows_.count * columns, z + start * columns);
    }
  }

 private:
  const Problem<T>& problem_;
  const std::vector<Layer>& layers_;
  int64_t d_, block_rows_, rows_in_cache_;
  std::vector<Buffer<T>> values_, slopes_;  // (rows, columns) of each layer; the slopes become deltas
  std::vector<Buffer<T>> bends_;  // likewise, of units with shares: what the activation adds; become slopes by shares
  Buffer<T> gathered_;
  Rows rows_;                 // of the block at work
  bool learning_ = false;     // whether slopes of the activations and dropout are wanted there
  const T* input_ = nullptr;  // (rows, d) of it, dense
  bool skips_zeros_ = false;  // dense rows are mostly zeros, and a block of them is in nonzeros_
  NonZeros<T> nonzeros_;
  const Runs<T>* runs_ = nullptr;  // of sparse rows, if they have such
  Buffer<T> summed_, of_summed_;   // of weights along the runs, and the gradient by these sums
  Buffer<T> shift_;                // (columns,) of the first layer: what all CSR rows of a block have in common
  CsrValues<T> csr_values_;        // of CSR rows
  uint64_t seed_ = 0;              // of the dropout
  double dropped_ = 0;             // share of the hidden units that it drops
  struct Scratch {
    Buffer<T> pulled;
    TargetBuffer<T> targets;
  };
  std::vector<Scratch> scratch_;  // of each thread that is at work on a block
  int64_t scratch_size_;
  std::vector<double> losses_;         // of the spans of a block
  std::vector<Buffer<T>> transposed_;  // the weights of each layer, where pull_back_deltas() takes them so

  // Some rows of the block at work.
  struct Span {
    int64_t at, count;
  };
  void prepare_scratch(int workers) {
    while (int(scratch_.size()) < workers) scratch_.push_back({Buffer<T>(scratch_size_), {}});
  }

  // Rows of a span where a block of so many is shared by threads: whole tiles of six, and so many spans that threads
  // end at about the same time, whether or not there are any. The BLAS packs the weights for each span.
  int64_t shared_span(int64_t rows) const {
    const bool blas = use_blas<T>(rows, layers_[0].inputs, layers_[0].columns);
    const int64_t spans = blas ? std::max<int64_t>(1, rows / 192) : (rows + 35) / 36;
    const int64_t size = (rows + spans - 1) / spans;
    return std::min((size + 5) / 6 * 6, rows_in_cache_);
  }

  template <class F> void for_spans(F f) const {
    for (int64_t at = 0; at < rows_.count; at += rows_in_cache_)
      f(Span{at, std::min(rows_in_cache_, rows_.count - at)});
  }

  void begin_block(Rows rows, bool learning) {
    rows_ = rows, learning_ = learning;
    if (auto* dense = std::get_if<Dense<T>>(&problem_.design)) {
      const bool direct = !dense->buffered() && (!rows.order || rows.count == 1);
      input_ = direct ? dense->data + rows[0] * d_ : gathered_.data();
    }
  }

  // The sum of the weighted losses of a block, and where they are wanted the deltas of all layers.
  double loss_and_deltas_of(const T* theta, Rows rows, bool deltas) {
    begin_block(rows, deltas);
    if (theta && deltas) transpose_weights(theta);
    if (theta) sum_up_runs(theta);
    return loss_and_deltas_of_spans(theta);
  }

  double loss_and_deltas_of_spans(const T* theta) {
    double total = 0;
    for_spans([&](Span span) {
      total += loss_of(theta, span, scratch_[0]);
      if (learning_) pull_back_deltas(theta, span, scratch_[0]);
    });
    if (learning_ && skips_zeros_) nonzeros_.sort_by_column();
    return total;
  }

  // The weighted losses of some rows; their slopes replace the last layer's values.
  double loss_of(const T* theta, Span span, Scratch& scratch) {
    const int64_t columns = problem_.columns();
    T* z = values_.back().data() + span.at * columns;
    if (theta)
      forward(theta, span);
    else
      std::fill_n(z, span.count * columns, T(0));
    to_output_units(span);
    const Block<T> block = scratch.targets.block(problem_, rows_.part(span.at, span.count), z);
    const double total = slopes_of(problem_.loss, block);
    if (const T* scale = problem_.outputs.scale)
      for (int64_t i = 0; i < span.count; ++i)
        for (int64_t k = 0; k < columns; ++k) z[i * columns + k] *= scale[k];
    return total;
  }

  // The values of the last layer become raw scores.
  void to_output_units(Span span) {
    if (!problem_.outputs.scale) return;
    const int64_t columns = problem_.columns();
    const T *shift = problem_.outputs.shift, *scale = problem_.outputs.scale;
    T* z = values_.back().data() + span.at * columns;
    for (int64_t i = 0; i < span.count; ++i)
      for (int64_t k = 0; k < columns; ++k) z[i * columns + k] = shift[k] + scale[k] * z[i * columns + k];
  }

  // Values of all layers, and their slopes and dropout where the block is learnt from.
  void forward(const T* theta, Span span) {
    match([&](auto& design) { first_layer(design, theta, theta + layers_[0].intercepts(), span); }, problem_.design);
    for (size_t l = 0; l + 1 < layers_.size(); ++l) {
      const Layer &layer = layers_[l], &next = layers_[l + 1];
      T* values = values_[l].data() + span.at * layer.columns;
      T* slopes = learning_ ? slopes_[l].data() + span.at * layer.columns : nullptr;
      if (layer.of_features) {
        skgd::activate(problem_.network.features, values, slopes, span.count, layer.columns);
      } else {
        if (layer.has_shares)
          std::copy_n(values, span.count * layer.columns, bends_[l].data() + span.at * layer.columns);
        match([&](auto& a) { activate(a, values, slopes, span.count, layer.width, layer.columns); },
              problem_.network.activations[l]);
        if (layer.has_shares) take_shares(theta + layer.shares(), span, l);
        if (learning_ && dropped_ > 0) drop_units(span, l);
      }
      affine(values, layer.columns, theta + next.offset, theta + next.intercepts(), span.count, next.inputs,
             next.columns, values_[l + 1].data() + span.at * next.columns);
    }
  }

  // Values z + share (activation(z) - z), their slopes, and in place of z what a share is multiplied by.
  void take_shares(const T* shares, Span span, size_t l) {
    const int64_t columns = layers_[l].columns;
    for (int64_t i = span.at; i < span.at + span.count; ++i) {
      T *value = values_[l].data() + i * columns, *bend = bends_[l].data() + i * columns;
      T* slope = learning_ ? slopes_[l].data() + i * columns : nullptr;
      for (int64_t k = 0; k < columns; ++k) {
        const T z = bend[k];
        bend[k] = value[k] - z;
        value[k] = z + shares[k] * bend[k];
      }
      for (int64_t k = 0; slope && k < columns; ++k) slope[k] = T(1) + shares[k] * (slope[k] - T(1));
    }
  }

  void first_layer(const Dense<T>& design, const T* W, const T* b, Span span) {
    const int64_t columns = layers_[0].columns;
    T* z = values_[0].data() + span.at * columns;
    if (skips_zeros_) return first_layer_of_nonzeros(design, W, b, rows_, z);
    if (input_ == gathered_.data()) {
      for (int64_t i = span.at; i < span.at + span.count; ++i) {
        const T* row = design.row(rows_[i], gathered_.data() + i * d_);
        if (const int64_t next = rows_.row_to_prefetch(i); next >= 0) design.prefetch_row(next);
        if (!design.buffered()) std::copy_n(row, d_, gathered_.data() + i * d_);
      }
    }
    if (!layers_[0].of_features) return affine(input_ + span.at * d_, d_, W, b, span.count, d_, columns, z);
    for (int64_t i = 0; i < span.count; ++i)
      see_features<int32_t>(input_ + (span.at + i) * d_, nullptr, d_, W, b, z + i * columns);
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

  template <class I>
  void see_features(const T* x, const I* indices, int64_t count, const T* w, const T* b, T* z) const {
    std::copy_n(b, layers_[0].columns, z);
    add_features(problem_.network.features, x, indices, count, w, z);
  }

  template <class I> void first_layer(const Csr<T, I>& design, const T* W, const T* b, Span span) {
    const int64_t columns = layers_[0].columns;
    shift_.assign(b, b + columns);
    if (layers_[0].of_features) {
      if (design.offset) add_features<T, I>(problem_.network.features, design.offset, nullptr, d_, W, shift_.data());
      for (int64_t i = span.at; i < span.at + span.count; ++i)
        see_features(csr_values_.of_row(design, rows_[i]), design.indices + design.begin(rows_[i]),
                     design.count(rows_[i]), W, shift_.data(), values_[0].data() + i * columns);
      return;
    }
    design.add_offset_scores(W, columns, shift_.data());
    const Csr<T, I>& x = runs_ ? runs_->coded() : design;
    if (runs_) W = summed_.data();
    for (int64_t i = span.at; i < span.at + span.count; ++i) {
      const I* indices = x.indices + x.begin(rows_[i]);
      T* zi = values_[0].data() + i * columns;
      sparse_dot(csr_values_.of_row(x, rows_[i]), indices, x.count(rows_[i]), W, columns, zi);
      for (int64_t k = 0; k < columns; ++k) zi[k] += shift_[k];
    }
  }

  // The slopes of the losses of some rows by the values of each layer before its activation.
  void pull_back_deltas(const T* theta, Span span, Scratch& scratch) {
    for (size_t l = layers_.size() - 1; l > 0; --l) {
      const Layer &layer = layers_[l], &below = layers_[l - 1];
      T* __restrict pulled = scratch.pulled.data();
      T* __restrict slopes = slopes_[l - 1].data() + span.at * below.columns;
      pull_back(delta(l) + span.at * layer.columns, theta + layer.offset,
                pulls_by_transposed(l) ? transposed_[l].data() : nullptr, span.count, layer.columns, layer.width,
                layer.inputs, pulled, below.columns);
      const int64_t size = span.count * below.columns;
      SKGD_INDEPENDENT
      for (int64_t i = 0; i < size; ++i) slopes[i] *= pulled[i];
      T* bends = bends_[l - 1].data() + span.at * below.columns;
      for (int64_t i = 0; below.has_shares && i < size; ++i) bends[i] *= pulled[i];
    }
  }
  bool pulls_by_transposed(size_t l) const {
    return skgd::pulls_by_transposed<T>(rows_.count, layers_[l].inputs, layers_[l].columns);
  }
  void transpose_weights(const T* theta) {
    for (size_t l = 1; l < layers_.size(); ++l)
      if (pulls_by_transposed(l))
        transpose(theta + layers_[l].offset, layers_[l].inputs, layers_[l].columns, layers_[l].width,
                  layers_[l - 1].columns, transposed_[l]);
  }
  const T* delta(size_t l) const { return l + 1 == layers_.size() ? values_[l].data() : slopes_[l].data(); }

  void add_inputs(const Dense<T>&, int64_t begin, int64_t end, T* gradient) {
    if (skips_zeros_) return nonzeros_.add_gradient(begin, end, delta(0), gradient);
    if (layers_[0].of_features) {
      for (int64_t i = 0; i < rows_.count; ++i)
        add_feature_gradient<T, int32_t>(problem_.network.features, input_ + i * d_, nullptr, d_,
                                         delta(0) + i * layers_[0].columns, gradient);
      return;
    }
    add_gradient(input_ + begin, d_, delta(0), rows_.count, end - begin, layers_[0].columns, gradient);
  }

  template <class I> void add_inputs(const Csr<T, I>& design, int64_t, int64_t, T* gradient) {  // all of them
    const int64_t columns = layers_[0].columns;
    shift_.assign(columns, T(0));
    if (design.offset) add_sums(delta(0), rows_.count, columns, shift_.data());
    if (layers_[0].of_features) {
      if (design.offset)
        add_feature_gradient<T, I>(problem_.network.features, design.offset, nullptr, d_, shift_.data(), gradient);
      for (int64_t i = 0; i < rows_.count; ++i)
        add_feature_gradient(problem_.network.features, csr_values_.of_row(design, rows_[i]),
                             design.indices + design.begin(rows_[i]), design.count(rows_[i]), delta(0) + i * columns,
                             gradient);
      return;
    }
    design.add_offset_gradient(shift_.data(), columns, gradient);
    const Csr<T, I>& x = runs_ ? runs_->coded() : design;
    if (runs_) of_summed_.assign(d_ * columns, T(0));
    T* into = runs_ ? of_summed_.data() : gradient;
    for (int64_t i = 0; i < rows_.count; ++i)
      sparse_add(csr_values_.of_row(x, rows_[i]), x.indices + x.begin(rows_[i]), x.count(rows_[i]),
                 delta(0) + i * columns, into, columns);
    if (runs_) runs_->add_gradient(into, columns, gradient);
  }

  // Runs of sparse rows where the first layer can use them.
  const Runs<T>* runs_of(const Problem<T>& problem) const {
    const auto& design = std::get<Csr<T>>(problem.design);
    if (design.inverse_scale || layers_[0].of_features || layers_[0].columns == 1) return nullptr;
    if (!problem.runs) problem.runs = std::make_shared<const Runs<T>>(design);
    return problem.runs->pays_off() ? problem.runs.get() : nullptr;
  }
  void sum_up_runs(const T* theta) {
    if (!runs_) return;
    summed_.resize(d_ * layers_[0].columns);
    runs_->sum_up(theta + layers_[0].offset, layers_[0].columns, summed_.data());
  }

  // Drops hidden units at random, anew for every layer, row and update, and scales the rest.
  void drop_units(Span span, size_t l) {
    const Layer& layer = layers_[l];
    const auto limit = uint32_t(dropped_ * 4294967296.0);
    const T kept = T(1 / (1 - dropped_));
    for (int64_t i = span.at; i < span.at + span.count; ++i) {
      uint64_t state = seed_ + (uint64_t(rows_.first + i) * layers_.size() + l) * 0xD1B54A32D192ED03u;
      const uint64_t key = next_random(state);
      T* __restrict value = values_[l].data() + i * layer.columns;
      T* __restrict slope = slopes_[l].data() + i * layer.columns;
      SKGD_INDEPENDENT
      for (int32_t k = 0; k < int32_t(layer.columns); ++k) {
        const T factor = random_bits(key, uint32_t(k)) < limit ? T(0) : kept;
        value[k] *= factor, slope[k] *= factor;
      }
      T* bend = layer.has_shares ? bends_[l].data() + i * layer.columns : nullptr;
      for (int64_t k = 0; bend && k < layer.width; ++k) bend[k] *= random_bits(key, uint32_t(k)) < limit ? T(0) : kept;
    }
  }
};

}  // namespace skgd
