#include "core/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/error.h"

namespace greenroom::core {
namespace {

using ::testing::HasSubstr;

const base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

Trace parse(const std::string& text) {
  std::istringstream input(text);
  return read_trace(input);
}

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const base::Error& error) {
    return error.what();
  }
  return "";
}

SimulationOptions options(std::uint64_t budget, EvictionPolicy policy = EvictionPolicy::kLru) {
  SimulationOptions result;
  result.devices = {{kGpu, budget}};
  result.manager.policy = policy;
  result.manager.min_residence = {};
  result.hardware.disk_bytes_per_second = 100;
  return result;
}

constexpr const char* kTwoVoices =
    "model alice enc:400 a:200  # two voices\n"
    "model bob enc:400 b:300\n"
    "at 0 request alice 1\n"
    "at 100 request bob 1 50\n"
    "at 200 request alice 1\n";

TEST(Trace, IsReadAndWritten) {
  const Trace trace = parse(kTwoVoices);
  ASSERT_EQ(trace.models.size(), 2u);
  EXPECT_EQ(trace.models[1].components[1].second, 300u);
  ASSERT_EQ(trace.events.size(), 3u);
  EXPECT_EQ(std::get<TraceRequest>(trace.events[1].what).workspace_bytes, 50u);
  std::ostringstream written;
  write_trace(trace, written);
  std::ostringstream again;
  write_trace(parse(written.str()), again);
  EXPECT_EQ(again.str(), written.str());
}

TEST(Trace, ErrorsNameTheLine) {
  EXPECT_THAT(error_of("model a x:1\nmodel a y:1"), HasSubstr("line 2: the model \"a\" is there already"));
  EXPECT_THAT(error_of("model a x:1\nmodel b x:2"), HasSubstr("had another size"));
  EXPECT_THAT(error_of("at 1 request nobody 1"), HasSubstr("no model \"nobody\""));
  EXPECT_THAT(error_of("at -1 fail 1"), HasSubstr("\"-1\" is no time"));
  EXPECT_THAT(error_of("at nan fail 1"), HasSubstr("is no time"));
  EXPECT_THAT(error_of("at 5 fail 1\nat 4 fail 1"), HasSubstr("backwards"));
  EXPECT_THAT(error_of("model a x:9999999TiB"), HasSubstr("is no size"));
  EXPECT_THAT(error_of("model a"), HasSubstr("no components"));
  EXPECT_THAT(error_of("at 1 foreign gpu0 1"), HasSubstr("no device"));
  EXPECT_THAT(error_of("at 1 fail 1 2"), HasSubstr("one word too many"));
  EXPECT_THAT(error_of("dance"), HasSubstr("neither model nor at"));
}

TEST(Trace, TheSameRecipeMakesTheSameTrace) {
  for (const TraceShape shape : {TraceShape::kZipf, TraceShape::kDayNight, TraceShape::kScan}) {
    std::ostringstream first, second;
    write_trace(make_trace({.shape = shape, .voices = 9, .requests = 50}), first);
    write_trace(make_trace({.shape = shape, .voices = 9, .requests = 50}), second);
    EXPECT_EQ(first.str(), second.str()) << trace_shape_name(shape);
    EXPECT_EQ(parse(first.str()).events.size(), 50u);
  }
}

TEST(Simulation, ReplaysATraceInVirtualTime) {
  const auto result = simulate(parse(kTwoVoices), options(1000));
  EXPECT_EQ(result.requests, 3u);
  EXPECT_EQ(result.hits, 1u);
  EXPECT_EQ(result.loaded_bytes, 900u);
  EXPECT_EQ(result.evictions, 0u);
  EXPECT_DOUBLE_EQ(result.load_seconds, 9);
  EXPECT_EQ(result.most_used_bytes, 950u);
  EXPECT_EQ(result.left_bytes, 0u);
}

TEST(Simulation, ASmallerBudgetEvicts) {
  const auto result = simulate(parse(kTwoVoices), options(800));
  EXPECT_EQ(result.loaded_bytes, 1100u);
  EXPECT_EQ(result.evictions, 2u);
  EXPECT_EQ(result.refused, 0u);
  EXPECT_EQ(result.breaches, 0u);
  auto with_tier = options(800);
  with_tier.manager.host_tier_bytes = 10000;
  EXPECT_EQ(simulate(parse(kTwoVoices), with_tier).promoted_bytes, 200u);
}

TEST(Simulation, RunsThatAreInTheWayAreWaitedFor) {
  const auto result = simulate(parse("model a x:600\nmodel b y:600\n"
                                     "at 0 request a 50\n"
                                     "at 10 request b 1\n"),
                               options(1000));
  EXPECT_EQ(result.waited, 1u);
  EXPECT_EQ(result.refused, 0u);
  EXPECT_DOUBLE_EQ(result.load_seconds, 6 + 46 + 6) << "a ends at 56";
}

TEST(Simulation, WhatNeverFitsIsRefused) {
  const auto result = simulate(parse("model a x:2000\nat 0 request a 1"), options(1000));
  EXPECT_EQ(result.refused, 1u);
}

TEST(Simulation, FaultsOfTheTraceHappen) {
  const auto failed =
      simulate(parse("model a x:100\nat 0 fail 1\nat 1 request a 1\nat 9 request a 1"), options(1000));
  EXPECT_EQ(failed.failed, 1u);
  EXPECT_EQ(failed.loaded_bytes, 100u);
  const auto foreign = simulate(parse("model a x:600\nat 0 foreign cuda:0 500\nat 1 request a 1\n"
                                      "at 2 foreign cuda:0 0\nat 3 request a 1"),
                                options(1000));
  EXPECT_EQ(foreign.refused, 1u);
  EXPECT_EQ(foreign.loaded_bytes, 600u);
  const auto leaked = simulate(parse("model a x:600\nat 0 request a 1\nat 10 leak cuda:0 1\nat 11 unload a\n"
                                     "at 20 request a 1"),
                               options(1000));
  EXPECT_EQ(leaked.missing_bytes, 600u);
  EXPECT_EQ(leaked.refused, 1u);
  EXPECT_THROW(simulate(parse("at 0 leak cuda:5 1"), options(1000)), base::Error);
}

TEST(Simulation, LagIsWaitedFor) {
  auto slow = options(800);
  slow.hardware.lag = std::chrono::milliseconds(200);
  const auto result = simulate(parse(kTwoVoices), slow);
  EXPECT_EQ(result.refused + result.failed + result.missing_bytes, 0u);
  EXPECT_GT(result.load_seconds, simulate(parse(kTwoVoices), options(800)).load_seconds + 0.4);
}

TEST(Simulation, SeveralDevicesArePlacedOn) {
  auto two = options(700);
  two.devices.push_back({{base::DeviceKind::kCuda, 1}, 700});
  const auto result = simulate(
      parse("model a x:600\nmodel b y:600\nat 0 request a 100\nat 20 request b 1\nat 140 request a 1"), two);
  EXPECT_EQ(result.evictions, 0u) << "the first was in use: the second went elsewhere";
  EXPECT_EQ(result.hits, 1u);
}

TEST(Simulation, NobodyBeatsTheClairvoyant) {
  for (const TraceShape shape : {TraceShape::kZipf, TraceShape::kDayNight, TraceShape::kScan}) {
    TraceRecipe recipe{.shape = shape, .voices = 40, .requests = 1500};
    recipe.shared_bytes = 800;
    recipe.voice_bytes = 200;
    recipe.workspace_bytes = 50;
    const Trace trace = make_trace(recipe);
    const std::uint64_t least = clairvoyant_bytes(trace, 3000);
    EXPECT_GE(least, 800u + 40u * 100u);
    for (const EvictionPolicy policy : {EvictionPolicy::kCost, EvictionPolicy::kLru}) {
      auto setting = options(3000, policy);
      setting.hardware.disk_bytes_per_second = 1e9;
      setting.idle_timeout = std::chrono::hours(1000);
      const auto result = simulate(trace, setting);
      EXPECT_EQ(result.refused + result.failed + result.breaches + result.left_bytes, 0u);
      EXPECT_GE(result.loaded_bytes * 1.02, least) << trace_shape_name(shape);
    }
  }
}

}  // namespace
}  // namespace greenroom::core
