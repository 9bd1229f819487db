// The manager beside the alternative it replaces, and its eviction policies beside each other and the
// optimum. `manager_bench` prints one table; figures with the machine they were taken on are in
// docs/benchmarks.md.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "core/simulation.h"

namespace {

using namespace greenroom;
using core::Manager;
using Clock = std::chrono::steady_clock;

const base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Weights final : public core::LoadedComponent {
 public:
  explicit Weights(std::uint64_t bytes) : bytes_(bytes) {}
  std::uint64_t bytes() const override { return bytes_; }

 private:
  std::uint64_t bytes_;
};

// Four components, three of them common to all voices; a load takes `load_time`.
class Voice final : public core::Model {
 public:
  Voice(int number, std::chrono::microseconds load_time)
      : load_time_(load_time), stages_{{"run", {0, 1, 2, 3}}} {
    constexpr std::uint64_t kMiB = 1 << 20;
    specs_ = {{"encoder", {}, "f32", 360 * kMiB},
              {"pitch", {}, "f32", 180 * kMiB},
              {"vocoder", {}, "f32", 60 * kMiB},
              {"voice" + std::to_string(number), {}, "f32", 200 * kMiB}};
  }
  std::string type() const override { return "bench"; }
  const std::vector<core::ComponentSpec>& components() const override { return specs_; }
  const std::vector<core::Stage>& stages() const override { return stages_; }
  std::shared_ptr<core::LoadedComponent> load_component(std::size_t index, base::DeviceId,
                                                        const core::LoadControl&) const override {
    if (load_time_.count() > 0) std::this_thread::sleep_for(load_time_);
    return std::make_shared<Weights>(specs_[index].bytes);
  }

 private:
  std::chrono::microseconds load_time_;
  std::vector<core::ComponentSpec> specs_;
  std::vector<core::Stage> stages_;
};

// What the original application does: one lock over a map, held while a model is loaded.
class MapManager {
 public:
  void load(const std::string& id, std::chrono::microseconds load_time) {
    const std::lock_guard lock(mutex_);
    std::this_thread::sleep_for(load_time);
    models_[id] = {};
  }
  bool acquire(const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto found = models_.find(id);
    if (found == models_.end()) return false;
    ++found->second.references;
    found->second.last_used = Clock::now();
    return true;
  }
  void release(const std::string& id) {
    const std::lock_guard lock(mutex_);
    --models_[id].references;
  }

 private:
  struct Model {
    int references = 0;
    Clock::time_point last_used;
  };
  std::mutex mutex_;
  std::map<std::string, Model> models_;
};

template <typename Operation>
double nanoseconds_each(int threads, const Operation& operation) {
  constexpr int kRounds = 200'000;
  const auto start = Clock::now();
  {
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&operation] {
        for (int i = 0; i < kRounds; ++i) operation();
      });
    }
  }
  return seconds_since(start) * 1e9 / kRounds / threads;
}

void bench_leases() {
  base::SystemClock clock;
  Manager manager({{kGpu, 8ull << 30}}, clock);
  manager.load("alice", std::make_shared<Voice>(1, std::chrono::microseconds(0)), kGpu);
  MapManager map;
  map.load("alice", std::chrono::microseconds(0));
  constexpr int kTurns = 15;  // in turn, the best of each: what else the machine does comes and goes
  for (const int threads : {1, 2}) {
    double ours = 1e9, theirs = 1e9;
    for (int turn = 0; turn < kTurns; ++turn) {
      ours = std::min(ours, nanoseconds_each(threads, [&] { const auto lease = manager.lease("alice", 0); }));
      theirs = std::min(theirs, nanoseconds_each(threads, [&] {
                          map.acquire("alice");
                          map.release("alice");
                        }));
    }
    fmt::print("lease and release, {} thread(s): {:.0f} ns; mutex and map: {:.0f} ns; ratio {:.2f}\n",
               threads, ours, theirs, ours / theirs);
  }
}

// How long somebody waits for a model that is there while another is being loaded.
void bench_first_lease() {
  constexpr std::chrono::milliseconds kLoad{100};  // of each of four components
  base::SystemClock clock;
  Manager manager({{kGpu, 8ull << 30}}, clock);
  manager.load("alice", std::make_shared<Voice>(1, std::chrono::microseconds(0)), kGpu);
  MapManager map;
  map.load("alice", std::chrono::microseconds(0));
  const auto measure = [](const auto& load, const auto& lease) {
    std::jthread loading(load);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto start = Clock::now();
    lease();
    return seconds_since(start);
  };
  const auto bob =
      std::make_shared<Voice>(2, std::chrono::duration_cast<std::chrono::microseconds>(4 * kLoad));
  const double ours =
      measure([&] { manager.load("bob", bob, kGpu); }, [&] { const auto lease = manager.lease("alice", 0); });
  const double theirs = measure([&] { map.load("bob", 4 * kLoad); }, [&] { map.acquire("alice"); });
  fmt::print(
      "first lease of a resident model while another loads for 0.4 s: {:.1f} us; mutex and map: {:.1f} ms\n",
      ours * 1e6, theirs * 1e3);
}

void bench_policies() {
  fmt::print("{:<10} {:>12} {:>12} {:>12} {:>8} {:>8}  (bytes loaded from disk)\n", "trace", "cost", "lru",
             "optimum", "cost/opt", "lru/opt");
  for (const auto shape : {core::TraceShape::kZipf, core::TraceShape::kDayNight, core::TraceShape::kScan}) {
    const core::Trace trace = core::make_trace({.shape = shape});
    constexpr std::uint64_t kBudget = 4ull << 30;
    std::map<core::EvictionPolicy, double> loaded;
    for (const auto policy : {core::EvictionPolicy::kCost, core::EvictionPolicy::kLru}) {
      core::SimulationOptions options;
      options.devices = {{kGpu, kBudget}};
      options.manager.policy = policy;
      options.idle_timeout = std::chrono::hours(10'000);
      loaded[policy] = static_cast<double>(core::simulate(trace, options).loaded_bytes);
    }
    const auto optimum = static_cast<double>(core::clairvoyant_bytes(trace, kBudget));
    const double cost = loaded[core::EvictionPolicy::kCost];
    const double lru = loaded[core::EvictionPolicy::kLru];
    const auto text = [](double bytes) { return base::format_bytes(static_cast<std::uint64_t>(bytes)); };
    fmt::print("{:<10} {:>12} {:>12} {:>12} {:>8.2f} {:>8.2f}\n", core::trace_shape_name(shape), text(cost),
               text(lru), text(optimum), cost / optimum, lru / optimum);
  }
}

// 200 voices on a budget for ten: ten thousand requests by eight clients.
void bench_voices() {
  constexpr int kVoices = 200;
  constexpr int kClients = 8;
  constexpr int kRequests = 10'000;
  constexpr std::uint64_t kMiB = 1 << 20;
  constexpr std::uint64_t kBudget = (600 + 10 * 200 + kClients * 20) * kMiB;
  base::SystemClock clock;
  core::ManagerOptions options;
  options.min_residence = {};
  Manager manager({{kGpu, kBudget}}, clock, nullptr, options);
  std::vector<std::shared_ptr<const core::Model>> voices;
  std::vector<double> sums;
  for (int i = 0; i < kVoices; ++i) {
    voices.push_back(std::make_shared<Voice>(i, std::chrono::microseconds(20)));
    sums.push_back((sums.empty() ? 0 : sums.back()) + 1.0 / (i + 1));
  }
  std::atomic<int> next{0}, hits{0}, errors{0}, breaches{0};
  const auto start = Clock::now();
  {
    std::vector<std::jthread> clients;
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back([&, client] {
        std::mt19937_64 random(client);
        std::uniform_real_distribution<double> uniform(0, sums.back());
        while (next++ < kRequests) {
          const auto voice = std::upper_bound(sums.begin(), sums.end() - 1, uniform(random)) - sums.begin();
          const std::string id = std::to_string(voice);
          try {
            if (manager.model_status(id) == core::ModelStatus::kLoaded) ++hits;
            manager.load(id, voices[voice], kGpu);
            { const auto lease = manager.lease(id, 0, 20 * kMiB); }
            manager.unload(id, core::UnloadMode::kKeep);
          } catch (const base::Error& error) {
            ++errors;
            fmt::print(stderr, "{}\n", error.what());
          }
          if (manager.memory().at(0).totals.used() > kBudget) ++breaches;
        }
      });
    }
  }
  const double took = seconds_since(start);
  for (const auto& model : manager.list()) manager.unload(model.id, core::UnloadMode::kForce);
  manager.trim(kGpu);
  fmt::print(
      "200 voices, room for 10, {} Zipf requests by {} clients: {:.0f} requests/s, {:.1f} % there already, "
      "{} errors, {} breaches, {} left at the end\n",
      kRequests, kClients, kRequests / took, 100.0 * hits / kRequests, errors.load(), breaches.load(),
      base::format_bytes(manager.memory().at(0).totals.used()));
}

}  // namespace

int main() {
  bench_leases();
  bench_first_lease();
  bench_policies();
  bench_voices();
  return 0;
}
