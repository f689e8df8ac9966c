// How this thread rounds and whether it flushes denormal numbers.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unrolled {

#if defined(__x86_64__)
// The lowest six bits of the register are flags of what has happened, not modes.
inline std::uint64_t floating_point_modes() { return _mm_getcsr() & ~0x3fu; }
inline void set_floating_point_modes(std::uint64_t modes) { _mm_setcsr(static_cast<unsigned>(modes)); }
#elif defined(__aarch64__)
inline std::uint64_t floating_point_modes() {
  std::uint64_t modes;
  asm volatile("mrs %0, fpcr" : "=r"(modes));
  return modes;
}
inline void set_floating_point_modes(std::uint64_t modes) { asm volatile("msr fpcr, %0" : : "r"(modes)); }
#else
inline std::uint64_t floating_point_modes() { return 0; }
inline void set_floating_point_modes(std::uint64_t) {}
#endif

}  // namespace unrolled
