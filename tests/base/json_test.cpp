#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace greenroom::base {
namespace {

using ::testing::HasSubstr;

std::string failure(const std::string& text, const JsonLimits& limits = {}) {
  try {
    parse_json(text, "request body", limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDataLoss);
    return error.what();
  }
  return "no error";
}

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(ParseJson, ReadsADocumentAndKeepsTheOrderOfKeys) {
  const Json json = parse_json(R"( {"b": 1, "a": [true, null, 2.5, "x"]} )", "request body");
  EXPECT_EQ(json.begin().key(), "b");
  EXPECT_EQ(json["a"].size(), 4u);
}

TEST(ParseJson, NamesTheSourceAndThePosition) {
  EXPECT_THAT(failure(R"({"a": })"), HasSubstr("request body: not valid JSON"));
  EXPECT_THAT(failure(R"({"a": })"), HasSubstr("column 7"));
  EXPECT_THAT(failure(""), HasSubstr("request body: not valid JSON"));
}

TEST(ParseJson, RefusesWhatFollowsTheDocument) {
  EXPECT_THAT(failure("{} {}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(failure("1,"), HasSubstr("not valid JSON"));
}

TEST(ParseJson, RefusesInvalidUtf8) {
  EXPECT_THAT(failure("\"\xff\""), HasSubstr("not valid JSON"));
}

TEST(ParseJson, RefusesAKeyThatOccursTwiceInOneObject) {
  EXPECT_THAT(failure(R"({"a": 1, "a": 2})"), HasSubstr("\"a\" occurs twice"));
  EXPECT_THAT(failure(R"({"x": [{"a": 1, "b": {}, "a": 2}]})"), HasSubstr("\"a\" occurs twice"));
}

TEST(ParseJson, AllowsAKeyAgainInAnotherObject) {
  EXPECT_EQ(failure(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})"), "no error");
}

TEST(ParseJson, RefusesTextThatIsTooLong) {
  EXPECT_EQ(failure("[1,2]", {.max_bytes = 5}), "no error");
  EXPECT_THAT(failure("[1,23]", {.max_bytes = 5}), HasSubstr("more than the 5 B allowed"));
}

TEST(ParseJson, RefusesDeepNesting) {
  EXPECT_EQ(failure(nested(8), {.max_depth = 8}), "no error");
  EXPECT_THAT(failure(nested(10), {.max_depth = 8}), HasSubstr("nested deeper than 8"));
  EXPECT_THAT(failure(std::string(1'000'000, '[')), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(failure(R"({"a":{"a":{"a":{}}}})", {.max_depth = 1}), HasSubstr("nested deeper than 1"));
}

}  // namespace
}  // namespace greenroom::base
