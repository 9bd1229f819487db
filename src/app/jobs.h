// Work that its asker does not wait for: a bounded list of jobs, done by a few threads, with results on disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mutex.h"

namespace greenroom::app {

enum class JobState { kQueued, kRunning, kDone, kFailed, kCancelled };
std::string_view job_state_name(JobState state);  // "queued"

struct JobResult {
  std::string content_type;                   // empty: there is no file
  std::string extension;                      // of the file: "wav"
  std::string bytes;                          // its content; moved to disk by Jobs
  base::Json details = base::Json::object();  // what else is to be told
};

// NOLINTNEXTLINE(bugprone-exception-escape): moving JSON throws nothing, which the check cannot see
struct JobInfo {
  std::string id;
  std::string kind;  // "convert", "speak", "demo"
  std::string model;
  JobState state = JobState::kQueued;
  double fraction = 0;
  std::string stage;  // what it is doing; may be empty
  std::int64_t created_ms = 0;
  std::optional<std::int64_t> started_ms;
  std::optional<std::int64_t> ended_ms;
  std::string error;       // why it failed
  std::string error_code;  // base::ErrorCode's name
  base::Json result;       // null until it is done: the details, and content_type and bytes of a file
};

// What a running job is told, and tells.
struct JobControl {
  std::shared_ptr<std::atomic<bool>> cancelled;
  std::function<void(double fraction, const std::string& stage)> progress;
};

struct JobLimits {
  std::size_t threads = 4;
  std::size_t most_waiting = 64;
  std::size_t most_kept = 200;            // that have ended
  std::uint64_t most_bytes = 1ULL << 30;  // of all results
  std::chrono::hours longest_kept{24};    // of one that has ended
};

// Thread-safe. No lock is held while a job runs, files are written, or `changed` is called.
class Jobs {
 public:
  using Work = std::function<JobResult(const JobControl&)>;
  using Changed = std::function<void(const JobInfo&)>;

  // Results lie in a folder of this process's own below `folder`; those of processes that have ended are
  // removed. `changed` (may be empty) hears of each change, of progress at most each hundredth.
  Jobs(const std::filesystem::path& folder, const base::Clock& clock, const JobLimits& limits = {},
       Changed changed = {});
  // Cancels what runs or waits, waits for the threads, and removes the results.
  ~Jobs();
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // Throws base::Error(kUnavailable, with a time to come back): too many wait.
  JobInfo start(const std::string& kind, const std::string& model, Work work) EXCLUDES_LOCK(mutex_);

  std::vector<JobInfo> list() const EXCLUDES_LOCK(mutex_);         // the newest first
  JobInfo get(const std::string& id) const EXCLUDES_LOCK(mutex_);  // throws kNotFound

  // The file of a job that is done; it stays as long as the pointer is kept, whatever becomes of the job.
  // Throws base::Error: kNotFound (no such job, or its result was removed to make room), kFailedPrecondition
  // (not done).
  struct ResultFile {
    std::filesystem::path path;
    std::string content_type;
    std::shared_ptr<const void> keeper;
  };
  ResultFile result(const std::string& id) const EXCLUDES_LOCK(mutex_);

  // One that has ended stays as it is. Throws kNotFound.
  JobInfo cancel(const std::string& id) EXCLUDES_LOCK(mutex_);
  // Cancels it if need be and takes it off the list, with its result. Throws kNotFound.
  void remove(const std::string& id) EXCLUDES_LOCK(mutex_);

 private:
  struct Job;
  struct KeptFile;
  void work() EXCLUDES_LOCK(mutex_);
  void run(Job& job);
  void finish(Job& job, JobState state, const base::Error* error, JobResult result) EXCLUDES_LOCK(mutex_);
  void tell(const JobInfo& info) const;
  std::shared_ptr<Job> find(const std::string& id) const REQUIRES_LOCK(mutex_);
  // Takes off the list what is too old or too much; returns it, for its files to go without the lock.
  std::vector<std::shared_ptr<Job>> take_surplus() REQUIRES_LOCK(mutex_);

  const std::filesystem::path folder_;
  const base::Clock& clock_;
  const JobLimits limits_;
  const Changed changed_hook_;
  mutable base::Mutex mutex_;
  base::CondVar wake_;
  bool is_ending_ GUARDED_BY(mutex_) = false;
  std::uint64_t last_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, std::shared_ptr<Job>> jobs_ GUARDED_BY(mutex_);  // in the order they came
  std::deque<std::shared_ptr<Job>> waiting_ GUARDED_BY(mutex_);
  std::size_t idle_ GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::app
