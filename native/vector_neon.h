// Vectors of 16 bytes: what the vector extension of the compilers lacks, in NEON. Compiled, never yet run.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace unrolled::neon {

template <class T>
struct Vector;

template <>
struct Vector<float> {
  typedef float Values __attribute__((vector_size(16)));
  typedef std::uint32_t Bits __attribute__((vector_size(16)));
  static constexpr int lanes = 4;
  static constexpr bool scales = false;
  static Values fma(Values a, Values b, Values c) { return vfmaq_f32(c, a, b); }
  static Values sqrt(Values a) { return vsqrtq_f32(a); }
  static Values larger(Values a, Values b) { return vmaxq_f32(a, b); }  // NaN where one is NaN
  static Values smaller(Values a, Values b) { return vminq_f32(a, b); }
  // In a register, not loaded again at each use.
  static Values held(Values a) {
    asm("" : "+w"(a));
    return a;
  }
};

template <>
struct Vector<double> {
  typedef double Values __attribute__((vector_size(16)));
  typedef std::uint64_t Bits __attribute__((vector_size(16)));
  static constexpr int lanes = 2;
  static constexpr bool scales = false;
  static Values fma(Values a, Values b, Values c) { return vfmaq_f64(c, a, b); }
  static Values sqrt(Values a) { return vsqrtq_f64(a); }
  static Values larger(Values a, Values b) { return vmaxq_f64(a, b); }  // NaN where one is NaN
  static Values smaller(Values a, Values b) { return vminq_f64(a, b); }
  // In a register, not loaded again at each use.
  static Values held(Values a) {
    asm("" : "+w"(a));
    return a;
  }
};

// Shapes of the products: vectors side by side, and rows for that many (accumulators fit the 32 registers).
constexpr int widest(int rows) { return rows == 1 ? 8 : 4; }
constexpr int tallest(int wide) { return wide > 4 ? 1 : wide == 4 ? 6 : wide == 3 ? 8 : 12; }

}  // namespace unrolled::neon
