// Products of rows with a packed panel.
//
// One entry of the result is one chain of fused multiply-adds over the depth, so its bits do not depend on how rows
// and columns are cut into blocks; the shapes below are chosen for speed alone.
#pragma once

#include "kernels.h"
#include "vectors.h"

namespace unrolled::UNROLLED_ISA {

template <class T>
struct Product {
  Rows<T> to;
  Rows<const T> start;
  const T* a;
  std::ptrdiff_t a_row, a_k;
  const T* panel;
  std::int64_t columns, depth;

  Product moved(int rows, int right) const {
    Product next = *this;
    next.to.at += rows * to.step + right;
    if (start.at) next.start.at += rows * start.step + right;
    next.a += rows * a_row;
    next.panel += right;
    return next;
  }
};

// R rows by C vectors, all in registers.
template <class T, int R, int C>
void block(const Product<T>& p) {
  V<T> sum[R][C];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c)
      sum[r][c] = p.start.at ? load(p.start.at + r * p.start.step + c * kLanes<T>) : V<T>{};
  const T *a = p.a, *panel = p.panel;
  for (std::int64_t k = 0; k < p.depth; ++k, a += p.a_k, panel += p.columns) {
    V<T> across[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) across[c] = load(panel + c * kLanes<T>);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const V<T> down = fill(a[r * p.a_row]);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sum[r][c] = Vector<T>::fma(down, across[c], sum[r][c]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) store(p.to.at + r * p.to.step + c * kLanes<T>, sum[r][c]);
}

// `rows` <= R rows by C vectors.
template <class T, int R, int C>
UNROLLED_INLINE void block_of(int rows, const Product<T>& p) {
  if constexpr (R > 1) {
    if (rows < R) return block_of<T, R - 1, C>(rows, p);
  }
  block<T, R, C>(p);
}

// All rows, in blocks that differ by one row at most, by C vectors.
template <class T, int C>
void stripe(const Product<T>& p, int rows) {
  constexpr int most = tallest(C);
  for (int blocks = (rows + most - 1) / most, done = 0; blocks > 0; --blocks) {
    const int now = (rows - done) / blocks;
    block_of<T, most, C>(now, p.moved(done, 0));
    done += now;
  }
}

template <class T, int C>
UNROLLED_INLINE void stripe_of(int wide, const Product<T>& p, int rows) {
  if constexpr (C > 1) {
    if (wide < C) return stripe_of<T, C - 1>(wide, p, rows);
  }
  stripe<T, C>(p, rows);
}

template <class T>
void gemm(Rows<T> to, Rows<const T> start, const T* a, std::ptrdiff_t a_row, std::ptrdiff_t a_k, const T* panel,
          int rows, int columns, std::int64_t depth) {
  const Product<T> p{to, start, a, a_row, a_k, panel, columns, depth};
  const int all = columns / kLanes<T>;
  for (int done = 0; done < all;) {
    const int most = widest(rows), wide = all - done < most ? all - done : most;
    stripe_of<T, widest(1)>(wide, p.moved(0, done * kLanes<T>), rows);
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
