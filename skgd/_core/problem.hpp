// A Problem: design, targets, weights, loss and penalty of one objective
//   F(theta) = sum_i weight_i loss(y_i, z_i) / n + alpha R(weights of theta).
#pragma once
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "activation.hpp"
#include "design.hpp"
#include "features.hpp"
#include "loss.hpp"
#include "parallel.hpp"
#include "penalty.hpp"
#include "runs.hpp"

namespace skgd {

template <class T> struct Targets {
  const T* y;                 // (n, columns), or (n,) class codes
  const T* weight = nullptr;  // (n,) or null
  int64_t columns = 1;        // outputs or classes
  bool codes = false;
  const T* offset = nullptr;  // (n, columns) or null: added to raw scores
};

// Columns of theta that are models of their own (columns.hpp): those of fold f end before ends[f], and
// begin where those of fold f - 1 end.
template <class T> struct Folds {
  const T* weights = nullptr;              // (weight_rows, folds)
  const int32_t* weight_row_of = nullptr;  // (n,) the row of `weights` for each row of X; null: the row of same number
  int64_t weight_rows = 0;
  std::vector<int64_t> ends;
  bool equal_weights = false;  // all weights of a fold are 0 or the same
  bool wants_loss = true;      // sums of the loss are wanted, not its slopes alone
};

// One layer's place in theta: weights (inputs, columns) at `offset`, then the intercepts (columns), then, where its
// units learn how much of their activation they take, these shares (columns). Columns past `width` fill up the last
// vector and stay zero. `of_features`: each of its units sees one feature (features.hpp).
// Of networks that share weights (members.hpp) a layer is several matrices, whose rows of intercepts are not used.
enum class Role { whole, shared, own, heads };
struct Layer {
  int64_t inputs, width, columns, offset;
  bool has_shares = false, of_features = false;
  Role role = Role::whole;
  int64_t weights() const { return inputs * columns; }
  int64_t intercepts() const { return offset + weights(); }
  int64_t shares() const { return intercepts() + columns; }
  int64_t end() const { return shares() + (has_shares ? columns : 0); }
};

// Factors of the learning rate in one layer.
struct LayerRates {
  std::vector<std::pair<int64_t, double>> inputs;  // (end, factor) of the weights of inputs up to there
  double intercepts = 1, shares = 1;
};

// Hidden layers of a multi-layer perceptron.
struct Network {
  std::vector<Activation> activations;  // one for each hidden layer
  double dropout = 0;                   // share of the hidden units dropped
  std::vector<bool> frozen;             // layers whose weights and intercepts stay as they are; empty: none
  std::vector<LayerRates> rates;        // of each layer; empty: no factors
  std::vector<bool> parametric;         // hidden layers whose units learn shares; empty: none
  FeatureLayer features;                // the first layer, if it has units
  int64_t members = 0;                  // networks that share the weights of their hidden layers; 0: one network
};

// Raw scores of a perceptron are shift + scale * (what its last layer gives), both (columns,); null: just that.
template <class T> struct OutputUnits {
  const T* shift = nullptr;
  const T* scale = nullptr;
};

// Second moments of the rows (quadratic.hpp).
struct Moments {
  const double* gram;      // (d + 1, d + 1)
  const double* products;  // (d + 1, outputs)
  int64_t outputs;
  double squares;
};

// The mean loss over all rows at the present parameters, and its gradient (parameters(),), where the rows are
// elsewhere.
struct GivenMeans {
  double loss = 0;
  const double* gradient = nullptr;  // null: nothing is given
};

template <class T> struct Problem {
  Design<T> design;
  Targets<T> targets;
  Loss loss;
  Penalty<T> penalty;
  Folds<T> folds;
  bool fit_intercept = true;
  Network network;
  OutputUnits<T> outputs;
  const int32_t* kept = nullptr;  // the rows of X that count, rising; null: all. Targets belong to all rows of X
  int64_t kept_count = 0;
  std::vector<Layer> layers;            // one: a linear model
  std::vector<Layer> layers_of_member;  // of each of several networks that share weights, by itself
  std::vector<Moments> moments;  // of all rows, or of each fold; none where batch descent reads the rows themselves
  GivenMeans given;              // for the next update, of which the problem's one row then stands for all rows
  mutable std::vector<T> squared_lengths;       // of the rows; empty until an implicit rule asks (implicit.hpp)
  mutable std::shared_ptr<const Runs<T>> runs;  // of sparse rows; null until a perceptron asks
  mutable Passive<T> passive;                   // of all rows, while passive-aggressive updates are made (passive.hpp)
  std::shared_ptr<KeptCrew> threads = std::make_shared<KeptCrew>();  // of all passes over the rows

  // Lays out theta for hidden layers of the given widths; to be called after design and targets are set.
  void lay_out(const std::vector<int64_t>& hidden) {
    layers = layers_of_one(hidden);
    if (network.members == 0) return;
    layers_of_member = std::move(layers);
    lay_out_members();
  }

  std::vector<Layer> layers_of_one(const std::vector<int64_t>& hidden) const {
    std::vector<Layer> found;
    int64_t inputs = d(), offset = 0;
    auto add = [&](int64_t width, int64_t columns) {
      const bool shares = found.size() < network.parametric.size() && network.parametric[found.size()];
      found.push_back({inputs, width, columns, offset, shares});
      inputs = width, offset = found.back().end();
    };
    if (const int64_t units = network.features.units(); units > 0) {
      inputs = 1;
      add(units, whole_vectors(units));
      found.back().of_features = true;
    }
    for (int64_t width : hidden) add(width, whole_vectors(width));
    add(targets.columns, columns());
    return found;
  }

  // Matrices of networks that share weights, for each hidden layer: its weights W, then with a row for each member the
  // factors s of its units, their intercepts, the shares of their activation if they learn them, and the factors r of
  // its inputs; and at last the weights of the last layers, one below the other, and their intercepts.
  void lay_out_members() {
    layers.clear();
    const int64_t k = network.members;
    auto add = [&](int64_t inputs, int64_t width, int64_t columns, Role role) {
      const int64_t offset = layers.empty() ? 0 : layers.back().end();
      layers.push_back({inputs, width, columns, offset, false, false, role});
    };
    for (const Layer& layer : layers_of_member) {
      if (layer.of_features) {
        layers.push_back(layer);
        continue;
      }
      const bool last = &layer == &layers_of_member.back();
      add(last ? k * layer.inputs : layer.inputs, layer.width, layer.columns, last ? Role::heads : Role::shared);
      for (int own = last ? 1 : layer.has_shares ? 3 : 2; own > 0; --own) add(k, layer.width, layer.columns, Role::own);
      if (!last) add(k, layer.inputs, whole_vectors(layer.inputs), Role::own);
    }
  }

  static int64_t whole_vectors(int64_t width) { return (width + lanes<T> - 1) / lanes<T> * lanes<T>; }

  bool is_frozen(size_t layer) const { return layer < network.frozen.size() && network.frozen[layer]; }
  // Calls f(begin, end, factor) for runs of inputs of a layer whose weights have the same factor of the rate.
  template <class F> void for_rates(size_t layer, F f) const {
    if (network.rates.empty()) return f(int64_t(0), layers[layer].inputs, 1.0);
    int64_t begin = 0;
    for (const auto& [end, factor] : network.rates[layer].inputs) {
      f(begin, end, factor);
      begin = end;
    }
  }
  double rate_of_intercepts(size_t layer) const {
    return network.rates.empty() ? 1.0 : network.rates[layer].intercepts;
  }
  double rate_of_shares(size_t layer) const { return network.rates.empty() ? 1.0 : network.rates[layer].shares; }
  int64_t n() const {  // of X
    return match([](auto& x) { return x.n; }, design);
  }
  // The rows that count, in their natural order.
  Rows rows() const { return kept ? Rows{kept, 0, kept_count} : Rows{nullptr, 0, n()}; }
  int64_t d() const {
    return match([](auto& x) { return x.d; }, design);
  }
  // Columns of raw scores: 1, or the outputs rounded up to whole vectors (padding stays zero).
  int64_t columns() const { return targets.columns == 1 ? 1 : whole_vectors(targets.columns); }
  int64_t parameters() const { return layers.back().end(); }
  // The penalty of a layer: features may have strengths and coordinates of their own, hidden units have not. Of
  // networks that share weights it is the mean of the penalties of their last layers.
  Penalty<T> penalty_of(const Layer& layer) const {
    if (layer.of_features || layer.role == Role::own) return {};  // no penalty
    Penalty<T> p = layer.offset == 0 ? penalty : Penalty<T>{penalty.kind, {}};
    const double k = double(network.members);
    if (layer.role == Role::heads) p.kind = elastic_net(penalty.l1() / k, penalty.l2() / k);
    if (layer.role == Role::heads || layer.end() == parameters()) p.strength.output = outputs.scale;
    return p;
  }
  double penalty_value(const T* theta) const {
    double total = 0;
    for (const Layer& layer : layers)
      total += penalty_of(layer).value(theta + layer.offset, layer.inputs, layer.columns);
    return total;
  }
};

// Targets and weights of a block of rows, gathered when the order is not the natural one.
template <class T> class TargetBuffer {
 public:
  Block<T> block(const Problem<T>& problem, Rows rows, T* z) {
    const Targets<T>& t = problem.targets;
    const int64_t width = t.codes ? 1 : t.columns;
    Block<T> b{z, nullptr, nullptr, rows.count, t.columns, problem.columns(), t.codes};
    if (t.offset) add_offsets(t, rows, z, b.stride);
    if (!rows.order || rows.count == 1) {
      b.y = t.y + rows[0] * width;
      b.weight = t.weight ? t.weight + rows[0] : nullptr;
      b.passive = problem.passive.from(rows[0]);
      return b;
    }
    y_.resize(rows.count * width);
    if (width == 1)
      for (int64_t i = 0; i < rows.count; ++i) y_[i] = t.y[rows[i]];
    else
      for (int64_t i = 0; i < rows.count; ++i) std::copy_n(t.y + rows[i] * width, width, y_.data() + i * width);
    b.y = y_.data();
    if (t.weight) {
      weight_.resize(rows.count);
      for (int64_t i = 0; i < rows.count; ++i) weight_[i] = t.weight[rows[i]];
      b.weight = weight_.data();
    }
    return b;
  }

 private:
  Buffer<T> y_, weight_;

  static void add_offsets(const Targets<T>& t, Rows rows, T* z, int64_t stride) {
    for (int64_t i = 0; i < rows.count; ++i)
      for (int64_t k = 0; k < t.columns; ++k) z[i * stride + k] += t.offset[rows[i] * t.columns + k];
  }
};

// Raw scores and gradients of blocks of rows; the linear model and the multi-layer perceptron are such. theta and
// gradient are arrays of problem.parameters() elements that belong to the caller; a model belongs to one thread, but
// for add_inputs() and add_intercepts(), which several may call at a time.
template <class T> struct Model {
  virtual ~Model() = default;
  // Sum of weight * loss over the rows; adds the gradient of that sum to `gradient` unless it is null. A null
  // theta stands for zeros: the rows are then not read.
  virtual double loss_and_gradient(const T* theta, Rows rows, T* gradient) = 0;
  // The same with a gradient in double, where the model has it: sums in T are over few_rows rows, groups that begin
  // with the first row. Rows in blocks that begin and end where such groups do have the same sums.
  static constexpr int64_t few_rows = 64;
  virtual bool sums_in_double() const { return false; }
  virtual double loss_and_sums(const T*, Rows, double*) { return 0; }
  // Whether, for this number of rows, the gradient can be computed in parts, each from a part of the inputs of a layer:
  // after loss_and_deltas(), add_inputs() adds that of the weights of inputs `begin` to `end`, and add_intercepts()
  // that of the intercepts, and add_shares() that of shares, to `gradient`, which starts with the first of these.
  virtual bool gives_parts(int64_t) const { return false; }
  virtual double loss_and_deltas(const T*, Rows, Crew&) { return 0; }
  virtual void add_inputs(size_t, int64_t, int64_t, T*) {}
  virtual void add_intercepts(size_t, T*) {}
  virtual void add_shares(size_t, T*) {}
  // z (rows.count, columns): the raw scores.
  virtual void scores(const T* theta, Rows rows, T* z) = 0;
  // Rows taken at a time.
  virtual int64_t block_rows() const = 0;
  // Which hidden units are dropped in the gradients to come, by this seed, and how many of them; with 0 none is.
  virtual void drop(uint64_t, double) {}
  // Threads among which a gradient that is not given in parts may be shared, until others are given; null: none.
  virtual void share_with(Crew*) {}
};

// Called at least every 50 ms to find out whether to stop; `stop` stays set. Any thread may read and set `stop`;
// done() is for the thread that called the core.
struct Control {
  std::function<bool()> interrupted;
  std::atomic<bool> stop = false;
  int64_t work = 0;
  bool done(int64_t elements) {
    if ((work += elements) > (1 << 22)) {  // a few milliseconds
      work = 0;
      if (interrupted && interrupted()) stop = true;
    }
    return stop;
  }
};

}  // namespace skgd
