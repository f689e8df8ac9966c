// Programs and runs, as Python sees them. Tensors cross as addresses.
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "bind.h"
#include "executor.h"

namespace nb = nanobind;

namespace {

using Numbers = std::vector<std::int64_t>;

struct Handle {
  unrolled::Program program;
};

template <class P>
P at(std::int64_t address) {
  return reinterpret_cast<P>(static_cast<std::uintptr_t>(address));
}

void must_be(const Numbers& numbers, std::size_t size) {
  if (numbers.size() != size) throw std::runtime_error("the call does not fit the program");
}

// The lists hold, for each entry: rings initial, final, start, collect; matrices address, row, column step;
// histories values, before, start, index, row step, kept values.
template <class T>
void run(const Handle& handle, const Numbers& buffers, const Numbers& rings, const Numbers& matrices, const Numbers& tables,
         const Numbers& lookups, const Numbers& histories, const Numbers& results, const Numbers& counts, std::int64_t rows,
         bool reverse, std::int64_t clock, std::int64_t resets, int threads) {
  unrolled::Call<T> call;
  must_be(rings, 4 * buffers.size());
  must_be(matrices, 3 * tables.size());
  must_be(histories, histories.size() / 6 * 6);
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    call.buffers.push_back(at<T*>(buffers[i]));
    const std::int64_t* ring = &rings[4 * i];
    call.rings.push_back({at<const T*>(ring[0]), at<T*>(ring[1]), at<const T*>(ring[2]), at<T*>(ring[3])});
  }
  for (std::size_t i = 0; i < tables.size(); ++i) {
    call.matrices.push_back({at<const T*>(matrices[3 * i]), matrices[3 * i + 1], matrices[3 * i + 2]});
    call.tables.push_back(at<const T*>(tables[i]));
  }
  for (const std::int64_t lookup : lookups) call.lookups.push_back(at<const std::int64_t*>(lookup));
  for (std::size_t i = 0; i < histories.size(); i += 6) {
    const std::int64_t* h = &histories[i];
    call.histories.push_back({at<const T*>(h[0]), at<const T*>(h[1]), at<const T*>(h[2]), at<const std::int64_t*>(h[3]), h[4], h[5]});
  }
  for (const std::int64_t result : results) call.results.push_back(at<T*>(result));
  call.counts = counts.data();
  call.time = static_cast<std::int64_t>(counts.size());
  call.rows = rows;
  call.reverse = reverse;
  call.clock = at<const std::int64_t*>(clock);
  call.resets = at<const std::uint8_t*>(resets);
  call.threads = threads;
  const nb::gil_scoped_release others_may_run;
  unrolled::execute<T>(handle.program, call);
}

}  // namespace

void bind_executor(nb::module_& module) {
  // Programs are kept with their schedules until the interpreter ends: no leak.
  nb::set_leak_warnings(false);
  nb::class_<Handle>(module, "Program", "A program of the core, checked once.")
      .def("__init__", [](Handle* self, const Numbers& code, const std::vector<double>& numbers) {
        new (self) Handle{unrolled::read_program(code, numbers)};
      });
  module.def("run_float", &run<float>, "Run a program on float32 tensors.");
  module.def("run_double", &run<double>, "Run a program on float64 tensors.");
}
