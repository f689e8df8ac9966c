// Random masks that depend on where an entry stands and on nothing else.
#pragma once

#include <cstdint>

namespace unrolled {

// One round of splitmix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195): every bit depends on every bit.
inline std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// to(i, unit) = value with probability `kept` / 2^24, else 0, for `count` rows of `width` entries: a function of key,
// rows[i], steps[i] and unit.
template <class T>
void fill_mask(T* to, std::uint64_t key, const std::int64_t* rows, const std::int64_t* steps, std::int64_t count,
               std::int64_t width, std::uint64_t kept, T value) {
  for (std::int64_t i = 0; i < count; ++i, to += width) {
    const std::uint64_t place = mixed(mixed(key ^ mixed(static_cast<std::uint64_t>(rows[i]))) ^ static_cast<std::uint64_t>(steps[i]));
    for (std::int64_t unit = 0; unit < width; ++unit)
      to[unit] = (mixed(place ^ static_cast<std::uint64_t>(unit)) >> 40) < kept ? value : T(0);
  }
}

}  // namespace unrolled
