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
  cut();
}

// Sequences inside the core are as long as a chunk, so a chunk's are read again while they are in the cache. Long
// ones pay where gradients are added to large matrices, which are read and written once for every chunk.
template <class T>
std::int64_t Runner<T>::chunk_length() const {
  std::int64_t entries = 0;
  for (const Matrix& matrix : program_.matrices) entries += matrix.rows * matrix.columns;
  return entries * static_cast<std::int64_t>(sizeof(T)) > kLargeMatrices && !program_.outers.empty() ? kLongChunk : kShortChunk;
}

template <class T>
void Runner<T>::cut() {
  chunks_.clear();
  const std::int64_t length = chunk_length();
  std::int64_t before = 0;
  for (std::int64_t tick = 0; tick < call_.time;) {
    const std::int64_t first = tick;
    std::int64_t positions = call_.counts[step_of(tick++)];
    while (tick < call_.time && positions + call_.counts[step_of(tick)] <= length) positions += call_.counts[step_of(tick++)];
    const std::int64_t low = std::min(step_of(first), step_of(tick - 1));
    chunks_.push_back({first, tick, offsets_[low], offsets_[low] + positions, before == 0});
    before += positions;
  }
}

template <class T>
void Runner<T>::place_buffers() {
  buffers_ = call_.buffers;
  for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
    const Buffer& buffer = program_.buffers[i];
    if (!buffer.inside) continue;
    std::int64_t rows = call_.rows;
    if (buffer.home == Home::sequence)
      for (const Chunk& chunk : chunks_) rows = std::max(rows, chunk.end - chunk.begin);
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
  for (Worker& worker : workers_)
    worker.temporaries = reserve<T>(static_cast<std::int64_t>(program_.temporaries) * kTileRows * kUnits);
  share();
  unrolled::run(threads, [&](int thread) {
    for (std::size_t i = thread; i < packed_.size(); i += threads) pack(static_cast<int>(i));
  });
}

template <class T>
void Runner<T>::run() {
  if (total_ == 0) no_gradients();
  for (Worker& worker : workers_) worker.running = worker.first;
  const int threads = static_cast<int>(workers_.size());
  Barrier barrier(threads);
  unrolled::run(threads, [&](int thread) {
    const Barrier::Share share(barrier);
    through(thread, barrier);
  });
}

template <class T>
void Runner<T>::through(int thread, Barrier& barrier) {
  Worker& worker = workers_[thread];
  for (const Chunk& chunk : chunks_) {
    all_at_once(program_.groups[0], chunk, thread, barrier);
    if (!own_) barrier.wait();
    if (by_rows_)
      rows_through_time(worker, chunk);
    else
      tiles_through_time(thread, chunk, barrier);
    if (!own_) barrier.wait();
    all_at_once(program_.groups[2], chunk, thread, barrier);
    if (alone_) continue;
    barrier.wait();
    outers(chunk, thread);
    totals(chunk, thread);
    if (&chunk != &chunks_.back()) barrier.wait();
  }
  if (by_rows_ || thread == 0) end_rows(worker);
}

// --- groups without a loop --------------------------------------------------------------------------------

// A tile of the stage for all positions, then the next: its matrices stay in the cache.
template <class T>
void Runner<T>::all_at_once(const std::vector<Stage>& group, const Chunk& chunk, int thread, Barrier& barrier) {
  Worker& worker = workers_[thread];
  const bool gathers = std::any_of(group.begin(), group.end(), [](const Stage& stage) { return stage.work == Work::gather; });
  for (const Stage& work : group) {
    take_parts(worker, chunk, thread, work.by_row);
    const std::int64_t tile_count = work.work == Work::tiles ? (whole_vectors(work.width) + kUnits - 1) / kUnits : 1;
    for (std::int64_t tile = 0; tile < tile_count; ++tile)
      for (const Part& part : worker.parts) stage(work, worker, part, tile, tile + 1);
    if (gathers) barrier.wait();  // earlier positions may be another thread's
  }
}

// A thread's parts of a chunk: its own rows at every step, or a share of all positions.
template <class T>
void Runner<T>::take_parts(Worker& worker, const Chunk& chunk, int thread, bool by_row) const {
  const std::int64_t threads = static_cast<std::int64_t>(workers_.size());
  worker.parts.clear();
  std::int64_t begin = chunk.begin, end = chunk.end;
  if (!own_) {
    const std::int64_t blocks = (end - begin + kTileRows - 1) / kTileRows;
    end = std::min(chunk.end, begin + blocks * (thread + 1) / threads * kTileRows);
    begin += blocks * thread / threads * kTileRows;
  }
  if (!by_row && (!own_ || threads == 1)) {
    if (end > begin) worker.parts.push_back(Part{0, begin, static_cast<int>(end - begin), 0, chunk.begin});
    return;
  }
  const std::int64_t low = std::min(step_of(chunk.first_tick), step_of(chunk.last_tick - 1));
  for (std::int64_t t = low; t < low + chunk.last_tick - chunk.first_tick; ++t) {
    const std::int64_t first = std::max(begin, offsets_[t] + (own_ ? worker.first : 0));
    const std::int64_t last = std::min(end, own_ ? std::min(offsets_[t] + worker.last, offsets_[t + 1]) : offsets_[t + 1]);
    if (last > first) worker.parts.push_back(Part{first - offsets_[t], first, static_cast<int>(last - first), 0, chunk.begin});
  }
}

// --- the loop ---------------------------------------------------------------------------------------------

// Whether tiles are worth a barrier after every stage: what a step multiplies with must be large. One row takes as
// long as two, because the cache hands over matrices no faster.
template <class T>
bool Runner<T>::worth_waiting(std::int64_t rows) const {
  const std::vector<Stage>& loop = program_.groups[1];
  std::int64_t entries = 0;
  for (const Stage& stage : loop)
    for (const Gate& gate : stage.gates)
      for (const Factor& factor : gate.factors)
        if (factor.lookup < 0) entries += program_.matrices[factor.matrix].rows * program_.matrices[factor.matrix].columns;
  return entries * std::max<std::int64_t>(1, rows / 2) >= kWorthWaiting * static_cast<std::int64_t>(loop.size());
}

// Rows are shared out so that every thread has about the same number of real steps. Of few rows the tiles are, or one
// thread takes all.
template <class T>
void Runner<T>::share() {
  const std::int64_t threads = static_cast<std::int64_t>(workers_.size());
  const std::int64_t widest = call_.time == 0 ? 0 : call_.counts[0];
  const bool few = threads > 1 && widest < 6 * threads;
  by_rows_ = !few || !worth_waiting(widest);
  std::vector<std::int64_t> lengths(call_.rows, 0);
  for (std::int64_t t = 0; t < call_.time; ++t)
    if (call_.counts[t] > 0) ++lengths[call_.counts[t] - 1];  // rows that have at least t+1 steps end here
  for (std::int64_t row = call_.rows - 1; row > 0; --row) lengths[row - 1] += lengths[row];
  std::int64_t done = 0, row = 0;
  own_ = !few;
  for (std::int64_t thread = 0; thread < threads; ++thread) {
    Worker& worker = workers_[thread];
    worker.first = row;
    while (row < call_.rows && (few || thread + 1 == threads || done * threads < total_ * (thread + 1))) done += lengths[row++];
    worker.last = row;
    own_ = own_ && (threads == 1 || worker.last - worker.first >= kOwnRows);
  }
  const bool dense = call_.time == 0 || call_.counts[0] == call_.counts[call_.time - 1];
  alone_ = own_ && dense && program_.outers.empty() && program_.totals.empty();
}

// Rows begin and end where their number changes.
template <class T>
void Runner<T>::run_rows(Worker& worker, std::int64_t now, std::int64_t tick) {
  if (now > worker.running) enter(worker.running, now, tick);
  if (now < worker.running) leave(now, worker.running, tick);
  worker.running = now;
}

template <class T>
void Runner<T>::end_rows(Worker& worker) {
  leave(worker.first, worker.running, call_.time);
  // Rows without a single step keep what they came with.
  const std::int64_t began = call_.time == 0 ? worker.first : std::clamp<std::int64_t>(call_.counts[0], worker.first, worker.last);
  enter(began, worker.last, 0);
  leave(began, worker.last, 0);
}

template <class T>
void Runner<T>::rows_through_time(Worker& worker, const Chunk& chunk) {
  for (std::int64_t tick = chunk.first_tick; tick < chunk.last_tick; ++tick) {
    const std::int64_t step = step_of(tick);
    const std::int64_t now = std::clamp<std::int64_t>(call_.counts[step], worker.first, worker.last);
    run_rows(worker, now, tick);
    if (now == worker.first) continue;
    if (call_.resets != nullptr) reset(worker.first, now, step, tick);
    const Part part{worker.first, offsets_[step] + worker.first, static_cast<int>(now - worker.first), tick, chunk.begin};
    for (const Stage& work : program_.groups[1])
      stage(work, worker, part, 0, (whole_vectors(work.width) + kUnits - 1) / kUnits);
  }
}

// Every thread computes some units of all rows, and waits for the others after each stage.
template <class T>
void Runner<T>::tiles_through_time(int thread, const Chunk& chunk, Barrier& barrier) {
  const std::int64_t threads = static_cast<std::int64_t>(workers_.size());
  for (std::int64_t tick = chunk.first_tick; tick < chunk.last_tick; ++tick) {
    const std::int64_t step = step_of(tick), now = call_.counts[step];
    const bool resets = call_.resets != nullptr && any_reset(step);
    if (resets || tick == 0 || now != call_.counts[step_of(tick - 1)]) {
      if (thread == 0) {
        run_rows(workers_[0], now, tick);
        if (resets) reset(0, now, step, tick);
      }
      barrier.wait();
    }
    const Part part{0, offsets_[step], static_cast<int>(now), tick, chunk.begin};
    for (const Stage& work : program_.groups[1]) {
      const std::int64_t count = (whole_vectors(work.width) + kUnits - 1) / kUnits;
      stage(work, workers_[thread], part, count * thread / threads, count * (thread + 1) / threads);
      barrier.wait();
    }
  }
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
