// What a worker process costs a request: the same fake model (no computing) run through the engine's manager,
// in this process and in a worker, by turns. And how long it takes from the death of a worker to the next
// answer.
//
//   greenroom_worker_bench WORKER_PROGRAM DEMO_FOLDER [REQUESTS]
//
// WORKER_PROGRAM: build/default/bin/greenroom_test_worker; DEMO_FOLDER: written by `greenroom demo-models`.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "worker/fake_models.h"
#include "worker/remote_library.h"
#include "worker/workers.h"

namespace {

using namespace greenroom;
using Clock = std::chrono::steady_clock;

class Access final : public core::StageAccess {
 public:
  explicit Access(const std::vector<std::shared_ptr<core::LoadedComponent>>& components)
      : components_(components) {}
  std::unique_ptr<core::PinnedStage> pin(std::size_t, const core::WorkspaceNeed&) override {
    return std::make_unique<Pinned>(components_);
  }

 private:
  class Pinned final : public core::PinnedStage {
   public:
    explicit Pinned(const std::vector<std::shared_ptr<core::LoadedComponent>>& components)
        : components_(components) {}
    core::LoadedComponent& component(std::size_t index) override { return *components_.at(index); }

   private:
    const std::vector<std::shared_ptr<core::LoadedComponent>>& components_;
  };
  const std::vector<std::shared_ptr<core::LoadedComponent>>& components_;
};

std::vector<std::shared_ptr<core::LoadedComponent>> load(const core::Model& model) {
  std::vector<std::shared_ptr<core::LoadedComponent>> loaded;
  for (std::size_t i = 0; i < model.components().size(); ++i)
    loaded.push_back(model.load_component(i, {}, {}));
  return loaded;
}

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: greenroom_worker_bench WORKER_PROGRAM DEMO_FOLDER [REQUESTS]\n");
    return 2;
  }
  const std::filesystem::path folder = argv[2];
  const int requests = argc > 3 ? std::stoi(argv[3]) : 2000;
  const base::SystemClock clock;
  worker::WorkersOptions options;
  options.launch = {argv[1], {"worker"}, GREENROOM_VERSION};
  worker::Workers workers(options, clock);
  const worker::RemoteLibrary remote(workers);
  const test::FakeLibrary local;
  const auto description = models::ddsp_svc::describe(folder / "alto", folder / "pretrain");
  const auto here = local.make_ddsp_svc(description);
  const auto there = remote.make_ddsp_svc(description);
  const auto loaded_here = load(*here);
  auto loaded_there = load(*there);
  for (const double seconds : {0.001, 10.0, 300.0}) {
    constexpr int kRate = 44100;
    const audio::Buffer input{std::vector<float>(static_cast<std::size_t>(seconds * kRate), 0.5F), kRate};
    const int turns = seconds > 1 ? std::max(20, requests / 20) : requests;
    std::vector<double> in_process, in_worker;
    for (int turn = 0; turn < turns; ++turn) {
      const auto run = [&](const models::ConversionModel& model, const auto& loaded,
                           std::vector<double>& times) {
        Access access(loaded);
        const auto start = Clock::now();
        model.convert(access, {}, input, {}, {});
        times.push_back(microseconds_since(start));
      };
      run(*here, loaded_here, in_process);
      run(*there, loaded_there, in_worker);
    }
    fmt::print(
        "{:7.3f} s of audio, {:4} requests: in this process p50 {:8.1f} us, p99 {:8.1f} us; "
        "in a worker p50 {:8.1f} us, p99 {:8.1f} us\n",
        seconds, turns, percentile(in_process, 0.5), percentile(in_process, 0.99), percentile(in_worker, 0.5),
        percentile(in_worker, 0.99));
  }
  std::vector<double> restarts;
  constexpr int kRestarts = 20;
  const audio::Buffer input{{1, 2, 3}, 44100};
  for (int turn = 0; turn < kRestarts; ++turn) {
    const auto start = Clock::now();
    ::kill(workers.list().at(0).pid, SIGKILL);
    while (!loaded_there.front()->is_lost()) std::this_thread::yield();
    loaded_there = load(*there);
    Access access(loaded_there);
    there->convert(access, {}, input, {}, {});
    restarts.push_back(microseconds_since(start) / 1000);
  }
  fmt::print(
      "from kill -9 to the next answer, loads of {} components included: p50 {:.1f} ms, worst {:.1f} ms\n",
      loaded_there.size(), percentile(restarts, 0.5), percentile(restarts, 1));
}
