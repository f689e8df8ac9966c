#include "memory.h"

#include <pthread.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace unrolled {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kHugePage = std::size_t(2) << 20;
constexpr std::size_t kLarge = std::size_t(1) << 18;  // below, malloc keeps what is freed by itself

// Stands before every block; the block itself begins on the next cache line.
struct Header {
  std::size_t bytes;  // of the whole block, this line included
};

Header* header_of(void* block) { return reinterpret_cast<Header*>(static_cast<char*>(block) - kLine); }

Header* from_system(std::size_t bytes) {
  const bool huge = bytes >= kHugePage;
  void* at = std::aligned_alloc(huge ? kHugePage : kLine, bytes);
  if (at == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  if (huge) madvise(at, bytes, MADV_HUGEPAGE);  // advice: it may be refused
#endif
  auto* made = static_cast<Header*>(at);
  made->bytes = bytes;
  return made;
}

// Blocks that wait, the newest last.
class Kept {
 public:
  // The smallest block that is large enough and not much too large, or null.
  Header* find(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    std::size_t best = blocks_.size();
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const std::size_t size = blocks_[i]->bytes;
      if (size >= bytes && size - bytes <= bytes / 4 && (best == blocks_.size() || size < blocks_[best]->bytes)) best = i;
    }
    if (best == blocks_.size()) return nullptr;
    Header* const found = blocks_[best];
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(best));
    total_ -= found->bytes;
    return found;
  }

  void add(Header* block) {
    const std::lock_guard lock(mutex_);
    blocks_.push_back(block);
    total_ += block->bytes;
    std::size_t gone = 0;
    for (; total_ > kKept; ++gone) {  // the oldest are the least likely to be asked for
      total_ -= blocks_[gone]->bytes;
      std::free(blocks_[gone]);
    }
    blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(gone));
  }

  void drop() {
    const std::lock_guard lock(mutex_);
    for (Header* block : blocks_) std::free(block);
    blocks_.clear();
    total_ = 0;
  }

  std::mutex& mutex() { return mutex_; }

 private:
  std::mutex mutex_;
  std::vector<Header*> blocks_;
  std::size_t total_ = 0;
};

// Never destroyed: tensors may outlive everything. No thread holds it while the process forks.
Kept& kept() {
  static Kept* const made = [] {
    static Kept* const one = new Kept;
    pthread_atfork([] { one->mutex().lock(); }, [] { one->mutex().unlock(); }, [] { one->mutex().unlock(); });
    return one;
  }();
  return *made;
}

std::size_t whole(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

void* take_block(std::size_t bytes) {
  bytes += kLine;
  bytes = whole(bytes, bytes >= kHugePage ? kHugePage : kLine);
  Header* block = bytes >= kLarge ? kept().find(bytes) : nullptr;
  if (block == nullptr) block = from_system(bytes);
  return reinterpret_cast<char*>(block) + kLine;
}

void give_block(void* block) noexcept {
  if (block == nullptr) return;
  Header* const header = header_of(block);
  if (header->bytes < kLarge) return std::free(header);
  try {
    kept().add(header);
  } catch (...) {
    std::free(header);
  }
}

void drop_blocks() noexcept { kept().drop(); }

}  // namespace unrolled
