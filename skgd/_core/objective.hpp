// The objective over all rows without its gradient, for linear models of one column on dense rows: scores and values of
// the loss at about the speed of reading X once.
#pragma once
#include <cmath>
#include <optional>
#include <vector>

#include "blocks.hpp"
#include "linear.hpp"
#include "parallel.hpp"
#include "problem.hpp"

namespace skgd {

// Scores of dense rows in their natural order under one column of weights.
template <class T> class RowScores {
 public:
  // in_cache: whether the rows are there already.
  RowScores(const Dense<T>& design, const T* theta, bool in_cache = false)
      : design_(design), d_(design.d), w_(theta, theta + design.d), intercept_(theta[design.d]), in_cache_(in_cache),
        constant_(std::all_of(w_.begin(), w_.end(), [](T w) { return w == 0; })) {
    if (design.buffered())  // (x - center) . w with w in units of the features
      for (int64_t j = 0; j < d_; ++j) w_[j] *= design.inverse_scale[j];
  }

  // z (rows.count): the scores of the rows. With weights that are all zero no row is read.
  void operator()(Rows rows, T* z) const {
    const int64_t count = rows.count;
    if (constant_)
      std::fill_n(z, count, T(0));
    else if (design_.buffered())
      by_rows(rows, z, [&](const T* row) { return dot_centered(row, design_.center, w_.data(), d_); });
    else if (d_ >= lanes<T> && (in_cache_ || d_ * int64_t(sizeof(T)) <= short_row))
      by_fours(rows, z);
    else
      by_rows(rows, z, [&](const T* row) { return dot(row, w_.data(), d_); });
    for (int64_t i = 0; i < count; ++i) z[i] += intercept_;
  }

 private:
  // Short rows are read four at once, as summing up one of them takes as long as reading it; and memory is asked for
  // rows to come. Long rows load fastest one by one, with what the processor prefetches by itself.
  static constexpr int64_t short_row = 256, ahead_bytes = 2048, gap_bytes = 4096;
  const Dense<T>& design_;
  int64_t d_;
  Buffer<T> w_;
  T intercept_;
  bool in_cache_, constant_;
  PaddedRow<T> row_{d_};

  const T* row(int64_t i) const { return design_.data + i * d_; }

  // Gaps between rows end what the processor prefetches by itself.
  template <class Dot> void by_rows(Rows rows, T* z, const Dot& dot_of) const {
    const int64_t bytes = d_ * int64_t(sizeof(T)), ahead = rows.order ? 1 + gap_bytes / std::max<int64_t>(1, bytes) : 0;
    for (int64_t i = 0; i < rows.count; ++i) {
      if (ahead && i + ahead < rows.count) prefetch(row(rows[i + ahead]), bytes);
      z[i] = dot_of(row(rows[i]));
    }
  }

  void by_fours(Rows rows, T* z) const {
    int64_t i = dots_of_short_rows([&](int64_t i) { return row(rows[i]); }, rows.count, w_.data(), row_, z);
    for (; i + 4 <= rows.count; i += 4) {
      const T *x[4], *ahead[4];
      for (int r = 0; r < 4; ++r)
        x[r] = row(rows[i + r]), ahead[r] = x[r] + (in_cache_ ? 0 : ahead_bytes / int64_t(sizeof(T)));
      dot4<false>(x, ahead, static_cast<const T*>(nullptr), w_.data(), row_, z + i);
    }
    for (; i < rows.count; ++i) z[i] = dot(row(rows[i]), w_.data(), d_);
  }
};

// Sum of weight * value of the loss over `count` rows.
template <class T, class L>
double sum_of_values(const L& loss, const T* y, const T* z, const T* weight, int64_t count) {
  constexpr int64_t width = 64;
  double total = 0;
  for (int64_t start = 0; start < count; start += width) {
    const int64_t m = std::min(width, count - start);
    T value[width], slope[width];
    SKGD_INDEPENDENT
    for (int64_t i = 0; i < m; ++i) value[i] = loss(y[start + i], z[start + i], slope[i]);
    for (int64_t i = 0; weight && i < m; ++i) value[i] *= weight[start + i];
    constexpr int parts = 8;
    double part[parts] = {};
    int64_t i = 0;
    for (; i + parts <= m; i += parts) {
      SKGD_INDEPENDENT
      for (int p = 0; p < parts; ++p) part[p] += double(value[i + p]);
    }
    for (; i < m; ++i) part[0] += double(value[i]);
    total += ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  }
  return total;
}

// The same without weights where the value is a simple term plus log(1 + e), 0 <= e <= 1: the factors 1 + e of many
// rows are multiplied before one logarithm is taken.
template <class T, class L> double sum_by_factors(const L& loss, const T* y, const T* z, int64_t count) {
  constexpr int64_t width = 64, groups = 8;  // the product of 512 factors is at most 2^512
  constexpr int parts = 8;
  double total = 0, product = 1;
  int64_t begin = 0, group = 0;
  for (; begin + width <= count; begin += width) {
    T e[width], rest[parts] = {}, factor[parts], slope[parts];
    std::fill_n(factor, parts, T(1));
    for (int64_t i = 0; i < width; i += parts) {
      SKGD_INDEPENDENT
      for (int p = 0; p < parts; ++p) {
        const int64_t at = begin + i + p;
        rest[p] += loss.without_log(y[at], z[at], slope[p], e[i + p]);
        factor[p] *= T(1) + e[i + p];
      }
    }
    double of_group = 1;
    for (int p = 0; p < parts; ++p) total += double(rest[p]), of_group *= double(factor[p]);
    if (of_group < 1.01) {  // log(1 + e) of small e would lose digits
      for (int64_t i = 0; i < width; ++i) total += double(log1p_(e[i]));
      continue;
    }
    product *= of_group;
    if (++group % groups == 0) total += std::log(product), product = 1;
  }
  return total + std::log(product) +
         sum_of_values(loss, y + begin, z + begin, static_cast<const T*>(nullptr), count - begin);
}

template <class T, class L>
double sum_of_losses(const L& loss, const T* y, const T* z, const T* weight, int64_t count) {
  if constexpr (requires(T v, T& out) { loss.without_log(v, v, out, out); })
    if (!weight) return sum_by_factors(loss, y, z, count);
  return sum_of_values(loss, y, z, weight, count);
}

// Whether ObjectivePass serves a problem: else the general loop has to.
template <class T> bool objective_pass_applies(const Problem<T>& problem) {
  const bool elementwise = match([](auto& loss) { return Elementwise<std::decay_t<decltype(loss)>, T>; }, problem.loss);
  return elementwise && problem.layers.size() == 1 && problem.columns() == 1 &&
         std::holds_alternative<Dense<T>>(problem.design);
}

// Sum of weight * loss over some rows of a problem that objective_pass_applies() to.
template <class T> double sum_of_losses(const Problem<T>& problem, const RowScores<T>& scores, Rows rows) {
  constexpr int64_t part = 512;  // rows
  T z[part];
  TargetBuffer<T> targets;
  double total = 0;
  for (int64_t begin = 0; begin < rows.count; begin += part) {
    const Rows some = rows.part(begin, std::min(part, rows.count - begin));
    scores(some, z);
    const Block<T> block = targets.block(problem, some, z);
    match(
        [&](auto& loss) {
          if constexpr (Elementwise<std::decay_t<decltype(loss)>, T>)
            total += sum_of_losses(loss, block.y, z, block.weight, some.count);
        },
        problem.loss);
  }
  return total;
}

// Whether LossBeside serves a problem: linear models of one or several columns on dense rows.
template <class T> bool finds_loss_beside(const Problem<T>& problem) {
  const bool called = std::holds_alternative<Callback>(problem.loss);
  return objective_pass_applies(problem) || (!called && problem.layers.size() == 1 && problem.columns() > 1 &&
                                             std::holds_alternative<Dense<T>>(problem.design));
}

// Sum of weight * loss at other parameters than those of a descent, over the rows that its updates have just read: they
// are in the cache, and X is not read once more.
template <class T> class LossBeside {
 public:
  LossBeside(const Problem<T>& problem, const T* theta)
      : problem_(problem), theta_(theta),
        rows_(std::clamp<int64_t>(cached / std::max<int64_t>(1, problem.d() * int64_t(sizeof(T))) / 4 * 4, 16, 256)) {
    if (objective_pass_applies(problem))
      scores_.emplace(std::get<Dense<T>>(problem.design), theta, true);
    else
      columns_.emplace(problem);
    const int64_t outputs = problem.targets.columns;
    if (!columns_ || outputs > most_outputs || problem.d() < lanes<T> || problem.targets.offset ||
        problem.passive.inverse || !match([&](auto& loss) { return has_columns<T>(loss, outputs); }, problem.loss))
      return;
    const int64_t stride = row_.vectors * lanes<T>;
    packed_.resize(stride * outputs);
    weights_ = {packed_.data(), stride, outputs};
    pack_columns<T>(theta, problem.columns(), nullptr, weights_, row_);
    z_.resize(rows_ * outputs), y_.resize(rows_), weight_.resize(rows_);
  }

  void add(Rows rows) {
    const int64_t scored = std::exchange(scored_, 0);
    if (scored) add_scored(rows.part(0, scored));
    if (scored == rows.count) return;
    const Rows rest = rows.part(scored, rows.count - scored);
    total_ += scores_ ? sum_of_losses(problem_, *scores_, rest) : columns_->loss_and_gradient(theta_, rest, nullptr);
  }
  // Scores of four rows of several outputs while they are in the first-level cache; `at`: the place of the first of
  // them among the rows that are added next.
  void score(const T* const* x, int64_t at) {
    if (z_.empty() || at != scored_) return;
    by_threes(0, weights_.count, [&](int64_t k, auto C) {
      const PaddedColumns<const T> part{weights_.from(k).values, weights_.stride, weights_.count - k};
      dot4_columns<C.value, false>(x, x, x[0], part, row_, z_.data() + k * rows_ + at, rows_);
    });
    scored_ += 4;
  }
  double total() const { return total_; }
  int64_t rows() const { return rows_; }  // that stay in the cache

 private:
  static constexpr int64_t cached = 256 << 10;  // bytes
  static constexpr int64_t most_outputs = 16;
  const Problem<T>& problem_;
  const T* theta_;
  std::optional<RowScores<T>> scores_;  // of one column
  std::optional<Linear<T>> columns_;    // several
  int64_t rows_;
  double total_ = 0;
  PaddedRow<T> row_{problem_.d()};
  Buffer<T> packed_;
  PaddedColumns<T> weights_{};  // of several outputs whose loss is a sum over them
  Buffer<T> z_, y_, weight_;    // (outputs, rows_) their scores, (rows_,)
  int64_t scored_ = 0;          // rows in z_

  void add_scored(Rows rows) {
    const Targets<T>& t = problem_.targets;
    for (int64_t i = 0; t.weight && i < rows.count; ++i) weight_[i] = t.weight[rows[i]];
    for (int64_t k = 0; k < t.columns; ++k) {
      T* z = z_.data() + k * rows_;
      const T intercept = theta_[problem_.d() * problem_.columns() + k];
      for (int64_t i = 0; i < rows.count; ++i) {
        z[i] += intercept;
        y_[i] = t.codes ? T(t.y[rows[i]] == T(k)) : t.y[rows[i] * t.columns + k];
      }
      const Block<T> block{z, y_.data(), t.weight ? weight_.data() : nullptr, rows.count, 1, 1, false};
      total_ += slopes_of_column(problem_.loss, k, block);
    }
  }
};

// Sum of weight * loss over all rows. Rows are cut into fixed chunks whose sums are added in order, so the result does
// not depend on the number of threads.
template <class T> double objective_pass(const Problem<T>& problem, const T* theta, int threads, Control& control) {
  constexpr int64_t chunk = 4096, part = 512, worth_a_thread = 1 << 17;  // rows, rows, elements
  const Rows all = problem.rows();
  const int64_t n = all.count, d = problem.d(), chunks = (n + chunk - 1) / chunk;
  const RowScores<T> scores(std::get<Dense<T>>(problem.design), theta);
  std::vector<double> sums(chunks);
  std::atomic<bool> stop{false};
  auto sum = [&](int worker, int64_t c) {
    const int64_t end = std::min(n, (c + 1) * chunk);
    for (int64_t begin = c * chunk; begin < end && !stop; begin += part) {
      const int64_t count = std::min(part, end - begin);
      sums[c] += sum_of_losses(problem, scores, all.part(begin, count));
      if (worker == 0 && control.done(count * d)) stop = true;
    }
  };
  const int workers = int(std::min<int64_t>(threads, n * d / worth_a_thread));
  auto loan = problem.threads->lend(workers > 1 ? threads : 1);
  (*loan).run(chunks, workers, sum);
  double total = 0;
  for (double each : sums) total += each;
  return total;
}

}  // namespace skgd
