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
  typedef std::int32_t Bits __attribute__((vector_size(32)));
  static constexpr int lanes = 8;
  static constexpr bool scales = false;
  static Values fma(Values a, Values b, Values c) { return _mm256_fmadd_ps(a, b, c); }
  static Values sqrt(Values a) { return _mm256_sqrt_ps(a); }
};

template <>
struct Vector<double> {
  typedef double Values __attribute__((vector_size(32)));
  typedef std::int64_t Bits __attribute__((vector_size(32)));
  static constexpr int lanes = 4;
  static constexpr bool scales = false;
  static Values fma(Values a, Values b, Values c) { return _mm256_fmadd_pd(a, b, c); }
  static Values sqrt(Values a) { return _mm256_sqrt_pd(a); }
};

// Shapes of the products: vectors side by side, and rows for that many (accumulators fit the 16 registers).
constexpr int widest(int rows) { return rows == 1 ? 8 : rows < 4 ? 4 : 2; }
constexpr int tallest(int wide) { return wide > 4 ? 1 : wide > 2 ? 3 : 6; }

}  // namespace unrolled::avx2
