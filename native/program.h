// What the executor runs: plain data, read once from a flat list of whole numbers.
//
// A program has three groups of stages, as a schedule has: before, step and after. A stage computes whole tiles
// (products, then entrywise instructions while the tile is hot), or one operation on whole rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unrolled {

// Where a buffer's row for a given step and row of the batch stands.
enum class Home : int {
  sequence,  // one row for every real step
  row,       // one row for every row of the batch
  vector,    // one row for all
  ring,      // the last values of a state, by row of the batch
  scratch,   // one row for every row of the batch, valid within a step
};

struct Buffer {
  Home home;
  bool inside;         // allocated by the executor; otherwise the call brings it
  std::int64_t width;  // entries that mean something
  std::int64_t step;   // entries from row to row: the width rounded up to whole vectors
  int slots;           // of a ring: the longest delay
};

enum class Source : int { none = -1, temporary, buffer, number };

struct Operand {
  Source source;
  int index;            // of the temporary, the buffer or the number
  std::int64_t column;  // first entry
  int delay;            // of a ring: how many steps ago; 0 is the value being written
};

struct Factor {
  int matrix;
  int vector;  // operand
  int lookup;  // index list whose numbers stand for one-hot vectors, or -1
};

struct Gate {
  int to;     // operand, a temporary or where the result is kept
  int start;  // operand the sum begins with, or -1
  std::vector<Factor> factors;
};

struct Instruction {
  int op;
  int to, a, b, c;  // operands; -1 where there is none
};

constexpr int kEvery = 100;  // an instruction beside Op: the bit of the clock, `a` is the number of a period table

enum class Work : int { tiles, layer_norm, dlayer_norm, softmax, dsoftmax, copy, zeros, gather };

struct Stage {
  Work work;
  std::int64_t width;
  std::vector<Gate> gates;
  std::vector<Instruction> instructions;
  int to = -1, a = -1, b = -1;  // of whole-row work
  int history = -1;             // of a gather: which history
  bool by_row = false;          // reads rows of the batch, so positions are taken step by step
};

struct Matrix {
  std::int64_t rows, columns;
  bool negative;
};

struct Periods {
  std::int64_t block;  // entries that share a period; 0 when all do
  std::vector<std::int64_t> periods;
};

struct Delta {
  int operand;            // sequence of gradients
  std::int64_t rows;
  int out;                // which result
};

struct Outer {
  int vector;             // operand, a sequence; or -1
  int history;            // a gather of the vector's earlier values, or -1
  int lookup;             // index list, or -1
  std::int64_t columns;
  std::vector<Delta> deltas;
};

struct Total {
  int operand;            // sequence that is summed over all steps
  std::int64_t width;
  int out;
};

struct Program {
  std::vector<Buffer> buffers;
  std::vector<Operand> operands;
  std::vector<Matrix> matrices;
  std::vector<Periods> periods;
  std::vector<double> numbers;
  std::vector<Stage> groups[3];
  std::vector<Outer> outers;
  std::vector<Total> totals;
  int temporaries = 0;
};

// Throws std::runtime_error when the numbers are no program: nothing is trusted.
Program read_program(const std::vector<std::int64_t>& code, const std::vector<double>& numbers);

inline std::int64_t whole_vectors(std::int64_t entries) { return (entries + 15) / 16 * 16; }

}  // namespace unrolled
