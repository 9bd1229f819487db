// Many threads do random things; the ledger has to be right at every moment we can look at, and empty at the
// end.
#include <barrier>
#include <deque>
#include <random>

#include "manager_fixture.h"

namespace greenroom::core {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kOperationsPerThread = 500;
#else
constexpr int kOperationsPerThread = 2500;
#endif
constexpr int kThreads = 8;
constexpr int kRounds = 10;
constexpr std::uint64_t kCapacity = 1000;

class ManagerRandomTest : public ::testing::TestWithParam<unsigned> {
 protected:
  ManagerRandomTest() {
    std::mt19937 random(GetParam());
    std::vector<test::FakePart> parts;
    for (int i = 0; i < 12; ++i) parts.push_back(make_part(i, 20 + random() % 180));
    for (int i = 0; i < 10; ++i) {
      std::vector<test::FakePart> chosen;
      for (int count = 1 + static_cast<int>(random() % 4); count > 0; --count) {
        chosen.push_back(parts[random() % parts.size()]);
      }
      models_.push_back(std::make_shared<test::FakeModel>(heap_, chosen));
    }
  }

  // Fails now and then, gives way to other threads, and sometimes needs less than announced.
  test::FakePart make_part(int number, std::uint64_t bytes) {
    const std::string name = "part" + std::to_string(number);
    test::FakePart part{.kind = name, .file = files_.write(name, name), .bytes = bytes};
    if (number % 3 == 0) part.actual_bytes = bytes - 7;
    part.on_load = [this](const LoadControl& control) {
      std::this_thread::yield();
      const unsigned turn = turn_++;
      if (turn % 31 == 0) throw base::Error(base::ErrorCode::kDataLoss, "one in thirty-one");
      if (turn % 5 == 0) control.progress(1, 2);
      if (*control.cancelled) throw base::Error(base::ErrorCode::kCancelled, "cancelled");
    };
    part.on_free = [] { std::this_thread::yield(); };
    return part;
  }

  // One random operation. Errors of the expected kinds are part of the game.
  void step(std::mt19937& random, std::deque<Lease>& leases) {
    const std::size_t number = random() % models_.size();
    const std::string id = "model" + std::to_string(number);
    try {
      switch (random() % 16) {
        case 0:
        case 1:
        case 2:
        case 3:
          manager_.load(id, models_[number], kCpu);
          break;
        case 4:
        case 5:
          manager_.unload(id);
          break;
        case 6:
        case 7:
          manager_.unload(id, UnloadMode::kKeep);
          break;
        case 8:
          manager_.unload(id, UnloadMode::kForce);
          break;
        case 9:
          manager_.cancel_load(id);
          break;
        case 10:
          if (random() % 8 == 0) manager_.trim(kCpu);
          break;
        case 11: {
          auto run = manager_.start_run(id);
          for (std::size_t stage = 0; stage < run.model().stages().size(); ++stage)
            run.pin(stage, random() % 50);
          break;
        }
        default:
          leases.push_back(manager_.lease(id, random() % 2 == 0 ? 0 : kAllStages, random() % 60));
          ASSERT_GT(leases.back().component(leases.back().model().stages()[0].components[0]).bytes(), 0u);
      }
    } catch (const base::Error& error) {
      ASSERT_NE(error.code(), base::ErrorCode::kInternal) << error.what();
      ASSERT_NE(error.code(), base::ErrorCode::kInvalidArgument) << error.what();
    }
    while (leases.size() > random() % 4) leases.pop_front();
  }

  // Nobody is inside the manager now.
  void check_at_rest() {
    const DeviceMemory memory = manager_.memory().at(0);
    std::uint64_t resident = 0;
    for (const ComponentInfo& component : memory.components) {
      EXPECT_EQ(component.state, ComponentState::kResident);
      resident += component.bytes;
    }
    EXPECT_EQ(memory.totals.resident, resident);
    EXPECT_EQ(memory.totals.resident, heap_->live());
    EXPECT_EQ(memory.totals.reserved, 0u);
    EXPECT_EQ(memory.totals.workspace, leased_workspace_.exchange(0));
    EXPECT_LE(memory.totals.used(), kCapacity);
    for (const ModelInfo& model : manager_.list()) {
      EXPECT_NE(model.status, ModelStatus::kLoading);
      EXPECT_EQ(model.status == ModelStatus::kUnloading, model.components.empty() && model.error.empty());
    }
  }

  test::TempDir files_;
  std::shared_ptr<test::FakeHeap> heap_ = std::make_shared<test::FakeHeap>();
  std::atomic<unsigned> turn_{1};
  std::atomic<std::uint64_t> leased_workspace_{0};  // summed up by the threads when they come to rest
  std::vector<std::shared_ptr<test::FakeModel>> models_;
  base::SystemClock clock_;
  RecordingSink sink_;
  Manager manager_{{{kCpu, kCapacity}}, clock_, &sink_};
};

TEST_P(ManagerRandomTest, TheLedgerIsAlwaysRight) {
  std::barrier rest(kThreads, [this]() noexcept { check_at_rest(); });
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(GetParam() * 1000 + t);
        std::deque<Lease> leases;
        for (int i = 0; i < kOperationsPerThread; ++i) {
          step(random, leases);
          EXPECT_LE(heap_->live(), kCapacity);
          if ((i + 1) % (kOperationsPerThread / kRounds) != 0) continue;
          for (const Lease& lease : leases) leased_workspace_ += lease.workspace_bytes();
          rest.arrive_and_wait();
        }
      });
    }
  }
  check_at_rest();
  EXPECT_LE(heap_->peak(), kCapacity);
  EXPECT_GT(heap_->peak(), kCapacity / 2) << "the budget was never under pressure";

  for (const ModelInfo& model : manager_.list()) manager_.unload(model.id, UnloadMode::kForce);
  manager_.trim(kCpu);
  EXPECT_TRUE(manager_.list().empty());
  EXPECT_EQ(manager_.memory().at(0).totals.used(), 0u);
  EXPECT_EQ(heap_->live(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ManagerRandomTest, ::testing::Values(1u, 2u, 3u, 4u));

}  // namespace
}  // namespace greenroom::core
