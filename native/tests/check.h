// What a test needs and no more: TEST registers a function, CHECK counts what does not hold and says where.
#pragma once

#include <cstdio>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*body)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

inline int failures = 0;

inline bool add(const char* name, void (*body)()) {
  tests().push_back({name, body});
  return true;
}

inline void expect(bool holds, const char* what, const char* file, int line) {
  if (holds) return;
  if (++failures <= 20) std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
}

}  // namespace check

#define TEST(name)                                             \
  static void name();                                          \
  static const bool name##_is_known = check::add(#name, name); \
  static void name()
#define CHECK(condition) check::expect(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
