// What lazy.hpp owes to the arrays of a descent, and how the runs of a call are undone.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "descent.hpp"
#include "history.hpp"

namespace skgd {

// The weights of iterates in a mean that is kept as their weighted sum.
struct MeanWeights {
  double total = 0;      // so far, in units in which it was 1 when the sum began
  bool started = false;  // the mean started since then, so what was there before does not count

  template <class T> void begin(const Descent<T>& descent) { total = descent.t > descent.average.start ? 1 : 0; }
  // The weight of an iterate that gets this share of the mean.
  double add(double share) {
    if (share == 1) total = 0, started = true;
    const double weight = share == 1 ? 1 : share / (1 - share) * total;
    total += weight;
    return weight;
  }
  // (a, b): the mean is (a mean + sum) b, from what it was before and the sum since then.
  template <class T> std::pair<T, T> factors() const {
    return total == 0 ? std::pair(T(1), T(1)) : std::pair(started ? T(0) : T(1), T(1 / total));
  }
  template <class T> void finish(T* __restrict mean, const T* __restrict sum, int64_t size) const {
    if (total == 0) return;
    const auto [before, inverse] = factors<T>();
    for (int64_t i = 0; i < size; ++i) mean[i] = (before * mean[i] + sum[i]) * inverse;
  }
};

// The iterates in a mean, by what the l1 penalty of a weight had amounted to at each of them; a weight that nothing but
// this penalty changes is w = max(0, |w_0| - l1 owed) there, so its share of the mean takes two differences.
class OwedHistory {
 public:
  int64_t size() const { return int64_t(iterates_.size()); }
  void add(double owed, double weight) {
    const Iterate last = size() ? iterates_.back() : Iterate{};
    iterates_.push_back({owed, last.total + weight, last.moment + weight * owed});
  }
  void truncate(int64_t count) { iterates_.resize(count); }
  void clear() { iterates_.clear(); }

  // The sum over the iterates from `first` on of weight * max(0, size - l1 * owed).
  double sum(double size, double l1, int64_t first) const {
    auto end = iterates_.end();
    const auto begin = iterates_.begin() + first;
    const double most = size / l1;
    auto positive = [=](const Iterate& iterate) { return iterate.owed < most; };
    if (begin == end || !positive(*begin)) return 0;
    if (!positive(end[-1])) end = first_where_zero(begin, end - 1, most);
    const Iterate before = first ? begin[-1] : Iterate{};
    return size * (end[-1].total - before.total) - l1 * (end[-1].moment - before.moment);
  }

 private:
  struct Iterate {
    double owed = 0, total = 0, moment = 0;  // total: sum of weights so far, moment: of weight * owed
  };
  using Position = std::vector<Iterate>::const_iterator;

  // Where `most` or more is owed, which at `low` is not yet so and at `high` is. The penalty grows about evenly under
  // most schedules, so it is looked for in proportion.
  static Position first_where_zero(Position low, Position high, double most) {
    constexpr int64_t near = 16;
    auto positive = [=](const Iterate& iterate) { return iterate.owed < most; };
    for (int guess = 0; guess < 4 && high - low > near; ++guess) {
      const double share = (most - low->owed) / (high->owed - low->owed);
      const auto middle = low + std::clamp<int64_t>(int64_t(share * double(high - low)), 1, high - low - 1);
      if (positive(*middle)) {
        low = middle;
        if (high - low > near && !positive(low[near])) high = low + near;
      } else {
        high = middle;
        if (high - low > near && positive(high[-near])) low = high - near;
      }
    }
    return std::partition_point(low + 1, high, positive);
  }

  std::vector<Iterate> iterates_;
};

// Numbers `stride` places apart; or none.
template <class E> struct Strided {
  E* first = nullptr;
  int64_t stride = 1;
  E& operator[](int64_t i) const { return first[i * stride]; }
};

// Weights under an adaptive rule, each beside all that belongs to it: in a stream, which touches few of very many
// weights, a call then waits for one cache line a weight. An entry holds what the rule, the penalty, the mean and the
// batches need, as a cache holds the more entries the fewer bytes they have: a power of two, so that none lies in two
// lines.
template <class T> class Entries {
 public:
  enum Part {
    applied,  // double: what a weight has got of what is owed
    counted,  // int64_t: how many of its updates the sum holds
    weight,   // the others are T
    first,
    second,
    third,     // the arrays of the rule
    sum,       // u of the mean
    gradient,  // of a batch; zero between batches
    parts
  };
  static constexpr int64_t most_bytes = 64;

  // Entries of zeros with these parts.
  void assign(int64_t count, std::initializer_list<std::pair<Part, bool>> wanted) {
    int64_t used = 0;
    for (const auto& [part, there] : wanted) {
      place_[part] = there ? used : -1;
      if (there) used += size_of(part);
    }
    bytes_ = int64_t(std::bit_ceil(uint64_t(std::max<int64_t>(used, 8)))), size_ = count;
    memory_.assign(size_t(count * bytes_ + most_bytes - 1) / sizeof(Line), Line{});
  }
  bool empty() const { return size_ == 0; }
  int64_t size() const { return size_; }
  int64_t bytes() const { return bytes_; }
  bool has(Part part) const { return place_[part] >= 0; }
  std::byte* at(int64_t i) { return reinterpret_cast<std::byte*>(memory_.data()) + i * bytes_; }
  const std::byte* at(int64_t i) const { return reinterpret_cast<const std::byte*>(memory_.data()) + i * bytes_; }

  // A part of all entries, of numbers of type E.
  template <class E = T> Strided<E> all(Part part) {
    if (empty() || !has(part)) return {};
    return {reinterpret_cast<E*>(at(0) + place_[part]), bytes_ / int64_t(sizeof(E))};
  }
  T value(Part part, int64_t i) const {
    T found = 0;
    if (has(part)) std::memcpy(&found, at(i) + place_[part], sizeof(T));
    return found;
  }

 private:
  struct Line {
    alignas(most_bytes) std::byte bytes[most_bytes];
  };
  static int64_t size_of(Part part) { return part == applied || part == counted ? 8 : int64_t(sizeof(T)); }

  int64_t size_ = 0, bytes_ = 0;
  std::array<int64_t, parts> place_{};  // in an entry; -1: it has no such part
  Buffer<Line> memory_;
};

template <class T> struct LazyState {
  // Numbers for each column, and others that do not grow with the features.
  struct Small {
    std::vector<double> scale;     // (K,) w = scale v
    std::vector<double> owed;      // (K,) the penalty of all updates, as the rule measures it, for a strength of 1
    std::vector<double> sum;       // (K,) A of the mean
    std::vector<double> l1_norms;  // (K,) of v, where a report needs them
    std::vector<double> squares;   // (K,) |v|^2, likewise
    double first_update = 0;       // number of the update from which owed counts
    MeanWeights mean;
    double touched = 0;  // weights visited since then

    // Weight k of a feature is `after` now.
    void changed(int64_t k, T before, T after) {
      const double from = double(magnitude(before)), to = double(magnitude(after));
      l1_norms[k] += to - from;
      squares[k] += (to - from) * (to + from);
    }
    // The same for `count` weights of one column.
    void changed(const T* before, const T* after, int64_t count) {
      constexpr int parts = 4;  // sums that do not wait for each other
      double norm[parts] = {}, square[parts] = {};
      auto add = [&](int64_t i, int p) {
        const double from = double(magnitude(before[i])), to = double(magnitude(after[i]));
        norm[p] += to - from, square[p] += (to - from) * (to + from);
      };
      int64_t i = 0;
      for (; i + parts <= count; i += parts)
        for (int p = 0; p < parts; ++p) add(i + p, p);
      for (; i < count; ++i) add(i, 0);
      l1_norms[0] += (norm[0] + norm[1]) + (norm[2] + norm[3]);
      squares[0] += (square[0] + square[1]) + (square[2] + square[3]);
    }
  };
  bool active = false;  // else theta, slots and mean are what they say
  Small small;
  Buffer<double> applied;    // (d, K) what each weight has got of what is owed; empty: there is nothing to get
  Buffer<T> u;               // (d, K) of the mean
  History history;           // of the mean under an adaptive rule
  OwedHistory owed_history;  // of the mean under an l1 penalty
  Buffer<int64_t> counted;   // (d, K) how many updates of the one or the other u holds
  Buffer<T> gradient;        // (d, K) of a batch under an adaptive rule; zero between batches
  Entries<T> entries;        // (d,) in place of these and of the arrays of the descent; or none
};

// The journal of a call: what the features that its rows touch were before it, each feature once. undo() brings that
// back, at the cost of these features. What changes all features (a scale that has become small, a mean that starts) is
// announced to before_all_change(), which copies all of them.
template <class T> class Journal {
 public:
  template <class I> void open(const Csr<T, I>& x, int64_t K, const Descent<T>& descent, LazyState<T>& state) {
    d_ = x.d, K_ = K, open_ = true;
    all_.reset();
    find_features(x);
    small_ = state.small, updates_ = state.history.size(), owed_updates_ = state.owed_history.size();
    save_entries(state.entries);
    const auto arrays = this->arrays(descent, state);
    values_.resize((int64_t(arrays.size()) * (int64_t(features_.size()) + 1) + 1) * K);
    T* to = values_.data();
    for (const Array& array : arrays) {
      if (entries_.empty())
        for (int64_t j : features_) to = save(to, array.values + j * K);
      if (array.has_intercepts) to = save(to, array.values + d_ * K);
    }
    if (descent.average.values) save(to, descent.average.values + d_ * K);
    applied_.resize(state.applied.empty() ? 0 : features_.size() * K);
    double* applied = applied_.data();
    if (!applied_.empty())
      for (int64_t j : features_) applied = save(applied, state.applied.data() + j * K);
    counted_.resize(state.counted.empty() ? 0 : features_.size() * K);
    int64_t* counted = counted_.data();
    if (!counted_.empty())
      for (int64_t j : features_) counted = save(counted, state.counted.data() + j * K);
  }

  // What is kept of it is its memory.
  void close() {
    open_ = false;
    all_.reset();
  }

  void before_all_change(const Descent<T>& descent, LazyState<T>& state) {
    if (!open_ || all_) return;
    all_.emplace();
    for (const Array& array : arrays(descent, state)) all_->arrays.emplace_back(array.values, array.values + d_ * K_);
    all_->applied = state.applied, all_->counted = state.counted, all_->history = state.history;
    all_->owed_history = state.owed_history, all_->entries = state.entries;
  }

  void undo(const Descent<T>& descent, LazyState<T>& state) const {
    if (!open_) return;
    if (all_) {
      auto copy = all_->arrays.begin();
      for (const Array& array : arrays(descent, state)) std::copy(copy->begin(), copy->end(), array.values), ++copy;
      state.applied = all_->applied, state.counted = all_->counted, state.history = all_->history;
      state.owed_history = all_->owed_history, state.entries = all_->entries;
    }
    state.history.truncate(updates_), state.owed_history.truncate(owed_updates_);
    state.small = small_;
    for (size_t p = 0; p < features_.size() && !entries_.empty(); ++p)
      copy_entry(entries_.data() + int64_t(p) * state.entries.bytes(), state.entries.at(features_[p]), state.entries);
    const T* from = values_.data();
    for (const Array& array : arrays(descent, state)) {
      if (entries_.empty())
        for (int64_t j : features_) from = take(from, array.values + j * K_);
      if (array.has_intercepts) from = take(from, array.values + d_ * K_);
    }
    if (descent.average.values) take(from, descent.average.values + d_ * K_);
    const double* applied = applied_.data();
    for (int64_t j : features_)
      if (!state.applied.empty()) applied = take(applied, state.applied.data() + j * K_);
    const int64_t* counted = counted_.data();
    for (int64_t j : features_)
      if (!state.counted.empty()) counted = take(counted, state.counted.data() + j * K_);
  }

  // Whether the weights, their means and the intercepts are finite once nothing is owed: of these features, or of all
  // where others can have left the range as well, as all were settled in the midst of the call or the scale has grown.
  bool finite(const Descent<T>& descent, const LazyState<T>& state) const {
    T zero = 0;  // 0 * infinity and 0 * nan are nan
    const auto& small = state.small;
    const bool remembers = !state.applied.empty() || !state.entries.empty();
    bool all = all_.has_value();
    for (int64_t k = 0; k < int64_t(small.scale.size()); ++k) {
      zero += T(0) * T(small.scale[k]) + T(0) * T(small.sum[k]);
      // what weights have got is taken off it, but for the cumulative penalty, of which there may be any amount
      if (std::isnan(small.owed[k]) || (std::isinf(small.owed[k]) && remembers)) return false;
      all = all || std::abs(small.scale[k]) > 1;
    }
    auto each = [&](auto look) {
      if (all)
        for (int64_t j = 0; j < d_; ++j) look(j);
      else
        for (int64_t j : features_) look(j);
    };
    if (!state.entries.empty()) {
      const Entries<T>& entries = state.entries;
      each([&](int64_t j) {
        zero += T(0) * entries.value(Entries<T>::weight, j) + T(0) * entries.value(Entries<T>::sum, j);
      });
    } else {
      const bool active = state.active, averages = !state.u.empty();
      each([&](int64_t j) {
        for (int64_t k = 0; k < K_; ++k) {
          const T v = descent.theta[j * K_ + k];
          zero += T(0) * (active ? T(small.scale[k]) * v : v);
          if (averages) zero += T(0) * (state.u[j * K_ + k] + T(small.sum[k]) * v);
        }
      });
    }
    for (int64_t k = 0; k < K_; ++k) {
      zero += T(0) * descent.theta[d_ * K_ + k];
      if (descent.average.values) zero += T(0) * descent.average.values[d_ * K_ + k];
    }
    return zero == 0;
  }

 private:
  struct Array {
    T* values;  // (d, K), with the intercepts (d + 1, K)
    bool has_intercepts;
  };
  struct All {
    std::vector<Buffer<T>> arrays;
    Buffer<double> applied;
    Buffer<int64_t> counted;
    History history;
    OwedHistory owed_history;
    Entries<T> entries;
  };

  template <class I> void find_features(const Csr<T, I>& x) {
    const I *begin = x.indices, *end = begin + x.indptr[x.n];
    if (x.n == 1) {  // a row has each of its features once
      features_.assign(begin, end);
      return;
    }
    constexpr int64_t bits = 64;
    seen_.resize((d_ + bits - 1) / bits, 0);
    features_.clear();
    for (; begin < end; ++begin) {
      uint64_t& word = seen_[int64_t(*begin) / bits];
      const uint64_t bit = uint64_t(1) << (int64_t(*begin) % bits);
      if (word & bit) continue;
      word |= bit;
      features_.push_back(*begin);
    }
    for (int64_t j : features_) seen_[j / bits] = 0;
  }

  static void copy_entry(const std::byte* from, std::byte* to, const Entries<T>& entries) {
    for (int64_t b = 0; b < entries.bytes(); b += 8) std::memcpy(to + b, from + b, 8);
  }
  void save_entries(const Entries<T>& entries) {
    const int64_t count = entries.empty() ? 0 : int64_t(features_.size()), bytes = entries.bytes();
    entries_.resize(size_t(count * bytes));
    for (int64_t p = 0; p < count; ++p) {
      constexpr int64_t ahead = 16;
      prefetch(entries.at(features_[std::min(p + ahead, count - 1)]), bytes);
      copy_entry(entries.at(features_[p]), entries_.data() + p * bytes, entries);
    }
  }
  static std::vector<Array> arrays(const Descent<T>& descent, LazyState<T>& state) {
    std::vector<Array> found{{descent.theta, true}};
    for (T* slot : {descent.slots.first, descent.slots.second, descent.slots.third})
      if (slot) found.push_back({slot, true});
    if (!state.u.empty()) found.push_back({state.u.data(), false});
    return found;
  }
  template <class E> E* save(E* to, const E* from) const {
    for (int64_t k = 0; k < K_; ++k) to[k] = from[k];
    return to + K_;
  }
  template <class E> const E* take(const E* from, E* into) const {
    for (int64_t k = 0; k < K_; ++k) into[k] = from[k];
    return from + K_;
  }

  bool open_ = false;
  int64_t d_ = 0, K_ = 0, updates_ = 0, owed_updates_ = 0;
  std::vector<int64_t> features_;  // that the rows touch
  std::vector<uint64_t> seen_;     // a bit for each of the d, zero between calls
  Buffer<T> values_;               // their values in each array, in that order
  std::vector<double> applied_;
  std::vector<int64_t> counted_;
  Buffer<std::byte> entries_;  // likewise
  typename LazyState<T>::Small small_;
  std::optional<All> all_;
};

// The state of a stream, and the journal of its present call.
template <class T> struct LazyStream {
  LazyState<T> state;
  Journal<T> journal;
};

}  // namespace skgd
