// Runs every test, or those whose name contains the word given.
#include <cstring>

#include "check.h"

int main(int count, char** words) {
  int ran = 0;
  for (const check::Test& test : check::tests()) {
    if (count > 1 && !std::strstr(test.name, words[1])) continue;
    const int before = check::failures;
    test.body();
    std::printf("%s %s\n", check::failures == before ? "passed" : "FAILED", test.name);
    ++ran;
  }
  std::printf("%d tests, %d failures\n", ran, check::failures);
  return check::failures > 0 || ran == 0;
}
