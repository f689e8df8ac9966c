// Gradients of matrices and vectors: sums over all steps, in an order that depends on neither threads nor padding.
#include <algorithm>

#include "runner.h"

namespace unrolled {
namespace {

constexpr int kStrip = 6;  // rows of a result that one product computes

struct Strip {
  std::size_t delta;
  std::int64_t row;
  int rows;
};

std::vector<Strip> strips_of(const Outer& outer) {
  std::vector<Strip> strips;
  for (std::size_t d = 0; d < outer.deltas.size(); ++d)
    for (std::int64_t row = 0; row < outer.deltas[d].rows; row += kStrip)
      strips.push_back({d, row, static_cast<int>(std::min<std::int64_t>(kStrip, outer.deltas[d].rows - row))});
  return strips;
}

}  // namespace

template <class T>
void Runner<T>::outers(int thread, int threads) {
  for (const Outer& work : program_.outers) {
    if (work.lookup >= 0)
      scatter(work, thread, threads);
    else
      outer(work, thread, threads);
  }
}

// result = sum over positions of delta(position) vector(position)', by chunks of positions.
template <class T>
void Runner<T>::outer(const Outer& work, int thread, int threads) {
  std::vector<Strip> strips = strips_of(work);
  strips = std::vector<Strip>(strips.begin() + strips.size() * thread / threads, strips.begin() + strips.size() * (thread + 1) / threads);
  const std::int64_t step = whole_vectors(work.columns);
  for (const Strip& strip : strips)
    if (total_ == 0)
      std::fill_n(call_.results[work.deltas[strip.delta].out] + strip.row * step, strip.rows * step, T(0));
  auto turned = reserve<T>(static_cast<std::int64_t>(strips.size()) * kStrip * kChunk);
  auto panel = reserve<T>(kUnits * kChunk);
  for (std::int64_t begin = 0; begin < total_; begin += kChunk) {
    const int depth = static_cast<int>(std::min<std::int64_t>(kChunk, total_ - begin));
    for (std::size_t s = 0; s < strips.size(); ++s) {
      const Rows<T> delta = rows_of(program_.operands[work.deltas[strips[s].delta].operand], nullptr, Part{0, begin, depth, 0});
      T* to = turned.get() + s * kStrip * kChunk;
      for (int k = 0; k < depth; ++k, to += kStrip) std::copy_n(delta.at + k * delta.step + strips[s].row, strips[s].rows, to);
    }
    for (std::int64_t unit = 0; unit < step; unit += kUnits) {
      const int columns = static_cast<int>(std::min<std::int64_t>(kUnits, step - unit));
      const int real = static_cast<int>(std::min<std::int64_t>(columns, work.columns - unit));
      for (int k = 0; k < depth; ++k) {
        const T* row = work.history >= 0 ? earlier(call_.histories[work.history], begin + k)
                                         : rows_of(program_.operands[work.vector], nullptr, Part{0, begin + k, 1, 0}).at;
        T* to = panel.get() + k * columns;
        std::copy_n(row + unit, real, to);
        std::fill(to + real, to + columns, T(0));
      }
      for (std::size_t s = 0; s < strips.size(); ++s) {
        const Rows<T> to{call_.results[work.deltas[strips[s].delta].out] + strips[s].row * step + unit, step};
        const Rows<const T> start{begin == 0 ? nullptr : to.at, step};
        kernels_.gemm(to, start, turned.get() + s * kStrip * kChunk, 1, kStrip, panel.get(), strips[s].rows, columns, depth);
      }
    }
  }
}

// One-hot vectors: each step adds its gradient to one row of the turned result (columns x whole_vectors(rows)).
template <class T>
void Runner<T>::scatter(const Outer& work, int thread, int threads) {
  const std::int64_t* index = call_.lookups[work.lookup];
  for (const Delta& delta : work.deltas) {
    const std::int64_t step = whole_vectors(delta.rows), vectors = step / 16;
    const std::int64_t first = vectors * thread / threads * 16, last = vectors * (thread + 1) / threads * 16;
    T* table = call_.results[delta.out];
    for (std::int64_t row = 0; row < work.columns; ++row) std::fill(table + row * step + first, table + row * step + last, T(0));
    for (std::int64_t position = 0; position < total_; ++position) {
      const Rows<T> from = rows_of(program_.operands[delta.operand], nullptr, Part{0, position, 1, 0});
      T* to = table + index[position] * step;
      for (std::int64_t k = first; k < std::min(last, delta.rows); ++k) to[k] += from.at[k];
    }
  }
}

template <class T>
void Runner<T>::totals(int thread, int threads) {
  for (const Total& work : program_.totals) {
    const std::int64_t vectors = whole_vectors(work.width) / 16;
    const std::int64_t first = vectors * thread / threads * 16;
    const std::int64_t last = std::min(work.width, vectors * (thread + 1) / threads * 16);
    if (first >= last) continue;
    T* to = call_.results[work.out] + first;
    std::fill_n(to, last - first, T(0));
    if (total_ == 0) continue;
    const Rows<T> from = rows_of(program_.operands[work.operand], nullptr, Part{0, 0, 1, 0});
    for (std::int64_t begin = 0; begin < total_; begin += kChunk) {
      const int rows = static_cast<int>(std::min<std::int64_t>(kChunk, total_ - begin));
      kernels_.column_sum(to, to, {from.at + begin * from.step + first, from.step}, rows, last - first);
    }
  }
}

template class Runner<float>;
template class Runner<double>;

}  // namespace unrolled
