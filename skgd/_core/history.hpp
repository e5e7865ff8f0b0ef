// The updates that a mean of iterates has counted, for weights that only penalties move between two gradients.
//
// Update s has a weight and a time, which never falls; a weight that no gradient moves is f(time of s) after it, for a
// smooth f. sum(from, to, f) is the sum of weight_s f(time_s) over updates from <= s < to: directly for few of them,
// and by blocks for many. A block of 8, 16, 32, ... updates stands for its sum by ten weights at the Chebyshev nodes of
// its span of time: exact for polynomials of degree nine, and to rounding for f that hardly bends within the span.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace skgd {

// What sum() must know of f: the longest span that starts at a time and in which ten nodes are enough; and when f turns
// zero for good, with a kink.
struct Shape {
  double reach = std::numeric_limits<double>::infinity();
  double growth = 0;  // of the reach, with the time at which a span starts
  double zero = std::numeric_limits<double>::infinity();
};

class History {
 public:
  int64_t size() const { return int64_t(time_.size()); }
  // Total weight of the first `count` updates.
  double total(int64_t count) const { return count ? moments_[count - 1][0] : 0; }
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

  // The sum for a polynomial in (time - origin), lowest coefficient first, at the cost of its terms. Moments are about
  // time zero, so the terms should not be large there.
  double sum_of_polynomial(int64_t from, int64_t to, double origin, const std::array<double, 6>& coefficients) const {
    Moments moments = moments_[to - 1];
    if (from)
      for (int k = 0; k < terms; ++k) moments[k] -= moments_[from - 1][k];
    for (int first = 1; first < terms; ++first)  // shifts the origin: (t - a)^k = t (t - a)^(k-1) - a (t - a)^(k-1)
      for (int k = terms - 1; k >= first; --k) moments[k] -= origin * moments[k - 1];
    double total = 0;
    for (int k = 0; k < terms; ++k) total += coefficients[k] * moments[k];
    return total;
  }

  template <class F> double sum(int64_t from, int64_t to, const Shape& shape, F f) const {
    double total = 0;
    while (from < to && time_[from] < shape.zero) {
      const Block* block = nullptr;
      int64_t length = 1;
      for (size_t level = 0; level < levels_.size(); ++level) {
        const int64_t size = leaf << level;
        if (from % size || from + size > to) break;
        const Block& next = levels_[level][from / size];
        if (next.end - next.begin > shape.reach + shape.growth * next.begin || next.end > shape.zero) break;
        block = &next, length = size;
      }
      const double value = f(time_[from]);
      if (!block) {
        total += weight_[from] * value;
      } else {
        for (int q = 0; q < nodes; ++q)
          if (block->weights[q] != 0) total += block->weights[q] * f(block->at(q));
      }
      if (std::abs(value) * this->total(to) < 1e-18 * std::abs(total)) break;  // it has decayed
      from += length;
    }
    return total;
  }

 private:
  static constexpr int nodes = 10;
  static constexpr int64_t leaf = 8;  // updates of a block of level 0

  struct Block {
    double begin, end;  // the times of its first and its last update
    std::array<double, nodes> weights{};

    double at(int q) const { return begin + (end - begin) * (1 + cosines()[q]) / 2; }
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

  static constexpr int terms = 6;
  using Moments = std::array<double, terms>;  // sums of weight time^k

  std::vector<double> time_, weight_;
  std::vector<Moments> moments_;  // of all updates up to each
  std::vector<std::vector<Block>> levels_;

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
          if (below[half].weights[q] != 0) block.add(below[half].at(q), below[half].weights[q]);
    }
    levels_[level].push_back(block);
  }
};

}  // namespace skgd
