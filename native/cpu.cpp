#include "cpu.h"

namespace unrolled {

#if defined(__x86_64__)
namespace {

// What isa/avx512.cpp is compiled with. These also ask the operating system whether it saves the wide
// registers.
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("fma");
}

}  // namespace
#endif

std::vector<std::string_view> instruction_sets() {
  std::vector<std::string_view> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (has_avx512()) found.push_back("avx512");
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back("avx2");
#elif defined(__aarch64__)
  found.push_back("neon");  // part of every 64-bit ARM processor
#endif
  found.push_back("portable");
  return found;
}

}  // namespace unrolled
