// The bar of a real command on a real terminal: standard error is a pseudo-terminal of some width.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "cli/program.h"
#include "support/temp_dir.h"

namespace greenroom {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kRecording = "/usr/share/sounds/alsa/Front_Center.wav";
constexpr const char* kErase = "\033[K";

// Its master's side. The slave's side is held open until the command has it, or reading would fail before.
class Terminal {
 public:
  explicit Terminal(unsigned short columns) : master_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0) {
      throw std::runtime_error("no pseudo-terminal");
    }
    slave_ = ::open(name(), O_RDWR | O_NOCTTY);
    winsize window{};
    window.ws_row = 24;
    window.ws_col = columns;
    ::ioctl(slave_, TIOCSWINSZ, &window);
  }
  ~Terminal() {
    if (slave_ >= 0) ::close(slave_);
    ::close(master_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  const char* name() const { return ::ptsname(master_); }

  // What is written until nobody has it open any more.
  std::string read_all() {
    ::close(slave_);
    slave_ = -1;
    std::string text;
    char buffer[4096];
    for (ssize_t count; (count = ::read(master_, buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }

 private:
  int master_;
  int slave_ = -1;
};

// `greenroom convert` with a demo voice; what it wrote to a terminal of that width.
std::string converted_on(unsigned short columns) {
  const test::TempDir dir;
  Terminal terminal(columns);
  std::vector<std::string> texts = {GREENROOM_PROGRAM,
                                    "convert",
                                    "--local",
                                    "--steps",
                                    "5",
                                    "--model",
                                    test::demo_models() / "alto",
                                    kRecording,
                                    dir.path() / "out.wav"};
  std::vector<char*> arguments;
  for (auto& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, terminal.name(), O_RDWR | O_NOCTTY, 0);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, GREENROOM_PROGRAM, &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start the program");
  std::string text = terminal.read_all();
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0) << text;
  return text;
}

// The lines that were written over each other, without the codes that erase.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\r', at), text.size());
    std::string line = text.substr(at, end - at);
    if (const auto code = line.find(kErase); code != std::string::npos) line.erase(code);
    if (!line.empty()) lines.push_back(line);
    at = end + 1;
  }
  return lines;
}

class ProgressBarOf : public testing::TestWithParam<unsigned short> {};

TEST_P(ProgressBarOf, IsNeverWiderThanTheTerminalAndErasesItself) {
  const std::string text = converted_on(GetParam());
  const auto lines = lines_of(text);
  ASSERT_FALSE(lines.empty());
  for (const auto& line : lines) {
    EXPECT_LT(line.size(), GetParam()) << line;
    EXPECT_THAT(line, HasSubstr("%"));
    EXPECT_THAT(line, Not(HasSubstr("\n")));
  }
  EXPECT_TRUE(text.ends_with(std::string("\r") + kErase)) << text;
}

INSTANTIATE_TEST_SUITE_P(Widths, ProgressBarOf, testing::Values(200, 80, 40, 24, 14, 8));

}  // namespace
}  // namespace greenroom
