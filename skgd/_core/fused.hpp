// Per-sample descent on dense rows under the plain or the implicit rule: dot -> slope -> step, no gradient is formed.
#pragma once
#include "blocks.hpp"
#include "descent.hpp"

namespace skgd {

template <class T> bool per_sample_applies(const Problem<T>& problem, const Plan& plan, const Optimizer& optimizer) {
  return plan.largest_batch() == 1 && std::holds_alternative<Plain>(optimizer) && problem.penalty.smooth() &&
         problem.layers.size() == 1 && plan.max_gradient_norm == 0 && !problem.targets.offset &&
         std::holds_alternative<Dense<T>>(problem.design);
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

// The mean of the iterates over up to four updates w <- decay w - c x in a row: each iterate is a combination of the w
// before the first update and of the rows, so the mean is read and written once for all of them.
template <class T> struct MeanOfFour {
  int count = 0;
  T decay[4], c[4], share[4];  // share: of the iterate after the update in the mean
  const T* x[4];

  void update(T decay_, T step, const T* row, T share_) {
    decay[count] = decay_, c[count] = step, x[count] = row, share[count] = share_, ++count;
  }
  // The mean after these updates is keep mean + mean_w w - sum mean_c x, with the mean and the w before them.
  struct Combination {
    T keep = 1, mean_w = 0, mean_c[4];
  };
  Combination combination() {
    for (; count < 4; ++count) decay[count] = 1, c[count] = share[count] = 0, x[count] = x[0];
    Combination all;
    T of_row = 0;  // share in the mean of row r times its step: by this and all later iterates
    SKGD_UNROLL
    for (int r = 3; r >= 0; --r) {
      of_row += share[r] * all.keep;
      all.keep *= T(1) - share[r];
      all.mean_c[r] = of_row * c[r];
      of_row *= decay[r];
    }
    all.mean_w = of_row;
    return all;
  }
};

// Rows of one column whose losses are summed later, many at once.
template <class T> struct ScoredRows {
  Buffer<T> z, y, slope, weight;
  explicit ScoredRows(int64_t most) : z(most), y(most), slope(most), weight(most) {}

  void set(int64_t at, T score, T target, T slope_there, T weight_there) {
    z[at] = score, y[at] = target, slope[at] = slope_there, weight[at] = weight_there;
  }
  // Sum of weight * loss of the first `count` rows. Slopes replace their scores.
  template <class L> double loss(const L& loss, int64_t count, bool weighted) {
    if constexpr (requires { loss.total(y.data(), z.data(), slope.data(), count); })
      if (!weighted) return loss.total(y.data(), z.data(), slope.data(), count);
    return slopes_of(loss, Block<T>{z.data(), y.data(), weighted ? weight.data() : nullptr, count, 1, 1, false});
  }
};

template <class T, class L, bool implicit = false> class PerSample {
 public:
  PerSample(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const L& loss)
      : problem_(problem), design_(std::get<Dense<T>>(problem.design)), targets_(problem.targets), descent_(descent),
        plan_(plan), loss_(loss), d_(design_.d), K_(problem.columns()), size_(problem.parameters()), w_(descent.theta),
        l2_(T(problem.penalty.l2())), z_(K_), rates_(K_), packed_(row_.vectors * lanes<T>), mean_(packed_.size()),
        before_(packed_.size()) {
    if constexpr (implicit) squares_ = squared_lengths(problem);
    for (auto& buffer : buffers_) buffer.resize(copied_ ? packed_.size() : 0);
    if (problem.penalty.strength.uniform()) return;
    problem.penalty.visit([&](auto p) {
      for (int64_t j = 0; j < d_; ++j) l2_of_.push_back(problem.penalty.strength.at(p, j).l2);
    });
    if (K_ > 1 || !Elementwise<L, T>) return;
    const Buffer<T> of_features = l2_of_;
    l2_of_.resize(packed_.size());
    pack(of_features.data(), l2_of_.data());
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
  static constexpr int64_t rows_per_check = 256;     // rows between two looks at the stop flag
  static constexpr int64_t long_row = 4096;          // bytes from which three rows no longer fit the first-level cache
  static constexpr int64_t long_row_of_mean = 2048;  // and six
  const Problem<T>& problem_;
  const Dense<T>& design_;
  const Targets<T>& targets_;
  Descent<T>& descent_;
  const Plan& plan_;
  const L& loss_;
  int64_t d_, K_, size_;
  T* w_;
  T l2_;                                               // of the penalty, where all features have the same
  const T* squares_ = nullptr;                         // |x|^2 of the rows, for the implicit rule
  bool copied_ = design_.buffered() || d_ < lanes<T>;  // whether rows are copied to buffers
  PaddedRow<T> row_{copied_ ? std::max<int64_t>(1, (d_ + lanes<T> - 1) / lanes<T>) * lanes<T> : d_};
  ScoredRows<T> scored_{rows_per_check};
  static constexpr int64_t copies = 6;  // rows in use at a time: four that the mean waits for, and two to come
  Buffer<T> z_, rates_, l2_of_, buffers_[copies];
  Buffer<T> packed_, mean_, before_;  // theta, the mean of the iterates, and theta before those it waits for; padded

  double rows(int64_t begin, int64_t end) {
    if constexpr (Elementwise<L, T>)
      if (K_ == 1) {
        const int64_t longest = descent_.average.values ? long_row_of_mean : long_row;
        const bool by_fours = !copied_ && l2_of_.empty() && d_ * int64_t(sizeof(T)) > longest;
        const int64_t fours = by_fours ? (end - begin) / 4 * 4 : 0;
        return (fours ? rows_by_fours(begin, begin + fours) : 0) + one_column(begin + fours, end);
      }
    return any_columns(begin, end);
  }

  void prefetch_target(int64_t i) const {
    prefetch(targets_.y + i * (targets_.codes ? 1 : targets_.columns), 1);
    if constexpr (implicit) prefetch(squares_ + i, 1);
  }

  // The row to prefetch from memory while row u is at work, or `none`; its target is prefetched here.
  const T* row_to_prefetch(int64_t u, const T* none) const {
    const int64_t next = plan_.rows.row_to_prefetch(u);
    if (next < 0) return none;
    prefetch_target(next);
    return design_.data + next * d_;
  }
  // The row that is at work soon after row u, or `none`.
  const T* row_soon(int64_t u, const T* none) const {
    const int64_t soon = plan_.rows.row_soon(u);
    return soon < 0 ? none : design_.data + soon * d_;
  }

  const T* row(int64_t u) {
    if (const int64_t next = plan_.rows.row_to_prefetch(u); next >= 0) {
      design_.prefetch_row(next);
      prefetch_target(next);
    }
    if (const int64_t soon = plan_.rows.row_soon(u); soon >= 0) design_.prefetch_row(soon);
    return design_.row(plan_.rows[u], buffers_[u & 1].data());
  }

  // Row u as whole vectors: where it lies or, if it is standardised or short, in one of the buffers in turn. Without
  // rows that a mean waits for three of them are enough, and stay in the first-level cache.
  const T* padded_row(int64_t u) {
    if (!copied_) return design_.data + plan_.rows[u] * d_;
    T* buffer = buffers_[u % (descent_.average.values ? copies : 3)].data();
    if (const T* x = design_.row(plan_.rows[u], buffer); x != buffer) std::copy_n(x, d_, buffer);
    return buffer;
  }
  void pack(const T* w, T* packed) const { copied_ ? (void)std::copy_n(w, d_, packed) : row_.pack(w, packed); }
  void unpack(const T* packed, T* w) const { copied_ ? (void)std::copy_n(packed, d_, w) : row_.unpack(packed, w); }

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

  // Four long rows at once: their products with w and with each other are computed together. The score of a row under
  // the w after the updates of the rows before it, w <- decay w - c x, follows from these products, so no sum over
  // features has to wait for the update before, and w is read and written once for four rows. So is the mean of the
  // iterates: each of them is a combination of the first w and the four rows.
  double rows_by_fours(int64_t begin, int64_t end) {
    const T one = T(problem_.fit_intercept);
    const bool averaging = descent_.average.values;
    T intercept = w_[d_], mean_intercept = averaging ? descent_.average.values[d_] : T(0);
    row_.pack(w_, packed_.data());
    if (averaging) row_.pack(descent_.average.values, mean_.data());
    for (int64_t u = begin; u < end; u += 4) {
      const T *x[4], *ahead[4];
      T gram[6], z[4], c[4], kept = 1;  // w is now kept w - sum c x
      MeanOfFour<T> mean;
      for (int r = 0; r < 4; ++r) {
        x[r] = design_.data + plan_.rows[u + r] * d_;
        ahead[r] = row_to_prefetch(u + r, x[r]);
      }
      scores_and_gram(x, ahead, packed_.data(), row_, z, gram);
      for (int r = 0; r < 4; ++r) z[r] += intercept;
      SKGD_UNROLL
      for (int r = 0; r < 4; ++r) {
        const int64_t i = plan_.rows[u + r], at = u + r - begin;
        const auto [decay, scale] = step(u + r, i);
        const T y = targets_.y[i],
                slope = slope_of(loss_, y, z[r]);  // values are computed later, for all rows of the call
        const T whole = scale * slope;             // the step of the intercept
        c[r] = implicit ? decay * whole : whole;
        scored_.set(at, z[r], y, slope, weight(i));
        SKGD_UNROLL
        for (int k = r + 1; k < 4; ++k)  // the intercept does not decay
          z[k] =
              (decay * z[k] + (T(1) - decay) * intercept) -
              (implicit ? c[r] * gram[k * (k - 1) / 2 + r] + whole * one : whole * (gram[k * (k - 1) / 2 + r] + one));
        intercept -= whole * one;
        for (int k = 0; k < r; ++k) c[k] *= decay;
        kept *= decay;
        if (!averaging) continue;
        const T share = T(descent_.average.share(descent_.t + at));
        mean.update(decay, c[r], x[r], share);
        mean_intercept += share * (intercept - mean_intercept);
      }
      if (averaging) {
        const auto all = mean.combination();
        step4<true>(mean_.data(), all.keep, packed_.data(), all.mean_w, all.mean_c, x, row_);
      }
      step4<false>(packed_.data(), kept, packed_.data(), T(0), c, x, row_);
    }
    row_.unpack(packed_.data(), w_);
    w_[d_] = intercept;
    if (averaging) row_.unpack(mean_.data(), descent_.average.values), descent_.average.values[d_] = mean_intercept;
    descent_.t += end - begin;
    return scored_.loss(loss_, end - begin, targets_.weight);
  }

  double one_column(int64_t begin, int64_t end) {
    if (begin == end) return 0;
    if (descent_.average.values)
      return l2_of_.empty() ? rows_in_turn<true, false>(begin, end) : rows_in_turn<true, true>(begin, end);
    return l2_of_.empty() ? rows_in_turn<false, false>(begin, end) : rows_in_turn<false, true>(begin, end);
  }

  // Lets the mean take the updates that it waited for; the next ones start from w as it is.
  void add_to_mean(MeanOfFour<T>& waiting) {
    if (waiting.count == 0) return before_.assign(packed_.begin(), packed_.end());
    const auto all = waiting.combination();
    mean4(mean_.data(), all.keep, before_.data(), all.mean_w, packed_.data(), all.mean_c, waiting.x, row_);
    waiting.count = 0;
  }

  // While the slope of row u is found, which needs its score, the update before is made and row u + 1 is multiplied by
  // the w of row u and by row u. The score of row u + 1 under the next w = decay w - c x follows from these two
  // products, so from row to row there is a slope to wait for, but not a sum over features. The mean of the iterates
  // follows four updates at a time, unless each feature has a decay of its own.
  template <bool averaging, bool featured> double rows_in_turn(int64_t begin, int64_t end) {
    constexpr bool at_once = averaging && featured, waits = averaging && !featured;
    const T one = T(problem_.fit_intercept);
    T intercept = w_[d_], mean_intercept = averaging ? descent_.average.values[d_] : T(0);
    T *w = packed_.data(), *mean = mean_.data();
    pack(w_, w);
    if (averaging) pack(descent_.average.values, mean);
    const T* x = padded_row(begin);
    RowsInTurn<T> turn{x, x, x, x, x};
    Advance<T> pending{0, 1, 0, 0, l2_of_.data()};
    MeanOfFour<T> waiting;
    T z = dot(x, w_, d_) + intercept;
    for (int64_t u = begin; u < end; ++u) {
      const int64_t i = plan_.rows[u], at = u - begin;
      turn.next = u + 1 < end ? padded_row(u + 1) : turn.now;
      turn.far = row_to_prefetch(u, turn.now), turn.soon = row_soon(u, turn.now);
      const T y = targets_.y[i], slope = slope_of(loss_, y, z);  // values are computed later, for all rows of the call
      scored_.set(at, z, y, slope, weight(i));
      const auto [decay, scale] = step(u, i);
      const T whole = scale * slope;  // the step of the intercept, which does not decay
      const T c = implicit ? decay * whole : whole;
      pending.decay = decay;
      if constexpr (featured) pending.rate = T(plan_.rate(u));
      const std::array<T, 2> products = advance<at_once, featured>(w, mean, turn, pending, row_);
      z = (products[0] + intercept) - (implicit ? c * products[1] + whole * one : whole * (products[1] + one));
      intercept -= whole * one;
      if constexpr (averaging) {
        pending.share = T(descent_.average.share(descent_.t + at));
        mean_intercept += pending.share * (intercept - mean_intercept);
      }
      if constexpr (waits) {
        const bool first = at % 4 == 0;  // of four updates; w has decayed for it
        if (first) add_to_mean(waiting);
        waiting.update(first ? T(1) : decay, c, turn.now, pending.share);
      }
      turn.before = turn.now, turn.now = turn.next, pending.c = c;
    }
    if constexpr (waits) add_to_mean(waiting);
    unpack(w, w_);
    decay_and_step(w_, T(1), pending.c, turn.before, d_);
    w_[d_] = intercept;
    if (averaging) {
      T* values = descent_.average.values;
      unpack(mean, values);
      if constexpr (at_once)
        for (int64_t j = 0; j < d_; ++j) values[j] += pending.share * (w_[j] - values[j]);
      values[d_] = mean_intercept;
    }
    descent_.t += end - begin;
    return scored_.loss(loss_, end - begin, targets_.weight);
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

// The same for one column, an elementwise loss and any rule that takes weights one by one: the gradient of a row is its
// slope times x, so the rule takes it from x, and none is formed.
template <class T> class PerSampleRule {
 public:
  PerSampleRule(const Problem<T>& problem, Descent<T>& descent, const Plan& plan)
      : problem_(problem), design_(std::get<Dense<T>>(problem.design)), targets_(problem.targets), descent_(descent),
        plan_(plan), d_(design_.d), buffer_(design_.buffered() ? d_ : 0) {}

  static bool applies(const Problem<T>& problem, const Descent<T>& descent, const Plan& plan) {
    const bool elementwise =
        std::visit([](const auto& loss) { return Elementwise<std::decay_t<decltype(loss)>, T>; }, problem.loss);
    return elementwise && plan.largest_batch() == 1 && problem.n() > 1 && problem.columns() == 1 &&
           problem.layers.size() == 1 && plan.max_gradient_norm == 0 && !descent.gradient && !problem.penalty.joint &&
           std::holds_alternative<Dense<T>>(problem.design);
  }

  template <class Rule> Outcome run(const Rule& rule, Control& control) {
    Outcome outcome;
    const int64_t updates = plan_.rows.count;
    for (int64_t begin = 0; begin < updates && !control.stop; begin += rows_per_check) {
      const int64_t end = std::min(begin + rows_per_check, updates);
      for (int64_t u = begin; u < end; ++u) {
        if (u == updates - 1) report(problem_, descent_.theta, plan_.batch(u), outcome);
        update_by(rule, u, u - begin);
      }
      outcome.loss += std::visit([&](const auto& loss) { return loss_of(loss, end - begin); }, problem_.loss);
      outcome.weight += weight_of(problem_, plan_.rows.part(begin, end - begin));
      outcome.updates = end;
      control.done((end - begin) * problem_.parameters());
    }
    return outcome;
  }

 private:
  static constexpr int64_t rows_per_check = 256;
  const Problem<T>& problem_;
  const Dense<T>& design_;
  const Targets<T>& targets_;
  Descent<T>& descent_;
  const Plan& plan_;
  int64_t d_;
  Buffer<T> buffer_;
  ScoredRows<T> scored_{rows_per_check};

  template <class L> double loss_of(const L& loss, int64_t count) {
    if constexpr (Elementwise<L, T>) return scored_.loss(loss, count, targets_.weight);
    return 0;
  }
  T slope(T y, T z) const {
    return std::visit(
        [&](const auto& loss) {
          if constexpr (Elementwise<std::decay_t<decltype(loss)>, T>) return slope_of(loss, y, z);
          return T(0);
        },
        problem_.loss);
  }

  template <class Rule> void update_by(const Rule& rule_, int64_t u, int64_t at) {
    const int64_t i = plan_.rows[u];
    if (const int64_t next = plan_.rows.row_to_prefetch(u); next >= 0) {
      design_.prefetch_row(next);
      prefetch(targets_.y + next, 1);
    }
    if (const int64_t soon = plan_.rows.row_soon(u); soon >= 0) design_.prefetch_row(soon);
    const T* x = design_.row(i, buffer_.data());
    const T y = targets_.y[i], weight = targets_.weight ? targets_.weight[i] : T(1), rate = T(plan_.rate(u)), one = 1;
    const T offset = targets_.offset ? targets_.offset[i] : T(0);
    const T z = dot(x, descent_.theta, d_) + descent_.theta[d_] + offset, s = slope(y, z);
    scored_.set(at, z, y, s, weight);
    const auto rule = rule_.template at<T>(descent_.t);
    Theta<T> theta{descent_.theta, x, descent_.slots, &rate, true, weight * s};
    update_weights(rule, theta, problem_.penalty, d_, 1);
    if (problem_.fit_intercept) {
      theta = theta.at(d_), theta.gradient = &one;
      update_intercepts(rule, theta, 1);
    }
    descent_.average.add(descent_.theta, problem_.parameters(), descent_.t);
    ++descent_.t;
  }
};

}  // namespace skgd
