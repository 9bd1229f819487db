#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "base/json.h"
#include "cli/program.h"
#include "support/http_get.h"

namespace greenroom {
namespace {

using test::Program;
using testing::AllOf;
using testing::HasSubstr;

// Once it says "greenroom 0.1.0 serves on http://127.0.0.1:43211 (...)"; -1 when it does not.
int port_of(const Program& program) {
  const std::string before = "serves on http://127.0.0.1:";
  if (!program.wait_for("Ctrl-C")) return -1;
  const std::string line = program.out();
  const auto at = line.find(before);
  return at == std::string::npos ? -1 : std::stoi(line.substr(at + before.size()));
}

TEST(Serve, IsWhatAProgramWithoutCommandDoes) {
  Program program({"--port", "0", "--memory-budget", "cpu=1GiB"}, {"GREENROOM_MODELS_LIBRARY=/nonexistent"});
  const int port = port_of(program);
  ASSERT_GT(port, 0) << program.wait().err;
  EXPECT_EQ(test::http_get(port, "/healthz").status, 200);
  const auto status = base::parse_json(test::http_get(port, "/api/v1/status").body, "status");
  EXPECT_EQ(status["version"], GREENROOM_VERSION);
  EXPECT_EQ(status["devices"][0]["ledger"]["capacity"], 1U << 30);
  EXPECT_GE(status["uptime_seconds"], 0);
  program.send(SIGTERM);
  EXPECT_EQ(program.wait().status, 0);
}

TEST(Serve, StopsCleanlyOnBothSignals) {
  for (const int signal : {SIGINT, SIGTERM}) {
    Program program({"serve", "--port", "0"});
    ASSERT_GT(port_of(program), 0);
    program.send(signal);
    const auto outcome = program.wait();
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.signal, 0);
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(Serve, ABusyPortIsOneMessage) {
  Program first({"serve", "--port", "0"});
  const int port = port_of(first);
  ASSERT_GT(port, 0);
  const auto second = test::run_program({"serve", "--port", std::to_string(port)});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, AllOf(HasSubstr(std::to_string(port)), HasSubstr("in use"), HasSubstr("--port")));
}

}  // namespace
}  // namespace greenroom
