// One run of a program: memory, packed matrices, and where everything stands.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <vector>

#include "executor.h"
#include "kernels.h"
#include "pool.h"

namespace unrolled {

constexpr int kTileRows = 24;    // rows of a tile: with all gates of 64 units it stays in the first-level cache
constexpr int kAtOnce = 96;      // positions that groups without a loop take at once
constexpr int kChunk = 128;      // steps that a matrix gradient adds up before it goes to memory

struct Free {
  void operator()(void* at) const { std::free(at); }
};

// Whether memory is given out full of NaN: tests set UNROLLED_POISON to show that nothing reads what nothing wrote.
inline bool poisoned() {
  static const bool found = std::getenv("UNROLLED_POISON") != nullptr;
  return found;
}

// Memory that begins on a cache line, with room for whole vectors to be read beyond the end.
template <class T>
std::unique_ptr<T[], Free> reserve(std::int64_t entries) {
  const std::size_t bytes = (static_cast<std::size_t>(entries) * sizeof(T) + 64 * sizeof(T) + 63) / 64 * 64;
  void* at = std::aligned_alloc(64, bytes);
  if (at == nullptr) throw std::bad_alloc();
  if (poisoned()) std::fill_n(static_cast<T*>(at), bytes / sizeof(T), std::numeric_limits<T>::quiet_NaN());
  return std::unique_ptr<T[], Free>(static_cast<T*>(at));
}

// The part of a batch that a stage works on: `rows` rows from `row`, at `position` in sequences.
struct Part {
  std::int64_t row = 0, position = 0;
  int rows = 0;
  std::int64_t tick = 0;  // how many steps of the loop came before
};

template <class T>
class Runner {
 public:
  Runner(const Program& program, const Call<T>& call);
  void prepare();  // takes memory and packs matrices
  void measure();  // reads the call's steps; a prepared run may be repeated with others, no more than it began with
  void run();

 private:
  struct Worker {
    std::unique_ptr<T[], Free> temporaries;
    std::vector<Rows<T>> base, here;
  };

  // setup
  void place_buffers();
  void pack(int matrix);
  void number_rows();

  // groups without a loop
  void all_at_once(const std::vector<Stage>& group);
  void piece_of_all(const Stage& stage, Worker& worker, std::int64_t begin, std::int64_t end);

  // the loop
  void loop();
  std::vector<std::int64_t> shares() const;
  void rows_through_time(Worker& worker, std::int64_t first, std::int64_t last);
  void tiles_through_time(int thread, Worker& worker, Barrier& barrier);
  void enter(std::int64_t first, std::int64_t last, std::int64_t tick);
  void leave(std::int64_t first, std::int64_t last, std::int64_t ticks);
  void reset(std::int64_t first, std::int64_t last, std::int64_t step, std::int64_t tick);
  bool any_reset(std::int64_t step) const;

  // stages
  void stage(const Stage& stage, Worker& worker, const Part& part, std::int64_t first_tile, std::int64_t last_tile);
  void tiles(const Stage& stage, Worker& worker, const Part& part, std::int64_t first_tile, std::int64_t last_tile);
  void tile(const Stage& stage, Worker& worker, const Part& part, std::int64_t unit, int columns);
  void gate(const Gate& gate, Worker& worker, const Part& part, std::int64_t unit, int columns);
  void look_up(const Factor& factor, Rows<T> to, const Part& part, std::int64_t unit, int columns);
  void every(const Periods& table, Rows<T> to, const Part& part, std::int64_t unit, int columns);
  void whole_rows(const Stage& stage, const Part& part);
  void gather(const Stage& stage, const Part& part);
  Rows<T> rows_of(const Operand& operand, Worker* worker, const Part& part);
  const T* earlier(const History<T>& history, std::int64_t position) const;
  T* ring(int buffer, std::int64_t slot) const;

  // gradients of matrices
  void outers(int thread, int threads);
  void outer(const Outer& outer, int thread, int threads);
  void scatter(const Outer& outer, int thread, int threads);
  void totals(int thread, int threads);

  const Program& program_;
  const Call<T>& call_;
  const Kernels<T>& kernels_;
  std::int64_t total_ = 0;
  std::vector<std::int64_t> offsets_;
  std::vector<T*> buffers_;
  std::vector<std::unique_ptr<T[], Free>> owned_;
  std::vector<std::unique_ptr<T[], Free>> packed_;
  std::unique_ptr<T[], Free> numbers_;
  std::vector<Worker> workers_;
};

// Throws std::runtime_error when the call does not bring what the program refers to.
template <class T>
void check(const Program& program, const Call<T>& call);

}  // namespace unrolled
