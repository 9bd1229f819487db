#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/error.h"
#include "models/index_tts/beam_scorer.h"
#include "models/index_tts/code_picker.h"
#include "models/index_tts/code_search.h"
#include "models/index_tts/score_processors.h"

namespace greenroom::models::index_tts {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

constexpr float kRemoved = -std::numeric_limits<float>::infinity();
constexpr std::int64_t kStop = 9;

std::vector<std::int64_t> kept(const std::vector<float>& scores) {
  std::vector<std::int64_t> codes;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] != kRemoved) codes.push_back(static_cast<std::int64_t>(i));
  }
  return codes;
}

TEST(ScoreProcessors, PenalizeACodeOnceHoweverOftenItWasUsed) {
  std::vector<float> scores{2, -2, 3, -3};
  penalize_repetition(scores, std::vector<std::int64_t>{0, 1, 1, 0, 77, -1}, 2);
  EXPECT_THAT(scores, ElementsAre(1, -4, 3, -3));
}

TEST(ScoreProcessors, TopKKeepsTies) {
  std::vector<float> scores{1, 3, 2, 2, 0};
  keep_top_k(scores, 2);
  EXPECT_THAT(kept(scores), ElementsAre(1, 2, 3));
  std::vector<float> few{1, 2};
  keep_top_k(few, 30);
  EXPECT_THAT(kept(few), ElementsAre(0, 1));
}

TEST(ScoreProcessors, TopPKeepsTheLeastCodesWithTheMass) {
  const std::vector<float> logs{std::log(0.5F), std::log(0.3F), std::log(0.15F), std::log(0.05F)};
  auto scores = logs;
  keep_top_p(scores, 0.7, 1);
  EXPECT_THAT(kept(scores), ElementsAre(0, 1));
  scores = logs;
  keep_top_p(scores, 0.01, 2);
  EXPECT_THAT(kept(scores), ElementsAre(0, 1));
  scores = logs;
  keep_top_p(scores, 0.01, 1);
  EXPECT_THAT(kept(scores), ElementsAre(0));
}

TEST(ScoreProcessors, WithoutSamplingOnlyThePenaltyApplies) {
  GenerationOptions options;
  options.do_sample = false;
  options.top_k = 1;
  options.repetition_penalty = 2;
  std::vector<float> scores{4, 2, 1};
  process_scores(scores, std::vector<std::int64_t>{0}, options);
  EXPECT_THAT(scores, ElementsAre(2, 2, 1));
}

TEST(GenerationOptions, RefusesWhatIsOutOfRangeByName) {
  GenerationOptions options;
  EXPECT_NO_THROW(options.validate());
  const auto message_of = [](GenerationOptions wrong) -> std::string {
    try {
      wrong.validate();
    } catch (const base::Error& error) {
      return error.what();
    }
    return "";
  };
  options.num_beams = 0;
  EXPECT_THAT(message_of(options), testing::HasSubstr("num_beams is 0"));
  options = {};
  options.top_p = 1.5;
  EXPECT_THAT(message_of(options), testing::HasSubstr("top_p is 1.5"));
  options = {};
  options.temperature = std::nan("");
  EXPECT_THAT(message_of(options), testing::HasSubstr("temperature"));
  options = {};
  options.max_mel_tokens = 0;
  EXPECT_THAT(message_of(options), testing::HasSubstr("max_mel_tokens is 0"));
}

TEST(SeededPicker, RepeatsItselfPerSeedAndSegment) {
  std::vector<Candidate> candidates;
  for (std::int64_t i = 0; i < 50; ++i) candidates.push_back({i * 3, 0.02F});
  const auto draws = [&](std::uint64_t seed, std::uint64_t segment) {
    SeededPicker picker(seed, segment);
    auto picks = picker.pick(candidates, 6);
    const auto more = picker.pick(candidates, 6);
    picks.insert(picks.end(), more.begin(), more.end());
    return picks;
  };
  EXPECT_EQ(draws(1, 0), draws(1, 0));
  EXPECT_NE(draws(1, 0), draws(2, 0));
  EXPECT_NE(draws(1, 0), draws(1, 1));
}

TEST(SeededPicker, DrawsInProportionAndWithoutReplacement) {
  const std::vector<Candidate> candidates{{4, 0.6F}, {5, 0.3F}, {9, 0.1F}};
  SeededPicker picker(7, 0);
  std::map<std::int64_t, int> first;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const auto picks = picker.pick(candidates, 2);
    ASSERT_EQ(picks.size(), 2U);
    ASSERT_NE(picks[0], picks[1]);
    ++first[picks[0]];
  }
  EXPECT_NEAR(first[4], 0.6 * kDraws, 300);
  EXPECT_NEAR(first[5], 0.3 * kDraws, 300);
  EXPECT_NEAR(first[9], 0.1 * kDraws, 300);
  EXPECT_THAT(picker.pick(candidates, 9), testing::UnorderedElementsAre(4, 5, 9));
}

TEST(BeamScorer, KeepsStoppedBeamsAndGoesOnWithTheOthers) {
  BeamScorer scorer(2, 0, kStop);
  auto next = scorer.advance(std::vector<Continuation>{{-1, 0, 3}, {-2, 0, 4}, {-3, 0, 5}, {-4, 0, 6}});
  ASSERT_EQ(next.size(), 2U);
  EXPECT_EQ(next[1].code, 4);
  // The stop code on the best beam makes a hypothesis, without the stop code; the next two go on.
  next = scorer.advance(std::vector<Continuation>{{-1.5, 0, kStop}, {-2.5, 1, 5}, {-3, 0, 6}, {-4, 1, 7}});
  ASSERT_EQ(next.size(), 2U);
  EXPECT_EQ(next[0].beam, 1);
  EXPECT_EQ(next[1].beam, 0);
  EXPECT_THAT(scorer.sequence(0), ElementsAre(4, 5));
  EXPECT_FALSE(scorer.done());
  const auto best = scorer.finish();
  EXPECT_THAT(best.codes, ElementsAre(3));
  EXPECT_TRUE(best.stopped);
  EXPECT_DOUBLE_EQ(best.score, -1.5);
}

TEST(BeamScorer, IgnoresAStopCodeThatIsNotAmongTheBest) {
  BeamScorer scorer(2, 0, kStop);
  scorer.advance(std::vector<Continuation>{{-1, 0, 3}, {-2, 0, 4}, {-3, 0, kStop}, {-4, 0, 6}});
  const auto best = scorer.finish();
  EXPECT_THAT(best.codes, ElementsAre(3));
  EXPECT_FALSE(best.stopped);
}

TEST(BeamScorer, EndsWhenNothingBetterCanCome) {
  BeamScorer scorer(2, 0, kStop);
  scorer.advance(std::vector<Continuation>{{-1, 0, 3}, {-2, 0, 4}, {-3, 0, 5}, {-4, 0, 6}});
  const auto next =
      scorer.advance(std::vector<Continuation>{{-1.5, 0, kStop}, {-1.6, 1, kStop}, {-3, 0, 6}, {-4, 1, 7}});
  // Two hypotheses, but the worse one is not yet as good as the best score of this step.
  EXPECT_EQ(next.size(), 2U);
  const auto end =
      scorer.advance(std::vector<Continuation>{{-3, 0, 5}, {-4, 1, kStop}, {-5, 0, 6}, {-6, 1, 7}});
  EXPECT_TRUE(end.empty());
  EXPECT_TRUE(scorer.done());
  EXPECT_THAT(scorer.finish().codes, ElementsAre(3));
}

TEST(BeamScorer, OfEqualScoresTheLaterOneWins) {
  BeamScorer scorer(2, 0, kStop);
  scorer.advance(std::vector<Continuation>{{-1, 0, 3}, {-1, 0, 4}, {-3, 0, 5}, {-4, 0, 6}});
  EXPECT_THAT(scorer.finish().codes, ElementsAre(4));
}

TEST(BeamScorer, DividesByTheLengthToThePenalty) {
  BeamScorer scorer(2, 1, kStop);
  scorer.advance(std::vector<Continuation>{{-2, 0, kStop}, {-2.5, 0, 4}, {-3, 0, 5}, {-4, 0, 6}});
  scorer.advance(std::vector<Continuation>{{-3, 0, 4}, {-5, 1, 5}, {-6, 0, 6}, {-7, 1, 7}});
  const auto best = scorer.finish();  // -2 / 1 against -3 / 2
  EXPECT_THAT(best.codes, ElementsAre(4, 4));
  EXPECT_DOUBLE_EQ(best.score, -1.5);
}

// Ten codes; 8 is the start, 9 stops.
constexpr CodeSpace kSpace{10, 8, kStop};

GenerationOptions plain(int beams, std::int64_t limit) {
  GenerationOptions options;
  options.do_sample = false;
  options.num_beams = beams;
  options.repetition_penalty = 1;
  options.max_mel_tokens = limit;
  return options;
}

TEST(CodeSearch, StopsAtTheStopCodeAndAtTheLimit) {
  CodeSearch search(plain(1, 3), kSpace, nullptr);
  std::vector<float> logits(10, 0.0F);
  logits[4] = 5;
  auto next = search.advance(logits);
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].code, 4);
  logits[kStop] = 6;
  EXPECT_TRUE(search.advance(logits).empty());
  const auto codes = search.finish();
  EXPECT_THAT(codes.codes, ElementsAre(4));
  EXPECT_TRUE(codes.stopped);

  CodeSearch limited(plain(1, 2), kSpace, nullptr);
  std::vector<float> same(10, 0.0F);
  same[4] = 5;
  EXPECT_FALSE(limited.advance(same).empty());
  EXPECT_TRUE(limited.advance(same).empty());
  const auto all = limited.finish();
  EXPECT_THAT(all.codes, ElementsAre(4, 4));
  EXPECT_FALSE(all.stopped);
}

TEST(CodeSearch, HoldsCodeOneAndTheStartCodeDownFromTheFirstStep) {
  auto options = plain(1, 5);
  options.repetition_penalty = 10;
  CodeSearch search(options, kSpace, nullptr);
  std::vector<float> logits(10, 0.0F);
  logits[1] = 5;
  logits[kSpace.start] = 5;
  logits[6] = 1;
  EXPECT_EQ(search.advance(logits)[0].code, 6);
}

TEST(CodeSearch, FirstStepOfABeamSearchStartsFromOneBeam) {
  CodeSearch search(plain(3, 5), kSpace, nullptr);
  std::vector<float> logits;
  for (int i = 0; i < 30; ++i) logits.push_back(i % 10 == kStop ? -9.0F : static_cast<float>(i % 10));
  const auto next = search.advance(logits);
  ASSERT_EQ(next.size(), 3U);
  std::vector<std::int64_t> codes;
  for (const auto& one : next) {
    EXPECT_EQ(one.parent, 0);
    codes.push_back(one.code);
  }
  EXPECT_THAT(codes, ElementsAre(8, 7, 6));
}

// top-p leaves two codes on the only beam in use: four of the six draws are of codes with no probability.
TEST(CodeSearch, FillsUpWhenFewerCodesArePossibleThanDrawn) {
  GenerationOptions options;
  options.top_p = 0.01;
  options.repetition_penalty = 1;
  options.max_mel_tokens = 4;
  SeededPicker picker(3, 0);
  CodeSearch search(options, kSpace, &picker);
  std::vector<float> logits(30);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 10);
  std::size_t next = search.advance(logits).size();
  EXPECT_EQ(next, 3U);
  while (next != 0) {
    for (std::size_t i = 0; i < logits.size(); ++i)
      logits[i] = static_cast<float>(i % 10 == kStop ? 0 : i % 10);
    next = search.advance(logits).size();
  }
  const auto result = search.finish();
  EXPECT_TRUE(std::isfinite(result.score));
}

TEST(CodeSearch, RefusesScoresThatAreNotFinite) {
  CodeSearch search(plain(3, 5), kSpace, nullptr);
  std::vector<float> logits(30, 0.0F);
  logits[17] = std::nanf("");
  EXPECT_THROW(search.advance(logits), base::Error);
  SeededPicker picker(1, 0);
  GenerationOptions options;
  options.num_beams = 1;
  CodeSearch single(options, kSpace, &picker);
  std::vector<float> row(10, 0.0F);
  row[3] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(single.advance(row), base::Error);
}

}  // namespace
}  // namespace greenroom::models::index_tts
