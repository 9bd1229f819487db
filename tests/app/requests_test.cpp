// Requests over a real manager and models that only count: what is tried when something fails.
#include "app/requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "app/staged_model.h"
#include "base/error.h"
#include "support/fake_clock.h"
#include "support/fake_model.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr base::DeviceId kCpu{base::DeviceKind::kCpu, 0};
constexpr base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

class RequestsTest : public ::testing::Test {
 protected:
  void offer(std::uint64_t bytes, std::function<void(const core::LoadControl&)> on_load = {}) {
    const test::FakePart part{.kind = "voice",
                              .file = files_.write("voice.pt", "w"),
                              .bytes = bytes,
                              .on_load = std::move(on_load)};
    model_ = std::make_shared<test::FakeModel>(heap_, std::vector{part});
  }
  RunRequest request(std::vector<base::DeviceId> fallbacks = {}) {
    RunRequest result;
    result.name = "convert";
    result.model_id = "alto";
    result.fallbacks = std::move(fallbacks);
    result.resolve = [this] { return core::GroupMember{"alto", model_, kGpu}; };
    return result;
  }
  // Runs that fail in turn with `codes`, then succeed; notes "cuda:0/0" for each.
  std::function<void(const RunTurn&)> failing(std::vector<ErrorCode> codes) {
    return [this, codes](const RunTurn& turn) {
      runs_.push_back(base::to_string(turn.run.device()) + "/" + std::to_string(turn.degradation));
      notices_ = turn.notices;
      if (runs_.size() <= codes.size()) throw Error(codes[runs_.size() - 1], "it failed");
    };
  }
  Error error_of(const RunRequest& request, const std::function<void(const RunTurn&)>& act) {
    try {
      requests_.run(request, act);
    } catch (const Error& error) {
      return error;
    }
    return {ErrorCode::kInternal, "nothing was thrown"};
  }
  void expect_at_rest() const {
    for (const auto& [device, stats] : requests_.stats()) {
      EXPECT_EQ(stats.waiting, 0U);
      EXPECT_EQ(stats.running, 0);
    }
    for (const auto& info : manager_.list()) EXPECT_EQ(info.leases, 0) << info.id;
  }

  test::TempDir files_;
  std::shared_ptr<test::FakeHeap> heap_ = std::make_shared<test::FakeHeap>();
  std::shared_ptr<test::FakeModel> model_;
  std::vector<std::string> runs_;
  std::vector<std::string> notices_;
  test::FakeClock clock_;
  core::Manager manager_{{{kCpu, 1000}, {kGpu, 500}}, clock_};
  core::RecoveryExecutor recovery_{clock_, {}, [] { return 0.0; }};
  Requests requests_{manager_, clock_, recovery_, {kCpu, kGpu}, {}};
};

TEST_F(RequestsTest, LoadsRunsAndLeavesIdle) {
  offer(100);
  requests_.run(request(), failing({}));
  EXPECT_THAT(runs_, ElementsAre("cuda:0/0"));
  EXPECT_THAT(notices_, IsEmpty());
  EXPECT_EQ(manager_.model_info("alto")->holds, 0);
  expect_at_rest();
}

TEST_F(RequestsTest, AModelThatDoesNotFitOnTheGpuRunsOnTheCpuAndSaysSo) {
  offer(800);
  requests_.run(request({kGpu, kCpu}), failing({}));
  EXPECT_THAT(runs_, ElementsAre("cpu/0"));
  EXPECT_THAT(notices_, ElementsAre(HasSubstr("on cpu")));
  EXPECT_EQ(manager_.model_status("alto@cpu"), core::ModelStatus::kLoaded);
  EXPECT_EQ(error_of(request(), failing({})).code(), ErrorCode::kResourceExhausted)
      << "the device was chosen";
  expect_at_rest();
}

TEST_F(RequestsTest, ARunWithoutMemoryNeedsLessThenGoesElsewhere) {
  offer(100);
  auto mine = request({kCpu});
  mine.degradations = [] { return 2; };
  const auto out_of_memory = ErrorCode::kResourceExhausted;
  requests_.run(mine, failing({out_of_memory, out_of_memory, out_of_memory}));
  EXPECT_THAT(runs_, ElementsAre("cuda:0/0", "cuda:0/1", "cuda:0/2", "cpu/0"));
  EXPECT_EQ(notices_.size(), 3U);
  expect_at_rest();
}

TEST_F(RequestsTest, ADeviceThatRanOutOfMemoryIsTriedAgainWithoutWhatIsIdle) {
  offer(100);
  manager_.preload("idle",
                   std::make_shared<test::FakeModel>(
                       heap_, std::vector{test::FakePart{
                                  .kind = "idle", .file = files_.write("idle.pt", "i"), .bytes = 200}}),
                   kGpu);
  auto mine = request({kCpu});
  mine.degradations = [] { return 1; };
  const auto out_of_memory = ErrorCode::kResourceExhausted;
  requests_.run(mine, failing({out_of_memory}));
  EXPECT_THAT(runs_, ElementsAre("cuda:0/0", "cuda:0/0"));
  EXPECT_THAT(notices_, ElementsAre(HasSubstr("after freeing what was idle")));
  EXPECT_EQ(manager_.model_status("idle"), core::ModelStatus::kUnloaded);
  EXPECT_EQ(manager_.model_status("alto"), core::ModelStatus::kLoaded) << "the run's own stays";
  runs_.clear();
  requests_.run(mine, failing({out_of_memory}));
  EXPECT_THAT(runs_, ElementsAre("cuda:0/0", "cuda:0/1")) << "nothing is idle any more";
  expect_at_rest();
}

TEST_F(RequestsTest, AModelThatDoesNotFitRunsInStagesBeforeItGoesElsewhere) {
  offer(800);
  auto mine = request({kCpu});
  mine.degradations = [] { return 1; };
  mine.in_stages = [this](base::DeviceId device) {
    return core::GroupMember{"", std::make_shared<PartModel>(model_, std::vector<std::size_t>()), device};
  };
  std::string as;
  requests_.run(mine, [&](const RunTurn& turn) {
    as = turn.model_id;
    failing({})(turn);
  });
  EXPECT_THAT(runs_, ElementsAre("cuda:0/1"));
  EXPECT_THAT(notices_, ElementsAre(HasSubstr("with less memory")));
  EXPECT_EQ(as, "alto");  // its stages are shared with the model's
  EXPECT_EQ(manager_.model_status("alto"), core::ModelStatus::kError);
  EXPECT_EQ(heap_->live(), 0U);
  expect_at_rest();
}

TEST_F(RequestsTest, AnotherDeviceMayTakeAnotherFormOfTheModel) {
  offer(800);
  auto mine = request({kCpu});
  auto smaller = std::make_shared<test::FakeModel>(
      heap_, std::vector{test::FakePart{.kind = "half", .file = files_.write("half.pt", "h"), .bytes = 10}});
  mine.resolve_on = [&](base::DeviceId device) { return core::GroupMember{"", smaller, device}; };
  requests_.run(mine, failing({}));
  EXPECT_THAT(runs_, ElementsAre("cpu/0"));
  EXPECT_EQ(manager_.model_info("alto@cpu")->bytes, 10U);
}

TEST_F(RequestsTest, AfterABugTheModelIsLoadedAfresh) {
  offer(100);
  requests_.run(request(), failing({ErrorCode::kInternal}));
  EXPECT_EQ(model_->loads(0), 2);
  expect_at_rest();
}

TEST_F(RequestsTest, ABrokenFileIsNotReadByEveryPoller) {
  offer(100, [](const core::LoadControl&) { throw Error(ErrorCode::kDataLoss, "torn file"); });
  EXPECT_EQ(error_of(request({kCpu}), failing({})).code(), ErrorCode::kDataLoss);
  error_of(request(), failing({}));
  for (int i = 0; i < 20; ++i) {
    const auto error = error_of(request(), failing({}));
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_TRUE(error.retry_after());
  }
  EXPECT_EQ(model_->loads(0), 2);
  EXPECT_EQ(heap_->live(), 0U);
  EXPECT_THAT(manager_.model_info("alto")->remedy, HasSubstr("copy it again"));
  expect_at_rest();

  offer(100);
  std::filesystem::last_write_time(files_ / "voice.pt",
                                   std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  requests_.run(request(), failing({}));
  EXPECT_THAT(runs_, ElementsAre("cuda:0/0")) << "the file was replaced";
}

TEST_F(RequestsTest, WhatWillNotPassIsNotTriedAgain) {
  offer(100);
  EXPECT_EQ(error_of(request({kCpu}), failing({ErrorCode::kInvalidArgument})).code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(runs_.size(), 1U);
  auto late = request({kCpu});
  late.options.timeout = std::chrono::nanoseconds(0);
  EXPECT_EQ(error_of(late, failing({})).code(), ErrorCode::kDeadlineExceeded);
  auto unwanted = request();
  unwanted.cancelled = std::make_shared<std::atomic<bool>>(true);
  EXPECT_EQ(error_of(unwanted, failing({})).code(), ErrorCode::kCancelled);
  expect_at_rest();
}

TEST_F(RequestsTest, AFullQueueIsTheCallersToKnowAtOnce) {
  offer(100);
  Requests narrow(manager_, clock_, recovery_, {kCpu, kGpu}, {.capacity = 0});
  test::Gate working;
  const std::jthread first([&] { narrow.run(request(), [&](const RunTurn&) { working.pass(); }); });
  working.await(1);
  const auto before = clock_.now();
  try {
    narrow.run(request({kCpu}), failing({}));
    FAIL() << "it is full";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_TRUE(error.retry_after());
  }
  EXPECT_EQ(clock_.now(), before) << "no retry, no waiting";
  EXPECT_THAT(runs_, IsEmpty());
  working.open();
}

TEST_F(RequestsTest, AModelThatIsNotToBeLoadedIsNotFound) {
  offer(100);
  auto mine = request({kCpu});
  mine.options.auto_load = false;
  EXPECT_EQ(error_of(mine, failing({})).code(), ErrorCode::kNotFound);
  EXPECT_EQ(model_->loads(0), 0);
  manager_.load("alto", model_, kGpu);
  requests_.run(mine, failing({}));
  EXPECT_THAT(runs_, ElementsAre("cuda:0/0"));
}

TEST_F(RequestsTest, CancelsByIdWhateverTheDevice) {
  offer(100);
  auto mine = request();
  mine.options.id = requests_.next_id();
  const auto act = [&](const RunTurn& turn) {
    EXPECT_TRUE(requests_.cancel(mine.options.id));
    if (*turn.cancelled) throw Error(ErrorCode::kCancelled, "at the next step");
  };
  EXPECT_EQ(error_of(mine, act).code(), ErrorCode::kCancelled);
  EXPECT_FALSE(requests_.cancel(mine.options.id));
  expect_at_rest();
}

TEST_F(RequestsTest, DrainWaitsForThoseInsideAndCancelsThemAfterItsTime) {
  offer(100);
  test::Gate working;
  std::atomic<bool> ended = false;
  std::jthread endless([&] {
    error_of(request(), [&](const RunTurn& turn) {
      working.pass();
      while (!*turn.cancelled) std::this_thread::yield();
      ended = true;
      throw Error(ErrorCode::kCancelled, "at the next step");
    });
  });
  working.open();
  working.await(1);
  requests_.drain(clock_.now());
  EXPECT_TRUE(ended);
  EXPECT_EQ(error_of(request(), failing({})).code(), ErrorCode::kUnavailable);
  expect_at_rest();
}

}  // namespace
}  // namespace greenroom::app
