// Gradients of matrices and vectors: sums over all steps, in an order that depends on neither threads nor padding.
#include <algorithm>

#include "runner.h"

namespace unrolled {
namespace {

constexpr int kStrip = 6;   // rows of a result that one product computes
constexpr int kStrips = 24;  // that many, turned, stay in the cache while a panel passes by

std::vector<Strip> strips_of(const Outer& outer) {
  std::vector<Strip> strips;
  for (std::size_t d = 0; d < outer.deltas.size(); ++d)
    for (std::int64_t row = 0; row < outer.deltas[d].rows; row += kStrip)
      strips.push_back({d, row, static_cast<int>(std::min<std::int64_t>(kStrip, outer.deltas[d].rows - row))});
  return strips;
}

}  // namespace

template <class T>
void Runner<T>::outers(const Chunk& chunk, int thread) {
  for (const Outer& work : program_.outers) {
    if (work.lookup >= 0)
      scatter(work, chunk, thread);
    else
      outer(work, chunk, thread);
  }
}

// Nothing to add up: gradients are zero.
template <class T>
void Runner<T>::no_gradients() {
  for (const Outer& work : program_.outers)
    for (const Delta& delta : work.deltas) {
      const std::int64_t entries = work.lookup >= 0 ? work.columns * whole_vectors(delta.rows) : delta.rows * whole_vectors(work.columns);
      std::fill_n(call_.results[delta.out], entries, T(0));
    }
  for (const Total& work : program_.totals) std::fill_n(call_.results[work.out], work.width, T(0));
}

// The vector's entries in panels of up to 64, for each of them all positions of a chunk.
template <class T>
void Runner<T>::pack_positions(const Outer& work, const Chunk& chunk, T* to) {
  const std::int64_t step = whole_vectors(work.columns);
  for (std::int64_t unit = 0; unit < step; unit += kUnits) {
    const std::int64_t columns = std::min<std::int64_t>(kUnits, step - unit);
    const std::int64_t real = std::min(columns, work.columns - unit);
    for (std::int64_t position = chunk.begin; position < chunk.end; ++position, to += columns) {
      const T* row = work.history >= 0 ? earlier(call_.histories[work.history], position)
                                       : rows_of(program_.operands[work.vector], nullptr, Part{0, position, 1, 0, chunk.begin}).at;
      std::copy_n(row + unit, real, to);
      std::fill(to + real, to + columns, T(0));
    }
  }
}

// For each strip its entries at all positions, a few positions at a time: they lie far apart.
template <class T>
void Runner<T>::turn(const Outer& work, const Chunk& chunk, const Strip* strips, std::size_t count, T* to) {
  const std::int64_t depth = chunk.end - chunk.begin;
  for (std::int64_t begin = 0; begin < depth; begin += 16)
    for (std::size_t s = 0; s < count; ++s) {
      const Operand& operand = program_.operands[work.deltas[strips[s].delta].operand];
      const Rows<T> delta = rows_of(operand, nullptr, Part{0, chunk.begin, 1, 0, chunk.begin});
      const T* from = delta.at + strips[s].row;
      T* place = to + s * depth * kStrip;
      for (std::int64_t k = begin; k < std::min(begin + 16, depth); ++k)
        if (strips[s].rows == kStrip)
          std::copy_n(from + k * delta.step, kStrip, place + k * kStrip);
        else
          std::copy_n(from + k * delta.step, strips[s].rows, place + k * kStrip);
    }
}

// result = sum over positions of delta(position) vector(position)'.
template <class T>
void Runner<T>::outer(const Outer& work, const Chunk& chunk, int thread) {
  const std::int64_t threads = static_cast<std::int64_t>(workers_.size());
  const std::vector<Strip> all = strips_of(work);
  const std::size_t first = all.size() * thread / threads, last = all.size() * (thread + 1) / threads;
  const std::int64_t step = whole_vectors(work.columns), depth = chunk.end - chunk.begin;
  if (depth == 0 || first == last) return;
  const auto panels = reserve<T>(step * depth);
  pack_positions(work, chunk, panels.get());
  const auto turned = reserve<T>(kStrips * kStrip * depth);
  for (std::size_t begin = first; begin < last; begin += kStrips) {
    const std::size_t end = std::min(last, begin + kStrips);
    turn(work, chunk, all.data() + begin, end - begin, turned.get());
    for (std::int64_t unit = 0; unit < step; unit += kUnits) {
      const int columns = static_cast<int>(std::min<std::int64_t>(kUnits, step - unit));
      for (std::size_t s = begin; s < end; ++s) {
        const Strip& strip = all[s];
        const Rows<T> to{call_.results[work.deltas[strip.delta].out] + strip.row * step + unit, step};
        const Rows<const T> start{chunk.fresh ? nullptr : to.at, step};
        kernels_.gemm(to, start, turned.get() + (s - begin) * kStrip * depth, 1, kStrip, panels.get() + unit * depth, strip.rows, columns, depth);
      }
    }
  }
}

// One-hot vectors: each step adds its gradient to one row of the turned result (columns x whole_vectors(rows)).
template <class T>
void Runner<T>::scatter(const Outer& work, const Chunk& chunk, int thread) {
  const std::int64_t threads = static_cast<std::int64_t>(workers_.size());
  const std::int64_t* index = call_.lookups[work.lookup];
  for (const Delta& delta : work.deltas) {
    const std::int64_t step = whole_vectors(delta.rows), vectors = step / 16;
    const std::int64_t first = vectors * thread / threads * 16, last = vectors * (thread + 1) / threads * 16;
    T* table = call_.results[delta.out];
    if (chunk.fresh)
      for (std::int64_t row = 0; row < work.columns; ++row) std::fill(table + row * step + first, table + row * step + last, T(0));
    for (std::int64_t position = chunk.begin; position < chunk.end; ++position) {
      const Rows<T> from = rows_of(program_.operands[delta.operand], nullptr, Part{0, position, 1, 0, chunk.begin});
      T* to = table + index[position] * step;
      for (std::int64_t k = first; k < std::min(last, delta.rows); ++k) to[k] += from.at[k];
    }
  }
}

template <class T>
void Runner<T>::totals(const Chunk& chunk, int thread) {
  const std::int64_t threads = static_cast<std::int64_t>(workers_.size());
  for (const Total& work : program_.totals) {
    const std::int64_t vectors = whole_vectors(work.width) / 16;
    const std::int64_t first = vectors * thread / threads * 16;
    const std::int64_t last = std::min(work.width, vectors * (thread + 1) / threads * 16);
    if (first >= last || chunk.end == chunk.begin) continue;
    T* to = call_.results[work.out] + first;
    const Rows<T> from = rows_of(program_.operands[work.operand], nullptr, Part{0, chunk.begin, 1, 0, chunk.begin});
    kernels_.column_sum(to, chunk.fresh ? nullptr : to, {from.at + first, from.step}, static_cast<int>(chunk.end - chunk.begin),
                        last - first);
  }
}

template class Runner<float>;
template class Runner<double>;

}  // namespace unrolled
