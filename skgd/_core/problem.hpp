// A Problem: design, targets, weights, loss and penalty of one objective
//   F(theta) = sum_i weight_i loss(y_i, z_i) / n + alpha R(weights of theta).
#pragma once
#include <algorithm>
#include <functional>
#include <vector>

#include "design.hpp"
#include "loss.hpp"
#include "penalty.hpp"

namespace skgd {

template <class T> struct Targets {
  const T* y;                 // (n, columns), or (n,) class codes
  const T* weight = nullptr;  // (n,) or null
  int64_t columns = 1;        // outputs or classes
  bool codes = false;
};

template <class T> struct Problem {
  Design<T> design;
  Targets<T> targets;
  Loss loss;
  Penalty<T> penalty;
  bool fit_intercept = true;

  int64_t n() const {
    return std::visit([](auto& x) { return x.n; }, design);
  }
  int64_t d() const {
    return std::visit([](auto& x) { return x.d; }, design);
  }
  // Columns of theta: 1, or the outputs rounded up to whole vectors (padding stays zero).
  int64_t columns() const { return targets.columns == 1 ? 1 : (targets.columns + lanes<T> - 1) / lanes<T> * lanes<T>; }
  int64_t parameters() const { return (d() + 1) * columns(); }
};

// Targets and weights of a block of rows, gathered when the order is not the natural one.
template <class T> class TargetBuffer {
 public:
  Block<T> block(const Problem<T>& problem, Rows rows, T* z) {
    const Targets<T>& t = problem.targets;
    const int64_t width = t.codes ? 1 : t.columns;
    Block<T> b{z, nullptr, nullptr, rows.count, t.columns, problem.columns(), t.codes};
    if (!rows.order || rows.count == 1) {
      b.y = t.y + rows[0] * width;
      b.weight = t.weight ? t.weight + rows[0] : nullptr;
      return b;
    }
    y_.resize(rows.count * width);
    if (width == 1)
      for (int64_t i = 0; i < rows.count; ++i) y_[i] = t.y[rows[i]];
    else
      for (int64_t i = 0; i < rows.count; ++i) std::copy_n(t.y + rows[i] * width, width, y_.data() + i * width);
    b.y = y_.data();
    if (t.weight) {
      weight_.resize(rows.count);
      for (int64_t i = 0; i < rows.count; ++i) weight_[i] = t.weight[rows[i]];
      b.weight = weight_.data();
    }
    return b;
  }

 private:
  std::vector<T> y_, weight_;
};

// Asked now and then, at least every 50 ms, whether to stop; `stop` is sticky.
struct Control {
  std::function<bool()> interrupted;
  bool stop = false;
  int64_t work = 0;
  bool done(int64_t elements) {
    if ((work += elements) > (1 << 22)) {  // a few milliseconds
      work = 0;
      if (interrupted && interrupted()) stop = true;
    }
    return stop;
  }
};

}  // namespace skgd
