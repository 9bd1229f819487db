#include "base/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace greenroom::base {
namespace {

TEST(Process, KnowsThisOneAndItsParent) {
  const auto mine = process_start(::getpid());
  ASSERT_TRUE(mine);
  EXPECT_EQ(process_start(::getpid()), mine);
  EXPECT_TRUE(process_start(::getppid()));
}

TEST(Process, OneThatEndedIsGoneThoughNobodyReapedIt) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(process_start(child)) << "a zombie";
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(process_start(child));
}

TEST(Process, NoSuchNumber) {
  EXPECT_FALSE(process_start(0));
  EXPECT_FALSE(process_start(-1));
}

}  // namespace
}  // namespace greenroom::base
