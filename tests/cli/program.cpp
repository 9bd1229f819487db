#include "cli/program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace greenroom::test {
namespace {

using namespace std::chrono_literals;

std::string read_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

bool means_something(const std::string& variable) {
  return variable.starts_with("GREENROOM_") || variable.starts_with("CREATYOURVOICE_") ||
         variable.starts_with("CUDA_VISIBLE_DEVICES=") || variable.starts_with("XDG_CACHE_HOME=");
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const std::vector<std::string>& variables) {
  std::vector<std::string> command = {GREENROOM_PROGRAM};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = variables;
  // The state of the machine's user is none of the tests' business.
  const auto names_cache = [](const std::string& variable) {
    return variable.starts_with("XDG_CACHE_HOME=");
  };
  if (std::none_of(environment.begin(), environment.end(), names_cache)) {
    environment.push_back("XDG_CACHE_HOME=" + (dir_ / "cache").string());
  }
  // Nor is a daemon that happens to run here.
  const auto says_local = [](const std::string& variable) {
    return variable.starts_with("GREENROOM_LOCAL=");
  };
  if (std::none_of(environment.begin(), environment.end(), says_local)) {
    environment.emplace_back("GREENROOM_LOCAL=1");
  }
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!means_something(*entry)) environment.emplace_back(*entry);
  }
  const auto out = dir_ / "out";
  const auto err = dir_ / "err";
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), kFlags, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), kFlags, 0600);
  const int error = posix_spawn(&pid_, GREENROOM_PROGRAM, &actions, nullptr, pointers(command).data(),
                                pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error(std::string("cannot start ") + GREENROOM_PROGRAM);
}

Program::~Program() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Program::send(int signal) const {
  ::kill(pid_, signal);
}

std::string Program::out() const {
  return read_text(dir_ / "out");
}

bool Program::wait_for(const std::string& text) const {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  bool ended = false;
  while (!ended && std::chrono::steady_clock::now() < deadline) {
    siginfo_t info{};
    ended =
        ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
    for (const char* file : {"out", "err"}) {
      if (read_text(dir_ / file).find(text) != std::string::npos) return true;
    }
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

Outcome Program::wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  Outcome outcome;
  if (WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  outcome.out = out();
  outcome.err = read_text(dir_ / "err");
  return outcome;
}

Outcome run_program(const std::vector<std::string>& arguments, const std::vector<std::string>& variables) {
  return Program(arguments, variables).wait();
}

const std::filesystem::path& demo_models() {
  static const TempDir dir;
  static const Outcome written = run_program({"demo-models", dir.path().string()});
  if (written.status != 0) throw std::runtime_error("demo-models failed: " + written.err);
  return dir.path();
}

}  // namespace greenroom::test
