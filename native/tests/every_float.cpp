// All 2^32 floats through sigmoid, tanh, exp, log and softplus: the largest distance from correctly rounded.
//
//   native_every_float [set] [one of so many]     the second, 1 by default, takes only every n-th float
#include <algorithm>
#include <cstdlib>
#include <limits>

#include "arrays.h"
#include "curves.h"
#include "pool.h"

namespace {

using namespace unrolled;

constexpr int kRow = 64, kRows = 64;

struct Worst {
  std::uint64_t ulp = 0;
  float at = 0;
};

Worst worst_of(const Kernels<float>& set, const Curve<double>& curve, std::uint64_t first, std::uint64_t last,
               std::uint64_t step) {
  Worst worst;
  float x[kRow * kRows], y[kRow * kRows];
  for (std::uint64_t base = first; base < last; base += step * kRow * kRows) {
    for (std::uint64_t i = 0; i < kRow * kRows; ++i)
      x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(std::min(base + i * step, last - 1)));
    set.elementwise(curve.op, {y, kRow}, {x, kRow}, {}, {}, kRows, kRow);
    for (int i = 0; i < kRow * kRows; ++i) {
      const std::uint64_t ulp = apart(y[i], static_cast<float>(curve.exact(x[i])));
      if (ulp > worst.ulp) worst = {ulp, x[i]};
    }
  }
  return worst;
}

}  // namespace

int main(int count, char** words) {
  const Kernels<float>* set = count > 1 ? kernels_named<float>(words[1]) : &kernels<float>();
  if (!set) return std::fprintf(stderr, "%s does not run here\n", words[1]), 2;
  const std::uint64_t step = count > 2 ? std::strtoull(words[2], nullptr, 10) : 1, all = std::uint64_t(1)
                                                                                         << 32;
  bool right = true;
  for (const Curve<double>& curve : kCurves<double>) {
    Worst found[2];
    run(2, [&](int thread) {
      found[thread] = worst_of(*set, curve, all / 2 * static_cast<std::uint64_t>(thread),
                               all / 2 * static_cast<std::uint64_t>(thread + 1), step);
    });
    const Worst worst = found[0].ulp >= found[1].ulp ? found[0] : found[1];
    std::printf("%s %s: at most %llu ulp, at %a\n", set->name, curve.name,
                static_cast<unsigned long long>(worst.ulp), worst.at);
    std::fflush(stdout);
    right = right && worst.ulp <= 4;
  }
  return right ? 0 : 1;
}
