// Many linear models on the same rows at once: the columns of theta are models of one output each, with a rate
// and a strength of the penalty of their own, and with the sample weights of their fold (0 where it holds a row
// out). A row is read once for all of them.
#pragma once
#include "blocks.hpp"
#include "descent.hpp"
#include "gemm.hpp"

namespace skgd {

// Sums over the rows visited, and the penalty before the last update, of each column.
struct ColumnSums {
  std::vector<double> loss, weight, penalty;
  int64_t updates = 0;
};

// Four updates W <- decay W - x step of all columns, one after the other, whose rows x are known from the start. What
// they make of the scores of the rows after them follows from the rows' products with each other, so that weights and
// means are read and written once for all four.
template <class T> class FourUpdates {
  using V = vec<T>;

 public:
  explicit FourUpdates(int64_t columns) : K_(columns), steps_(4 * K_), decays_(4 * K_) {}

  // Update r, from the slopes of row r in z (4, K_): the scores in the rows after it, and the intercepts, which do not
  // decay, become those under the new weights. `products` are those of each row with row r, and `one` that of the
  // intercepts.
  void update(int r, T* z, T* intercept, const T* rates, const T* l2, const T* products, T one) {
    for (int64_t k = 0; k < K_; k += lanes<T>) {
      const V rate = load<V>(rates + k), step = rate * load<V>(z + r * K_ + k), shrinking = rate * load<V>(l2 + k),
              decay = T(1) - shrinking, b = load<V>(intercept + k);
      store(steps_.data() + r * K_ + k, step), store(decays_.data() + r * K_ + k, decay);
      for (int q = r + 1; q < 4; ++q) {
        T* score = z + q * K_ + k;
        store(score, decay * load<V>(score) + shrinking * b - step * (products[q] + one));
      }
      store(intercept + k, b - step * one);
    }
  }

  // W (d, K_) after the four updates with rows x (4, d); and its mean, unless that is null, in which the iterate after
  // each update has a share.
  void apply(T* __restrict W, T* __restrict mean, const T* shares, const T* x, int64_t d) const {
    for (int64_t k = 0; k < K_; k += lanes<T>) {
      V step[4], decay[4], c[4], keep = V{} + T(1);
      SKGD_UNROLL
      for (int r = 3; r >= 0; --r) {
        step[r] = load<V>(steps_.data() + r * K_ + k), decay[r] = load<V>(decays_.data() + r * K_ + k);
        c[r] = keep * step[r];
        keep *= decay[r];
      }
      const MeanOfFour<V> of_mean(decay, step, shares);
      for (int64_t j = 0; j < d; ++j) {
        T* w = W + j * K_ + k;
        const V now = load<V>(w), a = x[j] - V{}, b = x[d + j] - V{}, e = x[2 * d + j] - V{}, f = x[3 * d + j] - V{};
        if (mean) {
          T* m = mean + j * K_ + k;
          const V of_rows = (a * of_mean.c[0] + b * of_mean.c[1]) + (e * of_mean.c[2] + f * of_mean.c[3]);
          store(m, load<V>(m) * of_mean.keep + now * of_mean.of_w - of_rows);
        }
        store(w, (now * keep - a * c[0] - b * c[1]) - (e * c[2] + f * c[3]));
      }
    }
  }

 private:
  int64_t K_;
  Buffer<T> steps_, decays_;  // of each update and column
};

template <class T> class ColumnDescent {
 public:
  ColumnDescent(const Problem<T>& problem, Descent<T>& descent, const Plan& plan)
      : problem_(problem), design_(std::get<Dense<T>>(problem.design)), folds_(problem.folds), descent_(descent),
        plan_(plan), d_(design_.d), K_(problem.columns()), size_(problem.parameters()), gradient_(size_),
        z_(block_rows * K_), rates_(K_), weights_(K_ + lanes<T>), values_(K_), factors_(K_, T(1)), decay_(K_),
        four_(K_) {
    if (plan.rows.order) rows_.resize(block_rows * d_);
    l2_.assign(K_, T(problem.penalty.l2()));
    for (int64_t k = 0; k < K_; ++k) l2_[k] *= problem.penalty.strength.column[k];
    sums_.loss.resize(K_), sums_.weight.resize(K_), sums_.penalty.resize(K_);
    fold_weight_.resize(folds_.ends.size());
    if (folds_.weight_row_of) {
      table_.resize(folds_.weight_rows * K_ + lanes<T>);
      for (int64_t weight_row = 0; weight_row < folds_.weight_rows; ++weight_row)
        weights_by_column(weight_row, table_.data() + weight_row * K_);
    }
  }

  ColumnSums run(const Optimizer& optimizer, Control& control) {
    const std::unique_ptr<AnyRule<T>> rule = any_rule<T>(optimizer);
    const int64_t updates = plan_.updates();
    const bool steps = plan_.largest_batch() == 1 && std::holds_alternative<Plain>(optimizer) &&
                       problem_.penalty.smooth() && !problem_.given.gradient;
    const bool by_fours = steps && problem_.penalty.strength.uniform();
    Theta<T> theta{descent_.theta, gradient_.data(), descent_.slots, rates_.data(), false};
    plan_.rates_of(0, rates_);
    for (int64_t u = 0; u < updates && !control.stop; ++u) {
      for (; by_fours && u + 4 < updates && !control.stop; u += 4) {  // the last update is made on its own
        four_steps(u);
        control.done(4 * size_);
      }
      const Rows batch = plan_.batch(u);
      if (plan_.rate_stride) plan_.rates_of(u, rates_);
      if (u == updates - 1) penalties();
      if (steps) {
        step(score(batch));
      } else {
        gradient(batch);
        theta.scale = T(1) / T(batch.count);
        update(*rule, descent_.t, theta, problem_);
      }
      descent_.average.add(descent_.theta, size_, descent_.t);
      ++descent_.t, ++sums_.updates;
      control.done(batch.count * size_);
    }
    return finished();
  }

  // Sums over the rows at the present parameters; their gradient (size) is added to `sums`, in double from chunk to
  // chunk of the rows.
  ColumnSums evaluate(double* sums, Control& control) {
    for (int64_t start = 0; start < plan_.rows.count && !control.stop; start += chunk_rows) {
      const Rows part = plan_.rows.part(start, std::min(chunk_rows, plan_.rows.count - start));
      gradient(part);
      for (int64_t i = 0; i < size_; ++i) sums[i] += double(gradient_[i]);
      control.done(part.count * size_);
    }
    return finished();
  }

 private:
  static constexpr int64_t chunk_rows = 4096;
  static constexpr int64_t block_rows = 32;                          // rows whose scores stay in the first-level cache
  static constexpr int64_t max_factors = sizeof(T) == 8 ? 960 : 96;  // each in [.5, 1], so their product is not 0
  const Problem<T>& problem_;
  const Dense<T>& design_;
  const Folds<T>& folds_;
  Descent<T>& descent_;
  const Plan& plan_;
  int64_t d_, K_, size_;
  Buffer<T> gradient_, rows_, z_, rates_, weights_, table_, values_, factors_, decay_, l2_;
  FourUpdates<T> four_;
  T shares_[4] = {};         // of the mean, of four updates
  int64_t factor_rows_ = 0;  // rows whose factors are multiplied in factors_
  std::vector<double> fold_weight_;
  ColumnSums sums_;
  Quadratic<T> quadratic_;

  ColumnSums finished() {
    add_logs_of_factors();
    int64_t k = 0;
    for (size_t f = 0; f < folds_.ends.size(); ++f)
      for (; k < folds_.ends[f]; ++k) sums_.weight[k] = fold_weight_[f];
    return std::move(sums_);
  }

  void gradient(Rows batch) {
    if (problem_.given.gradient) {
      given_means(problem_, gradient_.data());
      return;
    }
    std::fill(gradient_.begin(), gradient_.end(), T(0));
    T* intercept = gradient_.data() + d_ * K_;
    if (!problem_.moments.empty() && batch.count == design_.n) {
      by_moments();
    } else {
      for (int64_t start = 0; start < batch.count; start += block_rows) {
        const Rows part = batch.part(start, std::min(block_rows, batch.count - start));
        const T* x = score(part);
        add_gradient(x, d_, z_.data(), part.count, d_, K_, gradient_.data());
        add_sums(z_.data(), part.count, K_, intercept);
      }
    }
    if (!problem_.fit_intercept) std::fill_n(intercept, K_, T(0));
  }

  void by_moments() {
    std::vector<double> totals(K_);
    for (int64_t f = 0, begin = 0; f < int64_t(folds_.ends.size()); begin = folds_.ends[f++]) {
      const Moments& moments = problem_.moments[f];
      quadratic_(moments, d_ + 1, descent_.theta + begin, folds_.ends[f] - begin, K_, gradient_.data() + begin,
                 totals.data());
      fold_weight_[f] += moments.gram[(d_ + 2) * d_];  // the sum of the weights: the intercept's ones with themselves
      for (int64_t k = begin; k < folds_.ends[f]; ++k) sums_.loss[k] += moments.squares / 2 + totals[k - begin];
    }
  }

  // Weighted slopes of at most block_rows rows, in z; gives the rows.
  const T* score(Rows part) {
    const T* x = raw_scores(part);
    slopes(part, nullptr);
    return x;
  }

  // Updates u .. u + 3 by the plain rule, under one strength of the penalty for all features.
  void four_steps(int64_t u) {
    const Rows rows = plan_.rows.part(u, 4);
    const T* x = raw_scores(rows);
    std::fill_n(shares_, 4, T(0));
    slopes(rows, x);
    four_.apply(descent_.theta, descent_.average.values, shares_, x, d_);
  }
  // What the update by row r of four, which begin at x, does to the scores of the later ones.
  [[gnu::noinline]] void step_of_row(int64_t r, const T* x, int64_t u) {
    T *intercept = descent_.theta + d_ * K_, *mean = descent_.average.values;
    T products[4];
    for (int64_t q = r + 1; q < 4; ++q) products[q] = dot(x + q * d_, x + r * d_, d_);
    if (plan_.rate_stride) plan_.rates_of(u, rates_);
    four_.update(int(r), z_.data(), intercept, rates_.data(), l2_.data(), products, T(problem_.fit_intercept));
    if (mean) shares_[r] = T(descent_.average.share(descent_.t));
    for (int64_t k = 0; k < K_ && shares_[r] > 0; ++k)
      mean[d_ * K_ + k] += shares_[r] * (intercept[k] - mean[d_ * K_ + k]);
    ++descent_.t, ++sums_.updates;
  }

  // Raw scores of at most block_rows rows, in z; gives the rows.
  const T* raw_scores(Rows part) {
    const T* x = design_.data + part[0] * d_;
    if (part.order && part.count > 1) {
      for (int64_t i = 0; i < part.count; ++i) copy_row(design_.data + part[i] * d_, rows_.data() + i * d_, d_);
      x = rows_.data();
    }
    affine(x, d_, descent_.theta, descent_.theta + d_ * K_, part.count, d_, K_, z_.data());
    return x;
  }

  // Prefetches the rows to come one by one: of many prefetches at once the processor drops a part.
  [[gnu::always_inline]] void prefetch_ahead(int64_t place) const {
    if (!plan_.rows.order || place >= plan_.rows.count) return;
    const int64_t row = plan_.rows[place], later = plan_.rows.row_to_prefetch(place);
    design_.prefetch_row(row);
    prefetch(problem_.targets.y + row, 1);
    if (folds_.weight_row_of)
      prefetch(folds_.weight_row_of + row, 1);
    else
      prefetch(folds_.weights + row * int64_t(folds_.ends.size()), int64_t(folds_.ends.size() * sizeof(T)));
    if (later >= 0) design_.prefetch_row(later);
  }

  // Weighted slopes replace the scores of the rows in z, one row after the other. With x, the rows of four updates,
  // each update is made before the slopes of the next row are found.
  void slopes(Rows part, const T* x) {
    match([&](const auto& loss) { slopes(loss, part, x); }, problem_.loss);
  }
  template <class L> void slopes(const L& loss, Rows part, const T* x) {
    if constexpr (Elementwise<L, T>) {
      constexpr bool has_log = requires(T y, T& slope) { loss.without_log(y, y, slope, slope); };
      const bool together = has_log && folds_.equal_weights;
      if (folds_.wants_loss && together && (factor_rows_ += part.count) > max_factors) add_logs_of_factors(part.count);
      std::fill(values_.begin(), values_.end(), T(0));
      const int64_t next = part.first - plan_.rows.first + part.count;
      for (int64_t i = 0; i < part.count; ++i) {
        prefetch_ahead(next + i);
        const T y = problem_.targets.y[part[i]];
        T* z = z_.data() + i * K_;
        const T* weight = weights_of(part[i]);
        if (!folds_.wants_loss)
          slopes_alone(loss, y, z, weight);
        else if constexpr (has_log)
          together ? with_factors(loss, y, z, weight) : with_values(loss, y, z, weight);
        else
          with_values(loss, y, z, weight);
        if (x) step_of_row(i, x, next - part.count + i);
      }
      for (int64_t k = 0; k < K_; ++k) sums_.loss[k] += double(values_[k]);
    }
  }

  template <class L> void slopes_alone(const L& loss, T y, T* __restrict z, const T* __restrict weight) {
    SKGD_INDEPENDENT
    for (int64_t k = 0; k < K_; ++k) {
      T slope;
      loss(y, z[k], slope);
      z[k] = weight[k] * slope;
    }
  }

  template <class L> void with_values(const L& loss, T y, T* __restrict z, const T* __restrict weight) {
    T* __restrict values = values_.data();
    SKGD_INDEPENDENT
    for (int64_t k = 0; k < K_; ++k) {
      T slope;
      values[k] += weight[k] * loss(y, z[k], slope);
      z[k] = weight[k] * slope;
    }
  }

  // The sum of the logarithms of many rows is the logarithm of a product, which is formed here.
  template <class L> void with_factors(const L& loss, T y, T* __restrict z, const T* __restrict weight) {
    T* __restrict values = values_.data(), * __restrict factors = factors_.data();
    SKGD_INDEPENDENT
    for (int64_t k = 0; k < K_; ++k) {
      T slope, unused;
      values[k] += weight[k] * loss.without_log(y, z[k], slope, unused);
      factors[k] *= weight[k] > 0 ? loss.larger(y, slope) : T(1);
      z[k] = weight[k] * slope;
    }
  }

  void add_logs_of_factors(int64_t next = 0) {
    const int64_t folds = int64_t(folds_.ends.size());
    if (!folds_.equal_weights) return;  // then there are no factors
    for (int64_t f = 0, k = 0; f < folds; ++f) {
      const T* weight = folds_.weights + f;  // those that are not zero are equal
      while (*weight == 0) weight += folds;
      for (; k < folds_.ends[f]; ++k) sums_.loss[k] -= double(*weight) * std::log(double(factors_[k]));
    }
    std::fill(factors_.begin(), factors_.end(), T(1));
    factor_rows_ = next;
  }

  // The weights of a row for all columns.
  const T* weights_of(int64_t row) {
    const int64_t weight_row = folds_.weight_row_of ? folds_.weight_row_of[row] : row,
                  count = int64_t(folds_.ends.size());
    const T* __restrict of_fold = folds_.weights + weight_row * count;
    double* __restrict sums = fold_weight_.data();
    for (int64_t f = 0; f < count; ++f) sums[f] += double(of_fold[f]);
    if (folds_.weight_row_of) return table_.data() + weight_row * K_;
    weights_by_column(weight_row, weights_.data());
    return weights_.data();
  }

  // Columns of a fold are neighbours. Whole vectors are written; what lies beyond a fold is overwritten by the next.
  // `out` has room for K_ + lanes<T> elements.
  void weights_by_column(int64_t weight_row, T* out) const {
    const int64_t count = int64_t(folds_.ends.size());
    for (int64_t f = 0, k = 0; f < count; k = folds_.ends[f], ++f) {
      const vec<T> weight = folds_.weights[weight_row * count + f] - vec<T>{};
      for (; k < folds_.ends[f]; k += lanes<T>) store(out + k, weight);
    }
    std::fill(out + folds_.ends.back(), out + K_, T(0));  // padding
  }

  // The plain step for one row, whose slopes are in z: W_j <- W_j - rate (l2_j W_j + x_j slope).
  void step(const T* x) {
    using V = vec<T>;
    const Strength<T>& strength = problem_.penalty.strength;
    T* w = descent_.theta;
    for (int64_t k = 0; k < K_; ++k) z_[k] *= rates_[k], decay_[k] = rates_[k] * strength.column[k];
    problem_.penalty.visit([&](auto p) {
      for (int64_t j = 0; j < d_; ++j, w += K_) {
        const V xj = x[j] - V{}, l2 = strength.at(p, j).l2 - V{};
        for (int64_t k = 0; k < K_; k += lanes<T>) {
          const V now = load<V>(w + k);
          store(w + k, now - now * (l2 * load<V>(decay_.data() + k)) - xj * load<V>(z_.data() + k));
        }
      }
    });
    if (problem_.fit_intercept)
      for (int64_t k = 0; k < K_; ++k) w[k] -= z_[k];
  }

  void penalties() {
    const Strength<T>& strength = problem_.penalty.strength;
    std::fill(sums_.penalty.begin(), sums_.penalty.end(), 0.0);
    problem_.penalty.template visit<double>([&](auto p) {
      for (int64_t j = 0; j < d_; ++j) {
        const auto of_feature = strength.at(p, j);
        for (int64_t k = 0; k < K_; ++k) sums_.penalty[k] += of_feature.value(double(descent_.theta[j * K_ + k]));
      }
    });
    for (int64_t k = 0; k < K_; ++k) sums_.penalty[k] *= double(strength.column[k]);
  }
};

}  // namespace skgd
