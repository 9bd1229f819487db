// Random operations on one to four budgeted devices by sixteen threads: at every look the ledger equals what
// is resident, no budget is exceeded, nothing pinned has gone, and in the end everything is zero.
#include <algorithm>
#include <barrier>
#include <cstdlib>
#include <deque>
#include <random>

#include "core/simulated_host.h"
#include "manager_fixture.h"

namespace greenroom::core {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kOperations = 20'000;  // of one seed, all threads together
#else
constexpr int kOperations = 250'000;
#endif
// $GREENROOM_PROPERTY_OPERATIONS: of one seed, for a longer run.
int operations() {
  const char* wanted = std::getenv("GREENROOM_PROPERTY_OPERATIONS");
  return wanted != nullptr ? std::max(1000, std::atoi(wanted)) : kOperations;
}

constexpr int kThreads = 16;
constexpr int kRounds = 25;
constexpr std::uint64_t kBudget = 1000;

// Time that passes a little with every sleep, so that waits end without anybody sleeping.
class QuickClock final : public base::Clock {
 public:
  TimePoint now() const override { return TimePoint(std::chrono::nanoseconds(now_ns_.fetch_add(1'000'000))); }
  void sleep_for(std::chrono::nanoseconds duration) const override { now_ns_ += duration.count(); }

 private:
  mutable std::atomic<std::int64_t> now_ns_{1};
};

// Weights without files; a pinned one that is read must be whole.
class PropertyModel final : public Model {
 public:
  explicit PropertyModel(std::vector<ComponentSpec> specs) : specs_(std::move(specs)) {
    for (std::size_t i = 0; i < specs_.size(); ++i) stages_.push_back({"stage", {i}});
  }
  std::string type() const override { return "property"; }
  const std::vector<ComponentSpec>& components() const override { return specs_; }
  const std::vector<Stage>& stages() const override { return stages_; }
  std::shared_ptr<LoadedComponent> load_component(std::size_t, base::DeviceId,
                                                  const LoadControl&) const override {
    throw base::Error(base::ErrorCode::kInternal, "loads go through the simulated host");
  }

 private:
  std::vector<ComponentSpec> specs_;
  std::vector<Stage> stages_;
};

struct Setting {
  int devices = 1;
  unsigned seed = 1;
  EvictionPolicy policy = EvictionPolicy::kCost;
};

class ManagerPropertyTest : public ::testing::TestWithParam<Setting> {
 protected:
  ManagerPropertyTest() {
    std::mt19937 random(GetParam().seed);
    std::vector<DeviceBudget> budgets;
    for (int i = 0; i < GetParam().devices; ++i) {
      const base::DeviceId device{base::DeviceKind::kCuda, i};
      auto host = std::make_shared<SimulatedHost>(
          SimulatedHost::Options{.total_bytes = kBudget + 300, .context_bytes = 100}, clock_);
      host->set_before_load([this](const ComponentSpec&) {
        std::this_thread::yield();
        if (turn_++ % 41 == 0) throw base::Error(base::ErrorCode::kDataLoss, "one in forty-one");
      });
      hosts_.push_back(host);
      devices_.push_back(device);
      budgets.push_back({device, kBudget, 1, host});
    }
    std::vector<ComponentSpec> specs;
    for (int i = 0; i < 14; ++i) specs.push_back({"part" + std::to_string(i), {}, "", 20 + random() % 180});
    for (int i = 0; i < 12; ++i) {
      std::vector<ComponentSpec> chosen;
      for (int count = 1 + static_cast<int>(random() % 4); count > 0; --count) {
        chosen.push_back(specs[random() % specs.size()]);
      }
      models_.push_back(std::make_shared<PropertyModel>(chosen));
    }
    manager_ = std::make_unique<Manager>(
        budgets, clock_, nullptr,
        ManagerOptions{.policy = GetParam().policy, .min_residence = {}, .host_tier_bytes = 700});
  }

  base::DeviceId device_of(std::size_t model) const { return devices_[model % devices_.size()]; }

  // Errors of the expected kinds are part of the game.
  void step(std::mt19937& random, std::deque<Lease>& leases) {
    const std::size_t number = random() % models_.size();
    try {
      operate(random, number, leases);
    } catch (const base::Error& error) {
      ASSERT_NE(error.code(), base::ErrorCode::kInternal) << error.what();
      ASSERT_NE(error.code(), base::ErrorCode::kInvalidArgument) << error.what();
    }
    while (leases.size() > random() % 4) leases.pop_front();
  }

  void operate(std::mt19937& random, std::size_t number, std::deque<Lease>& leases) {
    const std::string id = "model" + std::to_string(number);
    const base::DeviceId device = device_of(number);
    switch (random() % 20) {
      case 0:
      case 1:
      case 2:
        manager_->load(id, models_[number], device);
        break;
      case 3:
      case 4:
        manager_->preload(id, models_[number], device);
        break;
      case 5:
      case 6:
        manager_->unload(id);
        break;
      case 7:
      case 8:
        manager_->unload(id, UnloadMode::kKeep);
        break;
      case 9:
        manager_->unload(id, UnloadMode::kForce);
        break;
      case 10:
        manager_->cancel_load(id);
        break;
      case 11:
        if (random() % 8 == 0) manager_->trim(device);
        break;
      case 12:
        if (random() % 8 == 0) manager_->sweep(std::chrono::milliseconds(random() % 10'000));
        break;
      case 13:
        manager_->configure(id, {.pin = random() % 8 == 0});
        break;
      case 14:
        manager_->plan({{id, models_[number]}}, device, random() % 100);
        break;
      case 15:
        manager_->relieve(device, random() % 200, "pressure");
        break;
      default:
        leases.push_back(manager_->lease(id, random() % 2 == 0 ? 0 : kAllStages, random() % 60));
        ASSERT_GT(leases.back().component(0).bytes(), 0u) << "pinned, so it is there";
    }
  }

  // Nobody is inside the manager now.
  void check_at_rest() {
    std::uint64_t workspace = 0;
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      const auto all = manager_->memory();
      const DeviceMemory& memory = all[i];
      std::uint64_t resident = 0;
      for (const ComponentInfo& component : memory.components) {
        ASSERT_EQ(component.state, ComponentState::kResident);
        resident += component.bytes;
      }
      ASSERT_EQ(memory.totals.resident, resident);
      ASSERT_EQ(memory.totals.resident, hosts_[i]->live_bytes());
      ASSERT_EQ(memory.totals.reserved, 0u);
      ASSERT_LE(memory.totals.used(), kBudget);
      workspace += memory.totals.workspace;
    }
    ASSERT_EQ(workspace, leased_workspace_.exchange(0));
    const HostMemory images = manager_->host_memory();
    std::uint64_t kept = 0;
    for (const ImageInfo& image : images.images) kept += image.bytes;
    ASSERT_EQ(images.totals.resident, kept);
    ASSERT_EQ(images.totals.reserved, 0u);
    ASSERT_LE(images.totals.used(), 700u);
  }

  QuickClock clock_;
  std::atomic<unsigned> turn_{1};
  std::atomic<std::uint64_t> leased_workspace_{0};  // summed up by the threads when they come to rest
  std::vector<base::DeviceId> devices_;
  std::vector<std::shared_ptr<SimulatedHost>> hosts_;
  std::vector<std::shared_ptr<PropertyModel>> models_;
  std::unique_ptr<Manager> manager_;
};

TEST_P(ManagerPropertyTest, TheLedgerIsAlwaysRightAndZeroInTheEnd) {
  std::barrier rest(kThreads, [this]() noexcept { check_at_rest(); });
  const int of_a_thread = operations() / kThreads;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(GetParam().seed * 1000 + t);
        std::deque<Lease> leases;
        for (int i = 0; i < of_a_thread; ++i) {
          step(random, leases);
          for (const auto& host : hosts_) EXPECT_LE(host->live_bytes(), kBudget);
          if ((i + 1) % (of_a_thread / kRounds) != 0) continue;
          for (const Lease& lease : leases) leased_workspace_ += lease.workspace_bytes();
          rest.arrive_and_wait();
        }
      });
    }
  }
  for (const auto& host : hosts_) {
    EXPECT_LE(host->peak_bytes(), kBudget);
    EXPECT_GT(host->peak_bytes(), kBudget / 2) << "the budget was never under pressure";
    EXPECT_GT(host->promoted_bytes(), 0u) << "nothing ever came back from host memory";
  }
  for (std::size_t i = 0; i < models_.size(); ++i) manager_->configure("model" + std::to_string(i), {});
  for (const ModelInfo& model : manager_->list()) manager_->unload(model.id, UnloadMode::kForce);
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    manager_->trim(devices_[i]);
    EXPECT_EQ(hosts_[i]->live_bytes(), 0u);
  }
  for (const DeviceMemory& memory : manager_->memory()) EXPECT_EQ(memory.totals.used(), 0u);
  EXPECT_TRUE(manager_->list().empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, ManagerPropertyTest,
                         ::testing::Values(Setting{1, 11, EvictionPolicy::kCost},
                                           Setting{2, 12, EvictionPolicy::kLru},
                                           Setting{3, 13, EvictionPolicy::kCost},
                                           Setting{4, 14, EvictionPolicy::kLru}));

// Each step of a load made to fail in turn: the invariants stay whole, and the load can be tried again.
class ManagerFaultTest : public ManagerFixture {};

TEST_F(ManagerFaultTest, EveryReadMadeToFailInTurnLeavesNothing) {
  for (const bool as_out_of_memory : {false, true}) {
    for (int failing = 0; failing < 4; ++failing) {
      std::vector<test::FakePart> parts;
      for (int i = 0; i < 4; ++i) {
        parts.push_back(part("part" + std::to_string(i), 50));
        if (i != failing) continue;
        parts.back().on_load = [&](const LoadControl&) {
          if (as_out_of_memory) throw std::bad_alloc();
          throw base::Error(base::ErrorCode::kDataLoss, "the disk says no");
        };
      }
      const auto failed = caught([&] { manager_.load("alice", model(parts), kCpu); });
      EXPECT_EQ(failed.code,
                as_out_of_memory ? base::ErrorCode::kResourceExhausted : base::ErrorCode::kDataLoss);
      expect_nothing_left();
      for (auto& each : parts) each.on_load = {};
      manager_.load("alice", model(parts), kCpu);
      EXPECT_EQ(totals().resident, 200u);
      manager_.unload("alice");
      expect_nothing_left();
    }
  }
}

TEST_F(ManagerFaultTest, ADeviceThatRefusesAnAllocationItReportedAsFreeLeavesTheBooksRight) {
  auto host = std::make_shared<SimulatedHost>(SimulatedHost::Options{.total_bytes = 1000}, clock_);
  Manager manager({{kGpu, 1000, 1, host}}, clock_, nullptr, {.host_tier_bytes = 1000});
  host->set_fragmented(700);  // a driver counts it as free
  const auto alice = model({part("a", 200), part("b", 200)});
  EXPECT_EQ(caught([&] { manager.load("alice", alice, kGpu); }).code, base::ErrorCode::kResourceExhausted);
  EXPECT_EQ(manager.memory().at(0).totals.used(), 0u);
  EXPECT_EQ(host->live_bytes(), 0u);
  host->set_fragmented(0);
  manager.load("alice", alice, kGpu);
  EXPECT_EQ(host->live_bytes(), 400u);
}

TEST_F(ManagerFaultTest, APromotionThatFailsKeepsTheImageAndLeavesNothingElse) {
  auto host = std::make_shared<SimulatedHost>(SimulatedHost::Options{.total_bytes = 1000}, clock_);
  Manager manager({{kGpu, 1000, 1, host}}, clock_, nullptr, {.host_tier_bytes = 1000});
  const auto alice = model({part("a", 400)});
  manager.preload("alice", alice, kGpu);
  manager.trim(kGpu);
  host->set_before_load(
      [](const ComponentSpec&) { throw base::Error(base::ErrorCode::kUnavailable, "copy failed"); });
  EXPECT_EQ(caught([&] { manager.load("alice", alice, kGpu); }).message, "copy failed");
  EXPECT_EQ(manager.memory().at(0).totals.used(), 0u);
  EXPECT_EQ(manager.host_memory().totals.resident, 400u);
  host->set_before_load({});
  manager.load("alice", alice, kGpu);
  EXPECT_EQ(host->promoted_bytes(), 400u);
}

TEST_F(ManagerFaultTest, ADeviceThatCannotBeReadIsTakenByItsBudget) {
  bool lost = false;
  auto host =
      std::make_shared<InProcessHost>(InProcessHost::Hooks{.read = [&]() -> std::optional<DeviceReading> {
        if (lost) throw base::Error(base::ErrorCode::kUnavailable, "cuda:0: the device is lost");
        return DeviceReading{1000, 100, 0, false};
      }});
  Manager manager({{kGpu, 500, 1, host}}, clock_);
  EXPECT_EQ(caught([&] { manager.load("alice", model({part("a", 200)}), kGpu); }).code,
            base::ErrorCode::kResourceExhausted);
  lost = true;
  manager.load("alice", model({part("a", 200)}), kGpu);
  EXPECT_EQ(manager.memory().at(0).totals.resident, 200u);
}

}  // namespace
}  // namespace greenroom::core
