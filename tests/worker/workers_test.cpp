// Real processes with fake models: what crosses, and what happens when a worker goes.
#include "worker/workers.h"

#include <csignal>

#include "support/fake_clock.h"
#include "worker/fixture.h"

namespace greenroom::worker {
namespace {

using base::ErrorCode;
using test::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Deaths as they are told, to be waited for.
class Deaths {
 public:
  Workers::OnLost listener() {
    return [this](base::DeviceId, const std::string& how) {
      base::MutexLock lock(mutex_);
      told_.push_back(how);
      changed_.notify_all();
    };
  }
  std::string await(std::size_t count) {
    base::MutexLock lock(mutex_);
    while (told_.size() < count) changed_.wait(mutex_);
    return told_.back();
  }
  std::size_t count() {
    base::MutexLock lock(mutex_);
    return told_.size();
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::string> told_ GUARDED_BY(mutex_);
};

class WorkersTest : public testing::Test {
 protected:
  WorkersTest() { workers.set_on_lost(deaths.listener()); }

  std::shared_ptr<const models::ConversionModel> voice() {
    return library.make_ddsp_svc(
        models::ddsp_svc::describe(demo_folder() / "alto", demo_folder() / "pretrain"));
  }
  std::shared_ptr<const models::SynthesisModel> speech() {
    return library.make_index_tts(models::index_tts::describe(demo_folder() / "index_tts"), {});
  }
  static std::vector<std::shared_ptr<core::LoadedComponent>> load_all(const core::Model& model,
                                                                      base::DeviceId device = kCpu) {
    std::vector<std::shared_ptr<core::LoadedComponent>> loaded;
    for (std::size_t i = 0; i < model.components().size(); ++i) {
      loaded.push_back(model.load_component(i, device, {}));
    }
    return loaded;
  }
  int pid(base::DeviceId device = kCpu) {
    for (const auto& worker : workers.list()) {
      if (worker.device == device) return worker.pid;
    }
    return 0;
  }

  test::FakeClock clock;
  Deaths deaths;
  Workers workers{test_options(), clock};
  const RemoteLibrary library{workers};
  const audio::Buffer input{{0.5F, 0.25F, -1}, 8000};
};

TEST_F(WorkersTest, NothingIsStartedBeforeItIsNeeded) {
  const auto model = voice();
  EXPECT_EQ(model->components().size(), 4U);
  EXPECT_EQ(model->stages().size(), 2U);
  EXPECT_TRUE(workers.connections().empty());
  EXPECT_EQ(library.device_heap(0), models::DeviceHeap());
  library.release_device_memory();
  EXPECT_TRUE(workers.connections().empty());
}

TEST_F(WorkersTest, LoadsWithProgressAndFrees) {
  const auto model = voice();
  std::vector<std::uint64_t> progress;
  core::LoadControl control;
  control.progress = [&](std::uint64_t done, std::uint64_t) { progress.push_back(done); };
  auto loaded = model->load_component(0, kCpu, control);
  EXPECT_EQ(loaded->bytes(), model->components()[0].bytes);
  EXPECT_THAT(progress, ElementsAre(model->components()[0].bytes / 2));
  EXPECT_FALSE(loaded->is_lost());
  EXPECT_EQ(workers.connections().at(0)->held(), 1U);
  loaded.reset();
  EXPECT_EQ(workers.connections().at(0)->held(), 0U);
}

TEST_F(WorkersTest, AnImageStaysInTheWorkerAndIsUsedThere) {
  const auto model = voice();
  core::LoadControl control;
  std::uint64_t asked = 0;
  control.admit_image = [&](std::uint64_t bytes) {
    asked = bytes;
    return true;
  };
  auto loaded = model->load_component(0, kGpu, control);
  auto image = loaded->take_image();
  ASSERT_TRUE(image);
  EXPECT_EQ(asked, image->bytes());
  EXPECT_EQ(workers.connections().at(0)->held(), 2U);
  control.image = image;
  const auto again = model->load_component(0, kGpu, control);
  EXPECT_FALSE(again->take_image());  // made from the image: the fake keeps no second one
  control.admit_image = [](std::uint64_t) { return false; };
  control.image = nullptr;
  EXPECT_FALSE(model->load_component(0, kGpu, control)->take_image());
}

TEST_F(WorkersTest, ARunPinsItsStagesHereAndComputesThere) {
  const auto model = voice();
  LoadedAccess access(load_all(*model));
  models::ConvertOptions options;
  options.seed = 42;
  double progress = 0;
  const auto result =
      model->convert(access, kCpu, input, options, {[&](double done) { progress = done; }, nullptr});
  EXPECT_THAT(result.audio.samples, ElementsAre(-1, 0.25F, 0.5F));
  EXPECT_EQ(result.audio.sample_rate, 8000);
  EXPECT_THAT(result.notices, ElementsAre("seed 42", "pid " + std::to_string(pid())));
  EXPECT_NE(pid(), ::getpid());
  EXPECT_EQ(progress, 1);
  EXPECT_THAT(access.stages, ElementsAre(0, 1));
  EXPECT_THAT(access.needs, ElementsAre(1000, 1001));
  EXPECT_THAT(access.measured, ElementsAre(2000, 2001));
  EXPECT_EQ(access.pinned, 0);
  std::uint64_t bytes = 0;
  for (const auto& stage : model->stages()) {
    for (const auto index : stage.components) bytes += model->components()[index].bytes;
  }
  EXPECT_EQ(result.peak_workspace_bytes, bytes);
}

TEST_F(WorkersTest, SpeechComesSegmentBySegment) {
  const auto model = speech();
  LoadedAccess access(load_all(*model));
  models::SpeakRequest request;
  request.text = std::string(200'000, 'a') + "\xff";  // longer than a packet, and no UTF-8
  request.voice = input;
  request.emotion_audio = audio::Buffer{{1, 2, 3, 4}, 16000};
  std::vector<std::size_t> segments;
  models::SpeakControl control;
  control.on_segment = [&](const models::SpokenSegment& segment) {
    segments.push_back(segment.index);
    EXPECT_EQ(segment.count, 2U);
    EXPECT_EQ(segment.audio.samples, input.samples);
    EXPECT_EQ(segment.audio.sample_rate, input.sample_rate);
  };
  const auto result = model->speak(access, kCpu, request, {}, control);
  EXPECT_THAT(segments, ElementsAre(0, 1));
  EXPECT_EQ(result.audio.samples.size(), 2 * input.samples.size());
  EXPECT_EQ(result.text_tokens, request.text.size());
  EXPECT_EQ(result.speech_tokens, 4U);
  EXPECT_TRUE(result.voice_was_known);
}

TEST_F(WorkersTest, ErrorsCrossWithCodeMessageAndTime) {
  const auto model = voice();
  LoadedAccess access(load_all(*model));
  models::ConvertOptions options;
  options.f0_extractor = "refuse";
  const auto refused = error_of([&] { model->convert(access, kCpu, input, options, {}); });
  EXPECT_EQ(refused.code(), ErrorCode::kResourceExhausted);
  EXPECT_STREQ(refused.what(), "refused on purpose");
  EXPECT_EQ(refused.retry_after(), std::chrono::milliseconds(1234));
  options.f0_extractor = "throw";
  EXPECT_EQ(error_of([&] { model->convert(access, kCpu, input, options, {}); }).code(), ErrorCode::kInternal);
  options.f0_extractor = "unpinned";
  EXPECT_THAT(error_of([&] { model->convert(access, kCpu, input, options, {}); }).what(),
              HasSubstr("pinned"));
  access.refuse_stage = 1;
  options.f0_extractor = "";
  EXPECT_STREQ(error_of([&] { model->convert(access, kCpu, input, options, {}); }).what(),
               "no room for the stage");
  EXPECT_EQ(access.pinned, 0);
  access.refuse_stage.reset();
  EXPECT_NO_THROW(model->convert(access, kCpu, input, options, {}));  // all of it in the same worker
  EXPECT_EQ(deaths.count(), 0U);
}

TEST_F(WorkersTest, AWishToCancelCrosses) {
  const auto model = voice();
  LoadedAccess access(load_all(*model));
  models::ConvertOptions options;
  options.f0_extractor = "wait";
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  const models::RunControl control{[&](double) { *cancelled = true; }, cancelled};
  EXPECT_EQ(error_of([&] { model->convert(access, kCpu, input, options, control); }).code(),
            ErrorCode::kCancelled);
  EXPECT_EQ(access.pinned, 0);
}

TEST_F(WorkersTest, DeathFailsWhatRunsAndLosesWhatIsLoadedAndNothingElse) {
  const auto model = voice();
  const auto loaded = load_all(*model);
  const auto elsewhere = model->load_component(0, kGpu, {});
  LoadedAccess access(loaded);
  models::ConvertOptions options;
  options.f0_extractor = "abort";
  const auto error = error_of([&] { model->convert(access, kCpu, input, options, {}); });
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("worker process of cpu"), HasSubstr("signal 6")));
  EXPECT_EQ(access.pinned, 0);
  EXPECT_EQ(deaths.await(1), error.what());
  for (const auto& component : loaded) EXPECT_TRUE(component->is_lost());
  EXPECT_FALSE(elsewhere->is_lost());
  // A run with what is lost says so, too.
  options.f0_extractor = "";
  EXPECT_EQ(error_of([&] { model->convert(access, kCpu, input, options, {}); }).code(),
            ErrorCode::kUnavailable);
  LoadedAccess fresh(load_all(*model));
  EXPECT_NO_THROW(model->convert(fresh, kCpu, input, options, {}));
  EXPECT_EQ(deaths.count(), 1U);
}

TEST_F(WorkersTest, KilledFromOutsideItSaysBySignalNine) {
  const auto model = voice();
  const auto loaded = model->load_component(0, kCpu, {});
  ::kill(pid(), SIGKILL);
  EXPECT_THAT(deaths.await(1), AllOf(HasSubstr("signal 9"), HasSubstr("memory runs out")));
  EXPECT_TRUE(loaded->is_lost());
  EXPECT_EQ(pid(), 0);
  EXPECT_EQ(workers.list().at(0).deaths, 1);
}

TEST_F(WorkersTest, AGpuThatIsBrokenEndsItsWorkerWithAWord) {
  const auto model = voice();
  LoadedAccess access(load_all(*model, kGpu));
  models::ConvertOptions options;
  options.f0_extractor = "throw";
  const auto error = error_of([&] { model->convert(access, kGpu, input, options, {}); });
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("cuda:0 cannot be used any more"), HasSubstr("thrown on purpose")));
  options.f0_extractor = "";
  LoadedAccess fresh(load_all(*model, kGpu));
  EXPECT_NO_THROW(model->convert(fresh, kGpu, input, options, {}));
}

TEST_F(WorkersTest, AnIdleWorkerIsEndedWhenItsTimeIsUp) {
  auto loaded = voice()->load_component(0, kCpu, {});
  clock.advance(std::chrono::hours(1));
  EXPECT_EQ(workers.end_idle(), 0);  // it holds something
  loaded.reset();
  EXPECT_EQ(workers.end_idle(), 0);  // from now on
  clock.advance(std::chrono::seconds(59));
  EXPECT_EQ(workers.end_idle(), 0);
  const int before = pid();
  clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(workers.end_idle(), 1);
  EXPECT_EQ(::kill(before, 0), -1);  // gone, and reaped
  EXPECT_EQ(deaths.count(), 0U);
  EXPECT_NO_THROW(voice()->load_component(0, kCpu, {}));
}

TEST_F(WorkersTest, AStoppedWorkerIsEndedAllTheSame) {
  const auto loaded = voice()->load_component(0, kCpu, {});
  ::kill(pid(), SIGSTOP);
  // The fixture's destructor has to come to its end.
}

TEST_F(WorkersTest, TheLibraryAnswersThroughAWorker) {
  EXPECT_EQ(library.torch_version(), "fake");
  EXPECT_EQ(library.cuda_device_count(), 3);
  EXPECT_EQ(library.device_heap(0), (models::DeviceHeap{900, 1000, 50}));
  EXPECT_EQ(library.device_heap(1), models::DeviceHeap());  // no worker there
}

TEST_F(WorkersTest, AModelWhoseFilesWereChangedIsNotMistaken) {
  auto description = models::ddsp_svc::describe(demo_folder() / "alto", demo_folder() / "pretrain");
  description.components[2].bytes += 1;
  const auto model = library.make_ddsp_svc(description);
  const auto error = error_of([&] { model->load_component(0, kCpu, {}); });
  EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.what(), HasSubstr("load it again"));
}

TEST_F(WorkersTest, ManyThreadsUseOneWorker) {
  const auto model = voice();
  const auto loaded = load_all(*model);
  std::vector<std::thread> threads;
  std::atomic<int> done{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 10; ++turn) {
        LoadedAccess access(loaded);
        done +=
            model->convert(access, kCpu, input, {}, {}).audio.samples.size() == input.samples.size() ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, 80);
  EXPECT_EQ(workers.list().size(), 1U);
}

TEST_F(WorkersTest, OneThatDiesAtOnceIsNotStartedOverAndOver) {
  const test::ScopedVariable wrong("GREENROOM_TEST_WORKER", "die");
  for (int i = 0; i < 3; ++i) {
    const auto error = error_of([&] { workers.connect(kCpu); });
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_THAT(error.what(), HasSubstr("exit status 3"));
    EXPECT_FALSE(error.retry_after());
  }
  const auto paused = error_of([&] { workers.connect(kCpu); });
  EXPECT_THAT(paused.what(), AllOf(HasSubstr("as soon as they are started"), HasSubstr("exit status 3")));
  EXPECT_EQ(paused.retry_after(), std::chrono::seconds(2));
  clock.advance(std::chrono::seconds(2));
  EXPECT_FALSE(error_of([&] { workers.connect(kCpu); }).retry_after());
  EXPECT_EQ(error_of([&] { workers.connect(kCpu); }).retry_after(), std::chrono::seconds(4));
  EXPECT_EQ(deaths.count(), 0U);  // nothing was lost
}

TEST_F(WorkersTest, AnotherVersionIsRefused) {
  const test::ScopedVariable wrong("GREENROOM_TEST_WORKER", "other_version");
  const auto error = error_of([&] { workers.connect(kCpu); });
  EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("9.9"), HasSubstr("start greenroom again")));
}

TEST(Workers, AProgramThatIsNotThereIsNamed) {
  auto options = test_options();
  options.launch.program = "/no/such/program";
  const base::SystemClock clock;
  Workers workers(options, clock);
  EXPECT_THAT(error_of([&] { workers.connect(kCpu); }).what(),
              AllOf(HasSubstr("/no/such/program"), HasSubstr("No such file")));
}

}  // namespace
}  // namespace greenroom::worker
