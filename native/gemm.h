// Products of rows with a packed panel.
//
// One entry of the result is one chain of fused multiply-adds over the depth, so its bits do not depend on
// how rows and columns are cut into blocks; the shapes below are chosen for speed alone.
#pragma once

#include "kernels.h"
#include "vectors.h"

namespace unrolled::UNROLLED_ISA {

// What all blocks of a product share. It is never copied or written: a block must not wait for the stores of
// another.
struct Shape {
  std::ptrdiff_t to_step, start_step, a_row, a_k, columns;
  std::int64_t depth;
};

// Panels come from the second level of the cache, those of large matrices from the third; so many steps cover most
// of its latency. One row is bound by the bandwidth of the second level, one vector by the number of loads: they are
// only slowed down.
constexpr int kAhead = 24;

template <int bytes>
UNROLLED_INLINE void fetch(const void* from) {
#pragma GCC unroll 8
  for (int b = 0; b < bytes; b += 64) __builtin_prefetch(static_cast<const char*>(from) + b);
}

// R rows by C vectors, all in registers.
template <class T, int R, int C>
void block(const Shape& shape, T* to, const T* start, const T* a, const T* panel) {
  const auto [to_step, start_step, a_row, a_k, columns, depth] = shape;
  V<T> sum[R][C];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) sum[r][c] = start ? load(start + r * start_step + c * kLanes<T>) : V<T>{};
  for (std::int64_t k = 0; k < depth; ++k, a += a_k, panel += columns) {
    V<T> across[C];
    if constexpr (R > 1 && C > 1) {
      fetch<C * sizeof(V<T>)>(panel + kAhead * columns);
      fetch<1>(a + kAhead * a_k);  // for a turned matrix, where each step is another line
    }
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      across[c] = load(panel + c * kLanes<T>);
      if constexpr (R > 1) across[c] = Vector<T>::held(across[c]);
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const V<T> down = fill(a[r * a_row]);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sum[r][c] = Vector<T>::fma(down, across[c], sum[r][c]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) store(to + r * to_step + c * kLanes<T>, sum[r][c]);
}

// `rows` <= R rows by C vectors.
template <class T, int R, int C>
UNROLLED_INLINE void block_of(int rows, const Shape& shape, T* to, const T* start, const T* a,
                              const T* panel) {
  if constexpr (R > 1) {
    if (rows < R) return block_of<T, R - 1, C>(rows, shape, to, start, a, panel);
  }
  block<T, R, C>(shape, to, start, a, panel);
}

// All rows, in blocks that differ by one row at most, by C vectors.
template <class T, int C>
void stripe(int rows, const Shape& shape, T* to, const T* start, const T* a, const T* panel) {
  constexpr int most = tallest(C);
  for (int blocks = (rows + most - 1) / most; blocks > 0; --blocks) {
    const int now = rows / blocks;
    block_of<T, most, C>(now, shape, to, start, a, panel);
    rows -= now;
    to += now * shape.to_step;
    if (start) start += now * shape.start_step;
    a += now * shape.a_row;
  }
}

template <class T, int C>
UNROLLED_INLINE void stripe_of(int wide, int rows, const Shape& shape, T* to, const T* start, const T* a,
                               const T* panel) {
  if constexpr (C > 1) {
    if (wide < C) return stripe_of<T, C - 1>(wide, rows, shape, to, start, a, panel);
  }
  stripe<T, C>(rows, shape, to, start, a, panel);
}

template <class T>
void gemm(Rows<T> to, Rows<const T> start, const T* a, std::ptrdiff_t a_row, std::ptrdiff_t a_k,
          const T* panel, int rows, int columns, std::int64_t depth) {
  const Shape shape{to.step, start.step, a_row, a_k, columns, depth};
  for (int done = 0, all = columns / kLanes<T>; done < all;) {
    const int most = widest(rows), wide = all - done < most ? all - done : most, right = done * kLanes<T>;
    stripe_of<T, widest(1)>(wide, rows, shape, to.at + right, start.at ? start.at + right : nullptr, a,
                            panel + right);
    done += wide;
  }
}

// Chains in registers, as many as the processor needs to stay busy.
template <class T>
double multiply_adds(std::int64_t steps) {
  constexpr int chains = 12;
  V<T> sum[chains] = {}, factor = fill(T(0.5)), added = fill(T(1));
  asm volatile("" : : "r"(&factor), "r"(&added) : "memory");
  for (std::int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < chains; ++c) sum[c] = Vector<T>::fma(sum[c], factor, added);
  }
  asm volatile("" : : "r"(&sum) : "memory");
  return double(steps) * chains * kLanes<T>;
}

}  // namespace unrolled::UNROLLED_ISA
