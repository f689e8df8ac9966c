// Every operation on tiles of every width: entry by entry what one entry alone gives, nothing written beside
// them.
#include <limits>

#include "arrays.h"
#include "check.h"

namespace unrolled {
namespace {

constexpr Op kLast = Op::spread;
constexpr int kRows = 5, kStep = 80;

// The same entry, alone in a tile of 16 equal ones.
template <class T>
T alone(const Kernels<T>& set, Op op, T a, T b, T c) {
  T as[16], bs[16], cs[16], to[16];
  for (int i = 0; i < 16; ++i) as[i] = a, bs[i] = b, cs[i] = c;
  set.elementwise(op, {to, 16}, {as, 16}, {bs, 16}, {cs, 16}, 1, 16);
  return to[7];
}

template <class T>
void compare(const Kernels<T>& set, Op op, int columns) {
  const std::size_t size = kStep * (kRows - 1) + columns;
  const Array<T> a = random_array<T>(size, 1), b = random_array<T>(size, 2), c = random_array<T>(columns, 3);
  a[0] = b[0], a[1] = T(-0.0), a[2] = std::numeric_limits<T>::infinity(),
  b[3] = std::numeric_limits<T>::quiet_NaN();
  const Array<T> to = array<T>(size);
  for (std::size_t i = 0; i < size; ++i) to[i] = 7;
  set.elementwise(op, {to.get(), kStep}, {a.get(), kStep}, {b.get(), kStep}, {c.get(), 0}, kRows, columns);
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t column = i % kStep, row = i / kStep * kStep;
    if (column >= static_cast<std::size_t>(columns)) {
      CHECK(to[i] == 7);
      continue;
    }
    const T first = op == Op::spread ? a[row] : a[i];
    const T wanted = alone(set, op, first, b[i], c[column]);
    CHECK(apart(to[i], wanted) == 0);
  }
}

template <class T>
void compare_all() {
  for (const Kernels<T>* set : sets<T>())
    for (int op = 0; op <= static_cast<int>(kLast); ++op)
      for (int columns : {16, 32, 48, 64}) compare(*set, static_cast<Op>(op), columns);
}

TEST(an_entry_does_not_depend_on_its_neighbours) {
  compare_all<float>();
  compare_all<double>();
}

TEST(a_result_may_replace_its_operands) {
  for (const Kernels<float>* set : sets<float>()) {
    const Array<float> a = random_array<float>(3 * 48, 1), apart = array<float>(3 * 48);
    const Rows<const float> from{a.get(), 48};
    set->elementwise(Op::multiply_add, {apart.get(), 48}, from, from, from, 3, 48);
    set->elementwise(Op::multiply_add, {a.get(), 48}, from, from, from, 3, 48);
    CHECK(same(a.get(), apart.get(), 3 * 48));
  }
}

}  // namespace
}  // namespace unrolled
