#include "core/recovery.h"

#include <gtest/gtest.h>

#include <set>

namespace greenroom::core {
namespace {

using base::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::DeviceId kCpu{base::DeviceKind::kCpu, 0};
constexpr base::DeviceId kOtherGpu{base::DeviceKind::kCuda, 1};

ErrorContext failed(ErrorCode code, const std::string& operation = "convert") {
  ErrorContext context;
  context.code = code;
  context.operation = operation;
  return context;
}

RecoveryStrategy strategy(const ErrorContext& failure, const RecoveryHistory& history = {},
                          const RecoveryMeans& means = {}) {
  return next_step(failure, history, means, {}, 0).strategy;
}

TEST(Recovery, WhatMayPassIsTriedAgainLaterAndLater) {
  RecoveryHistory history;
  RecoveryOptions options;
  options.max_retries = 8;
  options.longest_delay = seconds(5);
  std::vector<std::chrono::nanoseconds> delays;
  for (; history.retries < options.max_retries; ++history.retries) {
    const auto step = next_step(failed(ErrorCode::kUnavailable), history, {}, options, 0);
    ASSERT_EQ(step.strategy, RecoveryStrategy::kRetry);
    delays.push_back(step.delay);
  }
  EXPECT_EQ(delays[0], milliseconds(200));
  EXPECT_EQ(delays[1], milliseconds(400));
  EXPECT_EQ(delays[2], milliseconds(800));
  EXPECT_EQ(delays.back(), seconds(5));
  EXPECT_EQ(strategy(failed(ErrorCode::kUnavailable), {.retries = 3}), RecoveryStrategy::kAbort);
}

TEST(Recovery, ChanceSpreadsTheDelayWithinItsShare) {
  const auto delay = [](double chance) {
    return next_step(failed(ErrorCode::kUnavailable), {}, {}, {}, chance).delay;
  };
  EXPECT_EQ(delay(0), milliseconds(200));
  EXPECT_EQ(delay(0.5), milliseconds(180));
  EXPECT_GE(delay(0.999), milliseconds(160));
}

TEST(Recovery, WhatTheErrorAsksForIsWaited) {
  auto failure = failed(ErrorCode::kUnavailable);
  failure.retry_after = seconds(3);
  EXPECT_EQ(next_step(failure, {}, {}, {}, 0).delay, seconds(3));
}

TEST(Recovery, OutOfMemoryDegradesThenGoesElsewhereThenGivesUp) {
  const auto failure = failed(ErrorCode::kResourceExhausted);
  EXPECT_EQ(strategy(failure, {}, {{kOtherGpu, kCpu}, true, true}), RecoveryStrategy::kDegrade);
  const auto step = next_step(failure, {}, {{kOtherGpu, kCpu}, false, true}, {}, 0);
  EXPECT_EQ(step.strategy, RecoveryStrategy::kFallback);
  EXPECT_EQ(step.device, kOtherGpu);
  EXPECT_EQ(step.description, "on cuda:1");
  EXPECT_EQ(strategy(failure), RecoveryStrategy::kAbort);
}

TEST(Recovery, ABugOrAFileThatChangedUnderARunMeansAFreshLoadOnce) {
  const RecoveryMeans means{{kCpu}, false, true};
  EXPECT_EQ(strategy(failed(ErrorCode::kInternal), {}, means), RecoveryStrategy::kRestart);
  EXPECT_EQ(strategy(failed(ErrorCode::kInternal), {.restarts = 1}, means), RecoveryStrategy::kFallback);
  EXPECT_EQ(strategy(failed(ErrorCode::kDataLoss), {}, means), RecoveryStrategy::kRestart);
  EXPECT_EQ(strategy(failed(ErrorCode::kDataLoss), {.restarts = 1}, means), RecoveryStrategy::kAbort);
  EXPECT_EQ(strategy(failed(ErrorCode::kDataLoss, "load"), {}, means), RecoveryStrategy::kAbort)
      << "the file is the same on every device";
}

TEST(Recovery, WhatIsTheCallersFaultIsNotTriedAgain) {
  const RecoveryMeans all{{kCpu}, true, true};
  for (const auto code :
       {ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kCancelled, ErrorCode::kUnimplemented,
        ErrorCode::kFailedPrecondition, ErrorCode::kDeadlineExceeded}) {
    EXPECT_EQ(strategy(failed(code), {}, all), RecoveryStrategy::kAbort) << base::error_code_name(code);
  }
}

// Whatever happens, and whatever can be tried, it ends.
TEST(Recovery, EveryWayEnds) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    for (const bool restartable : {false, true}) {
      RecoveryHistory history;
      std::vector<base::DeviceId> devices = {kOtherGpu, kCpu};
      int steps = 0;
      for (; steps < 100; ++steps) {
        const RecoveryMeans means{devices, history.degradations < 3, restartable};
        const auto step = next_step(failed(static_cast<ErrorCode>(code)), history, means, {}, 0.5);
        if (step.strategy == RecoveryStrategy::kAbort) break;
        if (step.strategy == RecoveryStrategy::kRetry) ++history.retries;
        if (step.strategy == RecoveryStrategy::kDegrade) ++history.degradations;
        if (step.strategy == RecoveryStrategy::kRestart) ++history.restarts;
        if (step.strategy == RecoveryStrategy::kFallback) {
          devices.erase(devices.begin());
          history.retries = 0;
        }
      }
      EXPECT_LE(steps, 12);
    }
  }
}

TEST(Recovery, TheCoolDownBeginsWithTheSecondFailureAndGrowsToItsBound) {
  const RecoveryOptions options;
  EXPECT_EQ(cool_down(1, options), seconds(0));
  EXPECT_EQ(cool_down(2, options), seconds(5));
  EXPECT_EQ(cool_down(3, options), seconds(10));
  EXPECT_EQ(cool_down(1000, options), std::chrono::minutes(5));
}

TEST(Recovery, EveryCodeHasASeverityAndARemedy) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    EXPECT_FALSE(remedy_for(static_cast<ErrorCode>(code)).empty());
    EXPECT_FALSE(error_severity_name(severity_of(static_cast<ErrorCode>(code))).empty());
  }
  EXPECT_EQ(severity_of(ErrorCode::kDataLoss), ErrorSeverity::kCritical);
  EXPECT_EQ(severity_of(ErrorCode::kUnavailable), ErrorSeverity::kMedium);
}

}  // namespace
}  // namespace greenroom::core
