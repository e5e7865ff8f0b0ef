// Per-sample descent on dense rows under the plain or the implicit rule: dot -> slope -> step, no gradient is formed.
#pragma once
#include "blocks.hpp"
#include "descent.hpp"
#include "row_losses.hpp"

namespace skgd {

template <class T> bool per_sample_applies(const Problem<T>& problem, const Plan& plan, const Optimizer& optimizer) {
  return plan.largest_batch() == 1 && std::holds_alternative<Plain>(optimizer) && problem.penalty.smooth() &&
         problem.layers.size() == 1 && plan.max_gradient_norm == 0 && !problem.targets.offset &&
         std::holds_alternative<Dense<T>>(problem.design);
}

// Whether no update takes more than the whole of a weight by its l2 penalty.
template <class T> bool decays_at_most_to_zero(const Problem<T>& problem, const Plan& plan) {
  double most = 0;
  problem.penalty.visit([&](auto p) {
    for (int64_t j = 0; j < (problem.penalty.strength.uniform() ? 1 : problem.d()); ++j)
      most = std::max(most, double(problem.penalty.strength.at(p, j).l2));
  });
  const int64_t rates = plan.rate_stride == 0 ? 1 : plan.updates();
  for (int64_t u = 0; u < rates; ++u)
    if (!(plan.rate(u) * most <= 1)) return false;
  return true;
}

// The cumulative l1 penalty has one column here. Where it is the same for all features, they owe the same.
template <class T>
bool clipped_per_sample_applies(const Problem<T>& problem, const Descent<T>& descent, const Plan& plan,
                                const Optimizer& optimizer) {
  if (!std::holds_alternative<Cumulative>(optimizer) || plan.largest_batch() != 1 || problem.layers.size() != 1 ||
      problem.columns() != 1 || plan.max_gradient_norm != 0 || descent.gradient || problem.targets.offset ||
      problem.penalty.strength.low || problem.penalty.joint || !std::holds_alternative<Dense<T>>(problem.design) ||
      !is_elementwise<T>(problem.loss) || !decays_at_most_to_zero(problem, plan))
    return false;
  const T* owed = descent.slots.first;
  return !problem.penalty.strength.uniform() ||
         std::all_of(owed, owed + problem.d(), [owed](T total) { return total == owed[0]; });
}

// The implicit rule has one column here, and a penalty that is the same for all features.
template <class T>
bool implicit_per_sample_applies(const Problem<T>& problem, const Plan& plan, const Optimizer& optimizer) {
  return std::holds_alternative<Implicit>(optimizer) && problem.columns() == 1 && problem.penalty.strength.uniform() &&
         std::holds_alternative<SquaredError>(problem.loss) && per_sample_applies(problem, plan, Plain{});
}

// One step on V vectors of columns of W (d, columns): W_j <- (1 - l2 rate) W_j - x_j c, with c = rate * slope.
template <int V_, class T>
inline void step_columns_block(T* W, const T* x, const T* c, const T* rates, T l2, int64_t d, int64_t columns) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  V decay[V_], step[V_];
  for (int v = 0; v < V_; ++v) decay[v] = V{} + T(1) - load<V>(rates + v * L) * l2, step[v] = load<V>(c + v * L);
  for (int64_t j = 0; j < d; ++j) {
    T* w = W + j * columns;
    const V xj = x[j] - V{};
    for (int v = 0; v < V_; ++v) store(w + v * L, load<V>(w + v * L) * decay[v] - xj * step[v]);
  }
}

// The same for all columns; l2 is the one of all features, or, with l2_of, the one of each.
template <class T>
void step_columns(T* W, const T* x, const T* c, const T* rates, T l2_, const T* l2_of, int64_t d, int64_t columns) {
  using V = vec<T>;
  constexpr int L = lanes<T>;
  if (!l2_of) {
    int64_t k = 0;
    for (; k + 3 * L <= columns; k += 3 * L) step_columns_block<3>(W + k, x, c + k, rates + k, l2_, d, columns);
    for (; k < columns; k += L) step_columns_block<1>(W + k, x, c + k, rates + k, l2_, d, columns);
    return;
  }
  for (int64_t j = 0; j < d; ++j) {
    const V l2 = l2_of[j] - V{}, xj = x[j] - V{};
    for (int64_t k = 0; k < columns; k += L) {
      T* w = W + j * columns + k;
      const V now = load<V>(w);
      store(w, now - now * l2 * load<V>(rates + k) - xj * load<V>(c + k));
    }
  }
}

// How an update moves weights: against the gradient, to where the gradient after the step would have led, or against
// the gradient and then towards zero by what is owed of a cumulative l1 penalty.
enum class Step { plain, implicit, clipped };

// Loops over the rows of one output are compiled for each loss, those of several outputs call it once a row. What is
// called once for many rows is not inlined into each of them, nor are the loops into what chooses between them:
// compilers stop inlining in functions that have grown large.
template <class T> class PerSample {
 public:
  PerSample(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, Step kind)
      : problem_(problem), design_(std::get<Dense<T>>(problem.design)), targets_(problem.targets), descent_(descent),
        plan_(plan), kind_(kind), d_(design_.d), K_(problem.columns()), size_(problem.parameters()), w_(descent.theta),
        l2_(T(problem.penalty.l2())), z_(K_), rates_(K_), packed_(row_.vectors * lanes<T>), mean_(packed_.size()) {
    if (by_columns_) columns_.resize(targets_.columns * packed_.size()), means_.resize(columns_.size());
    if (kind == Step::implicit) squares_ = squared_lengths(problem);
    if (kind == Step::clipped) received_.resize(packed_.size());
    for (auto& buffer : buffers_) buffer.resize(copied_ || standardized_ ? packed_.size() : 0);
    if (standardized_) center_ = padded(design_.center), scale_ = padded(design_.inverse_scale);
    if (problem.penalty.strength.uniform() && !standardized_) return;
    problem.penalty.visit([&](auto p) {
      for (int64_t j = 0; j < d_; ++j) {
        l2_of_.push_back(problem.penalty.strength.at(p, j).l2);
        if (kind == Step::clipped) l1_of_.push_back(problem.penalty.strength.at(p, j).l1);
      }
    });
    if (in_turn_) l2_of_ = padded(l2_of_.data());
    if (kind == Step::clipped) l1_of_ = padded(l1_of_.data()), owed_.resize(packed_.size());
  }

  Outcome run(Control& control) {
    if (!in_turn_)
      return over_rows([this](int64_t begin, int64_t end) { return several_outputs(begin, end); }, control);
    auto one_output = [&]<Step kind, class L>(std::integral_constant<Step, kind>, const L& loss) {
      return over_rows([&](int64_t begin, int64_t end) { return rows_of<kind>(loss, begin, end); }, control);
    };
    if (kind_ == Step::clipped) {
      constexpr std::integral_constant<Step, Step::clipped> clipped;
      if (const auto* loss = std::get_if<SquaredError>(&problem_.loss); loss && !small_build)
        return one_output(clipped, *loss);
      if (const auto* loss = std::get_if<LogLoss>(&problem_.loss); loss && !small_build)
        return one_output(clipped, *loss);
      return one_output(clipped, AnyLoss<T>{problem_.loss});
    }
    if (kind_ == Step::implicit)
      return one_output(std::integral_constant<Step, Step::implicit>(), std::get<SquaredError>(problem_.loss));
    return match(
        [&](const auto& loss) {
          if constexpr (has_own_loop<std::decay_t<decltype(loss)>>)
            return one_output(std::integral_constant<Step, Step::plain>(), loss);
          else
            return one_output(std::integral_constant<Step, Step::plain>(), AnyLoss<T>{problem_.loss});
        },
        problem_.loss);
  }

 private:
  // `rows` makes the updates of a part of the rows, and gives their loss.
  Outcome over_rows(const std::function<double(int64_t, int64_t)>& rows, Control& control) {
    Outcome outcome;
    const int64_t updates = plan_.rows.count;
    const int64_t rows_at_once = descent_.loss_beside ? descent_.loss_beside->rows() : rows_per_check;
    for (int64_t begin = 0; begin < updates && !control.stop; begin += rows_at_once) {
      const int64_t end = std::min(begin + rows_at_once, updates);
      const bool last = end == updates;  // the last update is made on its own, after the report
      chunk_ = begin;
      outcome.loss += rows(begin, end - last);
      if (last) {
        unpack_outputs();
        report(problem_, w_, plan_.batch(end - 1), outcome);
        outcome.loss += rows(end - 1, end);
      }
      if (descent_.loss_beside) descent_.loss_beside->add(plan_.rows.part(begin, end - begin));
      outcome.weight += weight_of(problem_, plan_.rows.part(begin, end - begin));
      control.done((end - begin) * size_);
    }
    unpack_outputs();
    return outcome;
  }

  static constexpr int64_t rows_per_check = 256;  // rows between two looks at the stop flag
  static constexpr int64_t rows_packed = 512;     // rows after which padded weights and sums of outputs are begun anew
  static constexpr double most_counted = 1e6;     // weight of iterates after which they are, too
  static constexpr int64_t long_row = 4096;       // bytes from which three rows no longer fit the first-level cache
  const Problem<T>& problem_;
  const Dense<T>& design_;
  const Targets<T>& targets_;
  Descent<T>& descent_;
  const Plan& plan_;
  Step kind_;
  int64_t d_, K_, size_;
  T* w_;
  T l2_;                                                        // of the penalty, where all features have the same
  const T* squares_ = nullptr;                                  // |x|^2 of the rows, for the implicit rule
  bool in_turn_ = K_ == 1 && is_elementwise<T>(problem_.loss);  // not any_columns
  // The loops of one output form standardised rows as they multiply them; otherwise these, and short rows, are copied
  // to buffers.
  bool standardized_ = design_.buffered() && in_turn_ && d_ >= lanes<T>;
  bool copied_ = (design_.buffered() && !standardized_) || d_ < lanes<T>;
  PaddedRow<T> row_{copied_ ? std::max<int64_t>(1, (d_ + lanes<T> - 1) / lanes<T>) * lanes<T> : d_};
  ScoredRows<T> scored_{rows_per_check};
  static constexpr int64_t copies = 16;  // rows in use at a time
  Buffer<T> z_, rates_, l1_of_, l2_of_, buffers_[copies];
  // Several outputs, and padded weights and means of each, one output after the other.
  static constexpr int64_t few_outputs = 16;
  bool by_columns_ = kind_ == Step::plain && K_ > 1 && targets_.columns <= few_outputs&& d_ >= lanes<T>;
  Buffer<T> columns_, means_;
  // What goes with them while they are in use: weights are scale v, and the sum of the iterates that the mean counts is
  // counted v + lag; all means have a weight of one at the beginning, and that of all iterates since then in `count`.
  struct Outputs {
    static constexpr int most = few_outputs / 4;
    quad<T> intercept[most], mean[most], scale[most], counted[most];
    T keep;
    double count;
    int64_t rows = 0;  // since they were packed; 0: they are not
  };
  Outputs outputs_{};
  int64_t chunk_ = 0;          // the row that the call of `rows` began with
  Buffer<T> packed_, mean_;    // theta and the mean of the iterates, padded
  Buffer<T> owed_, received_;  // of a cumulative penalty, padded
  Buffer<T> center_, scale_;   // of standardised rows (x - center) scale, padded

  double several_outputs(int64_t begin, int64_t end) {
    double total = 0;
    while (by_columns_ && l2_of_.empty() && end - begin >= 4) {
      const int64_t fours = begin + (end - begin) / 4 * 4, rows = columns_by_fours(begin, fours, total);
      if (rows == 0) total += any_columns(begin, begin + 4);
      begin += rows ? rows : 4;
    }
    return total + any_columns(begin, end);
  }
  int64_t columns_by_fours(int64_t begin, int64_t end, double& total) {
    const auto* quantiles = std::get_if<Quantiles>(&problem_.loss);
    if (small_build || !quantiles || !has_columns<T>(*quantiles, targets_.columns))
      return columns_by_fours([this](quad<T>* z, int64_t i) { return slopes_of_row(z, i); }, begin, end, total);
    quad<T> below[few_outputs / 4] = {}, above[few_outputs / 4] = {};
    for (int64_t k = 0; k < targets_.columns; ++k) {
      const T q = T(quantiles->quantiles[k]);
      below[k / 4][k % 4] = -q, above[k / 4][k % 4] = T(1) - q;
    }
    return columns_by_fours([&](quad<T>* z, int64_t i) { return slopes_of_quantiles(below, above, z, i); }, begin, end,
                            total);
  }

  template <Step kind, class L> double rows_of(const L& loss, int64_t begin, int64_t end) {
    if (begin == end) return 0;
    if constexpr (kind == Step::clipped) {
      const bool averaging = descent_.average.values;
      if (!l2_of_.empty())
        clipped_rows(loss, ClipByCall<T>(averaging, standardized_), begin, end);
      else
        averaging ? clipped_rows(loss, ClipInline<true>(), begin, end)
                  : clipped_rows(loss, ClipInline<false>(), begin, end);
    } else {
      const bool by_fours = !design_.buffered() && !copied_ && l2_of_.empty() && d_ * int64_t(sizeof(T)) > long_row;
      const int64_t fours = by_fours ? (end - begin) / 4 * 4 : 0;
      if (fours) rows_by_fours<kind>(AnyLoss<T>{problem_.loss}, begin, begin + fours);
      // values are computed now, for all rows of the call
      const double of_fours = fours ? scored_.loss(problem_.loss, fours, targets_.weight) : 0;
      if (begin + fours == end) return of_fours;
      one_column<kind>(loss, begin + fours, end);
      return of_fours + scored_.loss(problem_.loss, end - begin - fours, targets_.weight);
    }
    return scored_.loss(problem_.loss, end - begin, targets_.weight);
  }

  void prefetch_target(int64_t i) const {
    prefetch(targets_.y + i * (targets_.codes ? 1 : targets_.columns), 1);
    if (squares_) prefetch(squares_ + i, 1);
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

  // Row u as whole vectors: where it lies or, if it is standardised or short, in one of the buffers in turn.
  const T* padded_row(int64_t u) { return copied_ ? copied_row(u) : design_.data + plan_.rows[u] * d_; }
  [[gnu::noinline]] const T* copied_row(int64_t u) {
    T* buffer = buffers_[u % copies].data();
    if (const T* x = design_.row(plan_.rows[u], buffer); x != buffer) std::copy_n(x, d_, buffer);
    return buffer;
  }
  // Values of features as whole vectors.
  [[gnu::noinline]] void pad(const T* values, T* out) const {
    copied_ ? (void)std::copy_n(values, d_, out) : row_.pack(values, out);
  }
  Buffer<T> padded(const T* values) const {
    Buffer<T> out(packed_.size());
    pad(values, out.data());
    return out;
  }
  // And back.
  [[gnu::noinline]] void unpad(const T* packed, T* values) const {
    copied_ ? (void)std::copy_n(packed, d_, values) : row_.unpack(packed, values);
  }

  Standardization<T> standardization() const { return {center_.data(), scale_.data()}; }

  T weight(int64_t i) const { return targets_.weight ? targets_.weight[i] : T(1); }

  // An update is w <- decay w - scale slope x or, if implicit, w <- decay (w - scale slope x): the proximal step of the
  // penalty follows that of the loss, whose residual is the one after the step. The intercept does not decay.
  struct Factors {
    T decay, scale;
  };
  template <Step kind> Factors step(int64_t u, int64_t i) const {
    const T rate = T(plan_.rate(u)), scale = rate * weight(i);
    if constexpr (kind == Step::implicit) {
      // decay = 1 / of_penalty and scale / of_loss, by one division
      const T of_penalty = T(1) + rate * l2_, of_loss = T(1) + scale * squares_[i];
      const T inverse = T(1) / (of_penalty * of_loss);
      return {of_loss * inverse, scale * of_penalty * inverse};
    } else {
      return {T(1) - rate * l2_, scale};
    }
  }

  // Step of the intercept.
  template <class L> T step_of(const L& loss, T scale, T slope, T y, T z, int64_t i) const {
    if constexpr (requires { L::has_margin; }) {
      if (problem_.passive.inverse) {
        T unused;
        slope *= problem_.passive.factor(loss(y, z, unused), i);
      }
    }
    return scale * slope;
  }

  void average() {
    if (descent_.average.values) descent_.average.add(w_, size_, descent_.t);
    ++descent_.t;
  }

  // Four long rows at once: their products with w and with each other are computed together. The score of a row under
  // the w after the updates of the rows before it, w <- decay w - c x, follows from these products, so no sum over
  // features has to wait for the update before, and w is read and written once for four rows. So is the mean of the
  // iterates: each of them is a combination of the first w and the four rows.
  template <Step kind, class L> [[gnu::noinline]] void rows_by_fours(const L& loss, int64_t begin, int64_t end) {
    constexpr bool implicit = kind == Step::implicit;
    const T one = T(problem_.fit_intercept);
    const bool averaging = descent_.average.values;
    T intercept = w_[d_], mean_intercept = averaging ? descent_.average.values[d_] : T(0);
    pad(w_, packed_.data());
    if (averaging) pad(descent_.average.values, mean_.data());
    for (int64_t u = begin; u < end; u += 4) {
      const T *x[4], *ahead[4], *soon[4];
      T gram[6], z[4], c[4], kept = 1;  // w is now kept w - sum c x
      T decays[4] = {}, steps[4] = {}, shares[4] = {};
      for (int r = 0; r < 4; ++r) {
        x[r] = design_.data + plan_.rows[u + r] * d_;
        ahead[r] = row_to_prefetch(u + r, x[r]), soon[r] = row_soon(u + r, x[r]);
      }
      scores_and_gram(x, ahead, soon, packed_.data(), row_, z, gram);
      for (int r = 0; r < 4; ++r) z[r] += intercept;
      SKGD_UNROLL
      for (int r = 0; r < 4; ++r) {
        const int64_t i = plan_.rows[u + r], at = u + r - begin;
        const auto [decay, scale] = step<kind>(u + r, i);
        const T y = targets_.y[i],
                slope = slope_of(loss, y, z[r]);  // values are computed later, for all rows of the call
        const T whole = step_of(loss, scale, slope, y, z[r], i);
        const T whole_step = implicit ? decay * whole : whole;
        c[r] = whole_step;
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
        decays[r] = decay, steps[r] = whole_step, shares[r] = share;
        mean_intercept += share * (intercept - mean_intercept);
      }
      if (averaging) {
        const MeanOfFour all(decays, steps, shares);
        step4_with_mean(packed_.data(), kept, c, mean_.data(), all.keep, all.of_w, all.c, x, row_);
      } else {
        step4(packed_.data(), kept, c, x, row_);
      }
    }
    row_.unpack(packed_.data(), w_);
    w_[d_] = intercept;
    if (averaging) row_.unpack(mean_.data(), descent_.average.values), descent_.average.values[d_] = mean_intercept;
    descent_.t += end - begin;
  }

  // Padded columns and sums of several outputs, from the weights.
  [[gnu::noinline]] void pack_outputs() {
    using Q = quad<T>;
    Outputs& o = outputs_;
    const int64_t outputs = targets_.columns;
    const T *values = descent_.average.values, *intercepts = w_ + d_ * K_;
    pack_columns<T>(w_, K_, nullptr, {columns_.data(), int64_t(packed_.size()), outputs}, row_);
    if (values) std::fill(means_.begin(), means_.end(), T(0));
    o.keep = 1, o.count = 1;
    for (int64_t k = 0; k < outputs; k += 4) {
      const int64_t g = k / 4;
      o.intercept[g] = load<Q>(intercepts + k), o.scale[g] = Q{} + T(1), o.counted[g] = Q{};
      if (values) o.mean[g] = load<Q>(values + d_ * K_ + k);
    }
  }
  // And back.
  [[gnu::noinline]] void unpack_outputs() {
    Outputs& o = outputs_;
    if (std::exchange(o.rows, 0) == 0) return;
    const int64_t outputs = targets_.columns, stride = packed_.size();
    T *values = descent_.average.values, *intercepts = w_ + d_ * K_;
    for (int64_t k = 0; k < outputs; k += 4) {
      store(intercepts + k, o.intercept[k / 4]);
      if (values) store(values + d_ * K_ + k, o.mean[k / 4]);
    }
    const T of_mean = T(o.keep / o.count), of_lag = T(1 / o.count);
    for (int64_t k = 0; k < outputs; ++k) {
      const T *column = columns_.data() + k * stride, *late = means_.data() + k * stride, s = o.scale[k / 4][k % 4],
              of_v = o.counted[k / 4][k % 4] * of_lag;
      for (int64_t j = 0; j < d_; ++j) {
        const int64_t at = row_.place(j);
        w_[j * K_ + k] = s * column[at];
        if (values) values[j * K_ + k] = of_mean * values[j * K_ + k] + (of_v * column[at] + of_lag * late[at]);
      }
    }
  }

  // The same for several outputs: the rows' products with each other serve all of them, and what is done to the scores
  // of a row is done to four outputs at a time. The weights are scale v, which no decay changes, and the sum of the
  // iterates that the mean counts is counted v + lag: an update then adds the row to v and to lag, and nothing else.
  // Ends early where the scale has become small; gives the number of rows.
  template <class Slopes> int64_t columns_by_fours(const Slopes& slopes, int64_t begin, int64_t end, double& total) {
    using Q = quad<T>;
    constexpr int most = Outputs::most;
    const T one = T(problem_.fit_intercept);
    const int64_t outputs = targets_.columns, stride = packed_.size();
    const int groups = int((outputs + 3) / 4);
    const bool averaging = descent_.average.values;
    const PaddedColumns<T> v{columns_.data(), stride, outputs}, lag{means_.data(), stride, outputs};
    Outputs& o = outputs_;
    if (o.rows >= rows_packed || o.count > most_counted || (o.rows && !is_large(o.scale))) unpack_outputs();
    if (o.rows == 0) pack_outputs();
    T keep = o.keep;
    double count = o.count;
    Q intercept[most], mean[most], scale[most], counted[most];
    for (int g = 0; g < groups; ++g)
      intercept[g] = o.intercept[g], mean[g] = o.mean[g], scale[g] = o.scale[g], counted[g] = o.counted[g];
    // Rows are added to lag many at once, for three outputs at a time, so that a row is loaded once for these.
    const T* late_rows[copies];
    T lags[few_outputs][copies];
    int64_t late = 0;
    auto add_late_rows = [&] {
      by_threes(0, outputs, [&](int64_t k, auto C) {
        add_rows<C.value, false>(lag.from(k), lags[k], copies, late_rows, static_cast<const T*>(nullptr), late, row_);
      });
      late = 0;
    };
    int64_t u = begin;
    for (; u < end && is_large(scale) && decays_little(u); u += 4) {
      const T *x[4], *ahead[4], *soon[4];
      T gram[6], products[few_outputs][4], steps[4][few_outputs];
      for (int r = 0; r < 4; ++r)
        x[r] = padded_row(u + r), ahead[r] = row_to_prefetch(u + r, x[r]), soon[r] = row_soon(u + r, x[r]);
      scores_and_gram(x, ahead, soon, v.values, row_, products[0], gram);
      by_threes(1, outputs, [&](int64_t k, auto C) {
        const PaddedColumns<const T> part{v.from(k).values, stride, outputs - k};
        dot4_columns<C.value, false>(x, x, x[0], part, row_, products[k], 4);
      });
      if (descent_.loss_beside) descent_.loss_beside->score(x, u - chunk_);
      Q z[4][most];
      for (int g = 0; g < groups; ++g) {
        Q of_output[4] = {}, of_row[4];
        for (int k = 0; k < 4 && 4 * g + k < outputs; ++k) of_output[k] = load<Q>(products[4 * g + k]);
        transpose4(of_output, of_row);
        for (int r = 0; r < 4; ++r) z[r][g] = scale[g] * of_row[r] + intercept[g];
      }
      SKGD_UNROLL
      for (int r = 0; r < 4; ++r) {
        total += slopes(z[r], plan_.rows[u + r]);
        const T share = averaging ? T(descent_.average.share(descent_.t)) : T(0);
        if (share == T(1))
          keep = 0, count = 1;  // the first that counts: of those before it, nothing does
        else
          count /= 1 - double(share);
        const T weight = share * T(count);
        if (plan_.rate_columns > 1) plan_.rates_of(u + r, rates_);
        for (int g = 0; g < groups; ++g) {
          const Q rate = plan_.rate_columns > 1 ? load<Q>(rates_.data() + 4 * g) : Q{} + T(plan_.rate(u + r));
          const Q decay = T(1) - rate * l2_, step = rate * z[r][g], b = intercept[g];
          SKGD_UNROLL
          for (int q = r + 1; q < 4; ++q)  // the intercept does not decay
            z[q][g] = (decay * z[q][g] + (T(1) - decay) * b) - step * (gram[q * (q - 1) / 2 + r] + one);
          scale[g] *= decay;
          const Q of_row = step / scale[g];
          store(steps[r] + 4 * g, of_row);
          const Q of_lag = of_row * counted[g];
          for (int l = 0; l < 4; ++l) lags[4 * g + l][late + r] = of_lag[l];
          intercept[g] = b - step * one;
          counted[g] += weight * scale[g];
          if (averaging) mean[g] += share * (intercept[g] - mean[g]);
        }
        ++descent_.t;
      }
      for (int64_t k = 0; k < outputs; ++k) {
        const T c[4] = {steps[0][k], steps[1][k], steps[2][k], steps[3][k]};
        subtract4(v.from(k).values, c, x, row_);
      }
      if (!averaging) continue;
      for (int r = 0; r < 4; ++r) late_rows[late + r] = x[r];
      if ((late += 4) == copies) add_late_rows();
    }
    if (late) add_late_rows();
    for (int g = 0; g < groups; ++g)
      o.intercept[g] = intercept[g], o.mean[g] = mean[g], o.scale[g] = scale[g], o.counted[g] = counted[g];
    o.keep = keep, o.count = count, o.rows += u - begin;
    return u - begin;
  }

  bool is_large(const quad<T>* scale) const {
    for (int64_t k = 0; k < targets_.columns; ++k)
      if (!(scale[k / 4][k % 4] > T(1) / 16)) return false;
    return true;
  }
  // Whether four updates from u on leave most of the weights.
  bool decays_little(int64_t u) {
    for (int r = 0; r < 4 && l2_ > 0; ++r)
      for (int64_t k = 0; k < plan_.rate_columns; ++k)
        if (plan_.rates[(u + r) * plan_.rate_stride + k] * double(l2_) > 0.5) return false;
    return true;
  }

  // The loss of a row and its slopes in place of the scores, by fours.
  double slopes_of_row(quad<T>* z, int64_t i) const {
    const int64_t outputs = targets_.columns;
    T row[few_outputs];
    for (int64_t k = 0; k < outputs; k += 4) store(row + k, z[k / 4]);
    const double loss = slopes_of(problem_.loss, Block<T>{row, targets_.y + i * (targets_.codes ? 1 : outputs),
                                                          targets_.weight ? targets_.weight + i : nullptr, 1, outputs,
                                                          outputs, targets_.codes, problem_.passive.from(i)});
    for (int64_t k = outputs; k % 4; ++k) row[k] = 0;
    for (int64_t k = 0; k < outputs; k += 4) z[k / 4] = load<quad<T>>(row + k);
    return loss;
  }
  // The same for quantiles: `below` and `above` are the slopes of scores below their targets and above them.
  double slopes_of_quantiles(const quad<T>* below, const quad<T>* above, quad<T>* z, int64_t i) const {
    using Q = quad<T>;
    const int64_t outputs = targets_.columns;
    const T *y = targets_.y + i * outputs, of_row = weight(i);
    Q loss = {};
    for (int64_t k = 0; k < outputs; k += 4) {
      Q target = {};
      for (int64_t l = 0; l < 4 && k + l < outputs; ++l) target[l] = y[k + l];
      const Q r = z[k / 4] - target, zero = {}, slope = r > zero ? above[k / 4] : (r < zero ? below[k / 4] : zero);
      loss += slope * r, z[k / 4] = of_row * slope;
    }
    return double(of_row) * double(sum<T>(loss));
  }

  template <Step kind, class L> void one_column(const L& loss, int64_t begin, int64_t end) {
    if (standardized_)
      one_column<kind, Features::standardized>(loss, begin, end);
    else if (l2_of_.empty())
      one_column<kind, Features::alike>(loss, begin, end);
    else
      rows_in_turn<kind>(AnyLoss<T>{problem_.loss}, AdvanceByCall<T>(descent_.average.values), begin, end);
  }
  template <Step kind, Features features, class L> void one_column(const L& loss, int64_t begin, int64_t end) {
    descent_.average.values ? rows_in_turn<kind>(loss, AdvanceInline<true, features>(), begin, end)
                            : rows_in_turn<kind>(loss, AdvanceInline<false, features>(), begin, end);
  }

  // The row that rows_in_turn begins with: standardised rows are formed, and padded.
  [[gnu::noinline]] const T* first_row(int64_t u) {
    if (!standardized_) return padded_row(u);
    T* formed = buffers_[0].data();
    row_.pack(padded_row(u), formed);
    for (size_t j = 0; j < packed_.size(); j += lanes<T>)
      store(formed + j, standardization()(load<vec<T>>(formed + j), j));
    return formed;
  }

  // While the slope of row u is found, which needs its score, the update before is made and row u + 1 is multiplied by
  // the w of row u and by row u. The score of row u + 1 under the next w = decay w - c x follows from these two
  // products, so from row to row there is a slope to wait for, but not a sum over features.
  template <Step kind, class L, class How>
  [[gnu::noinline]] void rows_in_turn(const L& loss, const How& advance, int64_t begin, int64_t end) {
    constexpr bool implicit = kind == Step::implicit;
    const bool averaging = advance.averaging;
    const T one = T(problem_.fit_intercept);
    T intercept = w_[d_], mean_intercept = averaging ? descent_.average.values[d_] : T(0);
    T *w = packed_.data(), *mean = mean_.data();
    const T* x = first_row(begin);
    RowsInTurn<T> turn{x, x, x, x, x};
    Advance<T> pending{0, 1, 0, 0, l2_of_.data(), standardization()};
    T z = begin_turns(x) + intercept;
    for (int64_t u = begin; u < end; ++u) {
      const int64_t i = plan_.rows[u], at = u - begin;
      turn.next = padded_row(std::min(u + 1, end - 1)), turn.formed = buffers_[(at + 1) & 1].data();
      turn.far = row_to_prefetch(u, turn.now), turn.soon = row_soon(u, turn.now);
      const T y = targets_.y[i], slope = slope_of(loss, y, z);  // values are computed later, for all rows of the call
      scored_.set(at, z, y, slope, weight(i));
      const auto [decay, scale] = step<kind>(u, i);
      const T whole = step_of(loss, scale, slope, y, z, i);  // the intercept does not decay
      const T c = implicit ? decay * whole : whole;
      pending.decay = decay;
      pending.rate = T(plan_.rate(u));
      const std::array<T, 2> products = advance(w, mean, turn, pending, row_);
      z = (products[0] + intercept) - (implicit ? c * products[1] + whole * one : whole * (products[1] + one));
      intercept -= whole * one;
      if (averaging) {
        pending.share = T(descent_.average.share(descent_.t + at));
        mean_intercept += pending.share * (intercept - mean_intercept);
      }
      turn.before = turn.now, turn.now = standardized_ ? turn.formed : turn.next, pending.c = c;
    }
    end_turns(turn.before, pending, intercept, mean_intercept);
    descent_.t += end - begin;
  }
  // Gives the product of w with the first row.
  [[gnu::noinline]] T begin_turns(const T* x) {
    pad(w_, packed_.data());
    if (descent_.average.values) pad(descent_.average.values, mean_.data());
    return standardized_ ? dot(x, packed_.data(), int64_t(packed_.size())) : dot(x, w_, d_);
  }
  // Makes the last update.
  [[gnu::noinline]] void end_turns(const T* x, const Advance<T>& pending, T intercept, T mean_intercept) {
    if (standardized_) decay_and_step(packed_.data(), T(1), pending.c, x, int64_t(packed_.size()));
    unpad(packed_.data(), w_);
    if (!standardized_) decay_and_step(w_, T(1), pending.c, x, d_);
    w_[d_] = intercept;
    if (T* values = descent_.average.values) {
      unpad(mean_.data(), values);
      for (int64_t j = 0; j < d_; ++j) values[j] += pending.share * (w_[j] - values[j]);
      values[d_] = mean_intercept;
    }
  }

  // Every weight is clipped after its step, so the score of a row needs all steps of the row before: each pass over the
  // weights makes these and multiplies with the row.
  template <class L, class How>
  [[gnu::noinline]] void clipped_rows(const L& loss, const How& clip, int64_t begin, int64_t end) {
    const bool averaging = clip.averaging;
    const T one = T(problem_.fit_intercept), l1 = T(problem_.penalty.l1());
    T *owed = descent_.slots.first, *received = descent_.slots.second, *values = descent_.average.values;
    T intercept = w_[d_], mean_intercept = averaging ? values[d_] : T(0);
    T *w = packed_.data(), *got = received_.data(), *mean = mean_.data();
    pad(w_, w), pad(received, got);
    if (averaging) pad(values, mean);
    if (!owed_.empty()) pad(owed, owed_.data());
    const T* x = first_row(begin);
    RowsInTurn<T> turn{x, x, x, x, x};
    Clipping<T> pending{0, 1, owed[0], 0, 0, owed_.data(), l1_of_.data(), l2_of_.data(), standardization()};
    T z = standardized_ ? dot(x, w, int64_t(packed_.size())) : dot(x, w_, d_);
    auto advance = [&](int64_t u) __attribute__((always_inline)) {
      turn.now = padded_row(std::min(u, end - 1)), turn.formed = buffers_[(u - begin) & 1].data();
      return clip(w, got, mean, turn, pending, row_);
    };
    for (int64_t u = begin; u < end; ++u) {
      const int64_t i = plan_.rows[u];
      turn.far = row_to_prefetch(u, turn.before), turn.soon = row_soon(u, turn.before);
      if (u > begin) z = advance(u), turn.before = standardized_ ? turn.formed : turn.now;
      const T y = targets_.y[i], slope = slope_of(loss, y, z + intercept);
      scored_.set(u - begin, z + intercept, y, slope, weight(i));
      const auto [decay, scale] = step<Step::clipped>(u, i);
      pending.c = scale * slope, pending.decay = decay, pending.rate = T(plan_.rate(u));
      pending.total = pending.total * decay + pending.rate * l1;
      intercept -= pending.c * one;
      if (averaging) {
        pending.share = T(descent_.average.share(descent_.t + u - begin));
        mean_intercept += pending.share * (intercept - mean_intercept);
      }
    }
    advance(end);
    unpad(w, w_), unpad(got, received);
    if (averaging) unpad(mean, values), values[d_] = mean_intercept;
    w_[d_] = intercept;
    owed_.empty() ? (void)std::fill_n(owed, d_, pending.total) : unpad(owed_.data(), owed);
    descent_.t += end - begin;
  }

  double any_columns(int64_t begin, int64_t end) {
    double total = 0;
    if (begin == end) return total;
    unpack_outputs();
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
      total += slopes_of(problem_.loss,
                         Block<T>{z_.data(), targets_.y + i * width, targets_.weight ? targets_.weight + i : nullptr, 1,
                                  targets_.columns, K_, targets_.codes, problem_.passive.from(i)});
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
