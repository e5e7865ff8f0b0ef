// Passive-aggressive updates of one row (Crammer, Dekel, Keshet, Shalev-Shwartz & Singer 2006): the plain update with
// the slope of a margin loss times min(C, loss / |x|^2) or, in the second variant, loss / (|x|^2 + 1 / (2 C)).
#pragma once
#include "implicit.hpp"

namespace skgd {

// While it lives the updates of the problem are such.
template <class T> class PassiveUpdates {
 public:
  PassiveUpdates(const Problem<T>& problem, const PassiveAggressive& rule, Rows rows)
      : problem_(problem), inverse_(problem.n()) {
    const double intercept = problem.fit_intercept ? 1 : 0, more = rule.second != 0 ? 0.5 / rule.C : 0;
    for (int64_t at = 0; at < rows.count; ++at) {
      const int64_t i = rows[at];
      const double squares = squared_length(problem, i) - intercept + more;
      inverse_[i] = squares > 0 ? T(1 / squares) : T(0);  // a row of zeros tells nothing
    }
    problem.passive = {inverse_.data(), rule.second != 0 ? std::numeric_limits<T>::infinity() : T(rule.C)};
  }
  ~PassiveUpdates() { problem_.passive = {}; }
  PassiveUpdates(const PassiveUpdates&) = delete;
  PassiveUpdates& operator=(const PassiveUpdates&) = delete;

 private:
  const Problem<T>& problem_;
  Buffer<T> inverse_;
};

}  // namespace skgd
