// sigmoid, tanh, exp, log and softplus: at most 4 ulp from correctly rounded, and the same bits on every set.
#include <algorithm>
#include <limits>

#include "arrays.h"
#include "check.h"
#include "curves.h"

namespace unrolled {
namespace {

constexpr std::size_t kRow = 64;

// Numbers spread evenly over all representable ones, and the special ones.
template <class T>
Array<T> spread_numbers(std::size_t rows) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  using Limits = std::numeric_limits<T>;
  const std::size_t count = rows * kRow;
  Array<T> all = array<T>(count);
  const Bits step = std::numeric_limits<Bits>::max() / static_cast<Bits>(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = std::bit_cast<T>(static_cast<Bits>(i * step + i % 97));
  const T special[] = {0,
                       T(-0.0),
                       Limits::infinity(),
                       -Limits::infinity(),
                       Limits::quiet_NaN(),
                       Limits::denorm_min(),
                       -Limits::denorm_min(),
                       Limits::max(),
                       Limits::lowest(),
                       Limits::min(),
                       1,
                       -1};
  std::copy(std::begin(special), std::end(special), all.get() + kRow - 3);
  return all;
}

// The range in which networks live, evenly.
template <class T>
Array<T> usual_numbers(std::size_t rows) {
  Array<T> all = array<T>(rows * kRow);
  for (std::size_t i = 0; i < rows * kRow; ++i) all[i] = T(40) * (T(i) / T(rows * kRow) - T(0.5));
  return all;
}

template <class T>
Array<T> applied(const Kernels<T>& set, Op op, const T* x, std::size_t rows) {
  Array<T> to = array<T>(rows * kRow);
  set.elementwise(op, {to.get(), kRow}, {x, kRow}, {}, {}, static_cast<int>(rows), kRow);
  return to;
}

template <class T, class Wide>
void compare(const T* x, std::size_t rows) {
  const auto all = sets<T>();
  for (const Curve<Wide>& curve : kCurves<Wide>) {
    const Array<T> portable = applied(*all.back(), curve.op, x, rows);
    std::uint64_t worst = 0;
    for (std::size_t i = 0; i < rows * kRow; ++i)
      worst = std::max(worst, apart(portable[i], static_cast<T>(curve.exact(static_cast<Wide>(x[i])))));
    CHECK(worst <= 4);
    if (worst > 4)
      std::fprintf(stderr, "  %s is %llu ulp off\n", curve.name, static_cast<unsigned long long>(worst));
    for (const Kernels<T>* set : all) {
      const Array<T> to = applied(*set, curve.op, x, rows);
      for (std::size_t i = 0; i < rows * kRow; ++i)
        CHECK(apart(to[i], portable[i]) == 0);  // but for the sign of NaN
    }
  }
}

TEST(curves_of_floats) {
  compare<float, double>(spread_numbers<float>(4000).get(), 4000);
  compare<float, double>(usual_numbers<float>(2000).get(), 2000);
}

TEST(curves_of_doubles) {
  if (std::numeric_limits<long double>::digits <= 53) return;
  compare<double, long double>(spread_numbers<double>(1500).get(), 1500);
  compare<double, long double>(usual_numbers<double>(1000).get(), 1000);
}

}  // namespace
}  // namespace unrolled
