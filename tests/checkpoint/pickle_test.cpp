#include "checkpoint/pickle.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/error.h"

namespace greenroom::checkpoint {
namespace {

// Keeps every program, since what is read borrows from it.
Pickle read(const std::string& program, const PickleLimits& limits = {}) {
  static std::deque<std::string> programs;
  return read_pickle(std::as_bytes(std::span(programs.emplace_back(program))), "test", limits);
}

std::string refusal(const std::string& program, const PickleLimits& limits = {}) {
  try {
    read(program, limits);
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kDataLoss);
    return error.what();
  }
  ADD_FAILURE() << "was read";
  return "";
}

std::string text(const std::string& value) {
  return std::string("\x8c") + static_cast<char>(value.size()) + value;
}

TEST(Pickle, ReadsPlainValues) {
  const auto pickle =
      read(std::string("\x80\x02(K\x05J\xff\xff\xff\xff\x8a\x02\x00\xff\x88NG\x3f\xe0\0\0\0\0\0\0t.", 28));
  const auto& items = pickle.at(pickle.root).items;
  ASSERT_EQ(items.size(), 6U);
  EXPECT_EQ(pickle.at(items[0]).integer, 5);
  EXPECT_EQ(pickle.at(items[1]).integer, -1);
  EXPECT_EQ(pickle.at(items[2]).integer, -256);
  EXPECT_EQ(pickle.at(items[3]).kind, NodeKind::kBool);
  EXPECT_EQ(pickle.at(items[4]).kind, NodeKind::kNone);
  EXPECT_EQ(pickle.at(items[5]).real, 0.5);
}

TEST(Pickle, AMemoizedDictIsTheSameDictOnceItIsFilled) {
  const auto pickle = read("}q\x01" + text("a") + std::string("K\x07s") + "h\x01\x86.");
  const auto& pair = pickle.at(pickle.root).items;
  EXPECT_EQ(pair[0], pair[1]);
  EXPECT_EQ(pickle.at(pair[0]).items.size(), 2U);
}

TEST(Pickle, CallsNothing) {
  const auto pickle = read("cos\nsystem\n" + text("rm -rf /") + "\x85R.");
  EXPECT_EQ(pickle.at(pickle.root).kind, NodeKind::kForeign);
}

TEST(Pickle, AttributesOfAnOrderedDictAreNoItems) {
  const auto pickle = read("ccollections\nOrderedDict\n)R}" + text("_metadata") + "}sb.");
  EXPECT_EQ(pickle.at(pickle.root).kind, NodeKind::kDict);
  EXPECT_TRUE(pickle.at(pickle.root).items.empty());
}

TEST(Pickle, ReadsProtocol4) {
  const auto pickle = read(std::string("\x80\x04\x95\x05\0\0\0\0\0\0\0", 11) + text("a") + "\x94" + ".");
  EXPECT_EQ(pickle.at(pickle.root).text, "a");
}

TEST(Pickle, RefusesOpcodesThatBuildObjects) {
  for (const char* program : {"(i", "(o", "P1\n.", "\x82\x01.", "2."}) {
    EXPECT_NE(refusal(program).find("at byte"), std::string::npos);
  }
}

TEST(Pickle, RefusesAStackThatUnderflows) {
  for (const char* program : {"R.", "\x85.", "s.", "t.", "a.", "Q.", ".", "(K\x01\x86."}) refusal(program);
}

TEST(Pickle, RefusesAnEndBeforeStop) {
  for (const char* program : {"", "}", "K", "X\xff\xff\xff\x7f",
                              "\x8c\x05"
                              "ab",
                              "cos\nsys"})
    refusal(program);
}

TEST(Pickle, RefusesAMemoIndexBeyondAnyWriters) {
  refusal(std::string("}r\xff\xff\xff\xff.", 7));
  refusal("h\x05.");
}

TEST(Pickle, RefusesWrongTargets) {
  refusal(
      "}K\x01"
      "a.");                        // APPEND to a dict
  refusal("](K\x01u.");             // SETITEMS with an odd count, on a list
  refusal("}(K\x01u.");             // odd count
  refusal("](K\x01K\x02u.");        // SETITEMS on a list
  refusal(text("storage") + "Q.");  // persistent id that is no tuple
}

TEST(Pickle, AMemoBombCostsLittle) {
  std::string program = "(]q\x01";
  for (int i = 0; i < 60; ++i) program += "h\x01h\x01\x86q\x01";
  const auto pickle = read(program + "t.").nodes.size();
  EXPECT_LT(pickle, 1000U);
}

TEST(Pickle, BoundsValuesMarksAndStack) {
  PickleLimits limits;
  limits.max_nodes = 10;
  EXPECT_NE(refusal(std::string(100, 'N') + ".", limits).find("more than 10 values"), std::string::npos);
  limits = {};
  limits.max_marks = 10;
  refusal(std::string(100, '('), limits);
  limits = {};
  limits.max_stack = 10;
  refusal(std::string(100, 'N') + ".", limits);
  limits = {};
  limits.max_bytes = 10;
  refusal(std::string(100, 'N') + ".", limits);
}

}  // namespace
}  // namespace greenroom::checkpoint
