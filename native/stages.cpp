// The stages of a program: tiles of products and entrywise work, and work on whole rows.
#include <algorithm>
#include <cstring>

#include "runner.h"

namespace unrolled {

template <class T>
void Runner<T>::stage(const Stage& stage, Worker& worker, const Part& part, std::int64_t first_tile, std::int64_t last_tile) {
  if (stage.work == Work::tiles)
    tiles(stage, worker, part, first_tile, last_tile);
  else if (first_tile == 0 && last_tile > 0)  // whole rows are not shared between threads
    whole_rows(stage, part);
}

template <class T>
void Runner<T>::tiles(const Stage& stage, Worker& worker, const Part& part, std::int64_t first_tile, std::int64_t last_tile) {
  const std::int64_t width = whole_vectors(stage.width);
  for (std::int64_t unit = first_tile * kUnits; unit < std::min(width, last_tile * kUnits); unit += kUnits) {
    const int columns = static_cast<int>(std::min<std::int64_t>(kUnits, width - unit));
    const int blocks = (part.rows + kTileRows - 1) / kTileRows;
    for (int block = 0, begin = 0; block < blocks; ++block) {
      const int end = (part.rows * (block + 1) / blocks + 5) / 6 * 6;
      const int stop = block + 1 == blocks ? part.rows : std::min(end, part.rows);
      tile(stage, worker, Part{part.row + begin, part.position + begin, stop - begin, part.tick, part.origin}, unit, columns);
      begin = stop;
    }
  }
}

template <class T>
void Runner<T>::tile(const Stage& stage, Worker& worker, const Part& part, std::int64_t unit, int columns) {
  if (part.rows <= 0) return;
  auto here = [&](int operand) -> Rows<T> {
    if (operand < 0) return {nullptr, 0};
    const Operand& what = program_.operands[operand];
    Rows<T> rows = rows_of(what, &worker, part);
    if (what.source == Source::buffer) rows.at += unit;
    return rows;
  };
  auto read = [&](int operand) -> Rows<const T> {
    const Rows<T> rows = here(operand);
    return {rows.at, rows.step};
  };
  for (const Gate& work : stage.gates) gate(work, worker, part, unit, columns);
  for (const Instruction& instruction : stage.instructions) {
    if (instruction.op == kEvery)
      every(program_.periods[instruction.a], here(instruction.to), part, unit, columns);
    else
      kernels_.elementwise(static_cast<Op>(instruction.op), here(instruction.to), read(instruction.a), read(instruction.b),
                           read(instruction.c), part.rows, columns);
  }
}

template <class T>
void Runner<T>::gate(const Gate& gate, Worker& worker, const Part& part, std::int64_t unit, int columns) {
  Rows<T> to = rows_of(program_.operands[gate.to], &worker, part);
  if (program_.operands[gate.to].source == Source::buffer) to.at += unit;
  Rows<const T> start{nullptr, 0};
  if (gate.start >= 0) {
    const Rows<T> rows = rows_of(program_.operands[gate.start], &worker, part);
    start = {rows.at + (program_.operands[gate.start].source == Source::buffer ? unit : 0), rows.step};
  }
  for (const Factor& factor : gate.factors) {
    if (factor.lookup >= 0) {
      const bool fresh = start.at == nullptr;
      if (fresh || start.at != to.at)
        for (int r = 0; r < part.rows; ++r) {
          T* row = to.at + r * to.step;
          if (fresh)
            std::fill_n(row, columns, T(0));
          else
            std::copy_n(start.at + r * start.step, columns, row);
        }
      look_up(factor, to, part, unit, columns);
    } else {
      const Matrix& matrix = program_.matrices[factor.matrix];
      const Rows<T> vector = rows_of(program_.operands[factor.vector], &worker, part);
      const T* panel = packed_[factor.matrix].get() + unit * matrix.columns;
      kernels_.gemm(to, start, vector.at, vector.step, 1, panel, part.rows, columns, matrix.columns);
    }
    start = {to.at, to.step};
  }
}

// A one-hot vector picks a column of the matrix.
template <class T>
void Runner<T>::look_up(const Factor& factor, Rows<T> to, const Part& part, std::int64_t unit, int columns) {
  const T* table = call_.tables[factor.matrix];
  const std::int64_t step = whole_vectors(program_.matrices[factor.matrix].rows);
  const std::int64_t* index = call_.lookups[factor.lookup] + part.position;
  const Op op = program_.matrices[factor.matrix].negative ? Op::subtract : Op::add;
  for (int r = 0; r < part.rows; ++r) {
    const Rows<T> row{to.at + r * to.step, to.step};
    kernels_.elementwise(op, row, {row.at, row.step}, {table + index[r] * step + unit, 0}, {nullptr, 0}, 1, columns);
  }
}

template <class T>
void Runner<T>::every(const Periods& table, Rows<T> to, const Part& part, std::int64_t unit, int columns) {
  for (int r = 0; r < part.rows; ++r) {
    const std::int64_t clock = call_.clock[part.position + r];
    T* row = to.at + r * to.step;
    for (int c = 0; c < columns; ++c) {
      const std::size_t which = table.block ? static_cast<std::size_t>((unit + c) / table.block) : 0;
      row[c] = which < table.periods.size() && clock % table.periods[which] == 0 ? T(1) : T(0);
    }
  }
}

template <class T>
void Runner<T>::whole_rows(const Stage& stage, const Part& part) {
  if (stage.work == Work::gather) return gather(stage, part);
  auto rows = [&](int operand) { return operand < 0 ? Rows<T>{nullptr, 0} : rows_of(program_.operands[operand], nullptr, part); };
  const Rows<T> to = rows(stage.to), a = rows(stage.a), b = rows(stage.b);
  const Rows<const T> x{a.at, a.step}, g{b.at, b.step};
  switch (stage.work) {
    case Work::layer_norm:
      return kernels_.layer_norm(to, x, part.rows, stage.width);
    case Work::dlayer_norm:
      return kernels_.dlayer_norm(to, x, g, part.rows, stage.width);
    case Work::softmax:
      return kernels_.softmax(to, x, part.rows, stage.width);
    case Work::dsoftmax:
      return kernels_.dsoftmax(to, x, g, part.rows, stage.width);
    case Work::zeros:
      for (int r = 0; r < part.rows; ++r) std::fill_n(to.at + r * to.step, stage.width, T(0));
      return;
    default:
      for (int r = 0; r < part.rows; ++r) std::copy_n(x.at + r * x.step, stage.width, to.at + r * to.step);
  }
}

template <class T>
const T* Runner<T>::earlier(const History<T>& history, std::int64_t position) const {
  const std::int64_t index = history.index[position];
  if (index < total_) return history.values + index * history.step;
  if (index < total_ + history.kept * call_.rows) return history.before + (index - total_) * history.step;
  return history.start + (index - total_ - history.kept * call_.rows) * history.step;
}

template <class T>
void Runner<T>::gather(const Stage& stage, const Part& part) {
  const Rows<T> to = rows_of(program_.operands[stage.to], nullptr, part);
  for (int r = 0; r < part.rows; ++r)
    std::copy_n(earlier(call_.histories[stage.history], part.position + r), stage.width, to.at + r * to.step);
}

template class Runner<float>;
template class Runner<double>;

}  // namespace unrolled
