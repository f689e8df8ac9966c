// The table of kernels of one instruction set. The file that includes this has defined UNROLLED_ISA and
// Vector.
#pragma once

#include "elementwise.h"
#include "full_rows.h"
#include "gemm.h"

#define UNROLLED_NAME_OF(name) #name
#define UNROLLED_NAME(name) UNROLLED_NAME_OF(name)

namespace unrolled::UNROLLED_ISA {

template <class T>
constexpr Kernels<T> table() {
  return {UNROLLED_NAME(UNROLLED_ISA),
          kLanes<T>,
          elementwise<T>,
          gemm<T>,
          layer_norm<T>,
          dlayer_norm<T>,
          softmax<T>,
          dsoftmax<T>,
          column_sum<T>,
          multiply_adds<T>};
}

extern const Kernels<float> float_kernels;
extern const Kernels<double> double_kernels;
constinit const Kernels<float> float_kernels = table<float>();
constinit const Kernels<double> double_kernels = table<double>();

}  // namespace unrolled::UNROLLED_ISA
