// Networks that share the weights of their hidden layers and differ by adapters of rank one: member i has the weights
// W * (r_i s_i') in each of them, with intercepts and a last layer of its own (Wen, Tran & Ba 2020; Gorishniy,
// Kotelnikov & Babenko 2024). The loss is the mean of theirs. theta lies as Problem::lay_out_members() says; the
// parameters of one member at a time are formed as a perceptron has them.
#pragma once
#include <algorithm>
#include <vector>

#include "mlp.hpp"

namespace skgd {

template <class T> class Members final : public Model<T> {
 public:
  explicit Members(const Problem<T>& problem)
      : problem_(problem), layers_(problem.layers_of_member), member_(problem, layers_), theta_(layers_.back().end()) {}

  int64_t block_rows() const override { return member_.block_rows(); }
  void drop(uint64_t seed, double share) override { seed_ = seed, dropped_ = share; }

  double loss_and_gradient(const T* theta, Rows rows, T* gradient) override {
    if (!theta) return member_.loss_and_gradient(nullptr, rows, nullptr);
    double total = 0;
    gradient_.resize(gradient ? theta_.size() : 0);
    for (int64_t i = 0; i < count(); ++i) {
      form(theta, i);
      member_.drop(seed_ + uint64_t(i) * 0x9FB21C651E98DF26u, dropped_);  // units of its own
      std::fill(gradient_.begin(), gradient_.end(), T(0));
      total += member_.loss_and_gradient(theta_.data(), rows, gradient ? gradient_.data() : nullptr);
      if (gradient) fold(theta, i, gradient);
    }
    return total / double(count());
  }

  // The mean of the members' raw scores.
  void scores(const T* theta, Rows rows, T* z) override {
    const int64_t size = rows.count * problem_.columns();
    Buffer<T> of_member(size);
    std::fill_n(z, size, T(0));
    for (int64_t i = 0; i < count(); ++i) {
      form(theta, i);
      member_.scores(theta_.data(), rows, of_member.data());
      for (int64_t j = 0; j < size; ++j) z[j] += of_member[j] / T(count());
    }
  }

 private:
  const Problem<T>& problem_;
  const std::vector<Layer>& layers_;  // of one member
  Mlp<T> member_;
  Buffer<T> theta_, gradient_;  // of the member at work
  uint64_t seed_ = 0;
  double dropped_ = 0;

  int64_t count() const { return problem_.network.members; }

  // Calls f(layer, first), for each layer of a member, with the number of the first of its matrices in theta.
  template <class F> void for_layers(F f) const {
    size_t first = 0;
    for (const Layer& layer : layers_) {
      f(layer, first);
      first += layer.of_features ? 1 : layer.has_shares ? 5 : 4;
    }
  }
  bool is_last(const Layer& layer) const { return &layer == &layers_.back(); }

  // Row i of a matrix of theta, or of an array that lies like it.
  template <class U> U* row(U* theta, size_t matrix, int64_t i) const {
    const Layer& m = problem_.layers[matrix];
    return theta + m.offset + i * m.columns;
  }

  void form(const T* theta, int64_t i) {
    for_layers([&](const Layer& layer, size_t first) {
      const int64_t K = layer.columns;
      T* __restrict to = theta_.data() + layer.offset;
      if (layer.of_features) {
        std::copy_n(row(theta, first, 0), layer.end() - layer.offset, to);
        return;
      }
      if (is_last(layer)) {
        std::copy_n(row(theta, first, i * layer.inputs), layer.weights(), to);
        std::copy_n(row(theta, first + 1, i), K, theta_.data() + layer.intercepts());
        return;
      }
      const T *W = row(theta, first, 0), *s = row(theta, first + 1, i);
      std::copy_n(row(theta, first + 2, i), K, theta_.data() + layer.intercepts());
      if (layer.has_shares) std::copy_n(row(theta, first + 3, i), K, theta_.data() + layer.shares());
      const T* r = row(theta, first + (layer.has_shares ? 4 : 3), i);
      for (int64_t j = 0; j < layer.inputs; ++j) {
        const T factor = r[j];
        SKGD_INDEPENDENT
        for (int64_t c = 0; c < K; ++c) to[j * K + c] = W[j * K + c] * (factor * s[c]);
      }
    });
  }

  // Adds the gradient of member i, in gradient_, to that of the mean.
  void fold(const T* theta, int64_t i, T* gradient) {
    const T share = T(1) / T(count());
    auto add = [&](const T* from, int64_t size, size_t matrix, int64_t at) {
      if (problem_.is_frozen(matrix)) return;
      T* __restrict to = row(gradient, matrix, at);
      SKGD_INDEPENDENT
      for (int64_t j = 0; j < size; ++j) to[j] += share * from[j];
    };
    for_layers([&](const Layer& layer, size_t first) {
      const T* G = gradient_.data() + layer.offset;
      if (layer.of_features) return add(G, layer.end() - layer.offset, first, 0);
      add(gradient_.data() + layer.intercepts(), layer.columns, first + (is_last(layer) ? 1 : 2), i);
      if (is_last(layer)) return add(G, layer.weights(), first, i * layer.inputs);
      if (layer.has_shares) add(gradient_.data() + layer.shares(), layer.columns, first + 3, i);
      if (!problem_.is_frozen(first)) fold_weights(theta, i, layer, first, share, gradient);
    });
  }

  // From G = d loss / d (W * (r s')): that of W is G * (r s'), of r (G * W) s, of s (G * W)' r.
  void fold_weights(const T* theta, int64_t i, const Layer& layer, size_t first, T share, T* gradient) const {
    const size_t of_inputs = first + (layer.has_shares ? 4 : 3);
    const T *G = gradient_.data() + layer.offset, *W = row(theta, first, 0);
    const T *s = row(theta, first + 1, i), *r = row(theta, of_inputs, i);
    T *by_W = row(gradient, first, 0), *by_r = row(gradient, of_inputs, i);
    T* __restrict by_s = row(gradient, first + 1, i);
    const int64_t K = layer.columns;
    for (int64_t j = 0; j < layer.inputs; ++j) {
      const T *g = G + j * K, *w = W + j * K;
      T* __restrict to = by_W + j * K;
      const T factor = share * r[j];
      vec<T> sum{};
      for (int64_t c = 0; c < K; c += lanes<T>) {
        const vec<T> gs = load<vec<T>>(g + c) * load<vec<T>>(s + c), gw = load<vec<T>>(g + c) * load<vec<T>>(w + c);
        store(to + c, load<vec<T>>(to + c) + factor * gs);
        store(by_s + c, load<vec<T>>(by_s + c) + factor * gw);
        sum += gs * load<vec<T>>(w + c);
      }
      by_r[j] += share * skgd::sum<T>(sum);
    }
  }
};

}  // namespace skgd
