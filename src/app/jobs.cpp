#include "app/jobs.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/process.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

// "4711-89": the process and when it started.
std::string own_name() {
  const int pid = ::getpid();
  return fmt::format("{}-{}", pid, base::process_start(pid).value_or(0));
}

bool is_alive(const std::string& name) {
  int pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || pid <= 0) return false;
  const auto start = base::process_start(pid);
  return start && name == fmt::format("{}-{}", pid, *start);
}

void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> dead;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!is_alive(it->path().filename().string())) dead.push_back(it->path());
  }
  for (const auto& path : dead) fs::remove_all(path, error);
}

std::int64_t to_ms(base::Clock::WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

std::string_view job_state_name(JobState state) {
  switch (state) {
    case JobState::kQueued:
      return "queued";
    case JobState::kRunning:
      return "running";
    case JobState::kDone:
      return "done";
    case JobState::kFailed:
      return "failed";
    case JobState::kCancelled:
      break;
  }
  return "cancelled";
}

// Removed with the last that keeps it.
struct Jobs::KeptFile {
  explicit KeptFile(fs::path where) : path(std::move(where)) {}
  KeptFile(const KeptFile&) = delete;
  KeptFile& operator=(const KeptFile&) = delete;
  ~KeptFile() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  const fs::path path;
};

// `info`, `work`, `file` and `bytes` under the owner's lock.
struct Jobs::Job {
  JobInfo info;
  Work work;
  std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<const KeptFile> file;
  std::string content_type;
  std::uint64_t bytes = 0;
  base::Clock::TimePoint ended;

  bool has_ended() const { return info.state != JobState::kQueued && info.state != JobState::kRunning; }
};

Jobs::Jobs(const fs::path& folder, const base::Clock& clock, const JobLimits& limits, Changed changed)
    : folder_((folder.empty() ? fs::temp_directory_path() / "greenroom-jobs" : folder) / own_name()),
      clock_(clock),
      limits_(limits),
      changed_hook_(std::move(changed)) {
  remove_leftovers(folder_.parent_path());
}

Jobs::~Jobs() {
  std::vector<std::thread> threads;
  {
    base::MutexLock lock(mutex_);
    is_ending_ = true;
    for (const auto& [number, job] : jobs_) *job->cancelled = true;
    threads.swap(threads_);
    wake_.notify_all();
  }
  for (auto& thread : threads) thread.join();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Jobs::tell(const JobInfo& info) const {
  if (changed_hook_) changed_hook_(info);
}

JobInfo Jobs::start(const std::string& kind, const std::string& model, Work work) {
  const auto job = std::make_shared<Job>();
  JobInfo info;
  std::vector<std::shared_ptr<Job>> surplus;
  {
    base::MutexLock lock(mutex_);
    if (waiting_.size() >= limits_.most_waiting || is_ending_) {
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("{} jobs wait already; try again later", waiting_.size()),
                  std::chrono::seconds(10));
    }
    // Not to be guessed by who was not told.
    std::random_device random;
    job->info.id = fmt::format("j{}-{:08x}{:08x}", ++last_, random(), random());
    job->info.kind = kind;
    job->info.model = model;
    job->info.created_ms = to_ms(clock_.wall_now());
    job->work = std::move(work);
    jobs_[last_] = job;
    waiting_.push_back(job);
    if (idle_ < waiting_.size() && threads_.size() < limits_.threads)
      threads_.emplace_back([this] { this->work(); });
    wake_.notify_all();
    info = job->info;
    surplus = take_surplus();
  }
  surplus.clear();
  tell(info);
  return info;
}

void Jobs::work() {
  for (;;) {
    std::shared_ptr<Job> job;
    {
      base::MutexLock lock(mutex_);
      ++idle_;
      while (waiting_.empty() && !is_ending_) wake_.wait(mutex_);
      --idle_;
      if (is_ending_) return;
      job = waiting_.front();
      waiting_.pop_front();
      if (job->has_ended()) continue;  // cancelled while it waited
      job->info.state = JobState::kRunning;
      job->info.started_ms = to_ms(clock_.wall_now());
    }
    run(*job);
  }
}

void Jobs::run(Job& job) {
  JobInfo begun;
  Work todo;
  {
    base::MutexLock lock(mutex_);
    begun = job.info;
    todo = std::move(job.work);
    job.work = nullptr;
  }
  tell(begun);
  JobControl control;
  control.cancelled = job.cancelled;
  control.progress = [&](double fraction, const std::string& stage) {
    constexpr double kStep = 0.01;
    JobInfo now;
    {
      base::MutexLock lock(mutex_);
      const bool is_news = fraction >= job.info.fraction + kStep || stage != job.info.stage;
      if (!is_news) return;
      job.info.fraction = std::clamp(fraction, 0.0, 1.0);
      job.info.stage = stage;
      now = job.info;
    }
    tell(now);
  };
  try {
    auto result = todo(control);
    finish(job, JobState::kDone, nullptr, std::move(result));
  } catch (const Error& error) {
    finish(job, error.code() == ErrorCode::kCancelled ? JobState::kCancelled : JobState::kFailed, &error, {});
  } catch (const std::exception& unexpected) {
    const Error error(ErrorCode::kInternal, unexpected.what());
    finish(job, JobState::kFailed, &error, {});
  }
}

void Jobs::finish(Job& job, JobState state, const Error* error, JobResult result) {
  std::shared_ptr<const KeptFile> file;
  std::optional<Error> unwritten;
  if (!result.content_type.empty()) {
    std::error_code ignored;
    fs::create_directories(folder_, ignored);
    const fs::path path = folder_ / fmt::format("{}.{}", job.info.id, result.extension);
    file = std::make_shared<const KeptFile>(path);
    std::ofstream stream(path, std::ios::binary);
    stream.write(result.bytes.data(), static_cast<std::streamsize>(result.bytes.size()));
    if (!stream.flush()) {
      unwritten.emplace(ErrorCode::kUnavailable,
                        fmt::format("{}: the result could not be written; is the disk full?", path.string()));
      error = &*unwritten;
      state = JobState::kFailed;
      file.reset();
    }
  }
  JobInfo info;
  std::vector<std::shared_ptr<Job>> surplus;
  {
    base::MutexLock lock(mutex_);
    job.info.state = state;
    job.info.ended_ms = to_ms(clock_.wall_now());
    job.info.stage.clear();
    job.ended = clock_.now();
    if (error != nullptr) {
      job.info.error = error->what();
      job.info.error_code = base::error_code_name(error->code());
    } else {
      job.info.fraction = 1;
      job.info.result = std::move(result.details);
      if (file) {
        job.content_type = result.content_type;
        job.bytes = result.bytes.size();
        job.info.result["content_type"] = job.content_type;
        job.info.result["bytes"] = job.bytes;
      }
      job.file = std::move(file);
    }
    info = job.info;
    surplus = take_surplus();
  }
  surplus.clear();
  tell(info);
}

std::vector<std::shared_ptr<Jobs::Job>> Jobs::take_surplus() {
  std::vector<std::shared_ptr<Job>> surplus;
  std::size_t ended = 0;
  std::uint64_t bytes = 0;
  const auto oldest = clock_.now() - limits_.longest_kept;
  // The newest stay.
  for (auto it = jobs_.rbegin(); it != jobs_.rend(); ++it) {
    auto& job = it->second;
    if (!job->has_ended()) continue;
    ++ended;
    bytes += job->bytes;
    const bool is_last = ended == 1;  // one result stays, whatever its size
    if (ended > limits_.most_kept || job->ended < oldest || (bytes > limits_.most_bytes && !is_last)) {
      bytes -= job->bytes;
      surplus.push_back(job);
    }
  }
  for (const auto& job : surplus)
    std::erase_if(jobs_, [&](const auto& entry) { return entry.second == job; });
  return surplus;
}

std::shared_ptr<Jobs::Job> Jobs::find(const std::string& id) const {
  for (const auto& [number, job] : jobs_) {
    if (job->info.id == id) return job;
  }
  throw Error(ErrorCode::kNotFound, fmt::format("there is no job '{}' (any more)", id.substr(0, 100)));
}

std::vector<JobInfo> Jobs::list() const {
  std::vector<JobInfo> infos;
  base::MutexLock lock(mutex_);
  for (auto it = jobs_.rbegin(); it != jobs_.rend(); ++it) infos.push_back(it->second->info);
  return infos;
}

JobInfo Jobs::get(const std::string& id) const {
  base::MutexLock lock(mutex_);
  return find(id)->info;
}

Jobs::ResultFile Jobs::result(const std::string& id) const {
  base::MutexLock lock(mutex_);
  const auto job = find(id);
  if (job->info.state != JobState::kDone) {
    throw Error(ErrorCode::kFailedPrecondition,
                fmt::format("job '{}' is {}{}", id, job_state_name(job->info.state),
                            job->info.error.empty() ? ": it has no result" : ": " + job->info.error));
  }
  if (!job->file) throw Error(ErrorCode::kNotFound, fmt::format("job '{}' has no file", id));
  return {job->file->path, job->content_type, job->file};
}

JobInfo Jobs::cancel(const std::string& id) {
  JobInfo info;
  bool has_changed = false;
  {
    base::MutexLock lock(mutex_);
    const auto job = find(id);
    *job->cancelled = true;
    if (job->info.state == JobState::kQueued) {
      job->info.state = JobState::kCancelled;
      job->info.error = "cancelled before it began";
      job->info.error_code = base::error_code_name(ErrorCode::kCancelled);
      job->info.ended_ms = to_ms(clock_.wall_now());
      job->ended = clock_.now();
      std::erase(waiting_, job);
      has_changed = true;
    }
    info = job->info;
  }
  if (has_changed) tell(info);
  return info;
}

void Jobs::remove(const std::string& id) {
  cancel(id);
  std::shared_ptr<Job> job;  // its file goes without the lock
  base::MutexLock lock(mutex_);
  job = find(id);
  std::erase_if(jobs_, [&](const auto& entry) { return entry.second == job; });
}

}  // namespace greenroom::app
