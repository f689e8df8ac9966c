#include "kernels.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "cpu.h"

namespace unrolled {

// One pair of tables in every file of isa/.
#define UNROLLED_DECLARE(set)                  \
  namespace set {                              \
  extern const Kernels<float> float_kernels;   \
  extern const Kernels<double> double_kernels; \
  }
#if defined(__x86_64__)
UNROLLED_DECLARE(avx512)
UNROLLED_DECLARE(avx2)
#elif defined(__aarch64__)
UNROLLED_DECLARE(neon)
#endif
UNROLLED_DECLARE(portable)
#undef UNROLLED_DECLARE

namespace {

template <class T>
const Kernels<T>* of_type([[maybe_unused]] const Kernels<float>& floats,
                          [[maybe_unused]] const Kernels<double>& doubles) {
  if constexpr (std::is_same_v<T, float>) {
    return &floats;
  } else {
    return &doubles;
  }
}

template <class T>
const Kernels<T>* built(std::string_view name) {
#if defined(__x86_64__)
  if (name == "avx512") return of_type<T>(avx512::float_kernels, avx512::double_kernels);
  if (name == "avx2") return of_type<T>(avx2::float_kernels, avx2::double_kernels);
#elif defined(__aarch64__)
  if (name == "neon") return of_type<T>(neon::float_kernels, neon::double_kernels);
#endif
  if (name == "portable") return of_type<T>(portable::float_kernels, portable::double_kernels);
  return nullptr;
}

std::string listed(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

template <class T>
const Kernels<T>& chosen() {
  const char* forced = std::getenv("UNROLLED_ISA");
  if (!forced || !*forced) return *built<T>(instruction_sets().front());
  if (const Kernels<T>* found = kernels_named<T>(forced)) return *found;
  throw std::runtime_error("UNROLLED_ISA is expected to be one of " + listed(instruction_sets()) +
                           " on this machine, got " + forced + "; unset it to run the best");
}

}  // namespace

template <class T>
const Kernels<T>* kernels_named(std::string_view name) {
  const std::vector<std::string_view> runnable = instruction_sets();
  return std::find(runnable.begin(), runnable.end(), name) == runnable.end() ? nullptr : built<T>(name);
}

// Chosen once; a wrong name is refused again at every call.
template <class T>
const Kernels<T>& kernels() {
  static const Kernels<T>& best = chosen<T>();
  return best;
}

template const Kernels<float>* kernels_named<float>(std::string_view);
template const Kernels<double>* kernels_named<double>(std::string_view);
template const Kernels<float>& kernels<float>();
template const Kernels<double>& kernels<double>();

}  // namespace unrolled
