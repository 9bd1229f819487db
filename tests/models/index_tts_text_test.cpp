#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "base/error.h"
#include "models/index_tts/text/byte_bpe.h"
#include "models/index_tts/text/emotion.h"
#include "models/index_tts/text/normalizer.h"
#include "models/index_tts/text/segments.h"
#include "models/index_tts/text/tokenizer.h"
#include "support/temp_dir.h"

namespace greenroom::models::index_tts {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

const fs::path kGolden = fs::path(GREENROOM_TEST_DATA) / "golden" / "index_tts";

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Each line: a text, a tab, and how it is spoken.
TEST(SpokenForms, AreWhatAPersonWouldSay) {
  const TextNormalizer normalizer;
  std::istringstream lines(read(fs::path(GREENROOM_TEST_DATA) / "models" / "index_tts_spoken_forms.tsv"));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const std::size_t tab = line.find('\t');
    ASSERT_NE(tab, std::string::npos) << line;
    EXPECT_EQ(normalizer.normalize(line.substr(0, tab)), line.substr(tab + 1)) << line.substr(0, tab);
  }
  EXPECT_GE(count, 200);
}

TEST(TextNormalizer, TakesAnyBytes) {
  const TextNormalizer normalizer;
  std::mt19937 random(1);
  const std::string signs = "0123456789.,:/-+%$¥年月日点第A a中文\xF0\x9F\x98\x80<>|@#\n";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const std::size_t length = random() % 60;
    for (std::size_t i = 0; i < length; ++i) {
      text += round % 2 == 0 ? static_cast<char>(random()) : signs[random() % signs.size()];
    }
    const std::string once = normalizer.normalize(text);
    EXPECT_EQ(once.find('\0'), std::string::npos) << testing::PrintToString(text);
  }
}

TEST(TextNormalizer, KeepsUpWithLongTexts) {
  const TextNormalizer normalizer;
  std::string text;
  while (text.size() < 300000) text += "第12个人说GPT-5在2025年1月11日花了$12.5，";
  EXPECT_GT(normalizer.normalize(text).size(), text.size() / 2);
}

TEST(Tokenizer, KnowsAllItsPieces) {
  const Tokenizer tokenizer(kGolden / "text" / "bpe.model");
  EXPECT_TRUE(tokenizer.is_known("▁,"));
  EXPECT_FALSE(tokenizer.is_known("☃"));
}

TEST(Tokenizer, RefusesWhatIsNoModel) {
  const test::TempDir folder;
  EXPECT_THROW(Tokenizer(folder / "none"), base::Error);
  for (const std::string& bytes :
       {std::string(), std::string("hello"), std::string(1000, '\0'), std::string(1000, '\xFF')}) {
    EXPECT_THROW(Tokenizer(folder.write("bpe.model", bytes)), base::Error);
  }
  const std::string whole = read(kGolden / "text" / "bpe.model");
  EXPECT_THROW(Tokenizer(folder.write("bpe.model", whole.substr(0, whole.size() / 2))), base::Error);
}

TEST(Tokenizer, SurvivesDamagedModels) {
  const test::TempDir folder;
  const std::string whole = read(kGolden / "text" / "bpe.model");
  std::mt19937 random(7);
  int refused = 0;
  constexpr int kRounds = 150;
  for (int round = 0; round < kRounds; ++round) {
    std::string damaged = whole;
    for (int i = 0; i < 8; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    try {
      const Tokenizer tokenizer(folder.write("bpe.model", damaged));
      tokenizer.pieces("你 好 HELLO WORLD 123 ①②③ ﬁ");
    } catch (const base::Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Segments, NeverLoseText) {
  std::mt19937 random(3);
  const std::vector<std::string> some{"▁A", "B", "▁,", ".", "▁?", "-", "好"};
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> pieces(random() % 80);
    for (auto& piece : pieces) piece = some[random() % some.size()];
    const int most = 3 + static_cast<int>(random() % 30);
    std::vector<std::string> joined;
    for (const auto& segment : split_segments(pieces, most)) {
      EXPECT_LE(segment.size(), static_cast<std::size_t>(most));
      joined.insert(joined.end(), segment.begin(), segment.end());
    }
    EXPECT_EQ(joined, pieces);
  }
}

TEST(ByteBpe, MergesByRankAndKnowsSpecialTokens) {
  const test::TempDir folder;
  folder.write(
      "tokenizer.json",
      R"({"model": {"vocab": {"h":0,"e":1,"l":2,"o":3,"he":4,"ll":5,"hell":6,"hello":7,"Ġ":8,"Ġhello":9,"ä":10,"½":11,"ł":12},
                   "merges": [["h","e"],["l","l"],"he ll",["hell","o"],["Ġ","hello"]]},
                   "added_tokens": [{"id": 20, "content": "<|im_start|>"}]})");
  const ByteBpe bpe(folder.path());
  EXPECT_THAT(bpe.encode("hello hello"), ElementsAre(7, 9));
  EXPECT_THAT(bpe.encode("<|im_start|>hello"), ElementsAre(20, 7));
  EXPECT_THAT(bpe.encode("你"), ElementsAre(10, 11, 12));
  EXPECT_EQ(bpe.decode({20, 7, 10, 11, 12, 999}), "hello你");
}

}  // namespace
}  // namespace greenroom::models::index_tts
