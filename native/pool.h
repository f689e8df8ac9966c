// Threads that stay, and a barrier for threads that run together.
#pragma once

#include <atomic>
#include <functional>

namespace unrolled {

// work(0), work(1), ..., work(threads - 1) at the same time, the caller being thread 0; returns when all are
// done.
//
// The threads are those of the process's OpenMP, where it has any. Otherwise they are started once and kept: they spin
// a little between runs, then sleep. They run with the rounding and denormal modes of the caller. The first exception is thrown again here, after all have ended.
// A second caller waits for the first; a run inside a run is refused with std::logic_error. A forked child
// starts threads of its own.
void run(int threads, const std::function<void(int)>& work);

// All of `threads` threads wait for each other, as often as they like.
//
// A thread that ends early calls abandon(), and wait() throws std::runtime_error in the others: whoever waits
// in `work` catches what it throws itself, or holds a Barrier::Share, which abandons when it is left by an
// exception.
class Barrier {
 public:
  explicit Barrier(int threads) : threads_(threads) {}
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  void wait();
  void abandon() { broken_.store(true, std::memory_order_release); }

  class Share {
   public:
    explicit Share(Barrier& barrier);
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share();

   private:
    Barrier& barrier_;
    int exceptions_;
  };

 private:
  const int threads_;
  alignas(64) std::atomic<int> arrived_ = 0;
  alignas(64) std::atomic<unsigned> round_ = 0;  // the sense: waiters leave when it changes
  std::atomic<bool> broken_ = false;
};

}  // namespace unrolled
