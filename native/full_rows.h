// Work that needs a whole row, and sums over rows.
//
// A sum over a row runs in 64 chains, entry i in chain i % 64, which are then added by halves: the order
// depends on the size of the row alone, not on the instruction set.
#pragma once

#include "kernels.h"
#include "mathematics.h"

namespace unrolled::UNROLLED_ISA {

constexpr int kChains = 64;

// The sum of f(place, count), vectors of `count` entries from `place` on; a last one ends in zeros.
template <class T, class F>
UNROLLED_INLINE T sum_of_row(std::int64_t size, F f) {
  constexpr int lanes = kLanes<T>, vectors = kChains / lanes;
  V<T> chain[vectors] = {};
  std::int64_t i = 0;
  for (; i + kChains <= size; i += kChains)
    for (int j = 0; j < vectors; ++j) chain[j] += f(i + j * lanes, lanes);
  for (int j = 0; i < size; ++j, i += lanes) {
    const std::int64_t count = size - i < lanes ? size - i : lanes;
    T whole[lanes];
    store(whole, V<T>(f(i, count)));
    chain[j] += load_part(whole, count, T(0));
  }
  for (int half = vectors / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) chain[j] += chain[j + half];
  T lane[lanes];
  store(lane, chain[0]);
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) lane[j] += lane[j + half];
  return lane[0];
}

// to[i] = f(i, count) for the whole row.
template <class T, class F>
UNROLLED_INLINE void fill_row(T* to, std::int64_t size, F f) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= size; i += kLanes<T>) store(to + i, V<T>(f(i, kLanes<T>)));
  if (i < size) store_part(to + i, V<T>(f(i, size - i)), size - i);
}

template <class T>
struct Statistics {
  T mean, slope;  // slope: 1 / sqrt(variance + 1e-5)
};

template <class T>
Statistics<T> statistics(const T* x, std::int64_t size) {
  using N = std::int64_t;
  const T mean = sum_of_row<T>(size, [=](N i, N n) { return load_part(x + i, n, T(0)); }) / T(size);
  const T squares = sum_of_row<T>(size, [=](N i, N n) {
    const V<T> away = load_part(x + i, n, T(0)) - mean;
    return away * away;
  });
  const V<T> deviation = Vector<T>::sqrt(fill(squares / T(size) + T(1e-5)));
  return {mean, T(1) / deviation[0]};
}

template <class T>
void layer_norm(Rows<T> to, Rows<const T> x, int rows, std::int64_t size) {
  for (int r = 0; r < rows; ++r, to.at += to.step, x.at += x.step) {
    const Statistics<T> s = statistics(x.at, size);
    fill_row(to.at, size, [&](std::int64_t i, std::int64_t n) {
      return (load_part(x.at + i, n, T(0)) - s.mean) * s.slope;
    });
  }
}

// With n the normed row: slope * (g - mean(g) - n * mean(g * n)).
template <class T>
void dlayer_norm_row(T* to, const T* x, const T* g, std::int64_t size) {
  using N = std::int64_t;
  const Statistics<T> s = statistics(x, size);
  const auto normed = [&](N i, N n) { return (load_part(x + i, n, T(0)) - s.mean) * s.slope; };
  const auto above = [&](N i, N n) { return load_part(g + i, n, T(0)); };
  const T mean = sum_of_row<T>(size, above) / T(size);
  const T along = sum_of_row<T>(size, [&](N i, N n) { return above(i, n) * normed(i, n); }) / T(size);
  fill_row(to, size, [&](N i, N n) { return (above(i, n) - mean - normed(i, n) * along) * s.slope; });
}

template <class T>
void dlayer_norm(Rows<T> to, Rows<const T> x, Rows<const T> g, int rows, std::int64_t size) {
  for (int r = 0; r < rows; ++r)
    dlayer_norm_row(to.at + r * to.step, x.at + r * x.step, g.at + r * g.step, size);
}

template <class T>
T largest(const T* x, std::int64_t size) {
  const T least = T(-__builtin_inf());
  V<T> most = fill(least);
  for (std::int64_t i = 0; i < size; i += kLanes<T>) {
    const V<T> v = load_part(x + i, size - i, least);
    most = v > most ? v : most;
  }
  T found = least;
  for (int j = 0; j < kLanes<T>; ++j) found = most[j] > found ? most[j] : found;
  return found;
}

template <class T>
void softmax_row(T* to, const T* x, std::int64_t size) {
  using N = std::int64_t;
  const T most = largest(x, size);
  const T total = sum_of_row<T>(size, [&](N i, N n) {
    const V<T> e = exponential<T>(load_part(x + i, n, T(0)) - most);
    store_part(to + i, e, n);
    return e;
  });
  fill_row(to, size, [&](N i, N n) { return load_part(to + i, n, T(0)) / total; });
}

template <class T>
void softmax(Rows<T> to, Rows<const T> x, int rows, std::int64_t size) {
  for (int r = 0; r < rows; ++r) softmax_row(to.at + r * to.step, x.at + r * x.step, size);
}

template <class T>
void dsoftmax(Rows<T> to, Rows<const T> y, Rows<const T> g, int rows, std::int64_t size) {
  using N = std::int64_t;
  for (int r = 0; r < rows; ++r, to.at += to.step, y.at += y.step, g.at += g.step) {
    const auto share = [&](N i, N n) { return load_part(y.at + i, n, T(0)); };
    const auto above = [&](N i, N n) { return load_part(g.at + i, n, T(0)); };
    const T along = sum_of_row<T>(size, [&](N i, N n) { return above(i, n) * share(i, n); });
    fill_row(to.at, size, [&](N i, N n) { return share(i, n) * (above(i, n) - along); });
  }
}

template <class T>
void column_sum(T* to, const T* start, Rows<const T> x, int rows, std::int64_t columns) {
  constexpr int wide = 4;
  std::int64_t c = 0;
  for (; c + wide * kLanes<T> <= columns; c += wide * kLanes<T>) {
    V<T> sum[wide];
    for (int j = 0; j < wide; ++j) sum[j] = start ? load(start + c + j * kLanes<T>) : V<T>{};
    for (int r = 0; r < rows; ++r)
      for (int j = 0; j < wide; ++j) sum[j] += load(x.at + r * x.step + c + j * kLanes<T>);
    for (int j = 0; j < wide; ++j) store(to + c + j * kLanes<T>, sum[j]);
  }
  for (; c < columns; ++c) {
    T sum = start ? start[c] : T(0);
    for (int r = 0; r < rows; ++r) sum += x.at[r * x.step + c];
    to[c] = sum;
  }
}

}  // namespace unrolled::UNROLLED_ISA
