#include "core/ledger.h"

#include <gtest/gtest.h>

#include <limits>
#include <type_traits>
#include <utility>

namespace greenroom::core {
namespace {

static_assert(!std::is_copy_constructible_v<Reservation> && !std::is_copy_assignable_v<Reservation>);
static_assert(std::is_nothrow_move_constructible_v<Reservation> &&
              std::is_nothrow_move_assignable_v<Reservation>);
static_assert(!std::is_copy_constructible_v<Ledger> && !std::is_move_constructible_v<Ledger>);

TEST(Ledger, GrantsUpToItsCapacityAndNotAByteMore) {
  Ledger ledger(100);
  auto first = ledger.reserve(60);
  ASSERT_TRUE(first);
  EXPECT_FALSE(ledger.reserve(41));
  EXPECT_FALSE(ledger.reserve(std::numeric_limits<std::uint64_t>::max()));
  auto second = ledger.reserve_workspace(40);
  ASSERT_TRUE(second);
  EXPECT_EQ(ledger.totals().reserved, 60u);
  EXPECT_EQ(ledger.totals().workspace, 40u);
  EXPECT_EQ(ledger.totals().free(), 0u);
  EXPECT_TRUE(ledger.reserve(0));
}

TEST(Ledger, AReservationGivesBackWhatItHoldsWhenItGoes) {
  Ledger ledger(100);
  { auto reservation = ledger.reserve(70); }
  EXPECT_EQ(ledger.totals().used(), 0u);
}

TEST(Ledger, MovingAReservationMovesTheClaim) {
  Ledger ledger(100);
  Reservation kept;
  {
    auto reservation = ledger.reserve(70);
    kept = std::move(*reservation);
  }
  EXPECT_EQ(ledger.totals().reserved, 70u);
  EXPECT_EQ(kept.bytes(), 70u);
  kept = *ledger.reserve(20);
  EXPECT_EQ(ledger.totals().reserved, 20u) << "assignment gives the old claim back";
  Reservation moved(std::move(kept));
  EXPECT_EQ(moved.bytes(), 20u);
  moved.release();
  moved.release();
  EXPECT_EQ(ledger.totals().used(), 0u);
}

TEST(Ledger, ShrinkingGivesBackTheDifference) {
  Ledger ledger(100);
  auto reservation = ledger.reserve(70);
  reservation->shrink_to(30);
  EXPECT_EQ(ledger.totals().reserved, 30u);
  reservation->shrink_to(50);
  EXPECT_EQ(ledger.totals().reserved, 30u) << "never grows";
}

TEST(Ledger, BecomingResidentMovesTheRealBytes) {
  Ledger ledger(100);
  auto reservation = ledger.reserve(70);
  reservation->become_resident(50);
  EXPECT_EQ(ledger.totals().reserved, 0u);
  EXPECT_EQ(ledger.totals().resident, 50u);
  reservation->release();
  EXPECT_EQ(ledger.totals().used(), 0u);
}

TEST(Ledger, TellsTheTruthAboutAComponentThatGrewBeyondItsReservation) {
  Ledger ledger(100);
  auto reservation = ledger.reserve(70);
  reservation->become_resident(120);
  EXPECT_EQ(ledger.totals().resident, 120u);
  EXPECT_EQ(ledger.totals().free(), 0u);
  EXPECT_FALSE(ledger.reserve(1));
}

}  // namespace
}  // namespace greenroom::core
