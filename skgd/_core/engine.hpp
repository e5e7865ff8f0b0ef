// What the bindings call; defined for float and double in engine.cpp.
#pragma once
#include <array>

#include "columns.hpp"
#include "descent.hpp"
#include "lazy_state.hpp"

namespace skgd {

// Carries the descent through the plan; stops early when `control` says so.
template <class T>
Outcome run(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const Optimizer& optimizer,
            Control& control);

// The same for the columns of a problem with folds.
template <class T>
ColumnSums run_columns(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const Optimizer& optimizer,
                       Control& control);

// Sums over all rows of weight * loss for each of these columns at theta; their gradient is added to `sums`.
template <class T>
ColumnSums evaluate_columns(const Problem<T>& problem, const T* theta, double* sums, Control& control);

// A stream keeps what lazy updates owe from call to call (lazy.hpp). Whether it can, for such rows and updates of so
// many of them:
template <class T>
bool stream_applies(const Problem<T>& problem, const Descent<T>& descent, int64_t batch_size,
                    const Optimizer& optimizer);

// Before the runs of a call: the state is ready for them, and the journal knows what they will touch.
template <class T>
void stream_open(const Problem<T>& problem, Descent<T>& descent, const Optimizer& optimizer, LazyStream<T>& stream);

// Makes the arrays of the descent what they say; of the problem only columns and penalty matter.
template <class T>
void stream_settle(const Problem<T>& problem, Descent<T>& descent, const Optimizer& optimizer, LazyStream<T>& stream);

// Sum over all rows of weight * loss; fills `gradient` with the gradient of that sum unless it is null, and with it
// `sums`, unless that is null, with the same before it is rounded to T.
template <class T>
double evaluate(const Problem<T>& problem, const T* theta, T* gradient, int threads, Control& control,
                double* sums = nullptr);

// z (n, columns): raw scores of all rows.
template <class T> void scores(const Problem<T>& problem, const T* theta, T* z, int threads, Control& control);

// Sums over rows of weight * s and weight * s^2, and the largest s, s = |x|^2 (plus 1 for the intercept).
template <class T> std::array<double, 3> row_moments(const Problem<T>& problem);

}  // namespace skgd
