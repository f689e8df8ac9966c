// What the files that hand programs to Python share.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "executor.h"

using Numbers = std::vector<std::int64_t>;

struct ProgramHandle {
  unrolled::Program program;
};

template <class P>
P at(std::int64_t address) {
  return reinterpret_cast<P>(static_cast<std::uintptr_t>(address));
}

inline void must_be(const Numbers& numbers, std::size_t size) {
  if (numbers.size() != size) throw std::runtime_error("the call does not fit the program");
}

// The lists hold, for each entry: rings initial, final, start, collect; matrices address, row, column step.
template <class T>
void read_tensors(unrolled::Call<T>& call, const Numbers& buffers, const Numbers& rings, const Numbers& matrices,
                  const Numbers& tables) {
  must_be(rings, 4 * buffers.size());
  must_be(matrices, 3 * tables.size());
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    call.buffers.push_back(at<T*>(buffers[i]));
    const std::int64_t* ring = &rings[4 * i];
    call.rings.push_back({at<const T*>(ring[0]), at<T*>(ring[1]), at<const T*>(ring[2]), at<T*>(ring[3])});
  }
  for (std::size_t i = 0; i < tables.size(); ++i) {
    call.matrices.push_back({at<const T*>(matrices[3 * i]), matrices[3 * i + 1], matrices[3 * i + 2]});
    call.tables.push_back(at<const T*>(tables[i]));
  }
}
