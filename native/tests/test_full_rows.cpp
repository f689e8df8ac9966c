// Whole rows of any size: the right numbers, the same bits on every set, nothing read or written beyond the
// row.
#include <cmath>
#include <functional>

#include "arrays.h"
#include "check.h"

namespace unrolled {
namespace {

using Numbers = std::vector<double>;

double sum(std::size_t size, const std::function<double(std::size_t)>& f) {
  double total = 0;
  for (std::size_t i = 0; i < size; ++i) total += f(i);
  return total;
}

Numbers norm(const Numbers& x, double* slope) {
  const double n = static_cast<double>(x.size());
  const double mean = sum(x.size(), [&](std::size_t i) { return x[i]; }) / n;
  const double variance = sum(x.size(), [&](std::size_t i) { return (x[i] - mean) * (x[i] - mean); }) / n;
  *slope = 1 / std::sqrt(variance + 1e-5);
  Numbers to(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) to[i] = (x[i] - mean) * *slope;
  return to;
}

Numbers layer_norm(const Numbers& x, const Numbers&) {
  double slope;
  return norm(x, &slope);
}

Numbers dlayer_norm(const Numbers& x, const Numbers& g) {
  double slope;
  const Numbers y = norm(x, &slope);
  const double n = static_cast<double>(x.size());
  const double mean = sum(x.size(), [&](std::size_t i) { return g[i]; }) / n;
  const double along = sum(x.size(), [&](std::size_t i) { return g[i] * y[i]; }) / n;
  Numbers to(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) to[i] = slope * (g[i] - mean - y[i] * along);
  return to;
}

Numbers softmax(const Numbers& x, const Numbers&) {
  const double total = sum(x.size(), [&](std::size_t i) { return std::exp(x[i]); });
  Numbers to(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) to[i] = std::exp(x[i]) / total;
  return to;
}

Numbers dsoftmax(const Numbers& y, const Numbers& g) {
  const double along = sum(y.size(), [&](std::size_t i) { return y[i] * g[i]; });
  Numbers to(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) to[i] = y[i] * (g[i] - along);
  return to;
}

template <class T>
using Run = std::function<void(const Kernels<T>&, T* to, const T* x, const T* g, std::int64_t size)>;

template <class T>
void compare(const Run<T>& run, Numbers (*exact)(const Numbers&, const Numbers&)) {
  for (std::size_t size = 1; size <= 200; size += size < 70 ? 1 : 13) {
    const Array<T> x = random_array<T>(size, 1), g = random_array<T>(size, 2), last = array<T>(size);
    const Numbers wanted = exact(Numbers(x.get(), x.get() + size), Numbers(g.get(), g.get() + size));
    run(*sets<T>().back(), last.get(), x.get(), g.get(), size);
    for (const Kernels<T>* set : sets<T>()) {
      const Array<T> to = array<T>(size);
      run(*set, to.get(), x.get(), g.get(), size);
      CHECK(same(to.get(), last.get(), size));
      for (std::size_t i = 0; i < size; ++i)
        CHECK(std::fabs(to[i] - wanted[i]) <= 4e-5 * (1 + std::fabs(wanted[i])));
      std::memcpy(to.get(), x.get(), size * sizeof(T));
      run(*set, to.get(), to.get(), g.get(), size);
      CHECK(same(to.get(), last.get(), size));
    }
  }
}

template <class T>
void compare_all() {
  using N = std::int64_t;
  compare<T>([](auto& k, T* to, const T* x, const T*, N n) { k.layer_norm({to, n}, {x, n}, 1, n); },
             layer_norm);
  compare<T>([](auto& k, T* to, const T* x, const T*, N n) { k.softmax({to, n}, {x, n}, 1, n); }, softmax);
  compare<T>(
      [](auto& k, T* to, const T* x, const T* g, N n) { k.dlayer_norm({to, n}, {x, n}, {g, n}, 1, n); },
      dlayer_norm);
  compare<T>([](auto& k, T* to, const T* x, const T* g, N n) { k.dsoftmax({to, n}, {x, n}, {g, n}, 1, n); },
             dsoftmax);
}

TEST(rows_of_any_size) {
  compare_all<float>();
  compare_all<double>();
}

TEST(columns_are_summed_from_the_first_row_on) {
  for (const Kernels<float>* set : sets<float>())
    for (std::size_t columns : {1, 16, 63, 64, 65, 200}) {
      const Array<float> x = random_array<float>(7 * columns, 1), start = random_array<float>(columns, 2);
      const Array<float> to = array<float>(columns), wanted = array<float>(columns);
      for (std::size_t c = 0; c < columns; ++c) {
        wanted[c] = start[c];
        for (std::size_t r = 0; r < 7; ++r) wanted[c] += x[r * columns + c];
      }
      const Rows<const float> rows{x.get(), static_cast<std::ptrdiff_t>(columns)};
      set->column_sum(to.get(), start.get(), rows, 7, static_cast<std::int64_t>(columns));
      CHECK(same(to.get(), wanted.get(), columns));
      set->column_sum(to.get(), nullptr, rows, 1, static_cast<std::int64_t>(columns));
      CHECK(same(to.get(), x.get(), columns));
    }
}

}  // namespace
}  // namespace unrolled
