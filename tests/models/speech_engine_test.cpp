// The demo IndexTTS-2 through the real manager: what is loaded when, and in how little memory it speaks.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "app/catalog.h"
#include "app/engine.h"
#include "base/error.h"
#include "models/index_tts/demo.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

class SpeechEngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempDir;
    models::index_tts::write_demo_model(folder_->path(), {});
  }
  static void TearDownTestSuite() { delete folder_; }

  Config config() const {
    Config config;
    config.device = "cpu";
    config.cache_dir = cache_.path();
    return config;
  }

  static models::SpeakRequest request(const std::string& text = "Hello there. Good bye.") {
    models::SpeakRequest request;
    request.text = text;
    request.voice = {std::vector<float>(32000), 16000};
    for (std::size_t i = 0; i < request.voice.samples.size(); ++i) {
      request.voice.samples[i] = 0.2F * static_cast<float>(std::sin(0.05 * static_cast<double>(i)));
    }
    return request;
  }

  static models::SpeakOptions options() {
    models::SpeakOptions options;
    options.max_mel_tokens = 20;
    options.diffusion_steps = 2;
    options.num_beams = 1;
    return options;
  }

  static std::uint64_t sum_of_parts() {
    const auto description = describe_speech_model(folder_->path(), {}, "auto", {});
    return std::accumulate(description.components.begin(), description.components.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const auto& component) { return sum + component.bytes; });
  }

  static core::LedgerTotals totals(const Engine& engine) { return engine.status().devices.at(0).ledger; }

  static bool is_resident(const Engine& engine, const std::string& kind) {
    for (const auto& component : engine.status().devices.at(0).components) {
      if (component.kind == kind) return true;
    }
    return false;
  }

  static test::TempDir* folder_;
  test::TempDir cache_;
};

test::TempDir* SpeechEngineTest::folder_ = nullptr;

TEST_F(SpeechEngineTest, AKnownVoiceNeedsNoReferenceEncoders) {
  models::SpeakResult first;
  {
    Engine engine(config());
    const auto id = engine.open_speech_model(folder_->path(), "cpu");
    EXPECT_EQ(totals(engine).resident, 0U);
    first = engine.speak(id, request(), options(), {});
    EXPECT_FALSE(first.voice_was_known);
    EXPECT_TRUE(is_resident(engine, "w2v_bert"));
  }
  Engine engine(config());
  const auto id = engine.open_speech_model(folder_->path(), "cpu");
  const auto second = engine.speak(id, request(), options(), {});
  EXPECT_TRUE(second.voice_was_known);
  EXPECT_EQ(second.audio.samples, first.audio.samples);
  EXPECT_FALSE(is_resident(engine, "w2v_bert"));
  EXPECT_FALSE(is_resident(engine, "index_tts.speaker_conditioner"));
  EXPECT_TRUE(is_resident(engine, "index_tts.gpt"));
}

TEST_F(SpeechEngineTest, SpeaksInSixtyPercentOfTheSumOfItsParts) {
  // The demo's parts are smaller than their workspaces, which are kept apart from them here.
  constexpr std::uint64_t kWorkspace = 400u << 20;
  auto limited = config();
  limited.memory_budgets[base::DeviceId{}] = sum_of_parts() * 6 / 10 + kWorkspace;
  Engine engine(limited);
  const auto id = engine.open_speech_model(folder_->path(), "cpu");
  EXPECT_FALSE(engine.speak(id, request(), options(), {}).audio.samples.empty());
}

TEST_F(SpeechEngineTest, HandsOutSegmentsAsTheyAreDone) {
  Engine engine(config());
  const auto id = engine.open_speech_model(folder_->path(), "cpu");
  auto short_segments = options();
  short_segments.max_text_tokens_per_segment = 20;
  std::vector<std::size_t> indexes;
  std::size_t samples = 0;
  models::SpeakControl control;
  control.on_segment = [&](const models::SpokenSegment& segment) {
    indexes.push_back(segment.index);
    samples += segment.audio.samples.size();
  };
  const auto result =
      engine.speak(id, request("One two three. Four five six. Seven eight nine."), short_segments, control);
  ASSERT_GT(indexes.size(), 1U);
  EXPECT_EQ(indexes.size(), result.segments);
  EXPECT_TRUE(std::is_sorted(indexes.begin(), indexes.end()));
  EXPECT_EQ(samples, result.audio.samples.size());
}

TEST_F(SpeechEngineTest, StopsWhenItIsCancelled) {
  Engine engine(config());
  const auto id = engine.open_speech_model(folder_->path(), "cpu");
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  models::SpeakControl control;
  control.cancelled = cancelled;
  control.progress = [&](double fraction) {
    if (fraction > 0.2) cancelled->store(true);
  };
  try {
    engine.speak(id, request(), options(), control);
    FAIL() << "it was not cancelled";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kCancelled);
  }
}

TEST_F(SpeechEngineTest, UnloadFreesEveryStage) {
  Engine engine(config());
  const auto id = engine.open_speech_model(folder_->path(), "cpu");
  engine.speak(id, request(), options(), {});
  EXPECT_GT(totals(engine).resident, 0U);
  engine.unload(id, false);
  EXPECT_EQ(totals(engine).resident, 0U);
}

}  // namespace
}  // namespace greenroom::app
