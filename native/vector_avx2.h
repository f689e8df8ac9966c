// Vectors of 32 bytes: what the vector extension of the compilers lacks, in AVX2 and FMA.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace unrolled::avx2 {

template <class T>
struct Vector;

template <>
struct Vector<float> {
  typedef float Values __attribute__((vector_size(32)));
  typedef std::uint32_t Bits __attribute__((vector_size(32)));
  static constexpr int lanes = 8;
  static constexpr bool scales = false;
  static Values fma(Values a, Values b, Values c) { return _mm256_fmadd_ps(a, b, c); }
  static Values sqrt(Values a) { return _mm256_sqrt_ps(a); }
  static Values larger(Values a, Values b) { return _mm256_max_ps(a, b); }  // b where one is NaN
  static Values smaller(Values a, Values b) { return _mm256_min_ps(a, b); }
  // In a register, not loaded again at each use.
  static Values held(Values a) {
    asm("" : "+x"(a));
    return a;
  }
};

template <>
struct Vector<double> {
  typedef double Values __attribute__((vector_size(32)));
  typedef std::uint64_t Bits __attribute__((vector_size(32)));
  static constexpr int lanes = 4;
  static constexpr bool scales = false;
  static Values fma(Values a, Values b, Values c) { return _mm256_fmadd_pd(a, b, c); }
  static Values sqrt(Values a) { return _mm256_sqrt_pd(a); }
  static Values larger(Values a, Values b) { return _mm256_max_pd(a, b); }  // b where one is NaN
  static Values smaller(Values a, Values b) { return _mm256_min_pd(a, b); }
  // In a register, not loaded again at each use.
  static Values held(Values a) {
    asm("" : "+x"(a));
    return a;
  }
};

// Shapes of the products: vectors side by side, and rows for that many (accumulators fit the 16 registers).
// Four rows keep both multipliers busy only with three vectors.
constexpr int widest(int rows) {
  if (rows < 3) return rows == 1 ? 8 : 4;
  return rows < 5 || rows == 7 || rows == 8 ? 3 : 2;
}
constexpr int tallest(int wide) { return wide > 4 ? 1 : wide == 4 ? 2 : wide == 3 ? 4 : 6; }

}  // namespace unrolled::avx2
