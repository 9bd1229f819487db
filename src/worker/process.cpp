#include "worker/process.h"

#include <spawn.h>
#include <spdlog/fmt/fmt.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "worker/wire.h"

extern char** environ;

namespace greenroom::worker {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

// To say hello, and to end: nothing but the start of a program, yet the machine may be very busy.
constexpr std::chrono::seconds kHelloPatience{60};
constexpr std::chrono::seconds kEndPatience{5};

// The settings of posix_spawn, freed at the end.
class SpawnSettings {
 public:
  SpawnSettings(int channel) {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawn_file_actions_adddup2(&files_, channel, kChannelFile);
    // The daemon blocks its signals in all threads; a worker decides for itself.
    ::posix_spawnattr_init(&attributes_);
    ::sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const ::posix_spawn_file_actions_t* files() const { return &files_; }
  const ::posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  ::posix_spawn_file_actions_t files_{};
  ::posix_spawnattr_t attributes_{};
};

std::string describe_ending(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    const char* hint = signal == SIGKILL ? "; the system kills so when memory runs out" : "";
    return fmt::format("was ended by signal {} ({}{})", signal, ::strsignal(signal), hint);
  }
  return fmt::format("ended with exit status {}", WEXITSTATUS(status));
}

}  // namespace

Process::Process(base::DeviceId device, const Launch& launch, OnDeath on_death) {
  auto [ours, theirs] = make_socket_pair();
  connection_ = std::make_shared<Connection>(device, std::move(ours));
  spawn(device, launch, theirs.get());
  theirs = base::FileDescriptor();
  // Call 0 is the hello.
  Call hello(connection_, Connection::kHelloCall);
  hello.finish();
  listener_ = std::thread([this, on_death = std::move(on_death)] { listen(on_death); });
  std::string problem;
  ErrorCode code = ErrorCode::kUnavailable;
  try {
    const auto message = hello.next(kHelloPatience);
    if (!message) {
      problem = fmt::format("it did not say hello within {} s", kHelloPatience.count());
    } else if (const auto version = get<std::string>(message->body, key::kVersion);
               version != launch.version) {
      code = ErrorCode::kFailedPrecondition;
      problem =
          fmt::format("it is greenroom {}, and this is {}: the program was replaced; start greenroom again",
                      version, launch.version);
    }
  } catch (const Error& error) {
    problem = error.what();
  }
  if (problem.empty()) {
    MutexLock lock(mutex_);
    greeted_ = true;
    return;
  }
  kill();
  listener_.join();
  throw Error(code,
              fmt::format("the worker process of {} cannot be used: {}", base::to_string(device), problem));
}

Process::~Process() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
  }
  connection_->tell({{key::kDo, act::kEnd}});
  const auto deadline = std::chrono::steady_clock::now() + kEndPatience;
  {
    MutexLock lock(mutex_);
    while (!reaped_ && std::chrono::steady_clock::now() < deadline) changed_.wait_until(mutex_, deadline);
  }
  kill();
  listener_.join();
}

void Process::kill() {
  MutexLock lock(mutex_);
  if (!reaped_) ::kill(pid_, SIGKILL);
}

void Process::spawn(base::DeviceId device, const Launch& launch, int channel) {
  auto arguments = launch.arguments;
  arguments.insert(arguments.begin(), "greenroom");
  arguments.insert(arguments.end(), {"--device", base::to_string(device)});
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const SpawnSettings settings(channel);
  const int error = ::posix_spawn(&pid_, launch.program.c_str(), settings.files(), settings.attributes(),
                                  pointers.data(), environ);
  if (error == 0) return;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("the worker process of {} cannot be started from {}: {}", base::to_string(device),
                          launch.program.string(), std::strerror(error)));
}

void Process::listen(const OnDeath& on_death) {
  connection_->receive_all();
  // Whatever made it close its end: without it the process is of no use.
  kill();
  const std::string how = reap();
  bool is_unexpected = false;
  {
    MutexLock lock(mutex_);
    is_unexpected = greeted_ && !ending_;
  }
  connection_->end(how);
  if (!is_unexpected) return;
  base::log(base::LogLevel::kError, "worker", how);
  on_death(connection_, how);
}

std::string Process::reap() {
  ::siginfo_t ended{};
  while (::waitid(P_PID, static_cast<::id_t>(pid_), &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  int status = 0;
  ::pid_t reaped = 0;
  {
    MutexLock lock(mutex_);
    reaped = ::waitpid(pid_, &status, WNOHANG);  // it has ended: no waiting
    reaped_ = true;
    changed_.notify_all();
  }
  const std::string last_word = connection_->last_word();
  const std::string ending = reaped == pid_ ? describe_ending(status) : "is gone";
  return fmt::format("the worker process of {} (pid {}) {}", base::to_string(connection_->device()), pid_,
                     last_word.empty() ? ending : fmt::format("gave up: {}", last_word));
}

}  // namespace greenroom::worker
