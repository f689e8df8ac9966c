// Runs a program over a packed batch.
#pragma once

#include <cstdint>
#include <vector>

#include "program.h"

namespace unrolled {

template <class T>
struct MatrixView {
  const T* at;
  std::int64_t row, column;  // entries from row to row, and from column to column
};

// Earlier values of a state that is not carried by the loop: a table of rows, and for every real step which one.
// Rows 0 .. N-1 are `values`, the next kept * B are `before`, the last B are `start`.
template <class T>
struct History {
  const T* values;
  const T* before;
  const T* start;
  const std::int64_t* index;
  std::int64_t step, kept;
};

// `initial`, `final` and `start` hold `slots` (start: one) blocks of B rows; `collect`, if any, B rows that what a
// reset throws away is added to. All rows are `Buffer::step` entries apart.
template <class T>
struct RingView {
  const T* initial = nullptr;
  T* final = nullptr;
  const T* start = nullptr;
  T* collect = nullptr;
};

template <class T>
struct Call {
  std::vector<T*> buffers;          // by buffer; null where the executor allocates
  std::vector<RingView<T>> rings;   // by buffer
  std::vector<MatrixView<T>> matrices;
  std::vector<const T*> tables;     // by matrix: its transposed rows, padded, for lookups; else null
  std::vector<const std::int64_t*> lookups;
  std::vector<History<T>> histories;
  std::vector<T*> results;          // of outers (rows x whole_vectors(columns)) and totals
  const std::int64_t* counts = nullptr;  // rows running at each step
  std::int64_t time = 0, rows = 0;
  bool reverse = false;
  const std::int64_t* clock = nullptr;   // of every real step, or null
  const std::uint8_t* resets = nullptr;  // of every real step, or null
  int threads = 1;
};

template <class T>
void execute(const Program& program, const Call<T>& call);

extern template void execute<float>(const Program&, const Call<float>&);
extern template void execute<double>(const Program&, const Call<double>&);

}  // namespace unrolled
