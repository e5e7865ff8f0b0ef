// The updates that a mean of iterates has counted, for weights that only penalties move between two gradients.
//
// Update s has a weight and a time, which never falls; a weight that no gradient moves is f(time of s) after it, for a
// smooth f. sum(from, to, f) is the sum of weight_s f(time_s) over updates from <= s < to: directly for few of them,
// and by blocks for many. A block of 8, 16, 32, ... updates stands for its sum by twelve weights at the Chebyshev nodes
// of its span of time: exact for polynomials of degree eleven, and to rounding for f that hardly bends within the span.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "simd.hpp"

namespace skgd {

// What sum() must know of f: the longest span that starts at a time and in which the nodes are enough; and when f turns
// zero for good, with a kink.
struct Shape {
  double reach = std::numeric_limits<double>::infinity();
  double growth = 0;  // of the reach, with the time at which a span starts
  double zero = std::numeric_limits<double>::infinity();
};

class History {
 public:
  static constexpr int terms = 6;
  using Moments = std::array<double, terms>;  // sums of weight time^k

  int64_t size() const { return int64_t(time_.size()); }
  // Total weight of the first `count` updates.
  double total(int64_t count) const { return moments(count)[0]; }
  // Moments of the first `count` updates.
  const Moments& moments(int64_t count) const {
    static const Moments none{};
    return count ? moments_[count - 1] : none;
  }
  double time(int64_t update) const { return time_[update]; }

  void add(double time, double weight) {
    Moments moments = size() ? moments_.back() : Moments{};
    double power = weight;
    for (double& moment : moments) moment += power, power *= time;
    time_.push_back(time), weight_.push_back(weight), moments_.push_back(moments);
    for (int level = 0; size() % (leaf << level) == 0; ++level) add_block(level);
  }

  // Forgets all updates but the first `count`.
  void truncate(int64_t count) {
    time_.resize(count), weight_.resize(count), moments_.resize(count);
    for (size_t level = 0; level < levels_.size(); ++level) levels_[level].resize(count / (leaf << level));
  }

  // The sum, over updates of which these are the moments, of a polynomial in (time - origin), lowest coefficient first;
  // or several of them as vectors. Moments are about time zero, so the terms should not be large there.
  template <class V> [[gnu::always_inline]] static V sum_of_polynomial(V* moments, V origin, const V* coefficients) {
    SKGD_UNROLL
    for (int first = 1; first < terms; ++first)  // shifts the origin: (t - a)^k = t (t - a)^(k-1) - a (t - a)^(k-1)
      SKGD_UNROLL
    for (int k = terms - 1; k >= first; --k) moments[k] -= origin * moments[k - 1];
    V total = coefficients[0] * moments[0];
    SKGD_UNROLL
    for (int k = 1; k < terms; ++k) total += coefficients[k] * moments[k];
    return total;
  }

  // f has no branches, so that the loops over it are vectorised.
  template <class F> double sum(int64_t from, int64_t to, const Shape& shape, F f) const {
    double total = 0;
    while (from < to && time_[from] < shape.zero) {
      const Block* block = nullptr;
      int64_t length = std::min(to, (from / leaf + 1) * leaf) - from;  // one by one
      for (size_t level = 0; level < levels_.size(); ++level) {
        const int64_t size = leaf << level;
        if (from % size || from + size > to) break;
        const Block& next = levels_[level][from / size];
        if (next.end - next.begin > shape.reach + shape.growth * next.begin || next.end > shape.zero) break;
        block = &next, length = size;
      }
      const double part = block ? weighted(block->times.data(), block->weights.data(), nodes, f)
                                : weighted(time_.data() + from, weight_.data() + from, length, f);
      total += part;
      from += length;
      // Whether it has decayed: what is to come is no larger than the last part, weight for weight.
      const double counted = this->total(from) - this->total(from - length), left = this->total(to) - this->total(from);
      if (std::abs(part) * left < 1e-18 * std::abs(total) * counted) break;
    }
    return total;
  }

 private:
  static constexpr int nodes = 12;
  static constexpr int64_t leaf = 8;  // updates of a block of level 0; no more than nodes

  struct Block {
    double begin, end;  // the times of its first and its last update
    std::array<double, nodes> times, weights{};

    explicit Block(double begin = 0, double end = 0) : begin(begin), end(end) {
      for (int q = 0; q < nodes; ++q) times[q] = begin + (end - begin) * (1 + cosines()[q]) / 2;
    }
    // Adds a weight at a time: shared among the nodes as their Lagrange polynomials are there.
    void add(double time, double weight) {
      if (end == begin) {
        weights[0] += weight;
        return;
      }
      const double x = 2 * (time - begin) / (end - begin) - 1;
      std::array<double, nodes> share;
      double all = 0;
      for (int q = 0; q < nodes; ++q) {
        const double apart = x - cosines()[q];
        if (std::abs(apart) < 1e-15) {
          weights[q] += weight;
          return;
        }
        all += share[q] = (q % 2 ? -1 : 1) * std::sqrt(1 - cosines()[q] * cosines()[q]) / apart;
      }
      for (int q = 0; q < nodes; ++q) weights[q] += weight * share[q] / all;
    }
  };

  std::vector<double> time_, weight_;
  std::vector<Moments> moments_;  // of all updates up to each
  std::vector<std::vector<Block>> levels_;

  template <class F>
  [[gnu::always_inline]] static double weighted(const double* time, const double* weight, int64_t count, F f) {
    double value[nodes], sums[4] = {};
    SKGD_INDEPENDENT
    for (int64_t s = 0; s < count; ++s) value[s] = f(time[s]);
    int64_t s = 0;
    for (; s + 4 <= count; s += 4)
      for (int q = 0; q < 4; ++q) sums[q] += weight[s + q] * value[s + q];
    for (; s < count; ++s) sums[0] += weight[s] * value[s];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

  static const std::array<double, nodes>& cosines() {
    static const std::array<double, nodes> values = [] {
      std::array<double, nodes> found;
      for (int q = 0; q < nodes; ++q) found[q] = std::cos((2 * q + 1) * 3.14159265358979323846 / (2 * nodes));
      return found;
    }();
    return values;
  }

  // The block of this level that ends with the newest update.
  void add_block(int level) {
    if (int(levels_.size()) == level) levels_.emplace_back();
    const int64_t length = leaf << level, first = size() - length;
    Block block{time_[first], time_.back()};
    if (level == 0) {
      for (int64_t s = first; s < size(); ++s) block.add(time_[s], weight_[s]);
    } else {
      const std::vector<Block>& below = levels_[level - 1];
      for (size_t half = below.size() - 2; half < below.size(); ++half)
        for (int q = 0; q < nodes; ++q)
          if (below[half].weights[q] != 0) block.add(below[half].times[q], below[half].weights[q]);
    }
    levels_[level].push_back(block);
  }
};

}  // namespace skgd
