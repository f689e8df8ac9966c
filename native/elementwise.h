// Entry by entry over a tile.
#pragma once

#include "kernels.h"
#include "mathematics.h"

namespace unrolled::UNROLLED_ISA {

template <class T, class F>
UNROLLED_INLINE void unary(Rows<T> to, Rows<const T> a, int rows, int columns, F f) {
  for (int r = 0; r < rows; ++r, to.at += to.step, a.at += a.step)
    for (int c = 0; c < columns; c += kLanes<T>) store(to.at + c, f(load(a.at + c)));
}

template <class T, class F>
UNROLLED_INLINE void binary(Rows<T> to, Rows<const T> a, Rows<const T> b, int rows, int columns, F f) {
  for (int r = 0; r < rows; ++r, to.at += to.step, a.at += a.step, b.at += b.step)
    for (int c = 0; c < columns; c += kLanes<T>) store(to.at + c, f(load(a.at + c), load(b.at + c)));
}

template <class T, class F>
UNROLLED_INLINE void ternary(Rows<T> to, Rows<const T> a, Rows<const T> b, Rows<const T> c, int rows,
                             int columns, F f) {
  for (int r = 0; r < rows; ++r, to.at += to.step, a.at += a.step, b.at += b.step, c.at += c.step)
    for (int i = 0; i < columns; i += kLanes<T>)
      store(to.at + i, f(load(a.at + i), load(b.at + i), load(c.at + i)));
}

template <class T>
void spread(Rows<T> to, Rows<const T> a, int rows, int columns) {
  for (int r = 0; r < rows; ++r) {
    const V<T> value = fill(a.at[r * a.step]);
    for (int c = 0; c < columns; c += kLanes<T>) store(to.at + r * to.step + c, value);
  }
}

// Where a wins over b by `first`; a NaN wins over both.
template <class T>
UNROLLED_INLINE V<T> winner(Mask<T> first, V<T> a, V<T> b) {
  const V<T> chosen = first ? a : b;
  return a != a ? a : chosen;
}

template <class T>
UNROLLED_INLINE V<T> share(Mask<T> wins, Mask<T> ties, V<T> g) {
  const V<T> half = ties ? g * T(0.5) : fill(T(0));
  return wins ? g : half;
}

template <class T>
void elementwise(Op op, Rows<T> to, Rows<const T> a, Rows<const T> b, Rows<const T> c, int rows,
                 int columns) {
  using X = V<T>;
  const auto one = [&](auto f) UNROLLED_LAMBDA { unary<T>(to, a, rows, columns, f); };
  const auto two = [&](auto f) UNROLLED_LAMBDA { binary<T>(to, a, b, rows, columns, f); };
  const auto three = [&](auto f) UNROLLED_LAMBDA { ternary<T>(to, a, b, c, rows, columns, f); };
  switch (op) {
    case Op::copy: return one([](X x) { return x; });
    case Op::add: return two([](X x, X y) { return x + y; });
    case Op::subtract: return two([](X x, X y) { return x - y; });
    case Op::multiply: return two([](X x, X y) { return x * y; });
    case Op::divide: return two([](X x, X y) { return x / y; });
    case Op::negative: return one([](X x) { return -x; });
    case Op::sigmoid: return one([](X x) { return sigmoid<T>(x); });
    case Op::tanh: return one([](X x) { return hyperbolic_tangent<T>(x); });
    case Op::relu: return one([](X x) { return x <= T(0) ? fill(T(0)) : x; });
    case Op::exp: return one([](X x) { return exponential<T>(x); });
    case Op::log: return one([](X x) { return logarithm<T>(x); });
    case Op::softplus: return one([](X x) { return softplus<T>(x); });
    case Op::sqrt: return one([](X x) { return Vector<T>::sqrt(x); });
    case Op::abs: return one([](X x) { return absolute<T>(x); });
    case Op::maximum: return two([](X x, X y) { return winner<T>(x > y, x, y); });
    case Op::minimum: return two([](X x, X y) { return winner<T>(x < y, x, y); });
    case Op::greater: return two([](X x, X y) { return x > y ? fill(T(1)) : fill(T(0)); });
    case Op::greater_equal: return two([](X x, X y) { return x >= y ? fill(T(1)) : fill(T(0)); });
    case Op::where: return three([](X x, X y, X z) { return x != T(0) ? y : z; });
    case Op::multiply_add: return three([](X x, X y, X z) { return fma<T>(x, y, z); });
    case Op::dsigmoid: return two([](X y, X g) { return g * (y * (T(1) - y)); });
    case Op::dtanh: return two([](X y, X g) { return g * (T(1) - y * y); });
    case Op::drelu: return two([](X y, X g) { return y > T(0) ? g : fill(T(0)); });
    case Op::dabs: return two([](X x, X g) { return x > T(0) ? g : x < T(0) ? -g : fill(T(0)); });
    case Op::dmaximum: return three([](X x, X y, X g) { return share<T>(x > y, x == y, g); });
    case Op::dminimum: return three([](X x, X y, X g) { return share<T>(x < y, x == y, g); });
    case Op::spread: return spread<T>(to, a, rows, columns);
  }
}

}  // namespace unrolled::UNROLLED_ISA
