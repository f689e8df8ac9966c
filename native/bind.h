// The parts of the Python module, each in a file of its own.
#pragma once

#include <nanobind/nanobind.h>

void bind_executor(nanobind::module_& module);
void bind_masks(nanobind::module_& module);
void bind_memory(nanobind::module_& module);
void bind_kernels(nanobind::module_& module);
void bind_stream(nanobind::module_& module);
