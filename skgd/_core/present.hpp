// Which features sparse rows have, for rows that have few of those that they could.
#pragma once
#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace skgd {

// Numbers the features in the order in which the non-zeros of the rows have them: columns (stored) gets the new numbers
// of the column numbers `indices` (stored) of rows with d features. Gives the old numbers, or none of them where there
// are more than `most`. Most of what a row of very many features has, no row before it has: such weights are then
// neighbours.
template <class I>
std::vector<int64_t> present_features(const I* indices, int64_t stored, int64_t d, int64_t most, I* columns) {
  constexpr int64_t ahead = 32;
  std::vector<I> number(d, I(-1));
  std::vector<int64_t> present;
  present.reserve(std::min(stored, most));
  for (int64_t k = 0; k < stored; ++k) {
    const auto j = uint64_t(indices[k]), later = uint64_t(indices[std::min(k + ahead, stored - 1)]);
    if (j >= uint64_t(d)) throw std::out_of_range("A column number is out of range.");  // or negative
    __builtin_prefetch(number.data() + (later < uint64_t(d) ? later : 0));
    if (number[j] < 0) {
      if (int64_t(present.size()) == most) return {};
      number[j] = I(present.size());
      present.push_back(int64_t(j));
    }
    columns[k] = number[j];
  }
  return present;
}

}  // namespace skgd
