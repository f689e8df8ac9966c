// Products against a plain loop of std::fma, bit by bit: whatever the shape, a sum has one order.
#include <cmath>

#include "arrays.h"
#include "check.h"

namespace unrolled {
namespace {

template <class T>
struct Case {
  int rows, columns;
  std::int64_t depth;
  std::ptrdiff_t a_row, a_k;
  Array<T> a = random_array<T>(static_cast<std::size_t>((rows - 1) * a_row + (depth - 1) * a_k + 1), 1);
  Array<T> panel = random_array<T>(static_cast<std::size_t>(depth * columns), 2);
  Array<T> start = random_array<T>(static_cast<std::size_t>(rows * columns), 3);

  T expected(int r, int c, T sum) const {
    for (std::int64_t k = 0; k < depth; ++k)
      sum = std::fma(a[r * a_row + k * a_k], panel[k * columns + c], sum);
    return sum;
  }
};

enum class Start { none, matrix, row, place };

template <class T>
void compare(const Kernels<T>& set, const Case<T>& one, Start kind) {
  const std::size_t step = one.columns;
  Array<T> to = array<T>(one.rows * step);
  if (kind == Start::place) std::memcpy(to.get(), one.start.get(), one.rows * step * sizeof(T));
  const T* from = kind == Start::none ? nullptr : kind == Start::place ? to.get() : one.start.get();
  const std::ptrdiff_t start_step = kind == Start::row ? 0 : step;
  set.gemm({to.get(), one.columns}, {from, start_step}, one.a.get(), one.a_row, one.a_k, one.panel.get(),
           one.rows, one.columns, one.depth);
  for (int r = 0; r < one.rows; ++r)
    for (int c = 0; c < one.columns; ++c) {
      const T first = kind == Start::none ? T(0) : one.start[kind == Start::row ? c : r * step + c];
      const T wanted = one.expected(r, c, first);
      CHECK(same(&to[r * step + c], &wanted, 1));
    }
}

template <class T>
void compare_all() {
  for (const Kernels<T>* set : sets<T>())
    for (int columns : {16, 32, 48, 64})
      for (int rows = 1; rows <= 26; ++rows) {
        const Case<T> plain{rows, columns, 9, 9, 1}, turned{rows, columns, 7, 1, rows + 3};
        compare(*set, plain, static_cast<Start>(rows % 4));
        compare(*set, turned, static_cast<Start>((rows + 1) % 4));
      }
}

TEST(products_have_the_bits_of_a_plain_loop) {
  compare_all<float>();
  compare_all<double>();
}

TEST(long_and_aliased_products_have_the_bits_of_a_plain_loop) {
  for (const Kernels<float>* set : sets<float>()) {
    compare(*set, Case<float>{17, 64, 1024, 4096, 1}, Start::matrix);
    compare(*set, Case<float>{1, 64, 777, 777, 1}, Start::row);
    compare(*set, Case<float>{2, 48, 1, 1, 1}, Start::none);
  }
}

TEST(a_product_with_nothing_is_its_start) {
  for (const Kernels<float>* set : sets<float>()) {
    const Array<float> start = random_array<float>(3 * 16, 1);
    const Array<float> to = array<float>(3 * 16);
    set->gemm({to.get(), 16}, {start.get(), 16}, nullptr, 0, 1, nullptr, 3, 16, 0);
    CHECK(same(to.get(), start.get(), 3 * 16));
  }
}

}  // namespace
}  // namespace unrolled
