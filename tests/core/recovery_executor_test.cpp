#include "core/recovery_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace greenroom::core {
namespace {

using base::Error;
using base::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr base::DeviceId kCpu{base::DeviceKind::kCpu, 0};
constexpr base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

class RecoveryExecutorTest : public ::testing::Test {
 protected:
  // An operation that fails in turn with `codes`, then succeeds. Notes its attempts as "cuda:0/0".
  RecoverableOperation operation(std::vector<ErrorCode> codes, const std::string& name = "convert") {
    RecoverableOperation result;
    result.name = name;
    result.model_id = "alto";
    result.device = kGpu;
    result.run = [this, codes](const RecoverableOperation::Attempt& attempt) {
      attempts_.push_back(base::to_string(attempt.device) + "/" + std::to_string(attempt.degradation));
      if (attempts_.size() <= codes.size()) throw Error(codes[attempts_.size() - 1], "it failed");
    };
    return result;
  }
  Error error_of(const RecoverableOperation& operation) {
    try {
      executor_.execute(operation);
    } catch (const Error& error) {
      return error;
    }
    return {ErrorCode::kInternal, "nothing was thrown"};
  }

  std::vector<std::string> attempts_;
  std::vector<Event> events_;
  test::FakeClock clock_;
  RecoveryExecutor executor_{clock_, [this](Event event) { events_.push_back(std::move(event)); },
                             [] { return 0.0; }};
};

TEST_F(RecoveryExecutorTest, SuccessAtOnceSaysNothing) {
  executor_.execute(operation({}));
  EXPECT_THAT(attempts_, ElementsAre("cuda:0/0"));
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_THAT(executor_.recent(), IsEmpty());
}

TEST_F(RecoveryExecutorTest, RetriesWithBackOffAndTellsOfEveryAttempt) {
  const auto start = clock_.now();
  executor_.execute(operation({ErrorCode::kUnavailable, ErrorCode::kUnavailable}));
  EXPECT_EQ(attempts_.size(), 3u);
  EXPECT_EQ(clock_.now() - start, milliseconds(200 + 400));
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(events_[0].type, EventType::kRecovery);
  EXPECT_THAT(events_[0].message, AllOf(HasSubstr("retry 1 of 3"), HasSubstr("attempt 2: failed")));
  EXPECT_THAT(events_[1].message, HasSubstr("attempt 3: succeeded"));
  EXPECT_EQ(events_[1].cause, "it failed");
  ASSERT_EQ(executor_.recent().size(), 2u);
  EXPECT_EQ(executor_.recent()[1].attempt, 2);
}

TEST_F(RecoveryExecutorTest, OutOfMemoryDegradesThenGoesToTheCpuAtFullQuality) {
  auto task = operation(
      {ErrorCode::kResourceExhausted, ErrorCode::kResourceExhausted, ErrorCode::kResourceExhausted});
  task.fallbacks = {kCpu};
  task.can_degrade = [](int degradation) { return degradation <= 2; };
  executor_.execute(task);
  EXPECT_THAT(attempts_, ElementsAre("cuda:0/0", "cuda:0/1", "cuda:0/2", "cpu/0"));
}

TEST_F(RecoveryExecutorTest, MemoryThatWasFreedIsTriedOncePerDeviceBeforeLessIs) {
  auto task = operation(std::vector<ErrorCode>(5, ErrorCode::kResourceExhausted));
  task.fallbacks = {kCpu};
  task.can_degrade = [](int degradation) { return degradation <= 1; };
  bool is_freed = true;
  task.relieved = [&](const RecoverableOperation::Attempt&) { return std::exchange(is_freed, false); };
  EXPECT_EQ(error_of(task).code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(attempts_, ElementsAre("cuda:0/0", "cuda:0/0", "cuda:0/1", "cpu/0", "cpu/1"));
}

TEST_F(RecoveryExecutorTest, RestartsAComponentOnceThenSaysWhatWasTried) {
  auto task = operation(std::vector<ErrorCode>(10, ErrorCode::kInternal));
  int restarts = 0;
  task.restart = [&](const RecoverableOperation::Attempt&) { ++restarts; };
  task.fallbacks = {kCpu};
  const auto error = error_of(task);
  EXPECT_EQ(error.code(), ErrorCode::kInternal);
  EXPECT_STREQ(error.what(), "it failed (tried: after loading the model afresh, on cpu)");
  EXPECT_EQ(restarts, 1);
  EXPECT_THAT(attempts_, ElementsAre("cuda:0/0", "cuda:0/0", "cpu/0"));
}

TEST_F(RecoveryExecutorTest, RegisteredActionsComeFirstInTheirOrder) {
  std::vector<std::string> called;
  executor_.register_recovery_action(ErrorCode::kResourceExhausted, {RecoveryStrategy::kRetry,
                                                                     [&](const ErrorContext&) {
                                                                       called.emplace_back("no use");
                                                                       return false;
                                                                     },
                                                                     "ask", 5});
  executor_.register_recovery_action(ErrorCode::kResourceExhausted,
                                     {RecoveryStrategy::kRetry,
                                      [&](const ErrorContext& context) {
                                        called.push_back("freed for " + context.model_id);
                                        return true;
                                      },
                                      "after clearing caches", 1, seconds(1)});
  auto task = operation({ErrorCode::kResourceExhausted, ErrorCode::kResourceExhausted});
  task.fallbacks = {kCpu};
  const auto start = clock_.now();
  executor_.execute(task);
  EXPECT_THAT(called, ElementsAre("no use", "freed for alto", "no use"));
  EXPECT_THAT(attempts_, ElementsAre("cuda:0/0", "cuda:0/0", "cpu/0"));
  EXPECT_EQ(clock_.now() - start, seconds(1));
  EXPECT_THAT(events_[0].message, HasSubstr("after clearing caches"));
}

TEST_F(RecoveryExecutorTest, AnActionMayEndItAndOneThatIsNotPossibleDoes) {
  executor_.register_recovery_action(
      ErrorCode::kUnavailable, {RecoveryStrategy::kAbort, [](const ErrorContext&) { return true; }, "stop"});
  error_of(operation({ErrorCode::kUnavailable}));
  EXPECT_EQ(attempts_.size(), 1u);
  executor_.register_recovery_action(
      ErrorCode::kDataLoss,
      {RecoveryStrategy::kFallback, [](const ErrorContext&) { return true; }, "elsewhere"});
  attempts_.clear();
  EXPECT_EQ(error_of(operation({ErrorCode::kDataLoss})).code(), ErrorCode::kDataLoss);
  EXPECT_EQ(attempts_.size(), 1u);
  EXPECT_THROW(executor_.register_recovery_action(ErrorCode::kDataLoss, {}), Error);
}

TEST_F(RecoveryExecutorTest, AnActionIsTakenOffAgain) {
  int called = 0;
  const RecoveryAction count{RecoveryStrategy::kAbort, [&](const ErrorContext&) { return ++called > 0; },
                             "count"};
  const int first = executor_.register_recovery_action(ErrorCode::kDataLoss, count);
  const int second = executor_.register_recovery_action(ErrorCode::kUnavailable, count);
  EXPECT_TRUE(executor_.unregister_recovery_action(second));
  EXPECT_FALSE(executor_.unregister_recovery_action(second));
  error_of(operation({ErrorCode::kDataLoss}));
  EXPECT_EQ(called, 1);
  EXPECT_TRUE(executor_.unregister_recovery_action(first));
  error_of(operation({ErrorCode::kDataLoss}));
  EXPECT_EQ(called, 1);
}

TEST_F(RecoveryExecutorTest, CancellingEndsTheWaitForARetry) {
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  auto task = operation({ErrorCode::kUnavailable});
  task.cancelled = cancelled;
  const auto run = task.run;
  task.run = [&, run](const RecoverableOperation::Attempt& attempt) {
    *cancelled = true;
    run(attempt);
  };
  EXPECT_EQ(error_of(task).code(), ErrorCode::kCancelled);
  EXPECT_EQ(attempts_.size(), 1u);
}

TEST_F(RecoveryExecutorTest, NoAttemptBeginsAfterTheDeadline) {
  auto task = operation(std::vector<ErrorCode>(10, ErrorCode::kUnavailable));
  task.deadline = clock_.now() + milliseconds(500);
  EXPECT_EQ(error_of(task).code(), ErrorCode::kUnavailable);
  EXPECT_EQ(attempts_.size(), 2u);
  EXPECT_LT(clock_.now(), *task.deadline);
}

TEST_F(RecoveryExecutorTest, PollersOfABrokenModelDoNotHammerIt) {
  auto load = operation(std::vector<ErrorCode>(100, ErrorCode::kDataLoss), "load");
  load.cools_down = true;
  load.fingerprint = "monday";
  EXPECT_EQ(error_of(load).code(), ErrorCode::kDataLoss);
  EXPECT_EQ(error_of(load).code(), ErrorCode::kDataLoss) << "a second try is free";
  for (int i = 0; i < 50; ++i) {
    const auto error = error_of(load);
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_EQ(error.retry_after(), seconds(5));
    EXPECT_THAT(error.what(), AllOf(HasSubstr("failed 2 times"), HasSubstr("it failed")));
  }
  EXPECT_EQ(attempts_.size(), 2u);
  clock_.advance(seconds(5));
  error_of(load);
  EXPECT_EQ(attempts_.size(), 3u);
  EXPECT_EQ(error_of(load).retry_after(), seconds(10)) << "longer each time";

  load.fingerprint = "tuesday";
  error_of(load);
  EXPECT_EQ(attempts_.size(), 4u) << "the file was replaced";
  error_of(load);
  executor_.forget("alto");
  error_of(load);
  EXPECT_EQ(attempts_.size(), 6u) << "somebody said it is mended";
}

TEST_F(RecoveryExecutorTest, SuccessAndCheapRefusalsDoNotCoolDown) {
  auto load = operation(std::vector<ErrorCode>(100, ErrorCode::kResourceExhausted), "load");
  load.cools_down = true;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(error_of(load).code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(attempts_.size(), 5u);
}

TEST_F(RecoveryExecutorTest, WhatIsFinalEndsItAndStepsAreToldBeforeTheyAreTaken) {
  auto task = operation({ErrorCode::kUnavailable, ErrorCode::kUnavailable, ErrorCode::kInternal});
  std::vector<std::string> steps;
  task.on_step = [&](const std::string& step, const std::string& cause) {
    steps.push_back(step + ": " + cause);
  };
  task.is_final = [](const Error& error) { return error.code() == ErrorCode::kInternal; };
  task.fallbacks = {kCpu};
  EXPECT_EQ(error_of(task).code(), ErrorCode::kInternal);
  EXPECT_EQ(attempts_.size(), 3u);
  EXPECT_THAT(steps, ElementsAre(HasSubstr("retry 1 of 3"), HasSubstr("retry 2 of 3")));
  EXPECT_THAT(steps[0], HasSubstr(": it failed"));
}

TEST_F(RecoveryExecutorTest, ForeignExceptionsAreErrorsToo) {
  auto task = operation({});
  task.run = [](const RecoverableOperation::Attempt&) { throw std::runtime_error("surprise"); };
  EXPECT_EQ(error_of(task).code(), ErrorCode::kInternal);
  task.run = [](const RecoverableOperation::Attempt&) { throw std::bad_alloc(); };
  EXPECT_EQ(error_of(task).code(), ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace greenroom::core
