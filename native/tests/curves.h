// The functions of one variable, as the standard library computes them in a wider type.
#pragma once

#include <array>
#include <cmath>

#include "kernels.h"

namespace unrolled {

template <class Wide>
struct Curve {
  const char* name;
  Op op;
  Wide (*exact)(Wide);
};

template <class Wide>
Wide exact_sigmoid(Wide x) {
  const Wide e = std::exp(-std::fabs(x));
  return (x < 0 ? e : Wide(1)) / (1 + e);
}

template <class Wide>
Wide exact_softplus(Wide x) {
  return (x < 0 ? Wide(0) : x) + std::log1p(std::exp(-std::fabs(x)));
}

template <class Wide>
constexpr std::array<Curve<Wide>, 5> kCurves = {{{"sigmoid", Op::sigmoid, exact_sigmoid<Wide>},
                                                 {"tanh", Op::tanh, [](Wide x) { return std::tanh(x); }},
                                                 {"exp", Op::exp, [](Wide x) { return std::exp(x); }},
                                                 {"log", Op::log, [](Wide x) { return std::log(x); }},
                                                 {"softplus", Op::softplus, exact_softplus<Wide>}}};

}  // namespace unrolled
