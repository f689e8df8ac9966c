#include "pool.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "floating_point.h"

namespace unrolled {
namespace {

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A pause takes 20 to 40 nanoseconds. Some 20 to 40 microseconds: longer than the gap between two calls of a
// busy program.
constexpr int kSpins = 1000;
// In a barrier the others are at work, or a busy machine has put them to sleep: then make room for them. Whoever gets
// that room may keep it for milliseconds, so wait a while first, unless there are too few cores for all.
constexpr int kSpinsBeforeYield = 5000, kSpinsOfMany = 300;

int spins_before_yield(int threads) {
  static const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return threads <= cores ? kSpinsBeforeYield : kSpinsOfMany;
}

// Spins, then sleeps, until `value` is no longer `old`; returns what it is then.
std::uint32_t next_value(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    const std::uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

// What all threads of one run share.
struct Run {
  const std::function<void(int)>* work;
  std::uint64_t modes;
  std::atomic<bool> failed = false;
  std::exception_ptr error = nullptr;

  // Threads that belong to others get their modes back.
  void execute_with_modes(int thread) noexcept {
    const std::uint64_t before = floating_point_modes();
    set_floating_point_modes(modes);
    execute(thread);
    set_floating_point_modes(before);
  }

  void execute(int thread) noexcept {
    try {
      (*work)(thread);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }
};

thread_local bool inside = false;

// The OpenMP threads of the process, if a library such as torch has brought some (GNU's; null otherwise). They spin
// for milliseconds after every operation of that library, so threads of our own would have to fight them for cores.
struct OpenMP {
  using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
  Parallel parallel = reinterpret_cast<Parallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  int (*team)() = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_num_threads"));
  int (*number)() = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_thread_num"));

  explicit operator bool() const { return parallel && team && number; }
};

// One run on OpenMP threads. A team that is smaller than asked for does nothing: the threads must run together.
struct Region {
  const OpenMP& openmp;
  Run& run;
  int threads;
  std::atomic<bool> done = false;

  static void enter(void* at) {
    auto& region = *static_cast<Region*>(at);
    if (region.openmp.team() != region.threads) return;
    inside = true;
    region.run.execute_with_modes(region.openmp.number());
    inside = false;
    region.done = true;
  }
};

// How many threads beside the caller are not done. It outlives every run: the last one wakes the caller
// through it.
using Busy = std::atomic<std::uint32_t>;

// One kept thread: it runs when `turn` changes.
struct alignas(64) Worker {
  std::atomic<std::uint32_t> turn = 0;
  Run* run = nullptr;

  void start(int thread, Busy& busy) {
    std::thread([this, thread, &busy] { serve(thread, busy); }).detach();
  }

  void begin(Run* next) {
    run = next;
    turn.fetch_add(1, std::memory_order_release);
    turn.notify_one();
  }

  [[noreturn]] void serve(int thread, Busy& busy);
};

void Worker::serve(int thread, Busy& busy) {
  inside = true;
  for (std::uint32_t seen = 0;;) {
    seen = next_value(turn, seen);
    set_floating_point_modes(run->modes);
    run->execute(thread);
    if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1) busy.notify_one();
  }
}

class Pool {
 public:
  void run(int threads, const std::function<void(int)>& work) {
    const std::lock_guard lock(mutex_);
    Run now{.work = &work, .modes = floating_point_modes()};
    if (!run_on_openmp(threads, now)) run_on_own(threads, now);
    if (now.error) std::rethrow_exception(now.error);
  }

  // A forked child has none of the OpenMP threads that its parent had, and OpenMP does not notice.
  void stay_off_openmp() { may_use_openmp_ = false; }

 private:
  bool run_on_openmp(int threads, Run& now) {
    static const OpenMP openmp;
    if (!may_use_openmp_ || !openmp) return false;
    Region region{openmp, now, threads};
    openmp.parallel(&Region::enter, &region, static_cast<unsigned>(threads), 0);
    return region.done;
  }

  void run_on_own(int threads, Run& now) {
    grow(threads - 1);
    busy_.store(static_cast<std::uint32_t>(threads - 1), std::memory_order_relaxed);
    for (int i = 0; i < threads - 1; ++i) workers_[static_cast<std::size_t>(i)]->begin(&now);
    inside = true;
    now.execute(0);
    inside = false;
    for (std::uint32_t left = busy_; left > 0;) left = next_value(busy_, left);
  }

  void grow(int workers) {
    while (static_cast<int>(workers_.size()) < workers) {
      auto worker = std::make_unique<Worker>();
      workers_.reserve(workers_.size() + 1);  // what may throw comes before the thread exists
      worker->start(static_cast<int>(workers_.size()) + 1, busy_);
      workers_.push_back(std::move(worker));
    }
  }

  std::mutex mutex_;
  bool may_use_openmp_ = true;
  Busy busy_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
};

// Never destroyed: its threads sleep until the process ends. A forked child has none of them and gets a new
// one.
std::atomic<Pool*> pool = nullptr;
std::atomic<bool> forked = false;

Pool& current_pool() {
  static const int once = pthread_atfork(nullptr, nullptr, [] {
    pool.store(nullptr);
    forked.store(true);
    inside = false;
  });
  (void)once;
  Pool* found = pool.load(std::memory_order_acquire);
  if (found) return *found;
  auto made = std::make_unique<Pool>();
  if (forked.load()) made->stay_off_openmp();
  if (pool.compare_exchange_strong(found, made.get())) found = made.release();
  return *found;
}

}  // namespace

void run(int threads, const std::function<void(int)>& work) {
  if (threads <= 1) return work(0);
  if (inside)
    throw std::logic_error("a run inside a run of the thread pool: run the inner one on one thread");
  current_pool().run(threads, work);
}

void Barrier::wait() {
  const unsigned round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  const int patience = spins_before_yield(threads_);
  for (int spin = 0; round_.load(std::memory_order_acquire) == round; ++spin) {
    if (broken_.load(std::memory_order_acquire))
      throw std::runtime_error("another thread has left the barrier");
    if (spin < patience) {
      pause();
    } else {
      sched_yield();
    }
  }
}

Barrier::Share::Share(Barrier& barrier) : barrier_(barrier), exceptions_(std::uncaught_exceptions()) {}

Barrier::Share::~Share() {
  if (std::uncaught_exceptions() > exceptions_) barrier_.abandon();
}

}  // namespace unrolled
