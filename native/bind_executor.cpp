// Programs and runs, as Python sees them. Tensors cross as addresses.
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "bind.h"
#include "bind_program.h"

namespace nb = nanobind;

namespace {

// Histories hold, for each entry: values, before, start, index, row step, kept values.
template <class T>
void run(const ProgramHandle& handle, const Numbers& buffers, const Numbers& rings, const Numbers& matrices, const Numbers& tables,
         const Numbers& lookups, const Numbers& histories, const Numbers& results, const Numbers& counts, std::int64_t rows,
         bool reverse, std::int64_t clock, std::int64_t resets, int threads) {
  unrolled::Call<T> call;
  read_tensors(call, buffers, rings, matrices, tables);
  must_be(histories, histories.size() / 6 * 6);
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
  nb::class_<ProgramHandle>(module, "Program", "A program of the core, checked once.")
      .def("__init__", [](ProgramHandle* self, const Numbers& code, const std::vector<double>& numbers) {
        new (self) ProgramHandle{unrolled::read_program(code, numbers)};
      });
  module.def("run_float", &run<float>, "Run a program on float32 tensors.");
  module.def("run_double", &run<double>, "Run a program on float64 tensors.");
}
