// Descent: rows -> gradient -> update, the loop behind every solver, loss, optimizer and storage.
//
// `run` carries a Descent through a plan: an order of rows cut into batches, with one rate (or one rate
// a column) for each update. Four loops do the same arithmetic: `dense_updates` for everything;
// `PerSample` (fused.hpp) where a batch is one dense row under the plain or the implicit rule, `PerSampleRule`
// (fused_rule.hpp) under another one; `lazy_updates` (lazy.hpp) where a batch touches few of many sparse features.
#pragma once
#include <atomic>
#include <cmath>
#include <vector>

#include "implicit.hpp"
#include "model.hpp"
#include "objective.hpp"
#include "parallel.hpp"
#include "quadratic.hpp"
#include "update.hpp"

namespace skgd {

// Weighted mean of the iterates: the k-th has weight growing as k^power (Shamir & Zhang 2013);
// power 0 is the plain mean.
template <class T> struct Average {
  T* values = nullptr;  // the size of theta; null: no averaging
  int64_t start = 0;    // first update that counts
  double power = 0;
  // Share of the iterate after update t in the mean, in (0, 1]; 0 before the start.
  double share(int64_t t) const { return t < start ? 0 : (power + 1) / (double(t - start + 1) + power); }
  void add(const T* theta, int64_t size, int64_t t) const {
    const T gamma = T(share(t));
    if (!values || gamma == 0) return;
    T* __restrict a = values;
    SKGD_INDEPENDENT
    for (int64_t i = 0; i < size; ++i) a[i] += gamma * (theta[i] - a[i]);
  }
};

template <class T> struct LazyStream;  // lazy_state.hpp

// The arrays belong to the caller; each has problem.parameters() elements. theta and the slots of the rule are updated.
template <class T> struct Descent {
  T* theta;
  Slots<T> slots;
  Average<T> average;
  int64_t t = 0;                    // updates made
  T* gradient = nullptr;            // gets the gradient (l2 included) at the last update of a run; null: not wanted
  const T* grid = nullptr;          // powers of two that mean gradients of the loss are multiples of; null: of none
  uint64_t dropout_seed = 0;        // together with t
  const double* dropout = nullptr;  // shares of the hidden units dropped in the updates of a run; null: the problem's
  const T* beside = nullptr;        // other parameters whose loss is summed over the rows; null: none
  LossBeside<T>* loss_beside = nullptr;  // that sum, while a run makes its updates
  LazyStream<T>* stream = nullptr;       // keeps from run to run what is owed to the arrays; null: nothing is owed
};

// An epoch of n rows is cut into batches of sizes that differ by one at most: batch u of `batches` begins at row
// u n / batches of the order. A plan has the rows of batches `first` and later ones.
struct Batches {
  int64_t n, batches, first;

  int64_t begin(int64_t u) const { return (first + u) * n / batches; }
  int64_t largest() const { return (n + batches - 1) / batches; }
  // Batches that so many rows make; they must end where a batch does.
  int64_t count(int64_t rows) const {
    const int64_t end = begin(0) + rows;
    return (end * batches + n - 1) / n - first;
  }
};

struct Plan {
  Rows rows;
  Batches batches;
  const double* rates;       // (updates or 1, rate_columns)
  int64_t rate_columns = 1;  // 1, or one a column of theta
  int64_t rate_stride = 1;   // from update to update; 0 where one rate serves all
  int threads = 1;
  double max_gradient_norm = 0;  // longer gradients of the loss are shortened to it; 0: none is

  int64_t updates() const { return batches.count(rows.count); }
  int64_t largest_batch() const { return batches.largest(); }
  Rows batch(int64_t u) const {
    const int64_t start = batches.begin(u) - batches.begin(0);
    return rows.part(start, batches.begin(u + 1) - batches.begin(u));
  }
  double rate(int64_t u) const { return rates[u * rate_stride]; }
  template <class T> void rates_of(int64_t u, Buffer<T>& out) const {
    const double* row = rates + u * rate_stride;
    for (int64_t k = 0; k < int64_t(out.size()); ++k) out[k] = T(row[std::min(k, rate_columns - 1)]);
  }
};

// Sums over the rows visited; penalty and gradient norm before the last update.
struct Outcome {
  double loss = 0, weight = 0, penalty = 0, gradient_norm = 0;
  double beside = 0;  // the loss at the parameters beside; NaN where no loop can find it
};

template <class T> double weight_of(const Problem<T>& problem, Rows rows) {
  if (!problem.targets.weight) return double(rows.count);
  double total = 0;
  for (int64_t i = 0; i < rows.count; ++i) total += double(problem.targets.weight[rows[i]]);
  return total;
}

// Numbers in a row of X, on average.
template <class T> int64_t row_length(const Problem<T>& problem) {
  return match(
      [](const auto& x) -> int64_t {
        if constexpr (requires { x.indptr; }) return x.n == 0 ? 0 : int64_t(x.indptr[x.n]) / x.n + 1;
        return x.d;
      },
      problem.design);
}

// Weights of a perceptron that a row meets, over all members.
template <class T> int64_t weights_used(const Problem<T>& problem) {
  if (problem.network.members == 0) return problem.parameters();
  return problem.network.members * problem.layers_of_member.back().end();
}

// Multiplications that the score of a row takes.
template <class T> int64_t work_of_row(const Problem<T>& problem) {
  return std::max<int64_t>(1, problem.layers.size() > 1 ? weights_used(problem) : row_length(problem));
}

// Into how many segments so many rows are cut: from about 100 microseconds of work on, which are worth another thread,
// for dense rows, and where sums over so many rows should be sums of sums. Products of matrices want more rows at a
// time.
template <class T> int64_t segments_of(const Problem<T>& problem, int64_t rows) {
  constexpr int64_t pieces = 16, worth_a_thread = 1 << 18;
  const int64_t least = problem.layers.size() > 1 ? 512 : 64;
  const bool dense = std::holds_alternative<Dense<T>>(problem.design);
  const bool worth = rows >= pieces * least && rows * work_of_row(problem) * problem.columns() >= worth_a_thread;
  return rows >= pieces * 4096 || (dense && worth) ? pieces : 1;
}

// Sum of weight * loss over many rows and its gradient, accumulated in double. Rows are cut into fixed
// segments whose sums are added in order, so the result does not depend on the number of threads.
template <class T> class Accumulator {
 public:
  Accumulator(const Problem<T>& problem, Crew& crew) : problem_(problem), crew_(crew), work_(work_of_row(problem)) {
    models_.push_back(make_model(problem));
  }

  int64_t work() const { return work_; }
  const std::vector<double>& total() const { return total_; }
  Model<T>& model() { return *models_[0]; }
  // The crew shares the gradients of so many rows, if they are one segment and the model can.
  void share(int64_t rows) {
    if (segments_of(problem_, rows) == 1) models_[0]->share_with(&crew_);
  }
  void drop(uint64_t seed, double share) {
    for (auto& model : models_) model->drop(seed, share);
    seed_ = seed, dropped_ = share;
  }

  // The gradient is multiplied by `scale` before it is rounded to T. Over all rows its sums are in double as far as the
  // model has such; `total()` then gives them as they are.
  double operator()(const T* theta, Rows rows, T* gradient, Control& control, double scale = 1) {
    const int64_t size = problem_.parameters(), segments = segments_of(problem_, rows.count);
    const bool wide = gradient && rows.count == problem_.rows().count && models_[0]->sums_in_double();
    auto whole = [&](int64_t rows) { return wide ? rows - rows % Model<T>::few_rows : rows; };
    const int64_t chunk = whole(chunk_rows());
    if (segments == 1 && !wide && (rows.count <= chunk || sizeof(T) == 8)) {
      if (gradient) std::fill_n(gradient, size, T(0));
      const double loss = models_[0]->loss_and_gradient(theta, rows, gradient);
      if (gradient && rows.count == problem_.rows().count) total_.assign(gradient, gradient + size);
      if (gradient && scale != 1)
        for (int64_t i = 0; i < size; ++i) gradient[i] = T(gradient[i] * scale);
      return loss;
    }
    const int workers = int(std::min<int64_t>(crew_.size(), segments));
    while (int(models_.size()) < workers) {
      models_.push_back(make_model(problem_));
      models_.back()->drop(seed_, dropped_);
    }
    sums_.resize((workers > 1 ? segments : 1) * size);
    total_.assign(size, 0.0);
    std::vector<double> losses(segments);
    std::atomic<bool> stop{false};
    auto segment = [&](int worker, int64_t s) {
      const int64_t begin = whole(s * rows.count / segments),
                    end = s + 1 < segments ? whole((s + 1) * rows.count / segments) : rows.count;
      double* sum = sums_.data() + (workers > 1 ? s * size : 0);
      std::fill_n(sum, size, 0.0);
      Buffer<T> part(sizeof(T) == 8 || wide || !gradient ? 0 : size);
      for (int64_t start = begin; start < end && !stop; start += chunk) {
        const Rows piece = rows.part(start, std::min(chunk, end - start));
        if (wide) {
          losses[s] += models_[worker]->loss_and_sums(theta, piece, sum);
          if (worker == 0 && control.done(piece.count * work_)) stop = true;
          continue;
        }
        T* into = !gradient ? nullptr : part.empty() ? reinterpret_cast<T*>(sum) : part.data();
        std::fill(part.begin(), part.end(), T(0));
        losses[s] += models_[worker]->loss_and_gradient(theta, piece, into);
        for (size_t i = 0; i < part.size(); ++i) sum[i] += double(part[i]);
        if (worker == 0 && control.done(piece.count * work_)) stop = true;
      }
    };
    auto add = [&](const double* sum) {
      for (int64_t i = 0; i < size; ++i) total_[i] += sum[i];
    };
    if (workers == 1) {
      for (int64_t s = 0; s < segments; ++s) {
        segment(0, s);
        add(sums_.data());
      }
    } else {
      crew_.run(segments, workers, segment);
      for (int64_t s = 0; s < segments; ++s) add(sums_.data() + s * size);
    }
    if (gradient)
      for (int64_t i = 0; i < size; ++i) gradient[i] = T(total_[i] * scale);
    double loss = 0;
    for (double part : losses) loss += part;
    return loss;
  }

 private:
  const Problem<T>& problem_;
  Crew& crew_;
  std::vector<std::unique_ptr<Model<T>>> models_;
  uint64_t seed_ = 0;
  double dropped_ = 0;
  int64_t work_;  // per row, in multiplications
  std::vector<double> sums_, total_;

  // Rows whose gradients are added in T. Of sparse rows so many that filling and adding the sum costs no more than
  // they do: a feature then gets eight terms on average.
  int64_t chunk_rows() const {
    const int64_t rows = (1 << 22) / work_, least = std::max<int64_t>(64, models_[0]->block_rows());
    const int64_t to_fill = problem_.layers.size() > 1 ? 0 : std::min<int64_t>(1 << 16, 8 * problem_.d() / work_);
    return std::max(to_fill, std::clamp<int64_t>(rows, least, 4096));
  }
};

// Penalty at theta and norm of the objective's gradient there, given the loss gradient.
template <class T> void report(const Problem<T>& problem, const T* theta, const T* gradient, Outcome& outcome) {
  double squares = 0;
  for_each_gradient(problem, theta, gradient, T(1), [&](int64_t, const double* g, int64_t count) {
    for (int64_t i = 0; i < count; ++i) squares += g[i] * g[i];
  });
  outcome.gradient_norm = std::sqrt(squares);
  outcome.penalty = problem.penalty_value(theta);
}

// The same for loops that keep no gradient: the gradient of one batch is formed for the report.
template <class T> void report(const Problem<T>& problem, const T* theta, Rows batch, Outcome& outcome) {
  Buffer<T> gradient(problem.parameters());
  make_model(problem)->loss_and_gradient(theta, batch, gradient.data());
  for (T& g : gradient) g /= T(batch.count);
  report(problem, theta, gradient.data(), outcome);
}

// Scales the gradient down to the norm `longest` if it is longer.
template <class T> void shorten(Buffer<T>& gradient, double longest) {
  double squares = 0;
  for (T g : gradient) squares += double(g) * double(g);
  const double norm = std::sqrt(squares);
  if (norm <= longest) return;
  for (T& g : gradient) g *= T(longest / norm);
}

// Rounds gradients to multiples of a power of two each, where there is one (0: none).
template <class T> void round_to(const T* grid, Buffer<T>& gradient) {
  for (size_t i = 0; i < gradient.size(); ++i)
    if (grid[i] > 0) gradient[i] = std::nearbyint(gradient[i] / grid[i]) * grid[i];
}

template <class T> double given_means(const Problem<T>& problem, T* gradient) {
  for (int64_t i = 0; i < problem.parameters(); ++i) gradient[i] = T(problem.given.gradient[i]);
  return problem.given.loss;
}

template <class T> uint64_t dropout_seed(const Descent<T>& descent) {
  uint64_t state = descent.dropout_seed + uint64_t(descent.t) * 0x9e3779b97f4a7c15ull;
  return next_random(state) | 1;
}

// Whether an update can use parts of its gradient as they are formed: nothing may need the whole gradient.
template <class T>
bool updates_in_parts(const AnyRule<T>& rule, const Model<T>& model, const Problem<T>& problem, const Plan& plan,
                      int64_t u) {
  const int64_t rows = plan.batch(u).count;
  return !rule.implicit && u + 1 < plan.updates() && plan.max_gradient_norm == 0 && rows < problem.rows().count &&
         model.gives_parts(rows);
}

// Threads for updates: one unless rows are cut into segments, or an update of a perceptron has enough to do, from about
// 50 microseconds on.
template <class T> int threads_for(const Problem<T>& problem, const Plan& plan) {
  constexpr int64_t multiplications = 1 << 20;
  const int64_t rows = plan.largest_batch();
  const bool large = problem.layers.size() > 1 && rows * weights_used(problem) >= multiplications;
  return large || segments_of(problem, rows) > 1 ? std::max(1, plan.threads) : 1;
}

template <class T>
Outcome dense_updates(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, AnyRule<T>& rule,
                      Control& control) {
  const int64_t size = problem.parameters(), updates = plan.updates();
  auto loan = problem.threads->lend(threads_for(problem, plan));
  Crew& crew = *loan;
  Accumulator<T> accumulate(problem, crew);
  Buffer<T> gradient(size), rates(plan.rate_columns == 1 ? 1 : problem.columns());
  Theta<T> theta{descent.theta, gradient.data(), descent.slots, rates.data(), rates.size() == 1};
  const int64_t work = accumulate.work();
  const std::vector<LayerPart> parts = parts_of(problem);
  std::vector<Buffer<T>> part_gradients = part_buffers(problem, parts, crew.size());
  accumulate.share(plan.largest_batch());
  Outcome outcome;
  for (int64_t u = 0; u < updates && !control.stop; ++u) {
    const Rows batch = plan.batch(u);
    if (problem.network.dropout > 0)
      accumulate.drop(dropout_seed(descent), descent.dropout ? descent.dropout[u] : problem.network.dropout);
    plan.rates_of(u, rates);
    theta.scale = T(1) / T(batch.count);
    double loss;
    const bool condensed = !problem.moments.empty() && batch.count == problem.rows().count;
    if (updates_in_parts(rule, accumulate.model(), problem, plan, u)) {
      loss = accumulate.model().loss_and_deltas(descent.theta, batch, crew);
      update_in_parts(rule, descent.t, theta, parts, part_gradients, accumulate.model(), problem, crew);
    } else {
      // Means over all rows are rounded once: rows in blocks, whose sums are added elsewhere, then have the same.
      const bool all = batch.count == problem.rows().count;
      const double scale = all ? 1.0 / double(batch.count) : 1.0;
      loss = problem.given.gradient ? given_means(problem, gradient.data())
             : condensed            ? quadratic(problem, descent.theta, gradient.data(), scale)
                                    : accumulate(descent.theta, batch, gradient.data(), control, scale);
      if (control.stop) break;  // the gradient may be partial
      if (all) theta.scale = 1;
      if (plan.max_gradient_norm > 0 || descent.grid || u == updates - 1) {
        for (T& g : gradient) g *= theta.scale;
        theta.scale = 1;
      }
      if (descent.grid) round_to(descent.grid, gradient);
      if (plan.max_gradient_norm > 0) shorten(gradient, plan.max_gradient_norm);
      if (u == updates - 1) {
        report(problem, descent.theta, gradient.data(), outcome);
        if (descent.gradient)
          for_each_gradient(problem, descent.theta, gradient.data(), T(1),
                            [&](int64_t first, const double* g, int64_t count) {
                              for (int64_t i = 0; i < count; ++i) descent.gradient[first + i] = T(g[i]);
                            });
      }
      if (rule.implicit) make_implicit(problem, batch, theta, gradient.data());
      if (rule.restarts && all) restart(*rule.restarts, theta, problem);
      update(rule, descent.t, theta, problem);
    }
    descent.average.add(descent.theta, size, descent.t);
    if (descent.loss_beside) descent.loss_beside->add(batch);
    ++descent.t;
    outcome.loss += loss, outcome.weight += weight_of(problem, batch);
    control.done((condensed ? problem.d() : batch.count) * work + size);
  }
  return outcome;
}

}  // namespace skgd
