// What the request queue costs per request, beside a plain lock that lets one in at a time.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/request_queue.h"

namespace greenroom::core {
namespace {

using Nanoseconds = std::chrono::nanoseconds;

constexpr int kModels = 10;

Request make_request(std::uint64_t id, int model) {
  Request request;
  request.id = id;
  request.model = "voice" + std::to_string(model);
  request.door = {
      [] { return true; }, [](const auto&) { return true; }, [](const auto&) {}, {}, [] { return true; }};
  return request;
}

// `client(thread, turn)` goes in and comes out once. Prints the time that takes, as the median and the 99th
// percentile of all, and the time per request of all threads together.
double measure(const char* name, int threads, int turns,
               const std::function<void(int thread, int turn)>& client) {
  std::vector<std::vector<std::int64_t>> times(static_cast<std::size_t>(threads));
  const auto started = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        auto& mine = times[static_cast<std::size_t>(t)];
        mine.reserve(static_cast<std::size_t>(turns));
        for (int i = 0; i < turns; ++i) {
          const auto before = std::chrono::steady_clock::now();
          client(t, i);
          mine.push_back(Nanoseconds(std::chrono::steady_clock::now() - before).count());
        }
      });
    }
  }
  const std::chrono::duration<double, std::micro> elapsed = std::chrono::steady_clock::now() - started;
  std::vector<std::int64_t> all;
  for (const auto& part : times) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    return static_cast<double>(all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))]) /
           1000;
  };
  const double each = elapsed.count() / (threads * static_cast<double>(turns));
  fmt::print("{:<28} {:>2} threads: p50 {:8.2f} us, p99 {:9.2f} us, {:7.2f} us per request\n", name, threads,
             at(0.5), at(0.99), each);
  return each;
}

void run(int threads, int turns) {
  std::mutex plain;
  const double alternative =
      measure("std::mutex", threads, turns, [&](int, int) { const std::lock_guard lock(plain); });
  const base::SystemClock clock;
  RequestQueue queue("bench", clock, {.capacity = 1000});
  std::atomic<std::uint64_t> ids = 0;
  const double ours = measure("RequestQueue", threads, turns, [&](int thread, int turn) {
    const auto place = queue.enter(make_request(++ids, (thread + turn) % kModels));
  });
  fmt::print("ratio {:.0f}\n", ours / alternative);
}

}  // namespace
}  // namespace greenroom::core

int main() {
  for (const int threads : {1, 2, 8, 64}) greenroom::core::run(threads, 64000 / threads);
  return 0;
}
