#include "executor.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "runner.h"

namespace unrolled {

template <class T>
Runner<T>::Runner(const Program& program, const Call<T>& call)
    : program_(program), call_(call), kernels_(kernels<T>()) {
  measure();
}

template <class T>
void Runner<T>::measure() {
  offsets_.assign(call_.time + 1, 0);
  for (std::int64_t t = 0; t < call_.time; ++t) offsets_[t + 1] = offsets_[t] + call_.counts[t];
  total_ = offsets_[call_.time];
}

template <class T>
void Runner<T>::place_buffers() {
  buffers_ = call_.buffers;
  for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
    const Buffer& buffer = program_.buffers[i];
    if (!buffer.inside) continue;
    std::int64_t rows = buffer.home == Home::sequence ? total_ : call_.rows;
    if (buffer.home == Home::ring) rows *= buffer.slots + 1;
    owned_.push_back(reserve<T>(std::max<std::int64_t>(rows, 1) * buffer.step));
    buffers_[i] = owned_.back().get();
  }
}

// Each number fills one row of a tile.
template <class T>
void Runner<T>::number_rows() {
  numbers_ = reserve<T>(static_cast<std::int64_t>(program_.numbers.size()) * kUnits);
  for (std::size_t i = 0; i < program_.numbers.size(); ++i)
    std::fill_n(numbers_.get() + i * kUnits, kUnits, static_cast<T>(program_.numbers[i]));
}

// Panels of up to 64 rows of the matrix, turned: for each column of the matrix, the entries of these rows.
template <class T>
void Runner<T>::pack(int index) {
  const Matrix& matrix = program_.matrices[index];
  const MatrixView<T>& view = call_.matrices[index];
  if (view.at == nullptr) return;
  T* to = packed_[index].get();
  const T sign = matrix.negative ? T(-1) : T(1);
  for (std::int64_t first = 0; first < matrix.rows; first += kUnits) {
    const std::int64_t columns = std::min<std::int64_t>(kUnits, whole_vectors(matrix.rows - first));
    const std::int64_t real = std::min<std::int64_t>(columns, matrix.rows - first);
    const T* from = view.at + first * view.row;
    // A block of columns at a time, so that reads and writes both stay within few cache lines.
    for (std::int64_t begin = 0; begin < matrix.columns; begin += 16) {
      const std::int64_t end = std::min<std::int64_t>(begin + 16, matrix.columns);
      for (std::int64_t j = 0; j < real; ++j)
        for (std::int64_t k = begin; k < end; ++k) to[(k - begin) * columns + j] = sign * from[j * view.row + k * view.column];
      for (std::int64_t k = begin; k < end && real < columns; ++k) std::fill(to + (k - begin) * columns + real, to + (k - begin + 1) * columns, T(0));
      to += (end - begin) * columns;
    }
  }
}

template <class T>
void Runner<T>::prepare() {
  place_buffers();
  number_rows();
  packed_.resize(program_.matrices.size());
  for (std::size_t i = 0; i < packed_.size(); ++i)
    if (call_.matrices[i].at != nullptr)
      packed_[i] = reserve<T>(whole_vectors(program_.matrices[i].rows) * program_.matrices[i].columns);
  const int threads = std::max(1, call_.threads);
  workers_.resize(threads);
  for (Worker& worker : workers_) {
    worker.temporaries = reserve<T>(static_cast<std::int64_t>(program_.temporaries) * kTileRows * kUnits);
    worker.base.resize(program_.operands.size());
    worker.here.resize(program_.operands.size());
  }
  unrolled::run(threads, [&](int thread) {
    for (std::size_t i = thread; i < packed_.size(); i += threads) pack(static_cast<int>(i));
  });
}

template <class T>
void Runner<T>::run() {
  const int threads = static_cast<int>(workers_.size());
  all_at_once(program_.groups[0]);
  if (!program_.groups[1].empty()) loop();
  all_at_once(program_.groups[2]);
  if (program_.outers.empty() && program_.totals.empty()) return;
  unrolled::run(threads, [&](int thread) {
    outers(thread, threads);
    totals(thread, threads);
  });
}

// --- groups without a loop --------------------------------------------------------------------------------

template <class T>
void Runner<T>::all_at_once(const std::vector<Stage>& group) {
  const int threads = static_cast<int>(workers_.size());
  for (const Stage& stage : group) {
    const std::int64_t pieces = (total_ + kAtOnce - 1) / kAtOnce;
    unrolled::run(threads, [&](int thread) {
      const std::int64_t begin = pieces * thread / threads * kAtOnce;
      const std::int64_t end = std::min(total_, pieces * (thread + 1) / threads * kAtOnce);
      for (std::int64_t at = begin; at < end; at += kAtOnce)
        piece_of_all(stage, workers_[thread], at, std::min(end, at + kAtOnce));
    });
  }
}

template <class T>
void Runner<T>::piece_of_all(const Stage& work, Worker& worker, std::int64_t begin, std::int64_t end) {
  const std::int64_t tile_count = (whole_vectors(work.width) + kUnits - 1) / kUnits;
  if (!work.by_row) {
    stage(work, worker, Part{0, begin, static_cast<int>(end - begin), 0}, 0, tile_count);
    return;
  }
  std::int64_t t = std::upper_bound(offsets_.begin(), offsets_.end(), begin) - offsets_.begin() - 1;
  while (begin < end) {
    const std::int64_t stop = std::min(end, offsets_[t + 1]);
    stage(work, worker, Part{begin - offsets_[t], begin, static_cast<int>(stop - begin), 0}, 0, tile_count);
    begin = stop;
    ++t;
  }
}

// --- the loop ---------------------------------------------------------------------------------------------

// Rows are shared out so that every thread has about the same number of real steps.
template <class T>
std::vector<std::int64_t> Runner<T>::shares() const {
  const int threads = static_cast<int>(workers_.size());
  std::vector<std::int64_t> lengths(call_.rows, 0), borders{0};
  for (std::int64_t t = 0; t < call_.time; ++t)
    if (call_.counts[t] > 0) ++lengths[call_.counts[t] - 1];  // rows that have at least t+1 steps end here
  for (std::int64_t row = call_.rows - 1; row > 0; --row) lengths[row - 1] += lengths[row];
  std::int64_t done = 0, row = 0;
  for (int thread = 1; thread < threads; ++thread) {
    while (row < call_.rows && done * threads < total_ * thread) done += lengths[row++];
    borders.push_back(row);
  }
  borders.push_back(call_.rows);
  return borders;
}

template <class T>
void Runner<T>::loop() {
  const int threads = static_cast<int>(workers_.size());
  const std::int64_t widest = call_.time == 0 ? 0 : call_.counts[0];
  if (threads > 1 && widest < 6 * threads) {
    Barrier barrier(threads);
    unrolled::run(threads, [&](int thread) { tiles_through_time(thread, workers_[thread], barrier); });
    return;
  }
  const std::vector<std::int64_t> borders = shares();
  unrolled::run(threads, [&](int thread) { rows_through_time(workers_[thread], borders[thread], borders[thread + 1]); });
}

template <class T>
void Runner<T>::rows_through_time(Worker& worker, std::int64_t first, std::int64_t last) {
  std::int64_t running = first, tick = 0;
  for (; tick < call_.time; ++tick) {
    const std::int64_t step = call_.reverse ? call_.time - 1 - tick : tick;
    const std::int64_t now = std::clamp<std::int64_t>(call_.counts[step], first, last);
    if (now > running) enter(running, now, tick);
    if (now < running) leave(now, running, tick);
    running = now;
    if (now == first) continue;
    if (call_.resets != nullptr) reset(first, now, step, tick);
    const Part part{first, offsets_[step] + first, static_cast<int>(now - first), tick};
    for (const Stage& work : program_.groups[1])
      stage(work, worker, part, 0, (whole_vectors(work.width) + kUnits - 1) / kUnits);
  }
  leave(first, running, tick);
  // Rows without a single step keep what they came with.
  const std::int64_t began = call_.time == 0 ? first : std::clamp<std::int64_t>(call_.counts[0], first, last);
  enter(began, last, 0);
  leave(began, last, 0);
}

// Few rows: every thread computes some units of all rows, and waits for the others after each stage.
template <class T>
void Runner<T>::tiles_through_time(int thread, Worker& worker, Barrier& barrier) {
  const std::int64_t threads = static_cast<std::int64_t>(workers_.size());
  std::int64_t running = 0, tick = 0;
  for (; tick < call_.time; ++tick) {
    const std::int64_t step = call_.reverse ? call_.time - 1 - tick : tick;
    const std::int64_t now = call_.counts[step];
    const bool resets = call_.resets != nullptr && any_reset(step);
    if (now != running || resets) {
      if (thread == 0) {
        if (now > running) enter(running, now, tick);
        if (now < running) leave(now, running, tick);
        if (resets) reset(0, now, step, tick);
      }
      running = now;
      barrier.wait();
    }
    const Part part{0, offsets_[step], static_cast<int>(now), tick};
    for (const Stage& work : program_.groups[1]) {
      const std::int64_t count = (whole_vectors(work.width) + kUnits - 1) / kUnits;
      stage(work, worker, part, count * thread / threads, count * (thread + 1) / threads);
      barrier.wait();
    }
  }
  if (thread != 0) return;
  leave(0, running, tick);
  const std::int64_t began = call_.time == 0 ? 0 : call_.counts[0];
  enter(began, call_.rows, 0);
  leave(began, call_.rows, 0);
}

template <class T>
T* Runner<T>::ring(int buffer, std::int64_t slot) const {
  const Buffer& shape = program_.buffers[buffer];
  const std::int64_t slots = shape.slots + 1;
  return buffers_[buffer] + ((slot % slots + slots) % slots) * call_.rows * shape.step;
}

// Rows that begin at `tick` find their history in the slots before it.
template <class T>
void Runner<T>::enter(std::int64_t first, std::int64_t last, std::int64_t tick) {
  for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
    const Buffer& buffer = program_.buffers[i];
    if (buffer.home != Home::ring) continue;
    for (int ago = 1; ago <= buffer.slots; ++ago) {
      const T* from = call_.rings[i].initial + ((ago - 1) * call_.rows + first) * buffer.step;
      std::copy_n(from, (last - first) * buffer.step, ring(static_cast<int>(i), tick - ago) + first * buffer.step);
    }
  }
}

template <class T>
void Runner<T>::leave(std::int64_t first, std::int64_t last, std::int64_t ticks) {
  for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
    const Buffer& buffer = program_.buffers[i];
    if (buffer.home != Home::ring || call_.rings[i].final == nullptr) continue;
    for (int ago = 1; ago <= buffer.slots; ++ago) {
      const T* from = ring(static_cast<int>(i), ticks - ago) + first * buffer.step;
      std::copy_n(from, (last - first) * buffer.step, call_.rings[i].final + ((ago - 1) * call_.rows + first) * buffer.step);
    }
  }
}

template <class T>
bool Runner<T>::any_reset(std::int64_t step) const {
  const std::uint8_t* flags = call_.resets + offsets_[step];
  return std::any_of(flags, flags + call_.counts[step], [](std::uint8_t flag) { return flag != 0; });
}

template <class T>
void Runner<T>::reset(std::int64_t first, std::int64_t last, std::int64_t step, std::int64_t tick) {
  for (std::int64_t row = first; row < last; ++row) {
    if (!call_.resets[offsets_[step] + row]) continue;
    for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
      const Buffer& buffer = program_.buffers[i];
      if (buffer.home != Home::ring) continue;
      const RingView<T>& view = call_.rings[i];
      for (int ago = 1; ago <= buffer.slots; ++ago) {
        T* slot = ring(static_cast<int>(i), tick - ago) + row * buffer.step;
        if (view.collect != nullptr)
          for (std::int64_t k = 0; k < buffer.width; ++k) view.collect[row * buffer.step + k] += slot[k];
        std::copy_n(view.start + row * buffer.step, buffer.step, slot);
      }
    }
  }
}

// What a program refers to must be in the call.
template <class T>
void check(const Program& program, const Call<T>& call) {
  std::size_t histories = 0, lookups = 0, results = 0;
  auto least = [](std::size_t& size, int index) { size = std::max(size, static_cast<std::size_t>(index + 1)); };
  for (const auto& group : program.groups)
    for (const Stage& stage : group) {
      least(histories, stage.history);
      for (const Gate& gate : stage.gates)
        for (const Factor& factor : gate.factors) least(lookups, factor.lookup);
    }
  for (const Outer& outer : program.outers) {
    least(histories, outer.history);
    least(lookups, outer.lookup);
    for (const Delta& delta : outer.deltas) least(results, delta.out);
  }
  for (const Total& total : program.totals) least(results, total.out);
  if (histories > call.histories.size() || lookups > call.lookups.size() || results > call.results.size() ||
      program.buffers.size() != call.buffers.size() || program.buffers.size() != call.rings.size() ||
      program.matrices.size() != call.matrices.size() || program.matrices.size() != call.tables.size())
    throw std::runtime_error("the call does not fit the program");
  const bool any = call.time > 0 && call.counts[0] > 0;
  if (any && !program.periods.empty() && call.clock == nullptr) throw std::runtime_error("the program needs a clock");
  for (std::int64_t t = 0; t < call.time; ++t)
    if (call.counts[t] < 0 || call.counts[t] > (t == 0 ? call.rows : call.counts[t - 1]))
      throw std::runtime_error("the counts of running rows must not grow");
}

template <class T>
void execute(const Program& program, const Call<T>& call) {
  check(program, call);
  Runner<T> runner(program, call);
  runner.prepare();
  runner.run();
}

template void execute<float>(const Program&, const Call<float>&);
template void execute<double>(const Program&, const Call<double>&);
template void check<float>(const Program&, const Call<float>&);
template void check<double>(const Program&, const Call<double>&);
template class Runner<float>;
template class Runner<double>;

}  // namespace unrolled
