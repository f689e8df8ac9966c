#include "cpu.h"

namespace unrolled {

std::vector<std::string_view> instruction_sets() {
  std::vector<std::string_view> found;
#if defined(__x86_64__)
  // These also ask the operating system whether it saves the wide registers.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) found.push_back("avx512f");
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back("avx2+fma");
#elif defined(__aarch64__)
  found.push_back("neon");  // part of every 64-bit ARM processor
#endif
  found.push_back("portable");
  return found;
}

}  // namespace unrolled
