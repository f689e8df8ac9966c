// One run of a program: memory, packed matrices, and where everything stands.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <vector>

#include "executor.h"
#include "kernels.h"
#include "memory.h"
#include "pool.h"

namespace unrolled {

constexpr int kTileRows = 24;    // rows of a tile: with all gates of 64 units it stays in the first-level cache
constexpr int kAtOnce = 96;      // positions that a stream takes at once
constexpr int kOwnRows = 12;     // with so many rows a product runs at full speed
constexpr std::int64_t kWorthWaiting = 40'000;  // matrix entries that a step multiplies with in a stage
constexpr std::int64_t kShortChunk = 384, kLongChunk = 1024;  // positions
constexpr std::int64_t kLargeMatrices = std::int64_t(1) << 20;  // bytes

struct Free {
  void operator()(void* at) const { give_block(at); }
};

// Whether memory is given out full of NaN: tests set UNROLLED_POISON to show that nothing reads what nothing wrote.
inline bool poisoned() {
  static const bool found = std::getenv("UNROLLED_POISON") != nullptr;
  return found;
}

// Memory that begins on a cache line, with room for whole vectors to be read beyond the end.
template <class T>
std::unique_ptr<T[], Free> reserve(std::int64_t entries) {
  const std::size_t room = static_cast<std::size_t>(entries) + 64;
  void* at = take_block(room * sizeof(T));
  if (poisoned()) std::fill_n(static_cast<T*>(at), room, std::numeric_limits<T>::quiet_NaN());
  return std::unique_ptr<T[], Free>(static_cast<T*>(at));
}

// The part of a batch that a stage works on: `rows` rows from `row`, at `position` in sequences.
struct Part {
  std::int64_t row = 0, position = 0;
  int rows = 0;
  std::int64_t tick = 0;    // how many steps of the loop came before
  std::int64_t origin = 0;  // the position at which sequences inside the core begin
};

// Steps that go through all groups before the next ones do, so that what they hand on stays in the cache.
struct Chunk {
  std::int64_t first_tick, last_tick;  // steps in the order of the run
  std::int64_t begin, end;             // positions
  bool fresh;                          // no positions came before
};

// Some rows of a matrix gradient: which delta, its first row, how many.
struct Strip {
  std::size_t delta;
  std::int64_t row;
  int rows;
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
    std::int64_t first = 0, last = 0;  // its rows of the batch
    std::int64_t running = 0;          // the row behind the last of them that runs
    std::vector<Part> parts;
  };

  // setup
  void place_buffers();
  void pack(int matrix);
  void number_rows();
  void cut();
  std::int64_t chunk_length() const;
  void share();
  bool worth_waiting(std::int64_t rows) const;

  void through(int thread, Barrier& barrier);
  std::int64_t step_of(std::int64_t tick) const { return call_.reverse ? call_.time - 1 - tick : tick; }

  // groups without a loop
  void all_at_once(const std::vector<Stage>& group, const Chunk& chunk, int thread, Barrier& barrier);
  void take_parts(Worker& worker, const Chunk& chunk, int thread, bool by_row) const;

  // the loop
  void rows_through_time(Worker& worker, const Chunk& chunk);
  void tiles_through_time(int thread, const Chunk& chunk, Barrier& barrier);
  void run_rows(Worker& worker, std::int64_t now, std::int64_t tick);
  void end_rows(Worker& worker);
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
  Rows<T> rows_of(const Operand& operand, Worker* worker, const Part& part) const;
  const T* earlier(const History<T>& history, std::int64_t position) const;
  T* ring(int buffer, std::int64_t slot) const;

  // gradients of matrices
  void outers(const Chunk& chunk, int thread);
  void outer(const Outer& outer, const Chunk& chunk, int thread);
  void pack_positions(const Outer& outer, const Chunk& chunk, T* to);
  void turn(const Outer& outer, const Chunk& chunk, const Strip* strips, std::size_t count, T* to);
  void scatter(const Outer& outer, const Chunk& chunk, int thread);
  void totals(const Chunk& chunk, int thread);
  void no_gradients();

  const Program& program_;
  const Call<T>& call_;
  const Kernels<T>& kernels_;
  std::int64_t total_ = 0;
  std::vector<std::int64_t> offsets_;
  std::vector<Chunk> chunks_;
  bool by_rows_ = true;  // threads share out rows in the loop, not tiles
  bool own_ = true;      // and stay with their rows in all groups
  bool alone_ = true;    // so that no thread reads what another has written, nor writes where it reads
  std::vector<T*> buffers_;
  std::vector<std::unique_ptr<T[], Free>> owned_;
  std::vector<std::unique_ptr<T[], Free>> packed_;
  std::unique_ptr<T[], Free> numbers_;
  std::vector<Worker> workers_;
};

// Where the values of a slot of a state stand; two slots are the common case.
template <class T>
inline T* Runner<T>::ring(int buffer, std::int64_t slot) const {
  const Buffer& shape = program_.buffers[buffer];
  const std::int64_t slots = shape.slots + 1, place = slots == 2 ? slot & 1 : (slot % slots + slots) % slots;
  return buffers_[buffer] + place * call_.rows * shape.step;
}

template <class T>
inline Rows<T> Runner<T>::rows_of(const Operand& operand, Worker* worker, const Part& part) const {
  if (operand.source == Source::temporary)
    return {worker->temporaries.get() + static_cast<std::int64_t>(operand.index) * kTileRows * kUnits, kUnits};
  if (operand.source == Source::number) return {numbers_.get() + static_cast<std::int64_t>(operand.index) * kUnits, 0};
  const Buffer& buffer = program_.buffers[operand.index];
  T* const at = buffers_[operand.index] + operand.column;
  switch (buffer.home) {
    case Home::sequence:
      return {at + (part.position - (buffer.inside ? part.origin : 0)) * buffer.step, buffer.step};
    case Home::vector:
      return {at, 0};
    case Home::ring:
      return {ring(operand.index, part.tick - operand.delay) + part.row * buffer.step + operand.column, buffer.step};
    default:
      return {at + part.row * buffer.step, buffer.step};
  }
}

// Throws std::runtime_error when the call does not bring what the program refers to.
template <class T>
void check(const Program& program, const Call<T>& call);

}  // namespace unrolled
