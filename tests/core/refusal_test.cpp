#include "core/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::core {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kMiB = 1u << 20;
const base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

ComponentInfo held(const std::string& kind, std::uint64_t bytes, std::vector<std::string> holders) {
  return {kind, "/models/" + kind + ".pt", "", kGpu, bytes, ComponentState::kResident, std::move(holders), 0};
}

TEST(Refusal, SaysWhatWasNeededWhatIsFreeWhoHoldsTheRestAndTheRemedy) {
  Refusal refusal{"loading 'carol'", kGpu, 300 * kMiB, {{"voice (carol.pt)", 300 * kMiB}}};
  refusal.totals = {.capacity = 1024 * kMiB, .resident = 900 * kMiB, .workspace = 24 * kMiB};
  refusal.held = {held("vocoder", 100 * kMiB, {"alice"}), held("encoder", 800 * kMiB, {"alice", "bob"})};
  refusal.held[1].leases = 2;
  EXPECT_EQ(describe(refusal),
            "cuda:0: loading 'carol' needs 300.0 MiB (voice (carol.pt) 300.0 MiB), but 100.0 MiB of 1.0 GiB "
            "is free."
            " Held: workspace of running inferences 24.0 MiB; encoder (encoder.pt) 800.0 MiB for alice, bob"
            " [2 running]; vocoder (vocoder.pt) 100.0 MiB for alice."
            " Unload one of alice, bob, or raise the budget of cuda:0.");
}

TEST(Refusal, SaysWhenItCanNeverFit) {
  const Refusal refusal{"loading 'carol'", kGpu, 300 * kMiB, {}, {.capacity = 200 * kMiB}, {}};
  EXPECT_THAT(describe(refusal), HasSubstr("more than the whole budget of cuda:0"));
}

TEST(Refusal, ListsTheLargestFew) {
  Refusal refusal{"loading 'x'", kGpu, 1, {}, {.capacity = 20, .resident = 20}, {}};
  for (std::uint64_t i = 1; i <= 12; ++i) refusal.held.push_back(held("part" + std::to_string(i), i, {"a"}));
  EXPECT_THAT(describe(refusal), HasSubstr("Held: part12 (part12.pt) 12 B for a; part11"));
  EXPECT_THAT(describe(refusal), HasSubstr("; 4 more."));
  EXPECT_THAT(describe(refusal), Not(HasSubstr("part4 ")));
}

TEST(Refusal, OffersWaitingWhenNobodyCouldBeUnloaded) {
  Refusal refusal{"loading 'x'", kGpu, 10, {}, {.capacity = 20, .workspace = 15}, {}};
  EXPECT_THAT(describe(refusal), HasSubstr("Try again"));
}

}  // namespace
}  // namespace greenroom::core
