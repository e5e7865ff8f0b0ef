// A fresh order of the rows for every epoch. Rows are grouped in blocks of up to 64 rows and 32 KB (of float64), long
// rows by eight; the blocks are permuted, then the rows within windows of at least 64 blocks, of long rows 8. Data that
// fit a window are permuted fully; larger ones are read from memory a block at a time, which is much faster than row by
// row, and each window mixes blocks from everywhere.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "design.hpp"
#include "random.hpp"

namespace skgd {

template <class I> void fisher_yates(I* a, int64_t n, uint64_t& state) {
  for (int64_t i = n - 1; i > 0; --i) {
    const uint64_t j = ((next_random(state) >> 32) * uint64_t(i + 1)) >> 32;
    std::swap(a[i], a[j]);
  }
}

class Order {
 public:
  Order(int64_t n, int64_t d) : order_(n) {
    const int64_t row = 8 * std::max<int64_t>(1, d);  // bytes of a row of float64, so that float32 has the same order
    const bool is_long = row > long_row, is_small = n * row <= small_bytes;
    const int64_t most = is_long || (is_small && row >= page / 2) ? 8 * row : is_small ? page : block_bytes;
    while (block_bits_ < 6 && (row << (block_bits_ + 1)) <= most) ++block_bits_;
    const int64_t block = int64_t(1) << block_bits_;
    window_ = (is_long ? 8 : std::max<int64_t>(64, window_bytes / row / block)) * block;
    blocks_.resize((n + block - 1) / block);
  }

  // Orders of these rows of X, in place of the first n.
  void of_rows(const int32_t* numbers) { numbers_.assign(numbers, numbers + order_.size()); }

  void shuffle(uint64_t& state) {
    const int64_t n = int64_t(order_.size()), block = int64_t(1) << block_bits_;
    std::iota(blocks_.begin(), blocks_.end(), 0);
    fisher_yates(blocks_.data(), int64_t(blocks_.size()), state);
    int64_t filled = 0;
    for (int64_t b : blocks_)
      for (int64_t i = b * block; i < std::min(n, (b + 1) * block); ++i) order_[filled++] = int32_t(i);
    for (int64_t start = 0; start < n; start += window_)
      fisher_yates(order_.data() + start, std::min(window_, n - start), state);
    if (!numbers_.empty())
      for (int32_t& row : order_) row = numbers_[row];
  }

  Rows rows(int64_t first, int64_t count) const {
    const int32_t* numbers = numbers_.empty() ? nullptr : numbers_.data();
    return {order_.data() + first, first, count, blocks_.data(), block_bits_, window_, int64_t(order_.size()), numbers};
  }
  std::vector<int32_t>& values() { return order_; }

 private:
  // Small data are permuted fully; their orders are those of blocks of a page.
  static constexpr int64_t long_row = 4096, block_bytes = 32 << 10, window_bytes = 512 << 10;
  static constexpr int64_t small_bytes = 256 << 10, page = 4096;
  std::vector<int32_t> order_, blocks_, numbers_;
  int block_bits_ = 0;
  int64_t window_;
};

}  // namespace skgd
