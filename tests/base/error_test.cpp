#include "base/error.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

namespace greenroom::base {
namespace {

TEST(Error, CarriesCodeAndMessage) {
  const Error error(ErrorCode::kNotFound, "no speaker 9");
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_STREQ(error.what(), "no speaker 9");
}

TEST(Error, MaySayWhenToTryAgain) {
  EXPECT_EQ(Error(ErrorCode::kUnavailable, "busy", std::chrono::seconds(3)).retry_after(),
            std::chrono::seconds(3));
  EXPECT_FALSE(Error(ErrorCode::kUnavailable, "busy").retry_after());
}

TEST(Error, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    names.insert(error_code_name(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorCode::kInternal) + 1);
}

}  // namespace
}  // namespace greenroom::base
