// Compiled once for each element type (SKGD_ELEMENT) and set of instructions (SKGD_SET): picks the loop for a plan.
#if defined(SKGD_SMALL) && defined(__clang__)
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>
#if defined(__linux__)
#include <sys/mman.h>
#endif

// All of the engine has internal linkage under Clang, which then knows each caller and what throws: functions need
// neither a copy for others nor tables to unwind. Headers of the standard library are therefore included before. GCC
// would gain no room by it, and inlines less.
#ifdef __clang__
namespace {
#endif

#include "engine.hpp"
#include "fused.hpp"
#include "fused_rule.hpp"
#include "lazy.hpp"
#include "lazy_standardized.hpp"
#include "moments.hpp"
#include "objective.hpp"
#include "passive.hpp"
#include "predict.hpp"

namespace skgd {
namespace {

template <class T>
Outcome dense_updates(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const Optimizer& optimizer,
                      Control& control) {
  return dense_updates(problem, descent, plan, *any_rule<T>(optimizer), control);
}

template <class T>
Outcome run(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const Optimizer& optimizer,
            Control& control) {
  if (plan.rows.count == 0) return {};
  if (const T* beside = std::exchange(descent.beside, nullptr)) {
    if (!finds_loss_beside(problem)) {
      Outcome outcome = run(problem, descent, plan, optimizer, control);
      outcome.beside = std::numeric_limits<double>::quiet_NaN();
      return outcome;
    }
    LossBeside<T> loss(problem, beside);
    descent.loss_beside = &loss;
    Outcome outcome = run(problem, descent, plan, optimizer, control);
    descent.loss_beside = nullptr;
    outcome.beside = loss.total();
    return outcome;
  }
  if (problem.given.gradient || !problem.moments.empty())
    return dense_updates(problem, descent, plan, optimizer, control);
  if (auto* passive = std::get_if<PassiveAggressive>(&optimizer)) {
    const PassiveUpdates<T> updates(problem, *passive, plan.rows);
    return run(problem, descent, plan, Optimizer(Plain()), control);
  }
  if (per_sample_applies(problem, plan, optimizer))
    return PerSample<T>(problem, descent, plan, Step::plain).run(control);
  if (implicit_per_sample_applies(problem, plan, optimizer))
    return PerSample<T>(problem, descent, plan, Step::implicit).run(control);
  if (clipped_per_sample_applies(problem, descent, plan, optimizer))
    return PerSample<T>(problem, descent, plan, Step::clipped).run(control);
  if (lazy_applies(problem, descent, plan, optimizer)) return lazy_updates(problem, descent, plan, optimizer, control);
  if (lazy_standardized_applies(problem, descent, plan, optimizer))
    return lazy_standardized_updates(problem, descent, plan, control);
  if (descent.stream) throw std::invalid_argument("These updates need arrays to which nothing is owed.");
  if (std::holds_alternative<Implicit>(optimizer) || !PerSampleRule<T>::applies(problem, descent, plan))
    return dense_updates(problem, descent, plan, optimizer, control);
  return PerSampleRule<T>(problem, descent, plan).run(*any_rule<T>(optimizer), control);
}

template <class T>
ColumnSums run_columns(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const Optimizer& optimizer,
                       Control& control) {
  if (std::holds_alternative<PassiveAggressive>(optimizer)) throw std::invalid_argument("This rule has no columns.");
  return ColumnDescent<T>(problem, descent, plan).run(optimizer, control);
}

template <class T>
ColumnSums evaluate_columns(const Problem<T>& problem, const T* theta, double* sums, Control& control) {
  Descent<T> descent{const_cast<T*>(theta), {}, {}};  // which makes no update
  const Rows all = problem.rows();
  const Plan plan{all, {all.count, 1, 0}, nullptr};
  return ColumnDescent<T>(problem, descent, plan).evaluate(sums, control);
}

template <class T>
double evaluate(const Problem<T>& problem, const T* theta, T* gradient, int threads, Control& control, double* sums) {
  if (!gradient && objective_pass_applies(problem)) return objective_pass(problem, theta, threads, control);
  const bool zero = std::all_of(theta, theta + problem.parameters(), [](T w) { return w == 0; });
  auto loan = problem.threads->lend(segments_of(problem, problem.rows().count) > 1 ? threads : 1);
  Accumulator<T> accumulate(problem, *loan);
  const double loss = accumulate(zero && !gradient ? nullptr : theta, problem.rows(), gradient, control);
  if (sums) std::copy(accumulate.total().begin(), accumulate.total().end(), sums);
  return loss;
}

template <class T> void scores(const Problem<T>& problem, const T* theta, T* z, int threads, Control& control) {
  constexpr int64_t worth_a_thread = 1 << 20;
  std::vector<std::unique_ptr<Model<T>>> models;
  models.push_back(make_model(problem));
  const Rows all = problem.rows();
  const int64_t block_rows = models[0]->block_rows(), blocks = (all.count + block_rows - 1) / block_rows;
  const bool worth = all.count * problem.parameters() >= worth_a_thread;
  const int workers = int(std::clamp<int64_t>(worth ? threads : 1, 1, std::max<int64_t>(1, blocks)));
  while (int(models.size()) < workers) models.push_back(make_model(problem));
  parallel_for(blocks, workers, [&](int worker, int64_t block) {
    if (control.stop) return;
    const int64_t start = block * block_rows;
    const Rows part = all.part(start, std::min(block_rows, all.count - start));
    models[worker]->scores(theta, part, z + start * problem.columns());
    if (worker == 0) control.done(part.count * problem.parameters());
  });
}

template <class T> std::array<double, 3> row_moments(const Problem<T>& problem) {
  double first = 0, second = 0, largest = 0;
  const double one = problem.fit_intercept ? 1 : 0;
  const Rows all = problem.rows();
  auto add = [&](int64_t i, double squares) {
    const double weight = problem.targets.weight ? double(problem.targets.weight[i]) : 1.0;
    const double s = weight * (squares + one);  // an update of a row of weight 2 is as long as one of sqrt(2) x
    first += s, second += s * s, largest = std::max(largest, s);
  };
  match(
      [&](const auto& x) {
        if constexpr (requires { x.buffered(); }) {
          Buffer<T> buffer(x.buffered() ? x.d : 0);
          for (int64_t r = 0; r < all.count; ++r) {
            const T* row = x.row(all[r], buffer.data());
            add(all[r], double(dot(row, row, x.d)));
          }
        } else {
          const double of_offset = x.offset_squares();
          for (int64_t r = 0; r < all.count; ++r) add(all[r], x.row_squares(all[r], of_offset));
        }
      },
      problem.design);
  return {first, second, largest};
}

template <class T>
bool stream_applies(const Problem<T>& problem, const Descent<T>& descent, int64_t batch_size,
                    const Optimizer& optimizer) {
  const int64_t n = problem.n();
  if (n == 0 || !problem.penalty.strength.uniform()) return false;
  const Plan plan{{nullptr, 0, n}, {n, (n + batch_size - 1) / batch_size, 0}, nullptr};
  return lazy_applies(problem, descent, plan, optimizer);
}

template <class T>
void stream_open(const Problem<T>& problem, Descent<T>& descent, int64_t batch_size, const Optimizer& optimizer,
                 LazyStream<T>& stream) {
  stream.journal.close();
  with_lazy(problem, descent, optimizer, stream.state, [=](auto& lazy) { lazy.prepare(batch_size); });
  match(
      [&](const auto& x) {
        if constexpr (requires { x.indptr; }) stream.journal.open(x, problem.columns(), descent, stream.state);
      },
      problem.design);
}

template <class T>
void stream_settle(const Problem<T>& problem, Descent<T>& descent, const Optimizer& optimizer, LazyStream<T>& stream) {
  with_lazy(problem, descent, optimizer, stream.state, [](auto& lazy) { lazy.settle(); });
}

template <class T> void stream_undo(const Descent<T>& descent, LazyStream<T>& stream) {
  stream.journal.undo(descent, stream.state);
}

template <class T> bool stream_finite(const Descent<T>& descent, const LazyStream<T>& stream) {
  return stream.journal.finite(descent, stream.state);
}

template <class T> double penalty(const Problem<T>& problem, const T* theta) { return problem.penalty_value(theta); }

template <class T>
void losses(const Loss& loss, const T* y, int64_t width, bool codes, T* z, int64_t m, int64_t columns, T* values) {
  for (int64_t i = 0; i < m; ++i)
    values[i] = T(slopes_of(loss, Block<T>{z + i * columns, y + i * width, nullptr, 1, columns, columns, codes}));
}

template <class T>
void column_moments(const T* x, int64_t n, int64_t d, const double* weight, double* mean, double* squares,
                    double* filled) {
  ColumnMoments(d, mean, squares, filled).add(x, n, weight);
}

template <class T> void use_blas(Gemm<T> gemm) { blas_gemm<T> = gemm; }

[[maybe_unused]] void minima(const double* gram, const double* products, const PathFeatures& features, int64_t d,
                             double tolerance, int64_t m, const double* strengths, double* weights, int64_t* sweeps,
                             Control& control) {
  QuadraticPath path(gram, products, features, d, tolerance, control);
  for (int64_t i = 0; i < m && !control.stop; ++i)
    sweeps[i] = path.minimise(strengths[2 * i], strengths[2 * i + 1], weights + i * d);
}

[[maybe_unused]] void shuffle(Order& order, uint64_t& state) { order.shuffle(state); }

template <class I> std::array<int64_t, 2> range_of(const I* indices, int64_t count) {
  constexpr int64_t lanes = 128 / sizeof(I);
  I least[lanes] = {}, greatest[lanes] = {};
  for (int64_t p = 0; p < count; p += lanes) {
    const int64_t left = std::min(lanes, count - p);
    auto look = [&](int64_t q) {
      const I index = indices[p + q];
      least[q] = index < least[q] ? index : least[q];
      greatest[q] = index > greatest[q] ? index : greatest[q];
    };
    if (left == lanes) {
      SKGD_INDEPENDENT
      for (int64_t q = 0; q < lanes; ++q) look(q);
    } else {
      for (int64_t q = 0; q < left; ++q) look(q);
    }
  }
  return {*std::min_element(least, least + lanes), *std::max_element(greatest, greatest + lanes)};
}

template <class T> constexpr Engine<T> table() {
  Engine<T> e{.run = run,
              .run_columns = run_columns,
              .evaluate_columns = evaluate_columns,
              .stream_applies = stream_applies,
              .stream_open = stream_open,
              .stream_undo = stream_undo,
              .stream_finite = stream_finite,
              .stream_settle = stream_settle,
              .evaluate = evaluate,
              .penalty = penalty,
              .scores = scores,
              .row_moments = row_moments,
              .losses = losses,
              .all_finite = all_finite,
              .are_codes = are_codes,
              .column_moments = column_moments,
              .predict_rows = predict_rows,
              .softmax_rows = softmax_rows,
              .logistic_rows = logistic_rows,
              .largest_of_rows = largest_of_rows,
              .finds_loss_beside = finds_loss_beside,
              .use_blas = use_blas};
  if constexpr (sizeof(T) == 8)
    e.minima = minima, e.shuffle = shuffle, e.range_of_32 = range_of, e.range_of_64 = range_of;
  return e;
}

}  // namespace
}  // namespace skgd

#ifdef __clang__
}
#endif

#define SKGD_JOIN_(a, b, c) a##_##b##_##c
#define SKGD_JOIN(a, b, c) SKGD_JOIN_(a, b, c)
extern "C" const void* SKGD_JOIN(engine, SKGD_SET, SKGD_ELEMENT)() {
  static constexpr skgd::Engine<SKGD_ELEMENT> all = skgd::table<SKGD_ELEMENT>();
  skgd::logistic_table<SKGD_ELEMENT>.fill();
  return &all;
}
#if defined(SKGD_SMALL) && defined(__clang__)
#pragma clang attribute pop
#endif
