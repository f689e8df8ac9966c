// Arrays for tests: heap blocks of exactly the size asked for, so that a sanitizer sees one entry too many.
#pragma once

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <type_traits>
#include <vector>

#include "cpu.h"
#include "kernels.h"

namespace unrolled {

struct Free {
  void operator()(void* at) const { std::free(at); }
};

template <class T>
using Array = std::unique_ptr<T[], Free>;

// Aligned to 64 bytes, filled with NaN.
template <class T>
Array<T> array(std::size_t count) {
  Array<T> made(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64)));
  for (std::size_t i = 0; i < count; ++i) made[i] = std::numeric_limits<T>::quiet_NaN();
  return made;
}

template <class T>
Array<T> random_array(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  Array<T> made = array<T>(count);
  for (std::size_t i = 0; i < count; ++i) made[i] = static_cast<T>(normal(generator));
  return made;
}

// Equal to the bit, NaN and signed zeros included.
template <class T>
bool same(const T* one, const T* other, std::size_t count) {
  return std::memcmp(one, other, count * sizeof(T)) == 0;
}

// How many representable numbers lie between two; 0 for two NaN.
template <class T>
std::uint64_t apart(T one, T other) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  if (one != one && other != other) return 0;
  const auto place = [](T x) {
    const auto bits = static_cast<std::int64_t>(std::bit_cast<Bits>(x));
    return bits < 0 ? static_cast<std::int64_t>(std::numeric_limits<Bits>::min()) - bits : bits;
  };
  const std::uint64_t a = static_cast<std::uint64_t>(place(one)),
                      b = static_cast<std::uint64_t>(place(other));
  return place(one) > place(other) ? a - b : b - a;
}

// Every set of kernels that runs here, the portable one last.
template <class T>
std::vector<const Kernels<T>*> sets() {
  std::vector<const Kernels<T>*> found;
  for (std::string_view name : instruction_sets()) found.push_back(kernels_named<T>(name));
  return found;
}

}  // namespace unrolled
