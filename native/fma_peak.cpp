#include <algorithm>
#include <chrono>

#include "kernels.h"
#include "pool.h"

namespace unrolled {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Some tenths of a millisecond: long beside the barrier, short beside the pauses that a busy machine makes.
constexpr std::int64_t kSteps = 100'000;

}  // namespace

// The best of many short slices: what the machine does when nobody disturbs it.
double fma_peak(int threads, double seconds) {
  const Kernels<float>& set = kernels<float>();
  Barrier barrier(threads);
  double best = 0;
  bool more = true;
  const auto start = Clock::now();
  run(threads, [&](int thread) {
    while (more) {
      barrier.wait();
      const auto slice = Clock::now();
      const double done = set.multiply_adds(kSteps);
      barrier.wait();
      if (thread == 0) {
        best = std::max(best, 2 * done * threads / seconds_since(slice));
        more = seconds_since(start) < seconds;
      }
      barrier.wait();
    }
  });
  return best;
}

}  // namespace unrolled
