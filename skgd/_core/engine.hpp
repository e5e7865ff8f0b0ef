// What the bindings call. engine.cpp is compiled for float and double and for each set of instructions, in a namespace
// of its own (CMakeLists.txt defines skgd as that), and gives its functions as one table. Types are laid out alike in
// all of them; bindings.cpp chooses a set at import.
#pragma once
#include <array>

#include "columns.hpp"
#include "descent.hpp"
#include "lazy_state.hpp"
#include "path.hpp"
#include "shuffle.hpp"

namespace skgd {

// What becomes of the scores of rows under a linear model.
template <class T> struct Prediction {
  enum Kind { scores, probabilities, labels } kind = scores;
  T* values = nullptr;               // (n, outputs) scores; of probabilities a column for each class
  const int64_t* classes = nullptr;  // (classes): the label of each
  int64_t* chosen = nullptr;         // (n): the label of the class with the largest score
};

template <class T> struct Engine {
  // Carries the descent through the plan; stops early when `control` says so.
  Outcome (*run)(const Problem<T>& problem, Descent<T>& descent, const Plan& plan, const Optimizer& optimizer,
                 Control& control);

  // The same for the columns of a problem with folds.
  ColumnSums (*run_columns)(const Problem<T>& problem, Descent<T>& descent, const Plan& plan,
                            const Optimizer& optimizer, Control& control);

  // Sums over all rows of weight * loss for each of these columns at theta; their gradient is added to `sums`.
  ColumnSums (*evaluate_columns)(const Problem<T>& problem, const T* theta, double* sums, Control& control);

  // A stream keeps what lazy updates owe from call to call (lazy.hpp). Whether it can, for such rows and updates of so
  // many of them:
  bool (*stream_applies)(const Problem<T>& problem, const Descent<T>& descent, int64_t batch_size,
                         const Optimizer& optimizer);

  // Before the runs of a call, with updates of so many rows: the state is ready for them, and the journal knows what
  // they will touch.
  void (*stream_open)(const Problem<T>& problem, Descent<T>& descent, int64_t batch_size, const Optimizer& optimizer,
                      LazyStream<T>& stream);

  // Takes back what the runs of the call did; whether the weights that its rows touch are finite.
  void (*stream_undo)(const Descent<T>& descent, LazyStream<T>& stream);
  bool (*stream_finite)(const Descent<T>& descent, const LazyStream<T>& stream);

  // Makes the arrays of the descent what they say; of the problem only columns and penalty matter.
  void (*stream_settle)(const Problem<T>& problem, Descent<T>& descent, const Optimizer& optimizer,
                        LazyStream<T>& stream);

  // Sum over all rows of weight * loss; fills `gradient` with the gradient of that sum unless it is null, and with it
  // `sums`, unless that is null, with the same before it is rounded to T.
  double (*evaluate)(const Problem<T>& problem, const T* theta, T* gradient, int threads, Control& control,
                     double* sums);

  double (*penalty)(const Problem<T>& problem, const T* theta);

  // z (n, columns): raw scores of all rows.
  void (*scores)(const Problem<T>& problem, const T* theta, T* z, int threads, Control& control);

  // Sums over rows of weight * s and weight * s^2, and the largest s, s = |x|^2 (plus 1 for the intercept).
  std::array<double, 3> (*row_moments)(const Problem<T>& problem);

  // values (m,) of a loss, whose slopes replace raw scores z (m, columns) of targets y (m, width).
  void (*losses)(const Loss& loss, const T* y, int64_t width, bool codes, T* z, int64_t m, int64_t columns, T* values);

  bool (*all_finite)(const T* x, int64_t count);

  // Whether all values are whole numbers 0 .. classes - 1.
  bool (*are_codes)(const T* values, int64_t count, int64_t classes);

  // Moments of the columns of rows x (n, d), which weigh one each where weight is null (moments.hpp).
  void (*column_moments)(const T* x, int64_t n, int64_t d, const double* weight, double* mean, double* squares,
                         double* filled);

  // Predictions of linear models (predict.hpp).
  bool (*predict_rows)(const Dense<T>& X, const T* theta, int64_t outputs, int64_t columns,
                       const Prediction<T>& prediction, int threads, Control& control);
  void (*softmax_rows)(T* z, int64_t n, int64_t columns);
  void (*logistic_rows)(const T* z, int64_t n, T* probabilities);
  void (*largest_of_rows)(const T* z, int64_t n, int64_t columns, int64_t* found);

  // Whether runs can find the loss at parameters beside (LossBeside).
  bool (*finds_loss_beside)(const Problem<T>& problem);

  // Takes the matrix products of a BLAS.
  void (*use_blas)(Gemm<T> gemm);

  // For double alone: weights (m, d) at the minima for strengths (m, 2), and the sweeps (m,) they took (path.hpp).
  void (*minima)(const double* gram, const double* products, const PathFeatures& features, int64_t d, double tolerance,
                 int64_t m, const double* strengths, double* weights, int64_t* sweeps, Control& control);
  // Likewise: a fresh permutation; the generator's state moves on.
  void (*shuffle)(Order& order, uint64_t& state);
  // Likewise: the least and the greatest of 0 and some indices.
  std::array<int64_t, 2> (*range_of_32)(const int32_t* indices, int64_t count);
  std::array<int64_t, 2> (*range_of_64)(const int64_t* indices, int64_t count);
};

}  // namespace skgd
