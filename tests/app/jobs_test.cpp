#include "app/jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <future>

#include "support/error_of.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using test::error_of;
using testing::HasSubstr;

class JobsTest : public testing::Test {
 protected:
  Jobs& make(JobLimits limits = {}) {
    jobs_ = std::make_unique<Jobs>(dir_ / "jobs", clock_, limits, [this](const JobInfo& info) {
      base::MutexLock lock(mutex_);
      states_[info.id].push_back(info.state);
      heard_.notify_all();
    });
    return *jobs_;
  }

  void wait_for(const std::string& id, JobState state) {
    base::MutexLock lock(mutex_);
    while (std::find(states_[id].begin(), states_[id].end(), state) == states_[id].end()) heard_.wait(mutex_);
  }

  static JobResult text(std::string bytes) {
    return {"text/plain", "txt", std::move(bytes), {{"seconds", 1.5}}};
  }

  static std::string content(const std::filesystem::path& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  test::TempDir dir_;
  test::FakeClock clock_;
  base::Mutex mutex_;
  base::CondVar heard_;
  std::map<std::string, std::vector<JobState>> states_;
  std::unique_ptr<Jobs> jobs_;
};

TEST_F(JobsTest, AJobRunsAndKeepsItsResult) {
  auto& jobs = make();
  const auto id = jobs.start("speak", "m",
                             [](const JobControl& control) {
                               control.progress(0.5, "flow");
                               return text("hello");
                             })
                      .id;
  wait_for(id, JobState::kDone);
  const auto info = jobs.get(id);
  EXPECT_EQ(info.fraction, 1);
  EXPECT_EQ(info.result["bytes"], 5);
  EXPECT_EQ(info.result["seconds"], 1.5);
  EXPECT_TRUE(info.started_ms && info.ended_ms);
  const auto result = jobs.result(id);
  EXPECT_EQ(content(result.path), "hello");
  jobs.remove(id);
  EXPECT_EQ(content(result.path), "hello");  // whoever reads it keeps it
  EXPECT_EQ(error_of([&] { jobs.get(id); }).code(), base::ErrorCode::kNotFound);
}

TEST_F(JobsTest, AFailureIsToldAndLeavesNoFile) {
  auto& jobs = make();
  const auto id = jobs.start("convert", "m",
                             [](const JobControl&) -> JobResult {
                               throw base::Error(base::ErrorCode::kDataLoss, "broken file");
                             })
                      .id;
  wait_for(id, JobState::kFailed);
  EXPECT_EQ(jobs.get(id).error, "broken file");
  EXPECT_EQ(jobs.get(id).error_code, "data_loss");
  EXPECT_THAT(error_of([&] { jobs.result(id); }).what(), HasSubstr("broken file"));
}

TEST_F(JobsTest, CancelsWhatRunsAndWhatWaits) {
  auto& jobs = make({.threads = 1});
  const auto running = jobs.start("speak", "m",
                                  [](const JobControl& control) -> JobResult {
                                    while (!*control.cancelled) std::this_thread::yield();
                                    throw base::Error(base::ErrorCode::kCancelled, "stopped");
                                  })
                           .id;
  wait_for(running, JobState::kRunning);
  std::atomic<bool> ran{false};
  const auto waiting = jobs.start("speak", "m",
                                  [&](const JobControl&) {
                                    ran = true;
                                    return text("");
                                  })
                           .id;
  EXPECT_EQ(jobs.cancel(waiting).state, JobState::kCancelled);
  jobs.cancel(running);
  wait_for(running, JobState::kCancelled);
  const auto last = jobs.start("speak", "m", [](const JobControl&) { return text("x"); }).id;
  wait_for(last, JobState::kDone);
  EXPECT_FALSE(ran);
}

TEST_F(JobsTest, RefusesMoreThanMayWait) {
  auto& jobs = make({.threads = 1, .most_waiting = 1});
  std::promise<void> go;
  const auto gate = go.get_future().share();
  const auto first =
      jobs.start("demo", "", [gate](const JobControl&) { return gate.wait(), JobResult(); }).id;
  wait_for(first, JobState::kRunning);
  const auto second = jobs.start("demo", "", [](const JobControl&) { return JobResult(); }).id;
  const auto error = error_of([&] { jobs.start("demo", "", [](const JobControl&) { return JobResult(); }); });
  EXPECT_EQ(error.code(), base::ErrorCode::kUnavailable);
  EXPECT_TRUE(error.retry_after());
  go.set_value();
  wait_for(second, JobState::kDone);
}

TEST_F(JobsTest, KeepsNoMoreThanItsBounds) {
  auto& jobs = make({.threads = 1, .most_kept = 3, .most_bytes = 250, .longest_kept = std::chrono::hours(1)});
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(jobs.start("speak", "m", [](const JobControl&) { return text(std::string(100, 'x')); }).id);
    wait_for(ids.back(), JobState::kDone);
  }
  EXPECT_EQ(jobs.list().size(), 2U);  // 300 bytes would be too many
  EXPECT_EQ(jobs.list().front().id, ids.back());
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "jobs")) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(files, 2U);
  clock_.advance(std::chrono::hours(2));
  const auto small = jobs.start("speak", "m", [](const JobControl&) { return text("x"); }).id;
  wait_for(small, JobState::kDone);
  EXPECT_EQ(jobs.list().size(), 1U);
}

TEST_F(JobsTest, StartsCleanAndEndsClean) {
  const auto dead = dir_ / "jobs" / "999999999-1";
  std::filesystem::create_directories(dead);
  std::ofstream(dead / "old.wav") << "x";
  auto& jobs = make();
  EXPECT_FALSE(std::filesystem::exists(dead));
  const auto id = jobs.start("speak", "m", [](const JobControl&) { return text("x"); }).id;
  wait_for(id, JobState::kDone);
  const auto path = jobs.result(id).path;
  EXPECT_TRUE(std::filesystem::exists(path));
  // A second instance beside it leaves what a living process has.
  jobs_.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(JobsTest, ManyThreadsAtOnce) {
  auto& jobs = make({.threads = 3, .most_waiting = 1000});
  std::vector<std::thread> clients;
  std::atomic<int> done{0};
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < 50; ++i) {
        const auto id = jobs.start("speak", "m", [&](const JobControl&) { return ++done, text("x"); }).id;
        if ((i + c) % 3 == 0) jobs.cancel(id);
        jobs.list();
        if ((i + c) % 5 == 0) jobs.remove(id);
      }
    });
  }
  for (auto& client : clients) client.join();
  jobs_.reset();
  EXPECT_LE(done, 200);
}

}  // namespace
}  // namespace greenroom::app
