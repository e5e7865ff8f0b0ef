// Random bits for the order of rows and for dropout.
#pragma once
#include <cstdint>

namespace skgd {

// SplitMix64 (Steele, Lea, Flood 2014).
inline uint64_t next_random(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// Number k of a sequence of random bits that belongs to a key; numbers do not wait for each other, so that loops over k
// are made of vectors (the finalizer of MurmurHash3, Appleby 2011, with half of the key in its midst).
[[gnu::always_inline]] inline uint32_t random_bits(uint64_t key, uint32_t k) {
  uint32_t x = uint32_t(key) + k * 0x9E3779B9u;
  x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
  x = (x ^ (x >> 13) ^ uint32_t(key >> 32)) * 0xC2B2AE35u;
  return x ^ (x >> 16);
}

}  // namespace skgd
