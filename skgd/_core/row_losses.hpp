// Losses of single rows: slopes one by one, as updates need them, and values of many rows at once, later.
#pragma once
#include "loss.hpp"

namespace skgd {

// Whether a loss is one of single raw scores.
template <class T> bool is_elementwise(const Loss& loss) {
  return match([](const auto& l) { return Elementwise<std::decay_t<decltype(l)>, T>; }, loss);
}

// Rows of one column whose losses are summed later, many at once.
template <class T> struct ScoredRows {
  Buffer<T> z, y, slope, weight;
  explicit ScoredRows(int64_t most) : z(most), y(most), slope(most), weight(most) {}

  void set(int64_t at, T score, T target, T slope_there, T weight_there) {
    z[at] = score, y[at] = target, slope[at] = slope_there, weight[at] = weight_there;
  }
  // Sum of weight * loss of the first `count` rows. Slopes replace their scores.
  double loss(const Loss& loss, int64_t count, bool weighted) {
    if (auto* log_loss = std::get_if<LogLoss>(&loss); log_loss && !weighted)
      return log_loss->total(y.data(), z.data(), slope.data(), count);
    return slopes_of(loss, Block<T>{z.data(), y.data(), weighted ? weight.data() : nullptr, count, 1, 1, false});
  }
};

// Any loss of one raw score, whose slope is a call.
template <class T> class AnyLoss {
 public:
  static constexpr bool has_margin = true;  // it may have one
  explicit AnyLoss(const Loss& loss)
      : loss_(loss),
        slope_(of_each<Slope>(loss, [](const auto& l) { return Slope(slope_by_call<std::decay_t<decltype(l)>>); })) {}

  T operator()(T y, T z, T& slope) const {
    return of_each<T>(loss_, [&](const auto& l) { return l(y, z, slope); });
  }
  T quick_slope(T y, T z) const { return slope_(loss_, y, z); }

 private:
  using Slope = T (*)(const Loss&, T, T);
  const Loss& loss_;
  Slope slope_;

  template <class L> static T slope_by_call(const Loss& loss, T y, T z) {
    return slope_of(*std::get_if<L>(&loss), y, z);
  }
  // f of the loss that it is, if that has one raw score.
  template <class R, class F> static R of_each(const Loss& loss, F f) {
    return match(
        [&](const auto& l) -> R {
          if constexpr (Elementwise<std::decay_t<decltype(l)>, T>) return f(l);
          return R();
        },
        loss);
  }
};

// Losses whose slopes take no longer than a call have loops over single rows of their own, as the log loss has.
template <class L, class... Own> constexpr bool is_one_of = (std::is_same_v<L, Own> || ...);
template <class L>
constexpr bool has_own_loop =
    !small_build && is_one_of<L, SquaredError, Huber, AbsoluteError, Quantile, EpsilonInsensitive, LogLoss, Hinge,
                              SquaredHinge, ModifiedHuber, Perceptron>;

}  // namespace skgd
