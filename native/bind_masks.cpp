// Random masks, as Python sees them. Tensors cross as addresses.
#include <nanobind/nanobind.h>

#include <cstdint>

#include "bind.h"
#include "masks.h"

namespace nb = nanobind;

namespace {

template <class T>
void fill(std::uintptr_t to, std::uint64_t key, std::uintptr_t rows, std::uintptr_t steps, std::int64_t count, std::int64_t width,
          std::uint64_t kept, double value) {
  const nb::gil_scoped_release others_may_run;
  unrolled::fill_mask(reinterpret_cast<T*>(to), key, reinterpret_cast<const std::int64_t*>(rows),
                      reinterpret_cast<const std::int64_t*>(steps), count, width, kept, static_cast<T>(value));
}

}  // namespace

void bind_masks(nb::module_& module) {
  module.def("mask_float", &fill<float>, "Fill rows of a random mask, float32.");
  module.def("mask_double", &fill<double>, "Fill rows of a random mask, float64.");
}
