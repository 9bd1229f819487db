#include "server/audio_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "server/problem.h"
#include "support/error_of.h"

namespace greenroom::server {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kSecond = 48'000 * sizeof(float);

TEST(AudioMemory, AClaimIsGivenBack) {
  AudioMemory memory(10 * kSecond);
  {
    AudioMemory::Claim claim(memory, nullptr);
    const auto first = claim.reading("a.wav");
    first.will_hold(48'000 * 2, 48'000);
    first.will_hold(48'000 * 3, 48'000);  // the same recording, longer than it said
    EXPECT_EQ(memory.claimed_bytes(), 3 * kSecond);
    claim.reading("b.wav").will_hold(8'000 * 4, 8'000);  // will be 48 kHz at most
    EXPECT_EQ(memory.claimed_bytes(), 7 * kSecond);
    claim.reading("c.wav").will_hold(96'000, 96'000);
    EXPECT_EQ(memory.claimed_bytes(), 9 * kSecond);
  }
  EXPECT_EQ(memory.claimed_bytes(), 0U);
}

TEST(AudioMemory, RefusesWhatIsTooMuchByItselfAndWhatIsTooMuchNow) {
  AudioMemory memory(10 * kSecond);
  AudioMemory::Claim first(memory, nullptr), second(memory, nullptr);
  first.reading("a.wav").will_hold(48'000 * 6, 48'000);
  try {
    second.reading("b.wav").will_hold(48'000 * 11, 48'000);
    ADD_FAILURE() << "taken";
  } catch (const HttpError& error) {
    EXPECT_EQ(error.status(), 413);
    EXPECT_THAT(error.what(), HasSubstr("'b.wav'"));
  }
  const auto now = test::error_of([&] { second.reading("b.wav").will_hold(48'000 * 5, 48'000); });
  EXPECT_EQ(now.code(), base::ErrorCode::kUnavailable);
  EXPECT_TRUE(now.retry_after());
  EXPECT_EQ(problem_of(now).status, 429);
  EXPECT_EQ(memory.claimed_bytes(), 6 * kSecond);
}

TEST(AudioMemory, AJobWaitsForRoomAndNoLongerThanItIsWanted) {
  AudioMemory memory(10 * kSecond);
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  auto first = std::make_unique<AudioMemory::Claim>(memory, nullptr);
  first->reading("a.wav").will_hold(48'000 * 6, 48'000);
  const auto claim = [&] {
    AudioMemory::Claim waiting(memory, cancelled);
    waiting.reading("b.wav").will_hold(48'000 * 6, 48'000);
    return memory.claimed_bytes();
  };
  auto given_up = std::async(std::launch::async, claim);
  *cancelled = true;
  EXPECT_EQ(test::error_of([&] { given_up.get(); }).code(), base::ErrorCode::kCancelled);
  *cancelled = false;
  auto granted = std::async(std::launch::async, claim);
  first.reset();
  EXPECT_EQ(granted.get(), 6 * kSecond);
}

}  // namespace
}  // namespace greenroom::server
