// Every allocation that an operation of the manager makes, made to fail in turn: alone, and with all that
// come after it. Whatever the operation came to, the books are right, nothing pinned has gone, it can be done
// again, and in the end everything is zero. A program of its own, because it replaces operator new.
#include <cstdlib>
#include <new>

#include "core/request_queue.h"
#include "core/task_profiles.h"
#include "manager_fixture.h"

namespace {

thread_local int countdown = 0;  // allocations until one fails; 0: none does
thread_local bool and_all_after = false;
thread_local bool has_failed = false;

}  // namespace

void* operator new(std::size_t size) {
  if (countdown > 0 && --countdown == 0) {
    has_failed = true;
    if (and_all_after) countdown = 1;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t size) {
  return operator new(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace greenroom::core {
namespace {

class IgnoringSink final : public EventSink {
 public:
  void publish(const Event&) override {}
};

// A device of 1000 bytes: alice is held, bob idle, and they share a component.
struct World {
  World() {
    manager.load("alice", alice, kGpu);
    manager.preload("bob", bob, kGpu);
  }

  std::shared_ptr<test::FakeModel> model(std::vector<test::FakePart> parts) const {
    for (test::FakePart& part : parts) part.host = host;
    return std::make_shared<test::FakeModel>(heap, std::move(parts));
  }
  // Of a run of bob or carol; `run_lease` is its pin.
  Request request(const std::string& id) {
    const GroupMember member{id, id == "bob" ? bob : carol, kGpu};
    Request result;
    result.id = ++last_request;
    result.model = id;
    result.door.is_loaded = [this, id] { return manager.model_status(id) == ModelStatus::kLoaded; };
    result.door.fits = [this, member](const std::vector<std::string>& spared) {
      return manager.fits({member}, Manager::Space::kIdle, spared);
    };
    result.door.load = [this, member](const std::function<void()>& admitted) {
      manager.load_on_demand(member, admitted);
    };
    result.door.begin = [this, id] {
      run_lease = manager.lease(id, kAllStages);
      return true;
    };
    return result;
  }

  void check() {
    const DeviceMemory memory = manager.memory().at(0);
    std::uint64_t resident = 0;
    for (const ComponentInfo& component : memory.components) {
      EXPECT_EQ(component.state, ComponentState::kResident) << component.kind;
      resident += component.bytes;
    }
    EXPECT_EQ(memory.totals.resident, resident);
    EXPECT_EQ(memory.totals.resident, heap->live());
    EXPECT_EQ(memory.totals.reserved, 0u);
    EXPECT_EQ(memory.totals.workspace, lease.workspace_bytes());
    const HostMemory images = manager.host_memory();
    std::uint64_t kept = 0;
    for (const ImageInfo& image : images.images) {
      EXPECT_FALSE(image.in_use) << image.kind;
      kept += image.bytes;
    }
    EXPECT_EQ(images.totals.resident, kept);
    EXPECT_EQ(images.totals.resident, host->live());
    EXPECT_EQ(images.totals.reserved, 0u);
    EXPECT_TRUE(queue.wait_until_empty(clock.now())) << queue.stats().waiting << " wait";
    EXPECT_EQ(queue.stats().running, 0);
    for (const TaskStatus& task : tasks.list()) EXPECT_FALSE(task.preloading);
    for (const ModelInfo& info : manager.list()) {
      EXPECT_NE(info.status, ModelStatus::kLoading) << info.id;
      if (info.status != ModelStatus::kLoaded) continue;
      for (const ComponentInfo& part : info.components) {
        const bool keeps = std::count(part.holders.begin(), part.holders.end(), info.id) > 0;
        EXPECT_EQ(keeps, info.holds > 0 || info.leases > 0) << info.id;
      }
    }
    if (is_leased) {
      for (std::size_t i = 0; i < 2; ++i)
        EXPECT_GT(lease.component(i).bytes(), 0u) << "pinned, so it is there";
    }
  }

  void end() {
    lease = {};
    holds.clear();
    tasks.remove_task_profile("duet");
    for (const char* id : {"alice", "bob", "carol"}) manager.configure(id, {});
    for (const ModelInfo& info : manager.list()) manager.unload(info.id, UnloadMode::kForce);
    manager.trim(kGpu);
    EXPECT_EQ(manager.memory().at(0).totals.used(), 0u);
    EXPECT_EQ(heap->live(), 0u);
    EXPECT_TRUE(manager.list().empty());
  }

  std::shared_ptr<test::FakeHeap> heap = std::make_shared<test::FakeHeap>();
  test::FakeClock clock;
  IgnoringSink sink;
  std::shared_ptr<test::FakeHeap> host = std::make_shared<test::FakeHeap>();
  const std::shared_ptr<test::FakeModel> alice = model({{"a", {}, 200}, {"shared", {}, 100}});
  const std::shared_ptr<test::FakeModel> bob = model({{"b", {}, 200}, {"shared", {}, 100}});
  const std::shared_ptr<test::FakeModel> carol = model({{"c", {}, 500}, {"d", {}, 100}});  // in place of bob
  Manager manager{{{kGpu, 1000}},
                  clock,
                  &sink,
                  {.policy = EvictionPolicy::kLru, .min_residence = {}, .host_tier_bytes = 600}};
  std::uint64_t last_request = 0;
  RequestQueue queue{"cuda:0", clock};
  TaskProfiles tasks{manager, clock, [this](const PreloadConfig& config) {
                       const auto id = config.model_path.string();
                       return GroupMember{id, id == "alice" ? alice : id == "bob" ? bob : carol, kGpu};
                     }};
  Lease run_lease;
  Lease lease;
  bool is_leased = false;  // of all of alice
  std::vector<ModelHold> holds;
};

using Act = std::function<void(World&)>;

// `act` with its k-th allocation failing, for every k there is. `again` has to work afterwards.
void fail_each_allocation(const Act& prepare, const Act& act, const Act& again, int at_least = 0) {
  constexpr int kMost = 3000;
  for (const bool all : {false, true}) {
    for (int k = 1;; ++k) {
      ASSERT_LT(k, kMost) << "it never ends";
      World world;
      prepare(world);
      has_failed = false;
      and_all_after = all;
      countdown = k;
      try {
        act(world);
      } catch (const std::bad_alloc&) {
      } catch (const base::Error&) {
      }
      countdown = 0;
      const bool was_reached = has_failed;
      world.check();
      again(world);
      world.check();
      world.end();
      if (testing::Test::HasFailure()) FAIL() << "allocation " << k << (all ? " and all after it" : "");
      if (was_reached) continue;
      EXPECT_GT(k, at_least) << "fewer allocations than such an operation makes";
      break;
    }
  }
}

void nothing(World&) {}

TEST(OutOfMemory, ALoadThatEvicts) {
  const Act load = [](World& world) { world.manager.load("carol", world.carol, kGpu); };
  fail_each_allocation(nothing, load, load, 20);
}

TEST(OutOfMemory, ALoadOfWhatIsThere) {
  const Act load = [](World& world) { world.manager.load("bob", world.bob, kGpu); };
  fail_each_allocation(nothing, load, load);
}

TEST(OutOfMemory, ALoadThatFails) {
  const auto fails = [](World& world) { world.manager.load("big", world.model({{"x", {}, 5000}}), kGpu); };
  fail_each_allocation(nothing, fails, [](World& world) { world.manager.load("carol", world.carol, kGpu); });
}

TEST(OutOfMemory, ALoadWithAHoldOfItsOwn) {
  const Act load = [](World& world) {
    for (ModelHold& hold : world.manager.load_group("a task", {{"carol", world.carol, kGpu}})) {
      world.holds.push_back(std::move(hold));
    }
  };
  fail_each_allocation([](World& world) { world.holds.reserve(4); }, load, load);
  const Act hold = [](World& world) { world.holds = world.manager.hold_loaded({"alice", "bob"}); };
  fail_each_allocation(nothing, hold, hold);
  fail_each_allocation(
      hold, [](World& world) { world.holds.clear(); }, nothing);
}

TEST(OutOfMemory, ALeaseThatEvicts) {
  const Act lease = [](World& world) {
    world.is_leased = false;
    world.lease = {};
    world.lease = world.manager.lease("alice", kAllStages, 600);
    world.is_leased = true;
  };
  fail_each_allocation(nothing, lease, lease);
  fail_each_allocation(
      lease,
      [](World& world) {
        world.is_leased = false;
        world.lease = {};
      },
      nothing);
  // The last lease of a model that goes with it.
  fail_each_allocation(
      [&](World& world) {
        lease(world);
        world.manager.unload("alice");
      },
      [](World& world) {
        world.is_leased = false;
        world.lease = {};
      },
      [](World& world) { EXPECT_EQ(world.manager.model_status("alice"), ModelStatus::kUnloaded); });
}

TEST(OutOfMemory, ARunByStages) {
  const Act infer = [](World& world) {
    core::Run run = world.manager.start_run("bob");
    const auto stage = run.pin(0, {10, {.audio_seconds = 3}});
    stage->component(0);
  };
  fail_each_allocation(nothing, infer, infer);
}

TEST(OutOfMemory, AnUnloadInEveryMode) {
  for (const auto mode : {UnloadMode::kFree, UnloadMode::kKeep, UnloadMode::kForce}) {
    fail_each_allocation(
        nothing, [&](World& world) { world.manager.unload("alice", mode); },
        [](World& world) { world.manager.load("alice", world.alice, kGpu); });
  }
}

TEST(OutOfMemory, TheCleanUps) {
  const Act trim = [](World& world) { world.manager.trim(kGpu); };
  fail_each_allocation(nothing, trim, trim);
  const Act sweep = [](World& world) { world.manager.sweep({}); };
  fail_each_allocation(nothing, sweep, sweep);
  const Act relieve = [](World& world) { world.manager.relieve(kGpu, 100, "the device is nearly full"); };
  fail_each_allocation(nothing, relieve, relieve);
}

TEST(OutOfMemory, AComponentThatComesBackFromHostMemory) {
  const Act load = [](World& world) { world.manager.load("bob", world.bob, kGpu); };
  fail_each_allocation(
      [](World& world) {
        world.manager.unload("bob", UnloadMode::kForce);
        ASSERT_FALSE(world.manager.host_memory().images.empty());
      },
      load, load);
}

TEST(OutOfMemory, ATurnInTheQueue) {
  for (const char* id : {"bob", "carol"}) {  // the one is loaded, the other to be swapped in
    const Act infer = [&](World& world) {
      try {
        const auto turn = world.queue.enter(world.request(id));
        world.run_lease = {};
      } catch (...) {
        world.run_lease = {};
        throw;
      }
    };
    fail_each_allocation(nothing, infer, infer, 10);
  }
}

TEST(OutOfMemory, ATask) {
  const TaskProfile duet{"duet", {{"fake", "alice"}}, {{"fake", "bob"}}};
  const Act enlist = [&](World& world) { world.tasks.register_task_profile(duet); };
  const Act preload = [&](World& world) { world.tasks.preload_for_task("duet"); };
  const Act clean_up = [](World& world) { world.tasks.cleanup_for_task("duet"); };
  fail_each_allocation(nothing, enlist, enlist);
  fail_each_allocation(enlist, preload, preload, 10);
  fail_each_allocation(
      [&](World& world) {
        enlist(world);
        preload(world);
      },
      clean_up, clean_up);
  fail_each_allocation(
      [&](World& world) {
        enlist(world);
        preload(world);
      },
      [](World& world) { world.tasks.sweep({}); }, [](World& world) { world.tasks.sweep({}); });
}

TEST(OutOfMemory, SettingsAndQuestions) {
  for (const auto& settings :
       {ModelSettings{.pin = true}, ModelSettings{.keep_alive = std::chrono::seconds(0)}}) {
    const Act configure = [&](World& world) { world.manager.configure("bob", settings); };
    fail_each_allocation(nothing, configure, configure);
  }
  const Act ask = [](World& world) {
    world.manager.plan({{"carol", world.carol}}, kGpu, 10);
    world.manager.place({{"carol", world.carol}}, {}, {});
    world.manager.fits({{"carol", world.carol, kGpu}}, Manager::Space::kIdle);
    world.manager.list();
    world.manager.decisions();
    world.manager.learnt();
    world.manager.publish(
        {.type = EventType::kAlert, .message = "a message that is longer than a short one"});
  };
  fail_each_allocation(nothing, ask, ask);
}

}  // namespace
}  // namespace greenroom::core
