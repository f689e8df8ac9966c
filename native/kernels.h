// The kernels that the executor is made of: elementwise work on tiles, products with packed matrices, full
// rows.
//
// Every kernel gives an entry the same bits wherever it stands: alone or among others, first or last in a
// row. They check nothing, allocate nothing and throw nothing; what calls them has checked every size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace unrolled {

// Widest tile, in columns. Every `columns` of a tile below is a multiple of 16, from 16 to this.
constexpr int kUnits = 64;

// to = op(a, b, c), entry by entry.
enum class Op : std::uint8_t {
  copy,
  add,
  subtract,
  multiply,
  divide,
  negative,
  sigmoid,
  tanh,
  relu,
  exp,
  log,
  softplus,
  sqrt,
  abs,
  maximum,  // a NaN in either operand wins
  minimum,
  greater,        // 1 or 0
  greater_equal,  // 1 or 0
  where,          // a != 0 ? b : c
  multiply_add,   // a * b + c, one fused multiply-add
  dsigmoid,       // (y, g): g * (y * (1 - y))
  dtanh,          // (y, g): g * (1 - y * y)
  drelu,          // (y, g): y > 0 ? g : 0
  dabs,           // (x, g): x > 0 ? g : x < 0 ? -g : 0
  dmaximum,       // (a, b, g): g where a wins, g / 2 at a tie, else 0
  dminimum,
  spread,  // a is one number a row: fill the row with it
};

// Row r stands at `at + r * step`; a step of 0 repeats one row.
template <class T>
struct Rows {
  T* at;
  std::ptrdiff_t step;
};

template <class T>
struct Kernels {
  const char* name;  // "avx512", "avx2", "neon" or "portable"
  int lanes;         // entries of one vector

  // A tile of `rows` x `columns`. `to` may be the place of an operand (same rows); it overlaps none
  // otherwise.
  void (*elementwise)(Op op, Rows<T> to, Rows<const T> a, Rows<const T> b, Rows<const T> c, int rows,
                      int columns);

  // to = start + a . panel: the sum over k = 0, 1, ..., depth - 1 in this order, each step one fused
  // multiply-add, whatever `rows` and `columns` are. a(r, k) stands at `a + r * a_row + k * a_k`. The panel
  // is packed [depth][columns] and aligned to 64 bytes. `start` may be null (zeros), may have step 0, may be
  // `to`.
  void (*gemm)(Rows<T> to, Rows<const T> start, const T* a, std::ptrdiff_t a_row, std::ptrdiff_t a_k,
               const T* panel, int rows, int columns, std::int64_t depth);

  // Whole rows of `size` entries, any size. `to` may be the place of an operand. Sums have one order for one
  // size. (x - mean) / sqrt(variance + 1e-5), biased variance, and its gradient with respect to x from g.
  void (*layer_norm)(Rows<T> to, Rows<const T> x, int rows, std::int64_t size);
  void (*dlayer_norm)(Rows<T> to, Rows<const T> x, Rows<const T> g, int rows, std::int64_t size);
  // exp(x) / sum(exp(x)), and its gradient y * (g - sum(g * y)).
  void (*softmax)(Rows<T> to, Rows<const T> x, int rows, std::int64_t size);
  void (*dsoftmax)(Rows<T> to, Rows<const T> y, Rows<const T> g, int rows, std::int64_t size);

  // to[c] = start[c] + x(0, c) + x(1, c) + ... in the order of the rows. `start` may be null (zeros), may be
  // `to`.
  void (*column_sum)(T* to, const T* start, Rows<const T> x, int rows, std::int64_t columns);

  // `steps` rounds of independent fused multiply-adds in registers; returns how many multiply-adds that was.
  double (*multiply_adds)(std::int64_t steps);
};

// The best set this machine runs, or the one that the environment variable UNROLLED_ISA names.
// Throws std::runtime_error when that name is unknown or does not run here.
template <class T>
const Kernels<T>& kernels();

// The set of that name; null when it is unknown or does not run here.
template <class T>
const Kernels<T>* kernels_named(std::string_view name);

// Multiply-adds times two per second in float, of `threads` threads together, as measured for about
// `seconds`.
double fma_peak(int threads, double seconds);

}  // namespace unrolled
