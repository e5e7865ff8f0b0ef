// Adagrad and FTRL on sparse rows: weights are brought up to date, and updated, some at a time, by vectors.
//
// Between two updates that touch a weight only penalties move it. Adagrad: its penalty is a flow over time, which adds
// up. FTRL: its weights follow from its state at any time. The mean of the iterates is kept as their weighted sum, up
// to the last update that touched the weight; what the weight was since then follows from its penalty (history.hpp).
#pragma once
#include "lazy_state.hpp"

namespace skgd {

// All features of d, where a list of them is taken.
struct AllFeatures {
  int64_t operator[](int64_t p) const { return p; }
};

// Lists of features hold each of them once.
template <class T, class Rule> class AdaptiveWeights {
  static constexpr bool ftrl = std::is_same_v<Rule, Ftrl>;

 public:
  AdaptiveWeights(const Problem<T>& problem, Descent<T>& descent, const Rule& rule, LazyState<T>& state)
      : descent_(descent), rule_(rule), penalty_(problem.penalty), penalised_(penalty_.l1() > 0 || penalty_.l2() > 0),
        K_(problem.columns()), d_(problem.d()), state_(state) {
    if (state.active) bind();
  }

  // Where the numbers of the weights are, once the state says so.
  void bind() {
    if (state_.entries.empty()) {
      weight_ = {descent_.theta}, squares_ = {descent_.slots.first};
      subgradient_ = {descent_.slots.second}, step_ = {descent_.slots.third};
      sum_ = {state_.u.data()}, gradient_ = {state_.gradient.data()};
      applied_ = {state_.applied.data()}, counted_ = {state_.counted.data()};
      return;
    }
    using E = Entries<T>;
    E& entries = state_.entries;
    weight_ = entries.all(E::weight), squares_ = entries.all(E::first);
    subgradient_ = entries.all(E::second), step_ = entries.all(E::third);
    sum_ = entries.all(E::sum), gradient_ = entries.all(E::gradient);
    applied_ = entries.template all<double>(E::applied), counted_ = entries.template all<int64_t>(E::counted);
  }

  // Before updates by gradients that several rows add up to.
  void expect_batches() {
    if (!together() && state_.gradient.empty()) state_.gradient.assign(d_ * K_, T(0)), bind();
  }

  // Prefetches the weights of feature j and what belongs to them.
  [[gnu::always_inline]] void prefetch_weights(int64_t j) const {
    if (together()) return prefetch(state_.entries.at(j), Entries<T>::most_bytes);
    for (const Strided<T>& array : {weight_, squares_, subgradient_, step_, sum_})
      if (array.first) prefetch(array.first + j * K_, K_ * int64_t(sizeof(T)));
    if (applied_.first) prefetch(applied_.first + j * K_, K_ * int64_t(sizeof(double)));
    if (counted_.first) prefetch(counted_.first + j * K_, K_ * int64_t(sizeof(int64_t)));
  }

  T weight(int64_t i) const { return weight_[i]; }
  bool together() const { return !state_.entries.empty(); }

  // Applies to weights the penalties of the updates that did not touch them, and adds what they were meanwhile to
  // their mean.
  template <class Features> void bring_up_to_date(const Features& features, int64_t count) {
    in_chunks(row_, features, count, [&](Chunk& c, int64_t) { bring_up_to_date(c); });
  }

  // The same for the features of a row; gives x'w of one column. The weights of a short row are kept for its update.
  template <class I> T scores(const T* x, const I* features, int64_t count) {
    kept_ = count > 0 && count <= Chunk::most ? features : nullptr;
    T sum = 0;
    in_chunks(row_, features, count, [&](Chunk& c, int64_t first) {
      bring_up_to_date(c);
      sum += dot(x + first, c.weight, c.count);
    });
    return sum;
  }

  // One row, whose weights are up to date; the penalties of this update are applied when they are next read.
  template <class I>
  void update(const T* x, const I* features, int64_t count, const T* slopes, const Buffer<T>& rates) {
    auto with_slopes = [&](Chunk& c, int64_t first) {
      if (K_ == 1) {
        const T slope = slopes[0];
        SKGD_INDEPENDENT
        for (int p = 0; p < c.count; ++p) c.gradient[p] = x[first + p] * slope;
      } else {
        for (int p = 0; p < c.count; ++p) c.gradient[p] = x[(first + p) / K_] * slopes[(first + p) % K_];
      }
      update(c, rates);
    };
    if (kept_ && kept_ == features)
      with_slopes(row_, 0);
    else
      in_chunks(row_, features, count, with_slopes);
    kept_ = nullptr;
  }

  // Adds the gradient of a row to that of its batch.
  template <class I> void add_gradient(const T* x, const I* features, int64_t count, const T* slopes) {
    for (int64_t p = 0; p < count; ++p) {
      const int64_t j = features[p];
      bool touched = false;
      for (int64_t k = 0; k < K_; ++k) {
        T& g = gradient_[j * K_ + k];
        touched |= g != 0;
        g += x[p] * slopes[k];
      }
      if (!touched) touched_.push_back(j);  // again where terms cancel
    }
  }

  // An update by `mean` times the gradients that were added.
  void update(T mean, const Buffer<T>& rates) {
    int64_t left = 0;
    sums_.resize(touched_.size() * K_);
    for (int64_t j : touched_) {
      bool moves = false;
      for (int64_t k = 0; k < K_; ++k) {
        T& g = gradient_[j * K_ + k];
        moves |= g != 0;
        sums_[left * K_ + k] = mean * g;
        g = 0;
      }
      if (moves) touched_[left++] = j;  // else it has been here, or its terms cancel
    }
    in_chunks(row_, touched_, left, [&](Chunk& c, int64_t first) {
      std::copy_n(sums_.data() + first, c.count, c.gradient);
      update(c, rates);
    });
    touched_.clear();
  }

  // From the arrays of the descent to entries, with room for the gradients of batches where there are some; and back.
  void gather(bool batches) {
    using E = Entries<T>;
    state_.entries.assign(d_ * K_, {{E::applied, penalised_},
                                    {E::counted, averages()},
                                    {E::weight, true},
                                    {E::first, true},
                                    {E::second, ftrl},
                                    {E::third, ftrl},
                                    {E::sum, averages()},
                                    {E::gradient, batches}});
    bind();
    const Slots<T>& slots = descent_.slots;
    for (int64_t i = 0; i < d_ * K_; ++i) {
      if (descent_.theta[i] == 0 && slots.first[i] == 0 && (!ftrl || slots.second[i] == 0)) continue;
      weight_[i] = descent_.theta[i], squares_[i] = slots.first[i];
      if constexpr (ftrl) subgradient_[i] = slots.second[i], step_[i] = slots.third[i];
    }
  }
  void scatter() {
    if (averages()) state_.u.resize(d_ * K_);
    const Slots<T>& slots = descent_.slots;
    for (int64_t i = 0; i < state_.entries.size(); ++i) {
      descent_.theta[i] = weight_[i], slots.first[i] = squares_[i];
      if constexpr (ftrl) slots.second[i] = subgradient_[i], slots.third[i] = step_[i];
      if (averages()) state_.u[i] = sum_[i];
    }
  }
  void forget_mean() {
    for (int64_t i = 0; i < state_.entries.size() && averages(); ++i) sum_[i] = 0, counted_[i] = 0;
  }

 private:
  // Weights that are worked on together: their numbers j K + k, and what belongs to each.
  struct Chunk {
    static constexpr int most = 64;
    int count = 0;
    int64_t at[most], counted[most];
    alignas(64) T weight[most], squares[most], subgradient[most], step[most], gradient[most];
    alignas(64) double applied[most], owed[most];
  };

  Descent<T>& descent_;
  Rule rule_;
  const Penalty<T>& penalty_;
  bool penalised_;
  int64_t K_, d_;
  LazyState<T>& state_;
  Strided<T> weight_, squares_, subgradient_, step_, sum_, gradient_;
  Strided<double> applied_;
  Strided<int64_t> counted_;
  Chunk row_;                     // of the weights that are worked on
  const void* kept_ = nullptr;    // the features of a row whose weights it holds
  std::vector<int64_t> touched_;  // the features of a batch
  Buffer<T> sums_;                // their gradients, once they are summed

  bool averages() const { return descent_.average.values != nullptr; }

  // Calls f(c, place of its first weight among all) with the weights of features, loaded.
  template <class Features, class F> void in_chunks(Chunk& c, const Features& features, int64_t count, F f) {
    for (int64_t p = 0, k = 0, place = 0; p < count; place += c.count) {
      if (K_ == 1) {
        c.count = int(std::min<int64_t>(Chunk::most, count - p));
        for (int q = 0; q < c.count; ++q) c.at[q] = int64_t(features[p + q]);
        if (penalised_ || ftrl) std::fill_n(c.owed, c.count, state_.small.owed[0]);
        p += c.count;
      } else {
        for (c.count = 0; c.count < Chunk::most && p < count; ++c.count) {
          c.at[c.count] = int64_t(features[p]) * K_ + k;
          c.owed[c.count] = state_.small.owed[k];
          if (++k == K_) k = 0, ++p;
        }
      }
      const int64_t stride = weight_.stride;  // of all arrays of T
      for (int q = 0; q < c.count; ++q) {
        const int64_t i = c.at[q] * stride;
        c.weight[q] = weight_.first[i], c.squares[q] = squares_.first[i];
        if constexpr (ftrl) c.subgradient[q] = subgradient_.first[i], c.step[q] = step_.first[i];
      }
      f(c, place);
    }
  }

  // Calls f with a function that gives the penalty of a weight of the chunk (penalty.hpp), if there is one or f is to
  // be called `always`: the loops over a chunk are compiled for each form of it, what is around them is not.
  template <bool always = false, class F> void with_penalties(const Chunk& c, F f) const {
    auto with = [&](auto penalty) {
      if (penalty_.strength.uniform()) return f([penalty](int) { return penalty; });
      std::array<decltype(penalty), Chunk::most> each;
      for (int p = 0; p < c.count; ++p) each[p] = penalty_.strength.at(penalty, c.at[p] / K_);
      f([&each](int p) { return each[p]; });
    };
    penalty_.visit([&]<class P>(P p) {
      constexpr bool none = std::is_same_v<P, NoPenalty<T>>;
      if constexpr (small_build && !none)
        with(ElasticNet<T>{p.l1, p.l2});
      else if constexpr (!none || always)
        with(unbounded(p));
    });
  }

  void bring_up_to_date(Chunk& c) {
    if (penalised_)
      for (int p = 0; p < c.count; ++p) c.applied[p] = applied_[c.at[p]];
    if (averages()) penalised_ ? with_penalties(c, [&](auto of) { add_past(c, of); }) : add_past(c);
    if (penalised_) apply_penalties(c);
  }

  void apply_penalties(Chunk& c) {
    const double start = state_.small.first_update;
    alignas(64) T before[Chunk::most];
    if (measures()) std::copy_n(c.weight, c.count, before);
    with_penalties(c, [&](auto penalty_of) {
      SKGD_INDEPENDENT
      for (int p = 0; p < c.count; ++p) {
        const auto penalty = penalty_of(p);
        const T due = T(c.owed[p] - c.applied[p]), w = c.weight[p];
        if constexpr (ftrl) {
          T subgradient = c.subgradient[p];
          const T from = T(start + c.applied[p]), to = T(start + c.owed[p]);
          const T moved = Ftrl::advanced(w, T(0), subgradient, c.step[p], from, to, penalty);
          c.weight[p] = due == 0 ? w : moved;
          c.subgradient[p] = due == 0 ? c.subgradient[p] : subgradient;
        } else {
          const T time = c.squares[p] > 0 ? rule_.step(c.squares[p], due) : T(0), moved = penalty.flow(w, time);
          c.weight[p] = due == 0 ? w : moved;
        }
      }
    });
    for (int p = 0; p < c.count; ++p) {
      const int64_t i = c.at[p];
      weight_[i] = c.weight[p], applied_[i] = c.owed[p];
      if constexpr (ftrl) subgradient_[i] = c.subgradient[p];
    }
    measure(c, before);
  }

  // Keeps the norms of the weights up to date, where that is asked for.
  bool measures() const { return penalised_ && !state_.small.squares.empty(); }
  void measure(const Chunk& c, const T* before) {
    if (!measures()) return;
    if (K_ == 1) return state_.small.changed(before, c.weight, c.count);
    for (int p = 0; p < c.count; ++p) state_.small.changed(K_ == 1 ? 0 : c.at[p] % K_, before[p], c.weight[p]);
  }

  // Adds to the sums of the mean what the weights were after the updates since they were last touched; without a
  // penalty, they were what they are.
  void add_past(Chunk& c) {
    const History& history = state_.history;
    const int64_t to = count_past(c);
    for (int p = 0; p < c.count; ++p)
      sum_[c.at[p]] += T(double(c.weight[p]) * (history.total(to) - history.total(c.counted[p])));
  }
  template <class Of> void add_past(Chunk& c, Of penalty_of) {
    const History& history = state_.history;
    const int64_t to = count_past(c);
    Courses courses;
    find_courses(c, penalty_of, to ? history.time(to - 1) : 0, courses);
    alignas(64) double moments[History::terms][Chunk::most], part[Chunk::most];
    const History::Moments& all = history.moments(to);
    for (int p = 0; p < c.count; ++p) {
      const History::Moments& before = history.moments(c.counted[p]);
      SKGD_UNROLL
      for (int k = 0; k < History::terms; ++k) moments[k][p] = all[k] - before[k];
    }
    for (int p = 0; p < c.count; p += lanes<double>) {
      vec<double> m[History::terms], terms[History::terms];
      SKGD_UNROLL
      for (int k = 0; k < History::terms; ++k) m[k] = load<vec<double>>(moments[k] + p);
      courses.series(p, terms);
      store(part + p, History::sum_of_polynomial(m, load<vec<double>>(c.applied + p), terms));
    }
    for (int p = 0; p < c.count; ++p) {
      if (c.weight[p] == 0 || c.counted[p] == to) continue;
      sum_[c.at[p]] += T(courses.is_short[p] ? part[p] : past(c, p, to, penalty_of(p)));
    }
  }
  // Gives the number of updates, up to which the weights of the chunk are counted from now on.
  int64_t count_past(Chunk& c) {
    const int64_t to = state_.history.size();
    for (int p = 0; p < c.count; ++p) c.counted[p] = counted_[c.at[p]], counted_[c.at[p]] = to;
    return to;
  }

  // The weights of a chunk under their penalties alone, t after the times up to which they are up to date: under FTRL
  // sign (size - fall t) / (1 + decay t), under Adagrad sign times flow() of the penalty.
  struct Courses {
    alignas(64) double sign[Chunk::most], size[Chunk::most], decay[Chunk::most], fall[Chunk::most];
    double is_short[Chunk::most];  // whether the terms of the series are exact to rounding: 1 or 0

    // Taylor coefficients of four of them.
    void series(int p, vec<double>* terms) const {
      using V = vec<double>;
      const V sign = load<V>(this->sign + p), size = load<V>(this->size + p), decay = load<V>(this->decay + p);
      terms[0] = sign * size, terms[1] = -sign * (decay * size + load<V>(fall + p));
      SKGD_UNROLL
      for (int k = 2; k < History::terms; ++k) terms[k] = -decay * (ftrl ? 1.0 : 1.0 / k) * terms[k - 1];
    }
  };

  template <class Of> void find_courses(const Chunk& c, Of penalty_of, double end, Courses& courses) const {
    const double start = state_.small.first_update;
    SKGD_INDEPENDENT
    for (int p = 0; p < c.count; ++p) {
      const auto penalty = penalty_of(p);
      const double w = double(c.weight[p]), origin = c.applied[p], l1 = double(penalty.l1), l2 = double(penalty.l2);
      double size, decay, fall, zero;  // a time before which it is not zero
      if constexpr (ftrl) {
        const double step = double(c.step[p]), time = start + origin, l1_step = l1 * step;
        const double target = target_of(w, step, time, l2, double(c.subgradient[p])), far = std::abs(target);
        const double inverse = 1 / (1 + l2 * step * time);
        decay = l2 * step * inverse, fall = l1_step * inverse, size = far * inverse - fall * time;
        zero = l1_step > 0 ? far / (l1_step > 0 ? l1_step : 1) - start : infinity;
        courses.sign[p] = target < 0 ? -1.0 : 1.0;
      } else {
        const double squares = double(c.squares[p]), step = 1 / (std::sqrt(squares) + rule_.epsilon);
        size = std::abs(w), decay = squares > 0 ? l2 * step : 0, fall = squares > 0 ? l1 * step : 0;
        const double speed = decay * size + fall;
        zero = fall > 0 ? origin + size / (speed > 0 ? speed : 1) : infinity;
        courses.sign[p] = w < 0 ? -1.0 : 1.0;
      }
      courses.size[p] = size, courses.decay[p] = decay, courses.fall[p] = fall;
      const bool slow = decay * (end - origin) < (ftrl ? 3e-3 : 1e-2), late = decay * end < 1;
      courses.is_short[p] = (slow & late & (end < zero)) ? 1.0 : 0.0;
    }
  }

  // Where the weight would be without its l1 penalty, in FTRL's units.
  [[gnu::always_inline]] static double target_of(double w, double step, double time, double l2, double subgradient) {
    return w + step * time * l2 * w - step * subgradient;
  }

  // Sum over past updates of their weight in the mean times the weight p after them, where no short series gives it.
  template <class P> double past(const Chunk& c, int p, int64_t to, const P& penalty) const {
    const History& history = state_.history;
    const double w = double(c.weight[p]), origin = c.applied[p], start = state_.small.first_update;
    const double l1 = double(penalty.l1), l2 = double(penalty.l2);
    const auto exact = penalty.template as<double>();
    Shape shape;
    if constexpr (ftrl) {
      const double step = double(c.step[p]);
      const double target = target_of(w, step, start + origin, l2, double(c.subgradient[p]));
      if (l1 > 0) shape.zero = std::abs(target) / (l1 * step) - start;
      if (l2 > 0) shape.reach = (start + 1 / (l2 * step)) / 5, shape.growth = 0.2;
      return history.sum(c.counted[p], to, shape, [&](double time) {
        const double updates = step * (start + time);
        return exact.prox_smooth(exact.prox(target, updates), updates);
      });
    } else {
      const double step = rule_.step(double(c.squares[p]), 1.0), size = std::abs(w), a = l2 * step, b = l1 * step;
      if (b > 0) shape.zero = origin + (l2 > 0 ? std::log1p(size * l2 / l1) / a : size / b);
      if (a > 0) shape.reach = 1 / a;
      return history.sum(c.counted[p], to, shape, [&](double time) { return exact.flow(w, step * (time - origin)); });
    }
  }

  static constexpr double infinity = std::numeric_limits<double>::infinity();

  // The weights of a chunk, which are up to date, by their gradients.
  void update(Chunk& c, const Buffer<T>& rates) {
    const double start = state_.small.first_update;
    alignas(64) T before[Chunk::most], rate[Chunk::most];
    if (measures()) std::copy_n(c.weight, c.count, before);
    if (K_ == 1)
      std::fill_n(rate, c.count, rates[0]);
    else
      for (int p = 0; p < c.count; ++p) rate[p] = rates[c.at[p] % K_];
    auto move = [&](auto penalty_of) {
      SKGD_INDEPENDENT
      for (int p = 0; p < c.count; ++p) {
        const T g = c.gradient[p], squares = c.squares[p] + g * g, step = rule_.step(squares, rate[p]);
        c.squares[p] = squares;
        if constexpr (ftrl) {
          c.step[p] = g != 0 ? step : c.step[p];
          const T now = T(start + c.owed[p]);
          c.weight[p] = Ftrl::advanced(c.weight[p], g, c.subgradient[p], c.step[p], now, now, penalty_of(p));
        } else {
          c.weight[p] -= step * g;
        }
      }
    };
    if constexpr (ftrl)
      with_penalties<true>(c, move);
    else
      move(nullptr);  // Adagrad's penalty is applied when the weight is next read
    const int64_t stride = weight_.stride;
    for (int p = 0; p < c.count; ++p) {
      const int64_t i = c.at[p] * stride;
      weight_.first[i] = c.weight[p], squares_.first[i] = c.squares[p];
      if constexpr (ftrl) subgradient_.first[i] = c.subgradient[p], step_.first[i] = c.step[p];
    }
    measure(c, before);
  }
};

}  // namespace skgd
