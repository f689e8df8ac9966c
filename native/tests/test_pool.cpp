// Threads that run together, fail, are shared and outlive a fork.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "floating_point.h"
#include "kernels.h"
#include "pool.h"

namespace unrolled {
namespace {

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

// Every thread adds to one number behind a barrier; false when one of them saw too little or too much.
bool count_together(int threads, int rounds) {
  Barrier barrier(threads);
  std::atomic<int> count = 0, wrong = 0;
  run(threads, [&](int) {
    for (int round = 1; round <= rounds; ++round) {
      count.fetch_add(1);
      barrier.wait();
      if (count.load() != round * threads) wrong.fetch_add(1);
      barrier.wait();
    }
  });
  return wrong == 0 && count == rounds * threads;
}

TEST(every_thread_runs_once) {
  for (int threads : {1, 2, 3, 5, 2, 1}) {
    std::vector<int> ran(static_cast<std::size_t>(threads));
    run(threads, [&](int thread) { ++ran[static_cast<std::size_t>(thread)]; });
    CHECK(ran == std::vector<int>(static_cast<std::size_t>(threads), 1));
  }
}

TEST(threads_meet_at_the_barrier) {
  for (int threads : {1, 2, 4}) CHECK(count_together(threads, 300));
}

TEST(the_caller_is_thread_0) {
  const auto self = std::this_thread::get_id();
  run(3, [&](int thread) { CHECK((std::this_thread::get_id() == self) == (thread == 0)); });
}

TEST(an_exception_of_any_thread_reaches_the_caller) {
  for (int failing : {0, 1, 2}) {
    std::atomic<int> ended = 0;
    const std::string message = message_of([&] {
      run(3, [&](int thread) {
        if (thread == failing) throw std::runtime_error("thread failed");
        ended.fetch_add(1);
      });
    });
    CHECK(message == "thread failed" && ended == 2);
  }
  CHECK(count_together(3, 10));
}

TEST(who_waits_for_a_failed_thread_is_told) {
  Barrier barrier(2);
  const std::string message = message_of([&] {
    run(2, [&](int thread) {
      const Barrier::Share share(barrier);
      if (thread == 1) throw std::runtime_error("thread failed");
      barrier.wait();
    });
  });
  CHECK(message == "thread failed" || message == "another thread has left the barrier");
}

TEST(a_run_inside_a_run_is_refused) {
  CHECK(message_of([] { run(2, [](int) { run(2, [](int) {}); }); }).find("inside a run") !=
        std::string::npos);
  run(2, [](int) { run(1, [](int thread) { CHECK(thread == 0); }); });
  CHECK(count_together(2, 10));
}

TEST(threads_have_the_modes_of_the_caller) {
  const std::uint64_t usual = floating_point_modes();
#if defined(__x86_64__)
  const std::uint64_t flushing = usual | 0x8040;  // flush results to zero, take denormal operands for zero
#else
  const std::uint64_t flushing = usual | 1u << 24;
#endif
  for (std::uint64_t modes : {usual, flushing, usual}) {
    set_floating_point_modes(modes);
    std::vector<std::uint64_t> seen(3);
    run(3, [&](int thread) { seen[static_cast<std::size_t>(thread)] = floating_point_modes(); });
    set_floating_point_modes(usual);
    CHECK(seen == std::vector<std::uint64_t>(3, modes));
  }
}

TEST(two_callers_take_turns) {
  std::atomic<int> right = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) callers.emplace_back([&] { right.fetch_add(count_together(3, 100)); });
  for (std::thread& caller : callers) caller.join();
  CHECK(right == 3);
}

// 0 when `body` holds in a forked child.
template <class F>
int in_child(F body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST(a_forked_child_has_threads_of_its_own) {
  CHECK(count_together(3, 10));
  CHECK(in_child([] { return count_together(3, 10); }) == 0);
  CHECK(count_together(3, 10));
}

TEST(the_environment_names_the_set) {
  for (const char* name : {"portable", "avx9"}) {
    const bool known = kernels_named<float>(name) != nullptr;
    CHECK(known == (std::string(name) == "portable"));
    CHECK(in_child([&] {
            setenv("UNROLLED_ISA", name, 1);
            const std::string message = message_of([] { kernels<float>(); });
            return known ? kernels<float>().name == std::string(name)
                         : message.find("got avx9") != std::string::npos;
          }) == 0);
  }
}

TEST(the_peak_is_a_rate) { CHECK(fma_peak(2, 0.01) > 1e6); }

}  // namespace
}  // namespace unrolled
