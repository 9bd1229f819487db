// The demo IndexTTS-2 through the real manager: what is loaded when, and in how little memory it speaks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <thread>

#include "app/catalog.h"
#include "app/engine.h"
#include "base/error.h"
#include "models/index_tts/demo.h"
#include "support/error_of.h"
#include "support/shards.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using test::error_of;

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

  static models::index_tts::Description description() {
    return describe_speech_model(folder_->path(), {}, "auto", {});
  }

  static std::uint64_t sum_of_parts() {
    const auto description = SpeechEngineTest::description();
    return std::accumulate(description.components.begin(), description.components.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const auto& component) { return sum + component.bytes; });
  }

  static core::LedgerTotals totals(const Engine& engine) { return engine.status().devices.at(0).ledger; }

  static std::uint64_t sum_of_resident_parts() {
    const auto description = SpeechEngineTest::description();
    std::uint64_t sum = 0;
    for (const std::size_t index : description.resident_components())
      sum += description.components[index].bytes;
    return sum;
  }

  static std::string folder() { return folder_->path().string(); }

  static bool is_resident(const Engine& engine, const std::string& kind) {
    const auto status = engine.status();
    const auto& components = status.devices.at(0).components;
    return std::any_of(components.begin(), components.end(),
                       [&](const auto& component) { return component.kind == kind; });
  }

  static test::TempDir* folder_;
  test::TempDir cache_;
};

test::TempDir* SpeechEngineTest::folder_ = nullptr;

TEST_F(SpeechEngineTest, AKnownVoiceNeedsNoReferenceEncoders) {
  models::SpeakResult first;
  {
    Engine engine(config());
    first = engine.speak(folder(), request(), options(), {});
    EXPECT_FALSE(first.voice_was_known);
    EXPECT_TRUE(is_resident(engine, "w2v_bert"));
  }
  Engine engine(config());
  const auto second = engine.speak(folder(), request(), options(), {});
  EXPECT_TRUE(second.voice_was_known);
  EXPECT_EQ(second.audio.samples, first.audio.samples);
  EXPECT_FALSE(is_resident(engine, "w2v_bert"));
  EXPECT_FALSE(is_resident(engine, "index_tts.speaker_conditioner"));
  EXPECT_TRUE(is_resident(engine, "index_tts.gpt"));
}

TEST_F(SpeechEngineTest, ALoadHoldsWhatAKnownVoiceNeedsAndNoMore) {
  Engine engine(config());
  const auto id = engine.load_model(folder_->path(), "cpu");
  const auto expected = static_cast<double>(sum_of_resident_parts());
  EXPECT_NEAR(static_cast<double>(totals(engine).resident), expected, expected / 100);
  EXPECT_EQ(engine.estimate_bytes(folder_->path()), sum_of_resident_parts());
  EXPECT_FALSE(is_resident(engine, "w2v_bert"));
  EXPECT_TRUE(is_resident(engine, "bigvgan"));
  engine.speak(id, request(), options(), {});
  EXPECT_GT(totals(engine).resident, sum_of_resident_parts());
  engine.free_idle();  // the stages are idle, the model is not
  EXPECT_EQ(totals(engine).resident, sum_of_resident_parts());
  engine.unload(id, false);
  EXPECT_EQ(totals(engine).resident, 0U);
}

TEST_F(SpeechEngineTest, IsRegisteredLoadedAndListedAsAnyModel) {
  Engine engine(config());
  const auto id = engine.registry().add(folder_->path(), "cpu", "speaker");
  EXPECT_EQ(engine.registry().find(id)->type, "index_tts");
  engine.registry().load(id);
  engine.speak(id, request(), options(), {});
  const auto models = engine.status().models;
  ASSERT_EQ(models.size(), 1U);  // its stages are no models of the user's
  EXPECT_EQ(models[0].id, "speaker");
  EXPECT_EQ(models[0].type, "index_tts");
  EXPECT_EQ(models[0].holds, 1);
  engine.registry().unload(id, false);
  EXPECT_EQ(totals(engine).resident, 0U);
}

TEST_F(SpeechEngineTest, ATaskPreloadsIt) {
  auto with_model = config();
  with_model.index_tts_model = folder_->path();
  Engine engine(with_model);
  const auto preloaded = engine.tasks().preload_for_task("voice_synthesis");
  ASSERT_EQ(preloaded.required.size(), 1U);
  EXPECT_EQ(totals(engine).resident, sum_of_resident_parts());
  PlanQuestion question;
  question.task = "voice_synthesis";
  question.speak_characters = 50;
  const auto plan = engine.plan(question);
  EXPECT_TRUE(plan.fits);
  EXPECT_GT(plan.needed_bytes, 0U);  // the workspace alone
  for (const auto& part : plan.parts) EXPECT_EQ(part.source, core::Source::kResident) << part.component;
  engine.tasks().cleanup_for_task("voice_synthesis");
  EXPECT_EQ(totals(engine).resident, 0U);
}

TEST_F(SpeechEngineTest, APlanSaysWhatALoadThenDoes) {
  Engine engine(config());
  PlanQuestion question;
  question.load = {folder()};
  const auto plan = engine.plan(question);
  EXPECT_EQ(plan.needed_bytes, sum_of_resident_parts());
  engine.load_model(folder_->path(), "auto");
  EXPECT_EQ(totals(engine).resident, plan.needed_bytes);
  question.convert_seconds = 3;
  EXPECT_THAT(error_of([&] { engine.plan(question); }).what(),
              testing::HasSubstr("none of the models converts"));
}

TEST_F(SpeechEngineTest, ConvertAndSpeakSayWhenItIsTheOtherKind) {
  Engine engine(config());
  const auto error = error_of([&] { engine.convert(folder(), request().voice, {}, {}); });
  EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.what(), testing::HasSubstr("speaks text and converts no recordings"));
  const auto missing = error_of([&] { engine.speak("nobody", request(), options(), {}); });
  EXPECT_EQ(missing.code(), base::ErrorCode::kNotFound);
}

// The budget is what the hungriest stage takes, with its workspace, and no more: everything else has to go.
TEST_F(SpeechEngineTest, SpeaksStageByStageInLessThanItsParts) {
  const auto uncached = [&] {
    auto config = this->config();
    config.cache_dir.clear();
    return config;
  };
  std::uint64_t needed = 0;     // by a stage
  std::uint64_t workspace = 0;  // of the hungriest
  models::SpeakResult roomy;
  {
    Engine engine(uncached());
    std::atomic<bool> is_over{false};
    std::thread sampler([&] {  // not every stage tells of progress
      while (!is_over) {
        const auto device = engine.status().devices.at(0);
        std::uint64_t bytes = device.ledger.workspace;
        for (const auto& component : device.components) bytes += component.leases > 0 ? component.bytes : 0;
        needed = std::max(needed, bytes);
        workspace = std::max(workspace, device.ledger.workspace);
      }
    });
    roomy = engine.speak(folder(), request(), options(), {});
    is_over = true;
    sampler.join();
  }
  ASSERT_GT(workspace, 0U);
  auto limited = uncached();
  const std::uint64_t budget = needed + sum_of_parts() / 20;
  EXPECT_LT(budget, workspace + sum_of_parts() * 6 / 10);
  limited.memory_budgets[base::DeviceId{}] = budget;
  Engine engine(limited);
  std::uint64_t used = 0;
  models::SpeakControl control;
  control.progress = [&](double) { used = std::max(used, totals(engine).used()); };
  const auto result = engine.speak(folder(), request(), options(), control);
  EXPECT_LE(used, budget);
  EXPECT_EQ(result.audio.samples, roomy.audio.samples);
  ASSERT_FALSE(result.notices.empty());
  EXPECT_THAT(result.notices[0], testing::HasSubstr("with less memory"));
}

TEST_F(SpeechEngineTest, AnEmotionModelInShardsAnswersAsTheWholeOne) {
  auto feeling = request();
  feeling.use_emotion_text = true;
  feeling.emotion_text = "I am so happy!";
  Engine engine(config());
  const auto whole = engine.speak(folder(), feeling, options(), {});
  const test::TempDir copy;
  std::filesystem::copy(folder_->path(), copy / "model", std::filesystem::copy_options::recursive);
  test::take_apart(copy / "model" / "qwen0.6bemo4-merge");
  Engine other(config());
  const auto parts = other.speak((copy / "model").string(), feeling, options(), {});
  EXPECT_TRUE(is_resident(other, "index_tts.emotion_llm"));
  EXPECT_EQ(parts.audio.samples, whole.audio.samples);
}

TEST_F(SpeechEngineTest, HalfPrecisionOnTheCpuIsRightOrRefused) {
  auto half = config();
  half.index_tts_precision = "float16";
  const auto error = error_of([&] { Engine(half).load_model(folder_->path(), "cpu"); });
  EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.what(), testing::HasSubstr("use float32 or bfloat16"));
  half.index_tts_precision = "bfloat16";
  Engine engine(half);
  engine.load_model(folder_->path(), "cpu");
  EXPECT_LT(totals(engine).resident, sum_of_resident_parts());
  const auto spoken = engine.speak(folder(), request(), options(), {});
  EXPECT_EQ(totals(engine).workspace, 0U);
  ASSERT_FALSE(spoken.audio.samples.empty());
  EXPECT_TRUE(std::all_of(spoken.audio.samples.begin(), spoken.audio.samples.end(),
                          [](float x) { return std::isfinite(x); }));
  EXPECT_GT(spoken.speech_tokens, 0U);
}

TEST_F(SpeechEngineTest, RequestsWaitExpireAndAreCounted) {
  Engine engine(config());
  RequestOptions how;
  how.auto_load = false;
  const auto absent = error_of([&] { engine.speak(folder(), request(), options(), {}, how); });
  EXPECT_EQ(absent.code(), base::ErrorCode::kNotFound);
  engine.speak(folder(), request(), options(), {});
  EXPECT_THAT(engine.metrics().render(),
              testing::HasSubstr(R"(greenroom_inferences_total{type="index_tts",outcome="ok"} 1)"));
  how.auto_load = true;
  how.timeout = std::chrono::nanoseconds(-1);
  const auto late = error_of([&] { engine.speak(folder(), request(), options(), {}, how); });
  EXPECT_EQ(late.code(), base::ErrorCode::kDeadlineExceeded);
}

// An untrained model draws it now and then; it is in no codebook.
TEST_F(SpeechEngineTest, ADrawnStartCodeIsNoSound) {
  Engine engine(config());
  const auto id = engine.load_model(folder_->path(), "cpu");
  auto plain = options();
  plain.max_mel_tokens = 400;
  for (plain.seed = 0; plain.seed < 4; ++plain.seed) {
    const auto result = engine.speak(id, request("你好"), plain, {});
    EXPECT_GT(result.audio.seconds(), 0) << plain.seed;
  }
}

TEST_F(SpeechEngineTest, HandsOutSegmentsAsTheyAreDone) {
  Engine engine(config());
  auto short_segments = options();
  short_segments.max_text_tokens_per_segment = 20;
  std::vector<std::size_t> indexes;
  std::size_t samples = 0;
  models::SpeakControl control;
  control.on_segment = [&](const models::SpokenSegment& segment) {
    indexes.push_back(segment.index);
    samples += segment.audio.samples.size();
  };
  const auto result = engine.speak(folder(), request("One two three. Four five six. Seven eight nine."),
                                   short_segments, control);
  ASSERT_GT(indexes.size(), 1U);
  EXPECT_EQ(indexes.size(), result.segments);
  EXPECT_TRUE(std::is_sorted(indexes.begin(), indexes.end()));
  EXPECT_EQ(samples, result.audio.samples.size());
}

TEST_F(SpeechEngineTest, StopsWhenItIsCancelled) {
  Engine engine(config());
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  models::SpeakControl control;
  control.cancelled = cancelled;
  control.progress = [&](double fraction) {
    if (fraction > 0.2) cancelled->store(true);
  };
  try {
    engine.speak(folder(), request(), options(), control);
    FAIL() << "it was not cancelled";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kCancelled);
  }
}

TEST_F(SpeechEngineTest, UnloadFreesEveryStage) {
  Engine engine(config());
  engine.speak(folder(), request(), options(), {});
  EXPECT_GT(totals(engine).resident, 0U);
  engine.unload(folder(), false);
  EXPECT_EQ(totals(engine).resident, 0U);
}

}  // namespace
}  // namespace greenroom::app
