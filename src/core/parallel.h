// A few things done side by side.
#pragma once

#include <cstddef>
#include <functional>

namespace greenroom::core {

// Calls act(0) to act(count - 1), each once, on a thread each (the last in the caller's), and returns when
// all have. Where the system has no more threads (or memory), the rest is done one after the other. `act`
// does not throw.
void run_in_parallel(std::size_t count, const std::function<void(std::size_t index)>& act);

}  // namespace greenroom::core
