// How fast the kernels are, beside the multiply-adds that this machine does at best. Prints; tests nothing.
//
//   native_speed [set] [what]     set: avx512, avx2 ...; what: gemm, curves, double
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "kernels.h"

namespace {

using Clock = std::chrono::steady_clock;
using namespace unrolled;

double seconds_of(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The fastest and the median of many runs of about `target` seconds each.
struct Times {
  double best, median;
};

Times time(const std::function<void()>& work, int runs = 31, double target = 3e-4) {
  work();
  const int inner = std::max(1, static_cast<int>(target / seconds_of(work)));
  std::vector<double> all;
  for (int i = 0; i < runs; ++i)
    all.push_back(seconds_of([&] {
                    for (int j = 0; j < inner; ++j) work();
                  }) /
                  inner);
  std::sort(all.begin(), all.end());
  return {all.front(), all[all.size() / 2]};
}

// Multiplications that wait for each other take three cycles each, on every processor of the last decade.
double cycles_per_second() {
  constexpr int steps = 200000;
  const Times t = time([] {
    long x = 3;
    for (int i = 0; i < steps; ++i) asm volatile("imul %0, %0\n imul %0, %0\n" : "+r"(x));
  });
  return 6 * steps / t.best;
}

template <class T>
T* aligned(std::size_t count, T value) {
  T* at = static_cast<T*>(std::aligned_alloc(4096, (count * sizeof(T) + 4095) / 4096 * 4096));
  for (std::size_t i = 0; i < count; ++i) at[i] = value * static_cast<T>(i % 13) / 13;
  return at;
}

template <class T>
double peak(const Kernels<T>& set) {
  double done = 0;
  const Times t = time([&] { done = set.multiply_adds(20000); });
  return 2 * done / t.median;
}

// Work and peak by turns, as the clock of the processor wanders: the median share of the peak beside it, and
// the median operations per second.
struct Share {
  double share, flops;
};

template <class T>
Share beside_peak(const Kernels<T>& set, double flops, const std::function<void()>& work) {
  work();
  const int inner = std::max(1, static_cast<int>(3e-4 / seconds_of(work)));
  std::vector<double> shares, rates;
  double done = 0;
  for (int i = 0; i < 41; ++i) {
    const double rate = flops * inner / seconds_of([&] {
                          for (int j = 0; j < inner; ++j) work();
                        });
    const double seconds = seconds_of([&] { done = set.multiply_adds(30000); });
    const double best = 2 * done / seconds;
    shares.push_back(rate / best), rates.push_back(rate);
  }
  std::sort(shares.begin(), shares.end()), std::sort(rates.begin(), rates.end());
  return {shares[20], rates[20]};
}

// Panels one after the other, each product into the same tile, as in a step: `bytes` of panels stream.
template <class T>
void product(const Kernels<T>& set, int rows, int columns, int depth, std::ptrdiff_t stride,
             std::size_t bytes, bool down) {
  const std::size_t panel = static_cast<std::size_t>(depth) * columns;
  const std::size_t panels = std::max<std::size_t>(1, bytes / (panel * sizeof(T)));
  T* weights = aligned<T>(panel * panels, T(0.01));
  const std::size_t extent = static_cast<std::size_t>(down ? depth : rows) * stride + 64;
  T* a = aligned<T>(extent, T(0.5));
  T* to = aligned<T>(static_cast<std::size_t>(rows) * columns, T(0));
  const auto work = [&] {
    for (std::size_t p = 0; p < panels; ++p)
      set.gemm({to, columns}, {nullptr, 0}, a, down ? 1 : stride, down ? stride : 1, weights + p * panel,
               rows, columns, depth);
  };
  const double flops = 2.0 * rows * columns * depth * static_cast<double>(panels);
  const Share t = beside_peak(set, flops, work);
  std::printf("  %3d x %2d x %4d  stride %5td%s panels %5.0f KB: %6.1f GF/s, %3.0f %% of peak, %5.1f GB/s\n",
              rows, columns, depth, stride, down ? " down" : "     ", panel * panels * sizeof(T) / 1024.0,
              t.flops / 1e9, 100 * t.share, t.flops / flops * panel * panels * sizeof(T) / 1e9);
  std::free(weights), std::free(a), std::free(to);
}

template <class T>
void products(const Kernels<T>& set) {
  std::printf("products, %s, peak %.1f GF/s\n", set.name, peak(set) / 1e9);
  for (int rows : {1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 96})
    product(set, rows, 64, 256, 256, 1 << 20, false);
  for (int depth : {64, 128, 512, 1024})
    for (int rows : {1, 16, 32, 96}) product(set, rows, 64, depth, depth, 1 << 20, false);
  for (int stride : {64, 512, 1024, 2048, 4096, 4100})
    product(set, 32, 64, 64 < stride ? 512 : 64, stride, 1 << 20, false);
  for (int columns : {16, 32, 48})
    for (int rows : {1, 2, 6, 12, 16, 24, 32, 48}) product(set, rows, columns, 256, 256, 1 << 19, false);
  for (int rows : {16, 32, 96}) product(set, rows, 64, 512, 1024, 1 << 20, true);
  for (int bytes : {1 << 14, 1 << 17, 1 << 19, 1 << 21, 1 << 23})
    for (int rows : {1, 2}) product(set, rows, 64, std::min(256, bytes / 256), 256, bytes, false);
}

template <class T>
void curves(const Kernels<T>& set) {
  const double clock = cycles_per_second();
  std::printf("cycles a number on tiles of 8 x 64, %s (%.2f GHz)\n", set.name, clock / 1e9);
  T* x = aligned<T>(8 * 64 * 4, T(6));
  T* to = aligned<T>(8 * 64, T(0));
  for (int i = 0; i < 8 * 64 * 4; ++i) x[i] -= T(3);
  const std::pair<const char*, Op> all[] = {
      {"copy", Op::copy},         {"add", Op::add},         {"multiply", Op::multiply},
      {"divide", Op::divide},     {"sigmoid", Op::sigmoid}, {"tanh", Op::tanh},
      {"exp", Op::exp},           {"log", Op::log},         {"softplus", Op::softplus},
      {"sqrt", Op::sqrt},         {"where", Op::where},     {"multiply_add", Op::multiply_add},
      {"dsigmoid", Op::dsigmoid}, {"dtanh", Op::dtanh},     {"dmaximum", Op::dmaximum}};
  for (const auto& [name, op] : all) {
    const Times t =
        time([&] { set.elementwise(op, {to, 64}, {x, 64}, {x + 512, 64}, {x + 1024, 64}, 8, 64); });
    std::printf("  %-13s %.2f (median %.2f)\n", name, t.best * clock / 512, t.median * clock / 512);
  }
  for (int size : {128, 512}) {
    const Rows<T> out{to, size};
    const Rows<const T> in{x, size}, g{x + 512, size};
    const double n = 1.0 * size;
    std::printf("  rows of %3d: layer_norm %.2f", size,
                time([&] { set.layer_norm(out, in, 1, size); }).best * clock / n);
    std::printf(", dlayer_norm %.2f", time([&] { set.dlayer_norm(out, in, g, 1, size); }).best * clock / n);
    std::printf(", softmax %.2f", time([&] { set.softmax(out, in, 1, size); }).best * clock / n);
    std::printf(", dsoftmax %.2f\n", time([&] { set.dsoftmax(out, in, g, 1, size); }).best * clock / n);
  }
}

template <class T>
void everything(const std::string& name, const std::string& what) {
  const Kernels<T>* set = name.empty() ? &kernels<T>() : kernels_named<T>(name);
  if (!set) return static_cast<void>(std::printf("%s does not run here\n", name.c_str()));
  if (what != "curves") products(*set);
  if (what != "gemm") curves(*set);
}

}  // namespace

int main(int count, char** words) {
  const std::string name = count > 1 ? words[1] : "", what = count > 2 ? words[2] : "";
  if (count > 6) {
    const auto n = [&](int i) { return std::atoi(words[i]); };
    return product(*kernels_named<float>(name), n(2), n(3), n(4), n(5), static_cast<std::size_t>(n(6)) << 10,
                   count > 7),
           0;
  }
  if (count > 3)
    everything<double>(name, what);
  else
    everything<float>(name, what);
}
