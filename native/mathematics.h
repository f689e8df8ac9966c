// exp, log, sigmoid, tanh and softplus of whole vectors, at most 4 ulp from correctly rounded for every
// input.
//
// Branches are choices between lanes, so an entry has the same bits wherever it stands in a vector. The
// polynomials are minimax for their error relative to the result (Remez), then rounded to the type.
#pragma once

#include "vectors.h"

namespace unrolled::UNROLLED_ISA {

template <class T>
struct Numbers;

template <>
struct Numbers<float> {
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float to_whole =
      0x1.8p23f + bias;  // adding it leaves the nearest whole number in the lowest bits
  static constexpr float log2_e = 0x1.715476p0f, ln_2 = 0x1.62e43p-1f, ln_2_rest = -0x1.05c610p-29f;
  static constexpr float least = -104, most = 89,
                         saturated = 10;  // exp is 0 below, infinite above; tanh is 1
  static constexpr int lift = 26;         // exp(least) * 2^lift is a normal number
  static constexpr float smallest_normal = 0x1p-126f;
  static constexpr float exponential[] = {0x1.fffffep-2f, 0x1.5554bp-3f, 0x1.555674p-5f, 0x1.1227bp-7f,
                                          0x1.6bebfep-10f};
  // (exp(-2 h) - 1) / h with the same coefficients, each times a power of -2.
  static constexpr float halved[] = {
      -2, 0x1.fffffep0f, -0x1.5554bp0f, 0x1.555674p-1f, -0x1.1227bp-2f, 0x1.6bebfep-4f};
  static constexpr float logarithm[] = {0x1.55557ap-1f, 0x1.995e9cp-2f, 0x1.31e678p-2f};
  static constexpr std::uint32_t root_half = 0x3f3504f3;  // the bits of sqrt(1/2)
  static constexpr std::uint32_t from_there_to_one = 0x3f800000 - root_half;
};

template <>
struct Numbers<double> {
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double to_whole = 0x1.8p52 + bias;
  static constexpr double log2_e = 0x1.71547652b82fep0, ln_2 = 0x1.62e42fefa39efp-1,
                          ln_2_rest = 0x1.abc9e3b39803fp-56;
  static constexpr double least = -746, most = 710, saturated = 20;
  static constexpr int lift = 56;
  static constexpr double smallest_normal = 0x1p-1022;
  static constexpr double exponential[] = {
      0x1.0000000000005p-1,  0x1.5555555555539p-3,  0x1.555555555228ep-5,  0x1.1111111119011p-7,
      0x1.6c16c17ee7238p-10, 0x1.a01a0174faee7p-13, 0x1.a019a74a7bb46p-16, 0x1.71de88257bdc1p-19,
      0x1.28a2068953020p-22, 0x1.ae6bab110e7a7p-26};
  static constexpr double halved[] = {-2,
                                      0x1.0000000000005p1,
                                      -0x1.5555555555539p0,
                                      0x1.555555555228ep-1,
                                      -0x1.1111111119011p-2,
                                      0x1.6c16c17ee7238p-4,
                                      -0x1.a01a0174faee7p-6,
                                      0x1.a019a74a7bb46p-8,
                                      -0x1.71de88257bdc1p-10,
                                      0x1.28a206895302p-12,
                                      -0x1.ae6bab110e7a7p-15};
  static constexpr double logarithm[] = {0x1.5555555555593p-1, 0x1.999999997fb31p-2, 0x1.2492494217a45p-2,
                                         0x1.c71c51e7f56c4p-3, 0x1.7466462ce5e7ap-3, 0x1.39a0f4fa4075ap-3,
                                         0x1.2f0d8ee3130bep-3};
  static constexpr std::uint64_t root_half = 0x3fe6a09e667f3bcd;
  static constexpr std::uint64_t from_there_to_one = 0x3ff0000000000000 - root_half;
};

template <class T>
UNROLLED_INLINE V<T> fma(V<T> a, V<T> b, V<T> c) {
  return Vector<T>::fma(a, b, c);
}

template <class T, int N>
UNROLLED_INLINE V<T> polynomial(const T (&coefficients)[N], V<T> x) {
  V<T> sum = fill(coefficients[N - 1]);
#pragma GCC unroll 16
  for (int i = N - 2; i >= 0; --i) sum = fma<T>(sum, x, fill(coefficients[i]));
  return sum;
}

template <class T>
UNROLLED_INLINE V<T> absolute(V<T> x) {
  return (V<T>)(bits<T>(x) & ~bits<T>(fill(T(-0.0))));
}

// The larger or the smaller one; x where it is NaN.
template <class T>
UNROLLED_INLINE V<T> at_least(V<T> x, T bound) {
  return Vector<T>::larger(fill(bound), x);
}

template <class T>
UNROLLED_INLINE V<T> at_most(V<T> x, T bound) {
  return Vector<T>::smaller(fill(bound), x);
}

// x = whole * ln 2 + rest, |rest| <= ln 2 / 2; the lowest bits of `shifted` hold whole + bias + lift.
template <class T>
struct Reduced {
  V<T> shifted, whole, rest;
};

template <class T>
UNROLLED_INLINE Reduced<T> reduce(V<T> x, int lift = 0) {
  using N = Numbers<T>;
  const V<T> to_whole = fill(N::to_whole + T(lift));
  const V<T> shifted = fma<T>(x, fill(N::log2_e), to_whole);
  const V<T> whole = shifted - to_whole;
  const V<T> rest = fma<T>(whole, fill(-N::ln_2), x);
  return {shifted, whole, fma<T>(whole, fill(-N::ln_2_rest), rest)};
}

// exp(rest) - 1 for |rest| <= ln 2 / 2.
template <class T>
UNROLLED_INLINE V<T> small_expm1(V<T> rest) {
  return fma<T>(rest * rest, polynomial(Numbers<T>::exponential, rest), rest);
}

// 2 to the whole number (plus lift) that `shifted` holds, when that is the exponent of a normal number.
template <class T>
UNROLLED_INLINE V<T> power_of_two(V<T> shifted) {
  return (V<T>)(bits<T>(shifted) << Numbers<T>::mantissa);
}

// value * 2^whole, also where that power alone would overflow or be denormal: in two steps, one of them
// rounds.
template <class T>
UNROLLED_INLINE V<T> scale(V<T> value, V<T> whole) {
  if constexpr (Vector<T>::scales) {
    return Vector<T>::scale(value, whole);
  } else {
    const V<T> half = fma<T>(whole, fill(T(0.5)), fill(Numbers<T>::to_whole));
    const V<T> other = whole - (half - Numbers<T>::to_whole) + Numbers<T>::to_whole;
    return value * power_of_two<T>(half) * power_of_two<T>(other);
  }
}

// For least <= x <= most, and NaN.
template <class T>
UNROLLED_INLINE V<T> bounded_exp(V<T> x) {
  const Reduced<T> r = reduce<T>(x);
  return scale<T>(small_expm1<T>(r.rest) + T(1), r.whole);
}

template <class T>
UNROLLED_INLINE V<T> exponential(V<T> x) {
  return bounded_exp<T>(at_most<T>(at_least<T>(x, Numbers<T>::least), Numbers<T>::most));
}

// -|x|, but not below what exp can take: exp of it neither overflows nor, added to 1, cancels.
template <class T>
UNROLLED_INLINE V<T> bounded_minus_abs(V<T> x) {
  return at_least<T>((V<T>)(bits<T>(x) | bits<T>(fill(T(-0.0)))), Numbers<T>::least);
}

// With e = exp(-|x|): 1 / (1 + e), or e / (1 + e) for negative x; e is held 2^lift times as large, to stay
// normal.
template <class T>
UNROLLED_INLINE V<T> sigmoid(V<T> x) {
  constexpr T lifted = T(std::int64_t(1) << Numbers<T>::lift);
  const Reduced<T> r = reduce<T>(bounded_minus_abs<T>(x), Numbers<T>::lift);
  const V<T> power = power_of_two<T>(r.shifted);
  const V<T> e = fma<T>(small_expm1<T>(r.rest), power, power);
  return (x < T(0) ? e : fill(lifted)) / fma<T>(e, fill(1 / lifted), fill(T(1))) * (1 / lifted);
}

// With m = exp(-2|x|) - 1: tanh |x| = m / (-2 - m). Here -2|x| = whole * ln 2 - 2 * half.
template <class T>
UNROLLED_INLINE V<T> hyperbolic_tangent(V<T> x) {
  using N = Numbers<T>;
  const V<T> size = at_most<T>(absolute<T>(x), N::saturated);
  const V<T> shifted = fma<T>(size, fill(-2 * N::log2_e), fill(N::to_whole));
  const V<T> half = fma<T>(shifted - N::to_whole, fill(N::ln_2 / 2), size);
  const V<T> power = power_of_two<T>(shifted);
  const V<T> m = fma<T>(half * power, polynomial(N::halved, half), power - T(1));
  return (V<T>)(bits<T>(m / (T(-2) - m)) | (bits<T>(x) & bits<T>(fill(T(-0.0)))));
}

// log(2^whole * (1 + f)) for sqrt(1/2) <= 1 + f <= sqrt(2); with s = f / (2 + f), log(1 + f) = 2 atanh(s).
template <class T>
UNROLLED_INLINE V<T> scaled_log1p(V<T> f, V<T> whole) {
  using N = Numbers<T>;
  const V<T> s = f / (f + T(2)), z = s * s, half_square = f * f * T(0.5);
  const V<T> tail = s * fma<T>(z, polynomial(N::logarithm, z), half_square);
  const V<T> rest = half_square - fma<T>(whole, fill(N::ln_2_rest), tail);
  return fma<T>(whole, fill(N::ln_2), f - rest);
}

// A whole number from 0 to 2^mantissa - 1 as a value.
template <class T>
UNROLLED_INLINE V<T> value_of(Bits<T> whole) {
  const V<T> one = fill(T(std::int64_t(1) << Numbers<T>::mantissa));
  return (V<T>)(whole | bits<T>(one)) - one;
}

// For positive normal x. Other lanes may wrap around: one sum with an unsigned number, nothing to fold.
template <class T>
UNROLLED_INLINE V<T> normal_log(V<T> x, V<T> added_exponent) {
  using N = Numbers<T>;
  const Bits<T> moved = bits<T>(x) + N::from_there_to_one;
  const V<T> fraction = (V<T>)((moved & ((decltype(N::root_half)(1) << N::mantissa) - 1)) + N::root_half);
  return scaled_log1p<T>(fraction - T(1), value_of<T>(moved >> N::mantissa) + added_exponent);
}

template <class T>
UNROLLED_INLINE V<T> logarithm(V<T> x) {
  using N = Numbers<T>;
  const auto tiny = x < N::smallest_normal;
  const V<T> lifted = tiny ? x * T(std::int64_t(1) << N::mantissa) : x;
  const V<T> value = normal_log<T>(lifted, tiny ? fill(T(-N::bias - N::mantissa)) : fill(T(-N::bias)));
  const V<T> infinity = fill(T(__builtin_inf()));
  const V<T> edge = x == T(0)  ? -infinity
                    : x < T(0) ? fill(T(__builtin_nan("")))
                               : x;  // infinity and NaN stay
  return ((x > T(0)) & (x < infinity)) ? value : edge;
}

// log(1 + t) for 0 <= t <= 1.
template <class T>
UNROLLED_INLINE V<T> unit_log1p(V<T> t) {
  const auto large = t > T(0.41421356237309504880);
  return scaled_log1p<T>(large ? (t - T(1)) * T(0.5) : t, large ? fill(T(1)) : fill(T(0)));
}

template <class T>
UNROLLED_INLINE V<T> softplus(V<T> x) {
  return (x < T(0) ? fill(T(0)) : x) + unit_log1p<T>(bounded_exp<T>(bounded_minus_abs<T>(x)));
}

}  // namespace unrolled::UNROLLED_ISA
