#include "core/parallel.h"

#include <exception>
#include <thread>
#include <vector>

namespace greenroom::core {

void run_in_parallel(std::size_t count, const std::function<void(std::size_t index)>& act) {
  std::vector<std::jthread> threads;
  threads.reserve(count);
  std::size_t next = 0;
  try {
    for (; next + 1 < count; ++next) threads.emplace_back(act, next);
  } catch (const std::exception&) {  // no more threads, or no memory for one
  }
  for (; next < count; ++next) act(next);
}

}  // namespace greenroom::core
