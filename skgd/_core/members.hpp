// Networks that share the weights of their hidden layers and differ by adapters of rank one: member i has the weights
// W * (r_i s_i') in each of them, with intercepts and a last layer of its own (Wen, Tran & Ba 2020; Gorishniy,
// Kotelnikov & Babenko 2024). The loss is the mean of theirs. theta lies as Problem::lay_out_members() says; the
// parameters of one member at a time are formed as a perceptron has them.
#pragma once
#include <algorithm>
#include <numeric>
#include <vector>

#include "mlp.hpp"

namespace skgd {

template <class T> class Members final : public Model<T> {
 public:
  explicit Members(const Problem<T>& problem) : problem_(problem), layers_(problem.layers_of_member) { prepare(1); }

  int64_t block_rows() const override { return workers_[0].model.block_rows(); }
  void drop(uint64_t seed, double share) override { seed_ = seed, dropped_ = share; }
  void share_with(Crew* crew) override {
    crew_ = crew && crew->size() > 1 ? crew : nullptr;
    prepare(crew_ ? size_t(crew_->size()) : 1);
  }

  // The gradients of members are folded in their order, each sum as a whole, so that threads change nothing.
  double loss_and_gradient(const T* theta, Rows rows, T* gradient) override {
    if (!theta) return workers_[0].model.loss_and_gradient(nullptr, rows, nullptr);
    losses_.assign(count(), 0.0);
    gradients_.resize(!gradient ? 0 : crew_ ? count() : 1);
    auto learn = [&](int worker, int64_t i, Buffer<T>* into) {
      losses_[i] = loss_of(workers_[worker], theta, i, rows, into);
      if (into) fold_own(theta, i, into->data(), gradient);
    };
    if (!crew_) {
      for (int64_t i = 0; i < count(); ++i) {
        learn(0, i, gradient ? &gradients_[0] : nullptr);
        for (const Part& part : parts_)
          if (gradient) fold_shared(theta, i, gradients_[0].data(), part, gradient);
      }
    } else {
      crew_->run(count(), [&](int worker, int64_t i) { learn(worker, i, gradient ? &gradients_[i] : nullptr); });
      if (gradient)
        crew_->run(int64_t(parts_.size()), [&](int, int64_t p) {
          for (int64_t i = 0; i < count(); ++i) fold_shared(theta, i, gradients_[i].data(), parts_[p], gradient);
        });
    }
    return std::accumulate(losses_.begin(), losses_.end(), 0.0) / double(count());
  }

  // The mean of the members' raw scores.
  void scores(const T* theta, Rows rows, T* z) override {
    const int64_t size = rows.count * problem_.columns();
    Buffer<T> of_member(size);
    std::fill_n(z, size, T(0));
    for (int64_t i = 0; i < count(); ++i) {
      form(theta, i, workers_[0].theta.data());
      workers_[0].model.scores(workers_[0].theta.data(), rows, of_member.data());
      for (int64_t j = 0; j < size; ++j) z[j] += of_member[j] / T(count());
    }
  }

 private:
  const Problem<T>& problem_;
  const std::vector<Layer>& layers_;  // of one member
  struct Worker {
    Mlp<T> model;
    Buffer<T> theta;  // of the member at work
  };
  std::vector<Worker> workers_;
  Crew* crew_ = nullptr;
  std::vector<Buffer<T>> gradients_;  // of each member, or of the one at work
  std::vector<double> losses_;
  // Inputs of a layer whose weights all members share; `matrix` is the number of the first of its matrices in theta.
  struct Part {
    const Layer& layer;
    size_t matrix;
    int64_t begin, end;
  };
  std::vector<Part> parts_;
  uint64_t seed_ = 0;
  double dropped_ = 0;

  int64_t count() const { return problem_.network.members; }

  void prepare(size_t workers) {
    workers_.reserve(workers);
    while (workers_.size() < workers) workers_.push_back({Mlp<T>(problem_, layers_), Buffer<T>(layers_.back().end())});
    if (!parts_.empty()) return;
    constexpr int64_t step = 32;
    for_layers([&](const Layer& layer, size_t first) {
      if (is_last(layer) || problem_.is_frozen(first)) return;
      for (int64_t begin = 0; begin < layer.inputs; begin += step)
        parts_.push_back({layer, first, begin, std::min(begin + step, layer.inputs)});
    });
  }

  // The loss of member i, and its gradient unless that is null.
  double loss_of(Worker& worker, const T* theta, int64_t i, Rows rows, Buffer<T>* gradient) {
    form(theta, i, worker.theta.data());
    worker.model.drop(seed_ + uint64_t(i) * 0x9FB21C651E98DF26u, dropped_);  // units of its own
    if (gradient) gradient->assign(worker.theta.size(), T(0));
    return worker.model.loss_and_gradient(worker.theta.data(), rows, gradient ? gradient->data() : nullptr);
  }

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

  // The parameters of member i as a perceptron has them.
  void form(const T* theta, int64_t i, T* member) const {
    for_layers([&](const Layer& layer, size_t first) {
      const int64_t K = layer.columns;
      T* __restrict to = member + layer.offset;
      if (layer.of_features) {
        std::copy_n(row(theta, first, 0), layer.end() - layer.offset, to);
        return;
      }
      if (is_last(layer)) {
        std::copy_n(row(theta, first, i * layer.inputs), layer.weights(), to);
        std::copy_n(row(theta, first + 1, i), K, member + layer.intercepts());
        return;
      }
      const T *W = row(theta, first, 0), *s = row(theta, first + 1, i);
      std::copy_n(row(theta, first + 2, i), K, member + layer.intercepts());
      if (layer.has_shares) std::copy_n(row(theta, first + 3, i), K, member + layer.shares());
      const T* r = row(theta, first + (layer.has_shares ? 4 : 3), i);
      for (int64_t j = 0; j < layer.inputs; ++j) {
        const T factor = r[j];
        SKGD_INDEPENDENT
        for (int64_t c = 0; c < K; ++c) to[j * K + c] = W[j * K + c] * (factor * s[c]);
      }
    });
  }

  // Adds what the gradient G of member i tells of that of the mean: of its own parameters, ...
  void fold_own(const T* theta, int64_t i, const T* of_member, T* gradient) const {
    const T share = T(1) / T(count());
    auto add = [&](const T* from, int64_t size, size_t matrix, int64_t at) {
      if (problem_.is_frozen(matrix)) return;
      T* __restrict to = row(gradient, matrix, at);
      SKGD_INDEPENDENT
      for (int64_t j = 0; j < size; ++j) to[j] += share * from[j];
    };
    for_layers([&](const Layer& layer, size_t first) {
      if (layer.of_features) return;
      add(of_member + layer.intercepts(), layer.columns, first + (is_last(layer) ? 1 : 2), i);
      if (is_last(layer)) return add(of_member + layer.offset, layer.weights(), first, i * layer.inputs);
      if (layer.has_shares) add(of_member + layer.shares(), layer.columns, first + 3, i);
      if (!problem_.is_frozen(first)) fold_adapters(theta, i, layer, first, of_member + layer.offset, gradient);
    });
  }

  // ... from G = d loss / d (W * (r s')) that of r, (G * W) s, and of s, (G * W)' r, ...
  void fold_adapters(const T* theta, int64_t i, const Layer& layer, size_t first, const T* G, T* gradient) const {
    const size_t of_inputs = first + (layer.has_shares ? 4 : 3);
    const T *W = row(theta, first, 0), *s = row(theta, first + 1, i), *r = row(theta, of_inputs, i);
    T *by_r = row(gradient, of_inputs, i), *by_s = row(gradient, first + 1, i);
    const T share = T(1) / T(count());
    const int64_t K = layer.columns;
    for (int64_t j = 0; j < layer.inputs; ++j) {
      const T *g = G + j * K, *w = W + j * K, factor = share * r[j];
      vec<T> sum{};
      for (int64_t c = 0; c < K; c += lanes<T>) {
        const vec<T> gw = load<vec<T>>(g + c) * load<vec<T>>(w + c);
        store(by_s + c, load<vec<T>>(by_s + c) + factor * gw);
        sum += gw * load<vec<T>>(s + c);
      }
      by_r[j] += share * skgd::sum<T>(sum);
    }
  }

  // ... and of what all members share: that of W is G * (r s').
  void fold_shared(const T* theta, int64_t i, const T* of_member, const Part& part, T* gradient) const {
    const T share = T(1) / T(count());
    const auto& [layer, first, begin, end] = part;
    if (layer.of_features) {
      for (int64_t j = 0; j < layer.end() - layer.offset; ++j)
        row(gradient, first, 0)[j] += share * of_member[layer.offset + j];
      return;
    }
    const T *s = row(theta, first + 1, i), *r = row(theta, first + (layer.has_shares ? 4 : 3), i);
    const int64_t K = layer.columns;
    for (int64_t j = begin; j < end; ++j) {
      const T *g = of_member + layer.offset + j * K, factor = share * r[j];
      T* to = row(gradient, first, 0) + j * K;
      for (int64_t c = 0; c < K; c += lanes<T>)
        store(to + c, load<vec<T>>(to + c) + factor * (load<vec<T>>(g + c) * load<vec<T>>(s + c)));
    }
  }
};

}  // namespace skgd
