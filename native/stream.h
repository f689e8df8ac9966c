// Runs that go on: what was packed, and the memory, stay from call to call.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runner.h"

namespace unrolled {

// One layer of a stream. Its call brings what `execute` wants, but no sequences: those are the stream's own. Rings
// begin and end in the same place, which is where the caller finds the state.
template <class T>
struct StreamLayer {
  const Program* program;
  Call<T> call;
  int input;            // buffer of the input sequence, or -1
  int output;           // buffer of the output sequence
  std::int64_t* clock;  // of every row, counted on
};

template <class T>
class Stream {
 public:
  // `threads` as for a call. Throws std::runtime_error when a layer does not fit.
  Stream(std::int64_t rows, int threads);
  void add(StreamLayer<T> layer);

  // `time` more steps of all rows. `x` is (time, rows, I), or whole numbers where the first layer looks them up:
  // throws std::out_of_range, before anything has changed, when one of them is no column.
  void run(const void* x, T* out, std::int64_t time);

  // Matrix entries that one step multiplies with, all rows together.
  std::int64_t work() const { return work_; }

 private:
  struct Layer {
    StreamLayer<T> given;
    std::vector<std::int64_t> clock;  // of every position
    std::unique_ptr<Runner<T>> runner;
  };

  void read_limit(const Program& program);
  void give_sequences(StreamLayer<T>& layer);
  void read(const void* x, std::int64_t begin, std::int64_t steps);
  void step(Layer& layer, std::int64_t steps);
  void write(T* out, std::int64_t steps) const;

  const std::int64_t rows_;
  const int threads_;
  const std::int64_t most_;  // steps that are run at once
  std::int64_t work_ = 0;
  std::int64_t limit_ = 0;  // numbers that are looked up are below it
  std::vector<std::int64_t> counts_;
  std::vector<std::unique_ptr<T[], Free>> owned_;
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace unrolled
