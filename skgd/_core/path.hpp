// Squared error with an l1 penalty from second moments, minimised for one strength of the penalty after another.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "problem.hpp"
#include "prox.hpp"
#include "simd.hpp"

namespace skgd {

// What is known of each feature, arrays (d,) that belong to the caller: by what the strength of the penalty is
// multiplied, and between which bounds its weight lies.
struct PathFeatures {
  const double *factor, *low, *high;

  double inside(int64_t j, double w) const { return std::clamp(w, low[j], high[j]); }
};

// The weights that minimise
//   w' G w / 2 - q' w + sum_j f_j (l1 |w_j| + l2 w_j^2 / 2) with low <= w <= high,  G (d, d) symmetric, q (d,),
// by coordinate descent (Friedman, Hastie & Tibshirani 2010) on the features that strong rules leave (Tibshirani et al.
// 2012); once the sweeps have cost as much, by a Newton step for the weights that are neither zero nor at a bound. Each
// call starts at the minimum of the call before, so that falling strengths cost least. Ends where no step moves the
// scores by more than `tolerance` (root mean square), or when it is interrupted. The arrays belong to the caller.
class QuadraticPath {
 public:
  QuadraticPath(const double* gram, const double* products, const PathFeatures& of, int64_t d, double tolerance,
                Control& control)
      : gram_(gram), products_(products), of_(of), d_(d), tolerance_(tolerance), control_(control),
        slopes_(products, products + d), known_(d) {
    for (int64_t j = 0; j < d; ++j)
      if (of.factor[j] > 0) last_ = std::max(last_, magnitude(slopes_[j]) / of.factor[j]);
  }

  // Gives the number of sweeps over the features; w (d,) gets the minimum.
  int64_t minimise(double l1, double l2, double* w) {
    int64_t sweeps = 0;
    take_above(2 * l1 - last_, l2);
    last_ = l1;
    do {
      sweeps += descend(l1, l2, most_sweeps - sweeps);
      find_slopes();
    } while (!control_.stop && sweeps < most_sweeps && take_above(l1, l2));
    for (int64_t j = 0; j < d_; ++j) w[j] = of_.inside(j, 0.0);
    for (size_t p = 0; p < taken_.size(); ++p) w[taken_[p]] = w_[p];
    return sweeps;
  }

 private:
  static constexpr int64_t most_sweeps = 100000;
  static constexpr int most_steps = 64;       // of Newton in a row
  static constexpr double softening = 1e-11;  // of the diagonal, for Newton steps along singular directions

  // Features outside whose slope at zero is above a threshold become those that are descended on, and those that have
  // no zero within their bounds; whether there are any.
  bool take_above(double threshold, double l2) {
    const size_t before = taken_.size();
    for (int64_t j = 0; j < d_; ++j) {
      const double curvature = gram_[j * d_ + j] + of_.factor[j] * l2;
      if (known_[j] || curvature <= 0) continue;
      const bool above = magnitude(slopes_[j]) > of_.factor[j] * threshold + tolerance_ * std::sqrt(curvature);
      if (!above && of_.inside(j, 0.0) == 0) continue;
      known_[j] = true, taken_.push_back(j);
    }
    pack(before);
    return taken_.size() > before;
  }

  // Second moments of the features taken lie together, in rows of `stride_`.
  void pack(size_t before) {
    const int64_t count = taken_.size();
    if (count > stride_) {
      stride_ = std::min(d_, std::max<int64_t>(32, 2 * count)), before = 0;
      packed_.resize(stride_ * stride_);
    }
    for (int64_t p = 0; p < count; ++p)
      for (int64_t q = p < int64_t(before) ? before : 0; q < count; ++q)
        packed_[p * stride_ + q] = gram_[taken_[p] * d_ + taken_[q]];
    w_.resize(count), r_.resize(count);
    for (int64_t p = 0; p < count; ++p) r_[p] = slopes_[taken_[p]];
  }

  int64_t descend(double l1, double l2, int64_t most) {
    int64_t wait = patience();
    for (int64_t sweeps = 1; sweeps < most && !control_.stop; ++sweeps) {
      if (sweep(l1, l2) <= tolerance_) return sweeps;
      if (--wait > 0) continue;
      for (int steps = 0; steps < most_steps && newton_step(l1, l2); ++steps) continue;
      wait = patience();
    }
    return most;
  }

  // Sweeps that cost about a Newton step.
  int64_t patience() const {
    return 8 + std::count_if(w_.begin(), w_.end(), [](double w) { return w != 0; }) / 6;
  }

  // Minimises along each feature in turn; gives the largest change of the scores.
  double sweep(double l1, double l2) {
    const int64_t count = taken_.size();
    double largest = 0;
    for (int64_t p = 0; p < count; ++p) {
      const double* row = packed_.data() + p * stride_;
      const int64_t j = taken_[p];
      const double curvature = row[p] + of_.factor[j] * l2;
      const double step = of_.inside(j, soft(r_[p] + row[p] * w_[p], of_.factor[j] * l1) / curvature) - w_[p];
      if (step == 0) continue;
      w_[p] += step;
      add_row(r_.data(), -step, row, count);
      largest = std::max(largest, magnitude(step) * std::sqrt(curvature));
    }
    control_.done(count * count);
    return largest;
  }

  // Where a weight that moves by so much is stopped: at zero, under an l1 penalty, or at its bound.
  double limit(int64_t p, double step, double l1) const {
    const int64_t j = taken_[p];
    const bool kink = of_.factor[j] * l1 > 0 && step * w_[p] < 0;
    const double bound = step > 0 ? of_.high[j] : of_.low[j];
    return !kink ? bound : step > 0 ? std::min(bound, 0.0) : std::max(bound, 0.0);
  }

  // Towards the minimum over the weights that are neither zero nor at a bound under their present signs, up to the
  // first that comes to zero or to a bound, where it stays. Whether there was one.
  bool newton_step(double l1, double l2) {
    active_.clear();
    for (size_t p = 0; p < taken_.size(); ++p)
      if (w_[p] != 0 && of_.low[taken_[p]] < w_[p] && w_[p] < of_.high[taken_[p]]) active_.push_back(p);
    const int64_t count = active_.size();
    step_.resize(count);
    for (int64_t i = 0; i < count; ++i) {
      const double w = w_[active_[i]], factor = of_.factor[taken_[active_[i]]];
      step_[i] = r_[active_[i]] - factor * (l2 * w + (w > 0 ? l1 : -l1));
    }
    if (control_.done(count * count * count / 8) || !factorise(l2)) return false;
    solve();
    int64_t first = -1;
    double length = 1;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t p = active_[i];
      if (step_[i] == 0) continue;
      const double crossing = (limit(p, step_[i], l1) - w_[p]) / step_[i];
      if (crossing < length) first = i, length = crossing;
    }
    const double end = first < 0 ? 0 : limit(active_[first], step_[first], l1);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t p = active_[i];
      const double w = i == first ? end : w_[p] + length * step_[i];
      add_row(r_.data(), w_[p] - w, packed_.data() + p * stride_, int64_t(taken_.size()));
      w_[p] = w;
    }
    return first >= 0;
  }

  // Cholesky factor of the second moments of the active features, in the lower triangle of rows of its own.
  bool factorise(double l2) {
    const int64_t count = active_.size();
    factor_.resize(count * count);
    for (int64_t i = 0; i < count; ++i) {
      const double* moments = packed_.data() + active_[i] * stride_;
      double* row = factor_.data() + i * count;
      for (int64_t j = 0; j < i; ++j)
        row[j] = (moments[active_[j]] - dot(row, &factor_[j * count], j)) / factor_[j * count + j];
      const double diagonal = moments[active_[i]] * (1 + softening) + of_.factor[taken_[active_[i]]] * l2;
      const double left = diagonal - dot(row, row, i);
      if (!(left > 0)) return false;
      row[i] = std::sqrt(left);
    }
    return true;
  }

  void solve() {
    const int64_t count = active_.size();
    for (int64_t i = 0; i < count; ++i)
      step_[i] = (step_[i] - dot(&factor_[i * count], step_.data(), i)) / factor_[i * count + i];
    for (int64_t i = count - 1; i >= 0; --i) {
      step_[i] /= factor_[i * count + i];
      add_row(step_.data(), -step_[i], &factor_[i * count], i);
    }
  }

  // q - G w of all features.
  void find_slopes() {
    std::copy_n(products_, d_, slopes_.data());
    for (size_t p = 0; p < taken_.size(); ++p)
      if (w_[p] != 0) add_row(slopes_.data(), -w_[p], gram_ + taken_[p] * d_, d_);
    for (size_t p = 0; p < taken_.size(); ++p) r_[p] = slopes_[taken_[p]];
  }

  const double *gram_, *products_;
  PathFeatures of_;
  int64_t d_, stride_ = 0;
  double tolerance_, last_ = 0;  // the last l1
  Control& control_;
  Buffer<double> slopes_, packed_, w_, r_, step_, factor_;
  std::vector<char> known_;
  std::vector<int64_t> taken_, active_;
};

}  // namespace skgd
