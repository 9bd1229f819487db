#include "base/bytes.h"

#include <gtest/gtest.h>

#include <limits>

namespace greenroom::base {
namespace {

constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();

TEST(CheckedArithmetic, GivesTheResultWhenItFits) {
  EXPECT_EQ(checked_add(2, 3), 5u);
  EXPECT_EQ(checked_add(kMax, 0), kMax);
  EXPECT_EQ(checked_mul(1u << 20, 1u << 20), std::uint64_t{1} << 40);
  EXPECT_EQ(checked_mul(kMax, 0), 0u);
}

TEST(CheckedArithmetic, GivesNothingOnOverflow) {
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_mul(kMax / 2 + 1, 2), std::nullopt);
}

TEST(FormatBytes, UsesBinaryUnitsWithOneDecimal) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(1536 * 1024), "1.5 MiB");
  EXPECT_EQ(format_bytes(std::uint64_t{2} << 30), "2.0 GiB");
  EXPECT_EQ(format_bytes(kMax), "16384.0 PiB");
}

TEST(ParseBytes, ReadsBinaryDecimalAndBareUnits) {
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes("2GiB"), std::uint64_t{2} << 30);
  EXPECT_EQ(parse_bytes("1.5 GB"), 1'500'000'000u);
  EXPECT_EQ(parse_bytes("512mib"), 512u << 20);
  EXPECT_EQ(parse_bytes("1k"), 1024u);
  EXPECT_EQ(parse_bytes("0"), 0u);
}

TEST(ParseBytes, RefusesWhatIsNoSize) {
  for (const char* text : {"", "GiB", "-1", "1 parsec", "1GiBB", "nan", "inf", "1e30", "0x10"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace greenroom::base
