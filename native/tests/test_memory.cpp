// Blocks that are kept from run to run.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "check.h"
#include "memory.h"

namespace unrolled {
namespace {

constexpr std::size_t kMegabyte = std::size_t(1) << 20;

bool on_a_line(const void* at) { return reinterpret_cast<std::uintptr_t>(at) % 64 == 0; }

TEST(blocks_begin_on_a_cache_line_and_may_be_written_to_their_end) {
  for (std::size_t bytes : {std::size_t(0), std::size_t(1), std::size_t(1000), kMegabyte, 5 * kMegabyte + 3}) {
    void* block = take_block(bytes);
    CHECK(on_a_line(block));
    std::memset(block, 1, bytes);
    give_block(block);
  }
  give_block(nullptr);
}

TEST(a_large_block_is_used_again_by_what_nearly_fills_it) {
  drop_blocks();
  void* first = take_block(8 * kMegabyte);
  give_block(first);
  void* larger = take_block(12 * kMegabyte);
  CHECK(larger != first);
  void* small = take_block(2 * kMegabyte);
  CHECK(small != first);
  void* again = take_block(7 * kMegabyte);
  CHECK(again == first);
  for (void* block : {larger, small, again}) give_block(block);
  drop_blocks();
}

// More than is kept: the oldest go, the newest stay.
TEST(only_so_much_is_kept) {
  drop_blocks();
  const std::size_t quarter = kKept / 4;
  std::vector<void*> blocks;
  for (int i = 0; i < 6; ++i) blocks.push_back(take_block(quarter));
  for (void* block : blocks) give_block(block);
  void* again = take_block(quarter);  // a block's own line makes it larger than a quarter: three are kept
  CHECK(again == blocks[3] || again == blocks[4] || again == blocks[5]);
  give_block(again);
  drop_blocks();
}

TEST(a_forked_child_takes_and_gives_blocks) {
  give_block(take_block(3 * kMegabyte));
  const pid_t child = fork();
  if (child == 0) {
    void* block = take_block(3 * kMegabyte);
    std::memset(block, 1, 3 * kMegabyte);
    give_block(block);
    _exit(0);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

}  // namespace
}  // namespace unrolled
