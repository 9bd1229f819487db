#include "core/request_queue.h"

#include <map>
#include <random>
#include <set>

#include "manager_fixture.h"

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

static_assert(!std::is_copy_constructible_v<RequestQueue::Turn>);

// Real manager, real threads, a clock that stands still; models of one component each.
class RequestQueueTest : public ManagerFixture {
 protected:
  // Offers a model of that size to requests.
  void offer(const std::string& id, std::uint64_t bytes, test::Gate* gate = nullptr) {
    auto one = part(id, bytes);
    if (gate != nullptr) one.on_load = [gate](const LoadControl&) { gate->pass(); };
    models_[id] = model({one});
  }

  Request request(const std::string& id, int priority = 0) {
    Request result;
    result.id = ++last_id_;
    result.model = id;
    result.priority = priority;
    const GroupMember member{id, models_.at(id), kCpu};
    result.door.is_loaded = [this, id] { return manager_.model_status(id) == ModelStatus::kLoaded; };
    result.door.fits = [this, member](const std::vector<std::string>& spared) {
      return manager_.fits({member}, Manager::Space::kIdle, spared);
    };
    result.door.load = [this, member](const std::function<void()>& admitted) {
      manager_.load_on_demand(member, admitted);
    };
    result.door.cancel_load = [this, id] { manager_.cancel_load(id); };
    auto lease = std::make_shared<Lease>();
    result.door.begin = [this, id, lease] {
      try {
        *lease = manager_.lease(id, kAllStages);
        return true;
      } catch (const Error&) {
        return false;
      }
    };
    return result;
  }

  // Goes through the queue in a thread of its own; `during` runs in its turn.
  std::jthread run(RequestQueue& queue, Request request, std::function<void()> during = {}) {
    return std::jthread([this, &queue, request, during]() mutable {
      const auto id = request.model;
      try {
        const auto turn = queue.enter(request);
        {
          base::MutexLock lock(mutex_);
          order_.push_back(id);
        }
        if (during) during();
        request.door = {};  // lets go of the lease before the turn ends
      } catch (const Error& error) {
        base::MutexLock lock(mutex_);
        errors_.push_back(error);
      }
    });
  }
  void await_queue(RequestQueue& queue, std::size_t waiting, int running) {
    await([&] {
      const auto stats = queue.stats();
      return stats.waiting == waiting && stats.running == running;
    });
  }
  std::vector<std::string> order() const {
    base::MutexLock lock(mutex_);
    return order_;
  }
  std::vector<Error> errors() const {
    base::MutexLock lock(mutex_);
    return errors_;
  }

  std::map<std::string, std::shared_ptr<test::FakeModel>> models_;
  std::atomic<std::uint64_t> last_id_ = 0;
  mutable base::Mutex mutex_;
  std::vector<std::string> order_ GUARDED_BY(mutex_);
  std::vector<Error> errors_ GUARDED_BY(mutex_);
};

TEST_F(RequestQueueTest, LoadsOnDemandAndLeavesTheModelIdle) {
  offer("alto", 100);
  RequestQueue queue("cpu", clock_);
  { const auto turn = queue.enter(request("alto")); }
  EXPECT_EQ(manager_.model_status("alto"), ModelStatus::kLoaded);
  EXPECT_EQ(manager_.model_info("alto")->holds, 0);
  EXPECT_EQ(queue.stats().begun, 1u);
  EXPECT_EQ(queue.stats().running, 0);
}

TEST_F(RequestQueueTest, TenRequestsForAnAbsentModelLoadItOnce) {
  test::Gate gate;
  offer("alto", 100, &gate);
  RequestQueue queue("cpu", clock_);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 10; ++i) threads.push_back(run(queue, request("alto")));
    gate.await(1);
    await_queue(queue, 10, 0);
    gate.open();
  }
  EXPECT_EQ(order().size(), 10u);
  EXPECT_EQ(models_["alto"]->loads(0), 1);
}

TEST_F(RequestQueueTest, AResidentModelDoesNotWaitForAnothersLoad) {
  test::Gate loading;
  offer("alto", 100);
  offer("tenor", 100, &loading);
  manager_.load("alto", models_["alto"], kCpu);
  RequestQueue queue("cpu", clock_);
  {
    const auto slow = run(queue, request("tenor"));
    loading.await(1);
    for (int i = 0; i < 3; ++i) const auto turn = queue.enter(request("alto"));
    EXPECT_EQ(queue.stats().waiting, 1u);
    loading.open();
  }
  EXPECT_THAT(order(), ElementsAre("tenor"));
}

TEST_F(RequestQueueTest, AFullQueueSaysHowLongItIsAndWhenToComeBack) {
  offer("alto", 100);
  RequestQueue queue("cpu", clock_, {.capacity = 2});
  test::Gate working;
  {
    auto first = run(queue, request("alto"), [&] { working.pass(); });
    working.await(1);
    auto second = run(queue, request("alto"));
    auto third = run(queue, request("alto"));
    await_queue(queue, 2, 1);
    try {
      queue.enter(request("alto"));
      FAIL() << "it is full";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
      EXPECT_THAT(error.what(), AllOf(HasSubstr("cpu is busy"), HasSubstr("2 requests wait")));
      EXPECT_TRUE(error.retry_after());
    }
    working.open();
  }
  EXPECT_EQ(queue.stats().refused, 1u);
  EXPECT_EQ(queue.stats().begun, 3u);
}

TEST_F(RequestQueueTest, PriorityBeatsArrival) {
  for (const char* id : {"alto", "tenor", "bass"}) {
    offer(id, 100);
    manager_.load(id, models_[id], kCpu);
  }
  RequestQueue queue("cpu", clock_);
  test::Gate working;
  {
    std::vector<std::jthread> threads;
    threads.push_back(run(queue, request("alto"), [&] { working.pass(); }));
    working.await(1);
    threads.push_back(run(queue, request("tenor", 0)));
    await_queue(queue, 1, 1);
    threads.push_back(run(queue, request("bass", 5)));
    await_queue(queue, 2, 1);
    working.open();
  }
  EXPECT_THAT(order(), ElementsAre("alto", "bass", "tenor"));
}

TEST_F(RequestQueueTest, OneThatIsTooLateNeverBegins) {
  offer("alto", 100);
  RequestQueue queue("cpu", clock_);
  test::Gate working;
  {
    const auto first = run(queue, request("alto"), [&] { working.pass(); });
    working.await(1);
    auto late = request("alto");
    late.deadline = clock_.now() + seconds(3);
    const auto second = run(queue, late);
    await_queue(queue, 1, 1);
    clock_.advance(seconds(3));
    await_queue(queue, 0, 1);
    working.open();
  }
  EXPECT_EQ(order().size(), 1u);
  ASSERT_EQ(errors().size(), 1u);
  EXPECT_EQ(errors()[0].code(), ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(errors()[0].what(), HasSubstr("waited 3.0 s"));
  EXPECT_EQ(queue.stats().expired, 1u);
}

TEST_F(RequestQueueTest, CancelledWhileWaitingItLeavesAtOnce) {
  offer("alto", 100);
  RequestQueue queue("cpu", clock_);
  test::Gate working;
  const auto first = run(queue, request("alto"), [&] { working.pass(); });
  working.await(1);
  const auto unwanted = request("alto");
  const auto second = run(queue, unwanted);
  await_queue(queue, 1, 1);
  EXPECT_TRUE(queue.cancel(unwanted.id));
  await_queue(queue, 0, 1);
  EXPECT_FALSE(queue.cancel(unwanted.id));
  working.open();
  await([&] { return errors().size() == 1; });
  EXPECT_EQ(errors()[0].code(), ErrorCode::kCancelled);
}

TEST_F(RequestQueueTest, CancellingARunSetsTheTokenItLooksAt) {
  offer("alto", 100);
  RequestQueue queue("cpu", clock_);
  const auto mine = request("alto");
  const auto turn = queue.enter(mine);
  EXPECT_FALSE(*turn.cancelled());
  EXPECT_TRUE(queue.cancel(mine.id));
  EXPECT_TRUE(*turn.cancelled());
}

TEST_F(RequestQueueTest, CancellingTheOnlyOneWhoWaitsForALoadEndsTheLoad) {
  test::Gate gate;
  gate.open();
  auto endless = part("alto", 100);
  endless.on_load = [&](const LoadControl& control) {
    gate.pass();
    while (!*control.cancelled) std::this_thread::yield();
    throw Error(ErrorCode::kCancelled, "stopped reading");
  };
  models_["alto"] = model({endless});
  RequestQueue queue("cpu", clock_);
  const auto mine = request("alto");
  {
    const auto thread = run(queue, mine);
    gate.await(1);
    queue.cancel(mine.id);
  }
  EXPECT_EQ(errors().at(0).code(), ErrorCode::kCancelled);
  expect_nothing_left();
}

TEST_F(RequestQueueTest, OneFailedLoadFailsAllWhoWaitForItAndCanBeTriedAgain) {
  test::Gate gate;
  std::atomic<bool> is_broken = true;
  auto broken = part("alto", 100);
  broken.on_load = [&](const LoadControl&) {
    gate.pass();
    if (is_broken) throw Error(ErrorCode::kDataLoss, "torn file");
  };
  models_["alto"] = model({broken});
  RequestQueue queue("cpu", clock_);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.push_back(run(queue, request("alto")));
    await_queue(queue, 4, 0);
    gate.open();
  }
  EXPECT_EQ(errors().size(), 4u);
  EXPECT_EQ(models_["alto"]->loads(0), 1);
  is_broken = false;
  const auto turn = queue.enter(request("alto"));
}

TEST_F(RequestQueueTest, QueuedRequestsKeepTheirModelFromBeingSwappedOutUntilTheBound) {
  offer("alto", 600);
  offer("tenor", 600);  // not both
  RequestQueue queue("cpu", clock_, {.schedule = {.group_wait = seconds(5)}});
  test::Gate first_turn;
  test::Gate last_turn;
  {
    std::vector<std::jthread> threads;
    threads.push_back(run(queue, request("alto"), [&] { first_turn.pass(); }));
    first_turn.await(1);
    threads.push_back(run(queue, request("tenor")));
    await_queue(queue, 1, 1);
    for (int i = 0; i < 3; ++i) {
      threads.push_back(run(queue, request("alto"), [&] { last_turn.pass(); }));
      await_queue(queue, 2 + static_cast<std::size_t>(i), 1);
    }
    first_turn.open();
    last_turn.await(1);
    EXPECT_EQ(models_["tenor"]->loads(0), 0) << "alto has requests, and tenor has not waited long";
    clock_.advance(seconds(5));
    last_turn.open();
  }
  EXPECT_THAT(order(), ElementsAre("alto", "alto", "tenor", "alto", "alto"));
  EXPECT_EQ(models_["alto"]->loads(0), 2);
  EXPECT_EQ(queue.stats().swaps, 1u) << "the way back has nobody in its way";
}

TEST_F(RequestQueueTest, AlternatingRequestsAreGrouped) {
  offer("alto", 600);
  offer("tenor", 600);
  RequestQueue queue("cpu", clock_);
  test::Gate working;
  {
    std::vector<std::jthread> threads;
    threads.push_back(run(queue, request("alto"), [&] { working.pass(); }));
    working.await(1);
    for (std::size_t i = 0; i < 10; ++i) {
      threads.push_back(run(queue, request(i % 2 == 0 ? "tenor" : "alto")));
      await_queue(queue, i + 1, 1);
    }
    working.open();
  }
  EXPECT_EQ(models_["alto"]->loads(0) + models_["tenor"]->loads(0), 2) << "AAAAAABBBBB, not ABABABABABA";
}

TEST_F(RequestQueueTest, WhatCanNeverFitIsRefusedWithTheManagersReason) {
  offer("huge", 2000);
  RequestQueue queue("cpu", clock_);
  const auto error = caught([&] { queue.enter(request("huge")); });
  EXPECT_EQ(error.code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(error.message, HasSubstr("more than the whole budget"));
  EXPECT_EQ(queue.stats().waiting, 0u);
}

TEST_F(RequestQueueTest, WhatIsHeldIsNotWaitedForForEver) {
  offer("held", 900);
  offer("alto", 500);
  manager_.load("held", models_["held"], kCpu);
  RequestQueue queue("cpu", clock_);
  EXPECT_EQ(caught([&] { queue.enter(request("alto")); }).code, ErrorCode::kResourceExhausted);
  EXPECT_NO_THROW(queue.enter(request("held")));
}

TEST_F(RequestQueueTest, AModelThatIsUnloadedWhileItsRequestWaitsIsLoadedAgain) {
  offer("alto", 100);
  RequestQueue queue("cpu", clock_);
  test::Gate working;
  {
    const auto first = run(queue, request("alto"), [&] { working.pass(); });
    working.await(1);
    const auto second = run(queue, request("alto"));
    await_queue(queue, 1, 1);
    manager_.unload("alto", UnloadMode::kForce);
    working.open();
  }
  EXPECT_EQ(order().size(), 2u);
  EXPECT_EQ(models_["alto"]->loads(0), 2);
}

TEST_F(RequestQueueTest, ConcurrencyIsAsConfigured) {
  offer("alto", 100);
  RequestQueue queue("cpu", clock_, {.concurrency = 3});
  test::Gate working;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 5; ++i) threads.push_back(run(queue, request("alto"), [&] { working.pass(); }));
  working.await(3);
  await_queue(queue, 2, 3);
  working.open();
}

TEST_F(RequestQueueTest, ClosedItLetsThoseInsideFinish) {
  offer("alto", 100);
  RequestQueue queue("cpu", clock_);
  test::Gate working;
  auto first = run(queue, request("alto"), [&] { working.pass(); });
  working.await(1);
  auto second = run(queue, request("alto"));
  await_queue(queue, 1, 1);
  queue.close();
  EXPECT_EQ(caught([&] { queue.enter(request("alto")); }).code, ErrorCode::kUnavailable);
  EXPECT_FALSE(queue.wait_until_empty(clock_.now()));
  working.open();
  EXPECT_TRUE(queue.wait_until_empty());
  EXPECT_EQ(queue.stats().begun, 2u);
}

TEST_F(RequestQueueTest, StoppedItCancelsThemAll) {
  offer("alto", 100);
  RequestQueue queue("cpu", clock_);
  test::Gate working;
  const auto mine = request("alto");
  auto running = std::make_shared<std::atomic<bool>>(false);
  auto first_request = mine;
  first_request.cancelled = running;
  auto first = run(queue, first_request, [&] { working.pass(); });
  working.await(1);
  auto second = run(queue, request("alto"));
  await_queue(queue, 1, 1);
  queue.stop();
  await([&] { return errors().size() == 1; });
  EXPECT_EQ(errors()[0].code(), ErrorCode::kCancelled);
  EXPECT_TRUE(*running);
  working.open();
  EXPECT_TRUE(queue.wait_until_empty());
}

TEST_F(RequestQueueTest, WrongRequestsAreRefused) {
  offer("alto", 100);
  RequestQueue queue("cpu", clock_);
  auto urgent = request("alto", 11);
  EXPECT_EQ(caught([&] { queue.enter(urgent); }).code, ErrorCode::kInvalidArgument);
  auto free = request("alto");
  free.cost = 0;
  EXPECT_EQ(caught([&] { queue.enter(free); }).code, ErrorCode::kInvalidArgument);
  const auto twice = request("alto");
  const auto turn = queue.enter(twice);
  EXPECT_EQ(caught([&] { queue.enter(twice); }).code, ErrorCode::kInvalidArgument);
}

// Eight clients, models that do not all fit, cancellations, deadlines, forced unloads: every request ends,
// the budget holds, nothing is left.
class RequestQueueRandomTest : public RequestQueueTest, public ::testing::WithParamInterface<unsigned> {};

TEST_P(RequestQueueRandomTest, EveryRequestEndsAndNothingIsLeft) {
  std::vector<std::string> ids;
  for (int i = 0; i < 6; ++i) {
    ids.push_back("voice" + std::to_string(i));
    offer(ids.back(), 150 + 60 * static_cast<std::uint64_t>(i));
  }
  RequestQueue queue("cpu", clock_, {.capacity = 16, .concurrency = 1 + static_cast<int>(GetParam() % 2)});
  std::atomic<int> done = 0;
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(GetParam() * 100 + static_cast<unsigned>(t));
        for (int i = 0; i < 60; ++i) {
          auto mine = request(ids[random() % ids.size()], static_cast<int>(random() % 3));
          mine.cost = 1 + static_cast<double>(random() % 4);
          if (random() % 5 == 0) mine.deadline = clock_.now() + std::chrono::milliseconds(random() % 2000);
          try {
            const auto turn = queue.enter(mine);
            EXPECT_LE(totals().used(), 1000u);
            if (random() % 4 == 0) clock_.advance(std::chrono::milliseconds(random() % 1500));
            mine.door = {};
            ++done;
          } catch (const Error& error) {
            EXPECT_THAT(error.code(), ::testing::AnyOf(ErrorCode::kDeadlineExceeded, ErrorCode::kCancelled,
                                                       ErrorCode::kUnavailable));
            ++failed;
          }
          if (random() % 10 == 0) queue.cancel(1 + random() % last_id_);
          if (random() % 20 == 0)
            caught([&] { manager_.unload(ids[random() % ids.size()], UnloadMode::kForce); });
        }
      });
    }
    await([&] {
      clock_.advance(std::chrono::milliseconds(10));  // lets those who only watch their token look at it
      return done + failed == 8 * 60;
    });
  }
  EXPECT_GT(done, 8 * 60 / 2);
  const auto stats = queue.stats();
  EXPECT_EQ(stats.waiting, 0u);
  EXPECT_EQ(stats.running, 0);
  EXPECT_LE(heap_->peak(), 1000u);
  for (const ModelInfo& info : manager_.list()) manager_.unload(info.id, UnloadMode::kForce);
  manager_.trim(kCpu);
  expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(Seeds, RequestQueueRandomTest, ::testing::Values(1u, 2u, 3u, 4u));

}  // namespace
}  // namespace greenroom::core
