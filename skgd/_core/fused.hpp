// Per-sample descent on dense rows under the plain or the implicit rule: dot -> slope -> step, no gradient is formed.
#pragma once
#include "blocks.hpp"
#include "descent.hpp"

namespace skgd {

template <class T> bool per_sample_applies(const Problem<T>& problem, const Plan& plan, const Optimizer& optimizer) {
  return plan.largest_batch() == 1 && std::holds_alternative<Plain>(optimizer) && problem.penalty.smooth() &&
         problem.layers.size() == 1 && plan.max_gradient_norm == 0 && std::holds_alternative<Dense<T>>(problem.design);
}

// The implicit rule has one column here, and a penalty that is the same for all features.
template <class T>
bool implicit_per_sample_applies(const Problem<T>& problem, const Plan& plan, const Optimizer& optimizer) {
  return std::holds_alternative<Implicit>(optimizer) && problem.columns() == 1 && problem.penalty.strength.uniform() &&
         std::holds_alternative<SquaredError>(problem.loss) && per_sample_applies(problem, plan, Plain{});
}

// One step on W (d, columns): W_j <- (1 - l2_j rate) W_j - x_j c, with c = rate * slope for each column; l2 is the one
// of all features, or, with l2_of, the one of each.
template <class T>
void step_columns(T* W, const T* x, const T* c, const T* rates, T l2_, const T* l2_of, int64_t d, int64_t columns) {
  using V = vec<T>;
  for (int64_t j = 0; j < d; ++j) {
    const V l2 = (l2_of ? l2_of[j] : l2_) - V{}, xj = x[j] - V{};
    for (int64_t k = 0; k < columns; k += lanes<T>) {
      T* w = W + j * columns + k;
      const V now = load<V>(w);
      store(w, now - now * l2 * load<V>(rates + k) - xj * load<V>(c + k));
    }
  }
}

template <class T, class L, bool implicit = false> class PerSample {
 public:
  PerSample(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const L& loss)
      : problem_(problem), design_(std::get<Dense<T>>(problem.design)), targets_(problem.targets), descent_(descent),
        plan_(plan), loss_(loss), d_(design_.d), K_(problem.columns()), size_(problem.parameters()), w_(descent.theta),
        l2_(T(problem.penalty.l2())), z_(std::max(K_, rows_per_check)), rates_(K_), y_(rows_per_check),
        weights_(rows_per_check) {
    if constexpr (implicit) squares_ = squared_lengths(problem);
    for (auto& buffer : buffers_) buffer.resize(design_.buffered() ? d_ : 0);
    packed_.resize(row_.vectors * lanes<T>), mean_.resize(packed_.size());
    if (problem.penalty.strength.uniform()) return;
    problem.penalty.visit([&](auto p) {
      for (int64_t j = 0; j < d_; ++j) l2_of_.push_back(problem.penalty.strength.at(p, j).l2);
    });
  }

  Outcome run(Control& control) {
    Outcome outcome;
    const int64_t updates = plan_.rows.count;
    for (int64_t begin = 0; begin < updates && !control.stop; begin += rows_per_check) {
      const int64_t end = std::min(begin + rows_per_check, updates);
      const bool last = end == updates;  // the last update is made on its own, after the report
      outcome.loss += rows(begin, end - last);
      if (last) {
        report(problem_, w_, plan_.batch(end - 1), outcome);
        outcome.loss += rows(end - 1, end);
      }
      outcome.weight += weight_of(problem_, plan_.rows.part(begin, end - begin));
      outcome.updates = end;
      control.done((end - begin) * size_);
    }
    return outcome;
  }

 private:
  static constexpr int64_t rows_per_check = 256;  // rows between two looks at the stop flag
  const Problem<T>& problem_;
  const Dense<T>& design_;
  const Targets<T>& targets_;
  Descent<T>& descent_;
  const Plan& plan_;
  const L& loss_;
  int64_t d_, K_, size_;
  T* w_;
  T l2_;                        // of the penalty, where all features have the same
  const T* squares_ = nullptr;  // |x|^2 of the rows, for the implicit rule
  Buffer<T> z_, rates_, y_, weights_, l2_of_, buffers_[2];
  PaddedRow<T> row_{d_};
  Buffer<T> packed_, mean_;  // theta and the mean of the iterates, padded

  double rows(int64_t begin, int64_t end) {
    if constexpr (Elementwise<L, T>)
      if (K_ == 1) {
        const int64_t fours = l2_of_.empty() && d_ >= lanes<T> ? (end - begin) / 4 * 4 : 0;
        return (fours ? rows_by_fours(begin, begin + fours) : 0) + one_column(begin + fours, end);
      }
    return any_columns(begin, end);
  }

  void prefetch_target(int64_t i) const {
    prefetch(targets_.y + i * (targets_.codes ? 1 : targets_.columns), 1);
    if constexpr (implicit) prefetch(squares_ + i, 1);
  }

  // The row to prefetch while row u is at work, or `none`; its target is prefetched here.
  const T* prefetch_ahead(int64_t u, const T* none) const {
    const int64_t next = plan_.rows.row_to_prefetch(u);
    if (next < 0) return none;
    prefetch_target(next);
    return design_.data + next * d_;
  }

  const T* row(int64_t u) {
    if (const int64_t next = plan_.rows.row_to_prefetch(u); next >= 0) {
      design_.prefetch_row(next);
      prefetch_target(next);
    }
    return design_.row(plan_.rows[u], buffers_[u & 1].data());
  }

  T weight(int64_t i) const { return targets_.weight ? targets_.weight[i] : T(1); }

  // An update is w <- decay w - scale slope x or, if implicit, w <- decay (w - scale slope x): the proximal step of the
  // penalty follows that of the loss, whose residual is the one after the step. The intercept does not decay.
  struct Step {
    T decay, scale;
  };
  Step step(int64_t u, int64_t i) const {
    const T rate = T(plan_.rate(u)), scale = rate * weight(i);
    if constexpr (implicit) {
      // decay = 1 / of_penalty and scale / of_loss, by one division
      const T of_penalty = T(1) + rate * l2_, of_loss = T(1) + scale * squares_[i];
      const T inverse = T(1) / (of_penalty * of_loss);
      return {of_loss * inverse, scale * of_penalty * inverse};
    } else {
      return {T(1) - rate * l2_, scale};
    }
  }

  void average() {
    if (descent_.average.values) descent_.average.add(w_, size_, descent_.t);
    ++descent_.t;
  }

  // Four rows at once: their products with w and with each other are computed together. The score of a row under the w
  // after the updates of the rows before it, w <- decay w - c x, follows from these products, so no sum over features
  // has to wait for the update before, and w is read and written once for four rows. So is the mean of the iterates:
  // each of them is a combination of the first w and the four rows.
  double rows_by_fours(int64_t begin, int64_t end) {
    const T one = T(problem_.fit_intercept);
    const bool averaging = descent_.average.values;
    T intercept = w_[d_], mean_intercept = averaging ? descent_.average.values[d_] : T(0);
    row_.pack(w_, packed_.data());
    if (averaging) row_.pack(descent_.average.values, mean_.data());
    for (int64_t u = begin; u < end; u += 4) {
      const T *x[4], *ahead[4];
      T gram[6], z[4], c[4], kept = 1;              // w is now kept w - sum c x
      T mean_c[4] = {}, mean_kept = 1, mean_w = 0;  // the mean is now mean_kept mean + mean_w w - sum mean_c x
      for (int r = 0; r < 4; ++r) {
        x[r] = design_.data + plan_.rows[u + r] * d_;
        ahead[r] = prefetch_ahead(u + r, x[r]);
      }
      scores_and_gram(x, ahead, packed_.data(), row_, z, gram);
      for (int r = 0; r < 4; ++r) z[r] += intercept;
      SKGD_UNROLL
      for (int r = 0; r < 4; ++r) {
        const int64_t i = plan_.rows[u + r], at = u + r - begin;
        const auto [decay, scale] = step(u + r, i);
        const T y = targets_.y[i];
        T slope;
        loss_(y, z[r], slope);          // its value is computed later, for all rows of the call at once
        const T whole = scale * slope;  // the step of the intercept
        c[r] = implicit ? decay * whole : whole;
        z_[at] = z[r], y_[at] = y;
        if (targets_.weight) weights_[at] = weight(i);
        SKGD_UNROLL
        for (int k = r + 1; k < 4; ++k)  // the intercept does not decay
          z[k] =
              (decay * z[k] + (T(1) - decay) * intercept) -
              (implicit ? c[r] * gram[k * (k - 1) / 2 + r] + whole * one : whole * (gram[k * (k - 1) / 2 + r] + one));
        intercept -= whole * one;
        for (int k = 0; k < r; ++k) c[k] *= decay;
        kept *= decay;
        if (!averaging) continue;
        const T share = T(descent_.average.share(descent_.t + at)), rest = T(1) - share;
        mean_kept *= rest, mean_w = rest * mean_w + share * kept;
        for (int k = 0; k <= r; ++k) mean_c[k] = rest * mean_c[k] + share * c[k];
        mean_intercept += share * (intercept - mean_intercept);
      }
      if (averaging) step4<true>(mean_.data(), mean_kept, packed_.data(), mean_w, mean_c, x, row_);
      step4<false>(packed_.data(), kept, packed_.data(), T(0), c, x, row_);
    }
    row_.unpack(packed_.data(), w_);
    w_[d_] = intercept;
    if (averaging) row_.unpack(mean_.data(), descent_.average.values), descent_.average.values[d_] = mean_intercept;
    descent_.t += end - begin;
    const T* weights = targets_.weight ? weights_.data() : nullptr;
    return slopes_of(loss_, Block<T>{z_.data(), y_.data(), weights, end - begin, 1, 1, false});
  }

  double one_column(int64_t begin, int64_t end) {
    double total = 0;
    for (int64_t u = begin; u < end; ++u) {
      const T* x = row(u);
      const int64_t i = plan_.rows[u];
      T slope;
      const T value = loss_(targets_.y[i], dot(x, w_, d_) + w_[d_], slope);
      const auto [decay, scale] = step(u, i);
      const T whole = scale * slope, c = implicit ? decay * whole : whole;
      total += double(weight(i)) * double(value);
      if (l2_of_.empty())
        decay_and_step(w_, decay, c, x, d_);
      else
        decay_and_step(w_, l2_of_.data(), T(plan_.rate(u)), c, x, d_);
      if (problem_.fit_intercept) w_[d_] -= whole;
      average();
    }
    return total;
  }

  double any_columns(int64_t begin, int64_t end) {
    double total = 0;
    const int64_t width = targets_.codes ? 1 : targets_.columns;
    for (int64_t u = begin; u < end; ++u) {
      const T* x = row(u);
      const int64_t i = plan_.rows[u];
      T* intercept = w_ + d_ * K_;
      std::copy_n(intercept, K_, z_.data());
      if (K_ == 1)
        z_[0] += dot(x, w_, d_);
      else
        dot_columns(x, w_, d_, K_, z_.data());
      total +=
          slopes_of(loss_, Block<T>{z_.data(), targets_.y + i * width, targets_.weight ? targets_.weight + i : nullptr,
                                    1, targets_.columns, K_, targets_.codes});
      plan_.rates_of(u, rates_);
      for (int64_t k = 0; k < K_; ++k) z_[k] *= rates_[k];
      if (K_ > 1)
        step_columns(w_, x, z_.data(), rates_.data(), l2_, l2_of_.empty() ? nullptr : l2_of_.data(), d_, K_);
      else if (l2_of_.empty())
        decay_and_step(w_, T(1) - rates_[0] * l2_, z_[0], x, d_);
      else
        decay_and_step(w_, l2_of_.data(), rates_[0], z_[0], x, d_);
      if (problem_.fit_intercept)
        for (int64_t k = 0; k < K_; ++k) intercept[k] -= z_[k];
      average();
    }
    return total;
  }
};

}  // namespace skgd
