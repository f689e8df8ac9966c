// What the processor that runs us can do. Knows no Python.
#pragma once

#include <string_view>
#include <vector>

namespace unrolled {

// The instruction sets this machine can run and we have code paths for, best first.
// "portable" is always there and always last.
std::vector<std::string_view> instruction_sets();

}  // namespace unrolled
