// Memory for the large arrays of a run, kept from run to run.
#pragma once

#include <cstddef>

namespace unrolled {

// `bytes` of memory that begins on a cache line. What is in it is unspecified. Throws std::bad_alloc.
//
// Large blocks stand on huge pages and are kept when given back: taking a page from the system for the first time
// costs more than a run does with it. At most kKept bytes wait for the next run.
void* take_block(std::size_t bytes);
void give_block(void* block) noexcept;

constexpr std::size_t kKept = std::size_t(512) << 20;

// Gives all kept blocks back to the system.
void drop_blocks() noexcept;

}  // namespace unrolled
