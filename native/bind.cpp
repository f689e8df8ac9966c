// The one file that knows Python: it hands the core to `unrolled._native`.
#include <nanobind/nanobind.h>

#include <string>

#include "bind.h"
#include "cpu.h"

namespace nb = nanobind;

namespace {

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#elif defined(__GNUC__)
  return "gcc " __VERSION__;
#else
  return "unknown";
#endif
}

// __cplusplus is the year and month of the standard: 202002 is C++20.
std::string standard() { return "C++" + std::to_string(__cplusplus / 100 % 100); }

nb::dict build_info() {
  nb::list sets;
  for (std::string_view name : unrolled::instruction_sets()) sets.append(nb::str(name.data(), name.size()));
  nb::dict info;
  info["compiler"] = compiler().c_str();
  info["standard"] = standard().c_str();
  info["instruction_sets"] = sets;
  return info;
}

}  // namespace

NB_MODULE(_native, module) {
  module.def("build_info", &build_info,
             "How this extension was built, and the instruction sets this machine can run, best first.");
  bind_executor(module);
  bind_kernels(module);
  bind_masks(module);
  bind_memory(module);
  bind_stream(module);
}
