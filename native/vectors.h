// Names for the vectors of the instruction set that this file is compiled for (UNROLLED_ISA), loads and
// stores.
//
// What stands here and in the headers built on it is compiled once for every instruction set, so it may not
// use inline functions of the standard library: the linker keeps one copy of those, perhaps the one that this
// machine cannot run.
#pragma once

#include <cstdint>

#define UNROLLED_INLINE inline __attribute__((always_inline))
#define UNROLLED_LAMBDA __attribute__((always_inline))

namespace unrolled::UNROLLED_ISA {

template <class T>
using V = typename Vector<T>::Values;
template <class T>
using Bits = typename Vector<T>::Bits;
// What a comparison gives: all bits or none.
template <class T>
using Mask = decltype(V<T>{} < V<T>{});

template <class T>
constexpr int kLanes = Vector<T>::lanes;

template <class T>
UNROLLED_INLINE V<T> load(const T* from) {
  V<T> v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <class T>
UNROLLED_INLINE void store(T* to, V<T> v) {
  __builtin_memcpy(to, &v, sizeof v);
}

// Subtracting zero keeps the sign of -0.
template <class T>
UNROLLED_INLINE V<T> fill(T value) {
  return value - V<T>{};
}

template <class T>
UNROLLED_INLINE Bits<T> bits(V<T> v) {
  return (Bits<T>)v;
}

// The first `count` entries, then `rest`.
template <class T>
UNROLLED_INLINE V<T> load_part(const T* from, std::int64_t count, T rest) {
  if (count >= kLanes<T>) return load(from);
  T whole[kLanes<T>];
  for (int i = 0; i < kLanes<T>; ++i) whole[i] = i < count ? from[i] : rest;
  return load(whole);
}

template <class T>
UNROLLED_INLINE void store_part(T* to, V<T> v, std::int64_t count) {
  if (count >= kLanes<T>) return store(to, v);
  T whole[kLanes<T>];
  store(whole, v);
  for (int i = 0; i < count; ++i) to[i] = whole[i];
}

}  // namespace unrolled::UNROLLED_ISA
