// The kernels on NumPy arrays: `_native.kernels`.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cpu.h"
#include "kernels.h"
#include "pool.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace unrolled {
namespace {

template <class T>
using Matrix = nb::ndarray<T, nb::ndim<2>, nb::device::cpu>;
template <class T>
using Line = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

constexpr std::array<const char*, 27> kOps = {
    "copy",    "add",     "subtract", "multiply",      "divide",   "negative",     "sigmoid",
    "tanh",    "relu",    "exp",      "log",           "softplus", "sqrt",         "abs",
    "maximum", "minimum", "greater",  "greater_equal", "where",    "multiply_add", "dsigmoid",
    "dtanh",   "drelu",   "dabs",     "dmaximum",      "dminimum", "spread"};
static_assert(kOps.size() == static_cast<std::size_t>(Op::spread) + 1);

Op op_named(const std::string& name) {
  for (std::size_t i = 0; i < kOps.size(); ++i)
    if (name == kOps[i]) return static_cast<Op>(i);
  throw std::invalid_argument("no operation is called " + name);
}

template <class T>
const Kernels<T>& set_named(const std::string& name) {
  if (const Kernels<T>* found = kernels_named<T>(name)) return *found;
  throw std::invalid_argument("no kernels run here under the name " + name);
}

void expect(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

template <class T>
Rows<T> rows(const Matrix<T>& m) {
  expect(m.shape(1) <= 1 || m.stride(1) == 1, "rows are expected to be contiguous");
  return {m.data(), m.stride(0)};
}

template <class T>
Rows<const T> operand(const std::optional<Matrix<const T>>& m, const Matrix<T>& to, bool one_column = false) {
  if (!m) return {nullptr, 0};
  const std::size_t columns = one_column ? 1 : to.shape(1);
  expect(m->shape(0) == to.shape(0) && m->shape(1) == columns, "operands of one shape are expected");
  return rows<const T>(*m);
}

template <class T>
int tile_columns(const Matrix<T>& to) {
  const std::size_t columns = to.shape(1);
  expect(columns % 16 == 0 && columns >= 16 && columns <= kUnits, "16, 32, 48 or 64 columns are expected");
  return static_cast<int>(columns);
}

template <class T>
void elementwise(const std::string& set, const std::string& op, Matrix<T> to,
                 std::optional<Matrix<const T>> a, std::optional<Matrix<const T>> b,
                 std::optional<Matrix<const T>> c) {
  const Op code = op_named(op);
  set_named<T>(set).elementwise(code, rows(to), operand(a, to, code == Op::spread), operand(b, to),
                                operand(c, to), static_cast<int>(to.shape(0)), tile_columns(to));
}

template <class T>
void gemm(const std::string& set, Matrix<T> to, std::optional<Matrix<const T>> start, Matrix<const T> a,
          Matrix<const T> panel) {
  expect(a.shape(0) == to.shape(0) && a.shape(1) == panel.shape(0) && panel.shape(1) == to.shape(1),
         "to (M, N), a (M, K) and panel (K, N) are expected");
  expect(panel.stride(0) == static_cast<std::int64_t>(panel.shape(1)) && panel.stride(1) == 1,
         "a contiguous panel is expected");
  expect(panel.size() == 0 || reinterpret_cast<std::uintptr_t>(panel.data()) % 64 == 0,
         "a panel aligned to 64 bytes is expected");
  set_named<T>(set).gemm(rows(to), operand(start, to), a.data(), a.stride(0), a.stride(1), panel.data(),
                         static_cast<int>(to.shape(0)), tile_columns(to),
                         static_cast<std::int64_t>(panel.shape(0)));
}

template <class T>
using OneRow = void (*Kernels<T>::*)(Rows<T>, Rows<const T>, int, std::int64_t);
template <class T>
using TwoRows = void (*Kernels<T>::*)(Rows<T>, Rows<const T>, Rows<const T>, int, std::int64_t);

template <class T, OneRow<T> kernel>
void one_row(const std::string& set, Matrix<T> to, Matrix<const T> x) {
  (set_named<T>(set).*kernel)(rows(to), operand<T>(x, to), static_cast<int>(to.shape(0)),
                              static_cast<std::int64_t>(to.shape(1)));
}

template <class T, TwoRows<T> kernel>
void two_rows(const std::string& set, Matrix<T> to, Matrix<const T> x, Matrix<const T> g) {
  (set_named<T>(set).*kernel)(rows(to), operand<T>(x, to), operand<T>(g, to), static_cast<int>(to.shape(0)),
                              static_cast<std::int64_t>(to.shape(1)));
}

template <class T>
void column_sum(const std::string& set, Line<T> to, std::optional<Line<const T>> start, Matrix<const T> x) {
  expect(x.shape(1) == to.shape(0) && (!start || start->shape(0) == to.shape(0)),
         "sums of one size are expected");
  set_named<T>(set).column_sum(to.data(), start ? start->data() : nullptr, rows(x),
                               static_cast<int>(x.shape(0)), static_cast<std::int64_t>(to.shape(0)));
}

std::string chosen() {
  try {
    return kernels<float>().name;
  } catch (const std::runtime_error& error) {
    throw nb::value_error(error.what());
  }
}

// Every thread counts up behind a barrier: what each of them saw last.
std::vector<int> count_together(int threads, int rounds) {
  std::vector<int> seen(static_cast<std::size_t>(threads));
  Barrier barrier(threads);
  std::atomic<int> sum = 0;
  run(threads, [&](int thread) {
    for (int round = 0; round < rounds; ++round) {
      sum.fetch_add(1);
      barrier.wait();
      seen[static_cast<std::size_t>(thread)] = sum.load();
      barrier.wait();
    }
  });
  return seen;
}

template <class T>
void bind(nb::module_& m) {
  m.def("elementwise", &elementwise<T>, "set"_a, "op"_a, "to"_a.noconvert(), "a"_a.noconvert().none(),
        "b"_a.noconvert().none() = nb::none(), "c"_a.noconvert().none() = nb::none());
  m.def("gemm", &gemm<T>, "set"_a, "to"_a.noconvert(), "start"_a.noconvert().none(), "a"_a.noconvert(),
        "panel"_a.noconvert());
  m.def("layer_norm", &one_row<T, &Kernels<T>::layer_norm>, "set"_a, "to"_a.noconvert(), "x"_a.noconvert());
  m.def("softmax", &one_row<T, &Kernels<T>::softmax>, "set"_a, "to"_a.noconvert(), "x"_a.noconvert());
  m.def("dlayer_norm", &two_rows<T, &Kernels<T>::dlayer_norm>, "set"_a, "to"_a.noconvert(), "x"_a.noconvert(),
        "g"_a.noconvert());
  m.def("dsoftmax", &two_rows<T, &Kernels<T>::dsoftmax>, "set"_a, "to"_a.noconvert(), "y"_a.noconvert(),
        "g"_a.noconvert());
  m.def("column_sum", &column_sum<T>, "set"_a, "to"_a.noconvert(), "start"_a.noconvert().none(),
        "x"_a.noconvert());
}

}  // namespace

}  // namespace unrolled

void bind_kernels(nb::module_& module);

void bind_kernels(nb::module_& module) {
  using namespace unrolled;
  nb::module_ m =
      module.def_submodule("kernels", "The kernels on NumPy arrays, by the name of an instruction set.");
  bind<float>(m);
  bind<double>(m);
  m.def("chosen", &chosen, "The instruction set that runs, UNROLLED_ISA considered.");
  m.def("count_together", &count_together, "threads"_a, "rounds"_a, nb::call_guard<nb::gil_scoped_release>());
  m.def("fma_peak", &fma_peak, "threads"_a, "seconds"_a, nb::call_guard<nb::gil_scoped_release>(),
        "Multiply-adds times two per second in float, of all threads together.");
}
