// Vectors of 64 bytes: what the vector extension of the compilers lacks, in AVX-512 (F, BW, DQ, VL).
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace unrolled::avx512 {

template <class T>
struct Vector;

template <>
struct Vector<float> {
  typedef float Values __attribute__((vector_size(64)));
  typedef std::uint32_t Bits __attribute__((vector_size(64)));
  static constexpr int lanes = 16;
  static constexpr bool scales = true;
  static Values fma(Values a, Values b, Values c) { return _mm512_fmadd_ps(a, b, c); }
  static Values sqrt(Values a) { return _mm512_sqrt_ps(a); }
  static Values larger(Values a, Values b) { return _mm512_max_ps(a, b); }  // b where one is NaN
  static Values smaller(Values a, Values b) { return _mm512_min_ps(a, b); }
  // In a register, not loaded again at each use.
  static Values held(Values a) {
    asm("" : "+v"(a));
    return a;
  }
  static Values scale(Values a, Values power) { return _mm512_scalef_ps(a, power); }
};

template <>
struct Vector<double> {
  typedef double Values __attribute__((vector_size(64)));
  typedef std::uint64_t Bits __attribute__((vector_size(64)));
  static constexpr int lanes = 8;
  static constexpr bool scales = true;
  static Values fma(Values a, Values b, Values c) { return _mm512_fmadd_pd(a, b, c); }
  static Values sqrt(Values a) { return _mm512_sqrt_pd(a); }
  static Values larger(Values a, Values b) { return _mm512_max_pd(a, b); }  // b where one is NaN
  static Values smaller(Values a, Values b) { return _mm512_min_pd(a, b); }
  // In a register, not loaded again at each use.
  static Values held(Values a) {
    asm("" : "+v"(a));
    return a;
  }
  static Values scale(Values a, Values power) { return _mm512_scalef_pd(a, power); }
};

// Shapes of the products: vectors side by side, and rows for that many (accumulators fit the 32 registers).
constexpr int widest(int rows) { return rows == 1 ? 8 : 4; }
constexpr int tallest(int wide) { return wide > 4 ? 1 : wide == 4 ? 6 : wide == 3 ? 8 : 12; }

}  // namespace unrolled::avx512
