// Vectors of 16 bytes for any machine: slow where it has no fused multiply-add, but the same bits.
#pragma once

#include <cmath>
#include <cstdint>

namespace unrolled::portable {

template <class T>
struct Vector;

template <>
struct Vector<float> {
  typedef float Values __attribute__((vector_size(16)));
  typedef std::uint32_t Bits __attribute__((vector_size(16)));
  static constexpr int lanes = 4;
  static constexpr bool scales = false;
  static Values fma(Values a, Values b, Values c) {
    for (int i = 0; i < lanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
  }
  static Values sqrt(Values a) {
    for (int i = 0; i < lanes; ++i) a[i] = __builtin_sqrtf(a[i]);
    return a;
  }
  static Values larger(Values a, Values b) { return a > b ? a : b; }  // b where one is NaN
  static Values smaller(Values a, Values b) { return a < b ? a : b; }
  static Values held(Values a) { return a; }
};

template <>
struct Vector<double> {
  typedef double Values __attribute__((vector_size(16)));
  typedef std::uint64_t Bits __attribute__((vector_size(16)));
  static constexpr int lanes = 2;
  static constexpr bool scales = false;
  static Values fma(Values a, Values b, Values c) {
    for (int i = 0; i < lanes; ++i) c[i] = __builtin_fma(a[i], b[i], c[i]);
    return c;
  }
  static Values sqrt(Values a) {
    for (int i = 0; i < lanes; ++i) a[i] = __builtin_sqrt(a[i]);
    return a;
  }
  static Values larger(Values a, Values b) { return a > b ? a : b; }  // b where one is NaN
  static Values smaller(Values a, Values b) { return a < b ? a : b; }
  static Values held(Values a) { return a; }
};

// Shapes of the products: vectors side by side, and rows for that many.
constexpr int widest(int) { return 4; }
constexpr int tallest(int) { return 2; }

}  // namespace unrolled::portable
