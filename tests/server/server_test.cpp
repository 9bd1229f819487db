#include "server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "support/http_get.h"

namespace greenroom::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A server on a port of its own, answering for the length of a test.
class ServerTest : public testing::Test {
 protected:
  ServerTest() : server_(engine_, {.version = "9.8.7"}), port_(server_.bind("127.0.0.1", 0)) {
    thread_ = std::thread([this] { server_.run(); });
  }
  ~ServerTest() override {
    server_.stop();
    thread_.join();
  }

  app::Engine engine_{app::Config()};
  Server server_;
  int port_;
  std::thread thread_;
};

TEST_F(ServerTest, IsHealthy) {
  const auto answer = test::http_get(port_, "/healthz");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "ok\n");
}

TEST_F(ServerTest, IsReadyUntilItDrains) {
  EXPECT_EQ(test::http_get(port_, "/readyz").status, 200);
  server_.drain();
  EXPECT_EQ(test::http_get(port_, "/readyz").status, 503);
  EXPECT_EQ(test::http_get(port_, "/healthz").status, 200);
}

TEST_F(ServerTest, ServesOtherMachinesOnlyWithAKeyOrAWord) {
  Server open(engine_, {});
  try {
    open.bind("0.0.0.0", 0);
    FAIL() << "bound to all addresses without a key";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kFailedPrecondition);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("--api-key"), HasSubstr("--no-auth")));
  }
  EXPECT_GT(Server(engine_, {.api_key = "secret"}).bind("0.0.0.0", 0), 0);
  EXPECT_GT(Server(engine_, {.no_auth = true}).bind("0.0.0.0", 0), 0);
}

TEST_F(ServerTest, TellsItsStatus) {
  const auto answer = test::http_get(port_, "/api/v1/status");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.head, HasSubstr("application/json"));
  const auto status = base::parse_json(answer.body, "status");
  EXPECT_EQ(status["version"], "9.8.7");
  EXPECT_EQ(status["devices"][0]["id"], "cpu");
  EXPECT_GT(status["devices"][0]["ledger"]["capacity"], 0);
  EXPECT_TRUE(status["models"].empty());
}

TEST_F(ServerTest, ShowsAPageThatFetchesNothingFromElsewhere) {
  const auto answer = test::http_get(port_, "/");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.head, HasSubstr("text/html"));
  EXPECT_THAT(answer.body, HasSubstr("greenroom"));
  EXPECT_THAT(answer.body, Not(HasSubstr("//")));
  EXPECT_THAT(answer.head, HasSubstr("Content-Security-Policy: default-src 'self'"));
  EXPECT_THAT(answer.body, Not(HasSubstr("<style")));
}

TEST_F(ServerTest, UnknownPathsAndMethodsGetAnErrorInJson) {
  for (const char* path : {"/nothing", "/api/v1/", "/..%2f..%2fetc/passwd"}) {
    const auto answer = test::http_get(port_, path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_THAT(answer.head, HasSubstr("application/problem+json"));
    const auto problem = base::parse_json(answer.body, "error");
    EXPECT_EQ(problem["code"], "not_found");
    EXPECT_EQ(problem["status"], 404);
  }
  const auto wrong_method = test::http_get(port_, "/healthz", "POST");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_THAT(wrong_method.head, HasSubstr("Allow: GET"));
}

TEST_F(ServerTest, SurvivesWhatIsNoHttp) {
  EXPECT_THAT(test::http_exchange(port_, "\x16\x03\x01 hello\r\n\r\n"), HasSubstr("400"));
  EXPECT_EQ(test::http_get(port_, "/healthz").status, 200);
}

TEST_F(ServerTest, AnswersSeveralAtOnce) {
  std::vector<std::thread> clients;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      for (int j = 0; j < 20; ++j) answered += test::http_get(port_, "/api/v1/status").status == 200 ? 1 : 0;
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(answered, 160);
}

TEST_F(ServerTest, ABusyPortIsAClearError) {
  Server second(engine_, {});
  try {
    second.bind("127.0.0.1", port_);
    FAIL() << "two servers on one port";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kUnavailable);
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(port_)));
    EXPECT_THAT(error.what(), HasSubstr("in use"));
    EXPECT_THAT(error.what(), HasSubstr("--port"));
  }
}

TEST(Server, StopsBeforeItRuns) {
  app::Engine engine{app::Config()};
  Server server(engine, {});
  server.bind("127.0.0.1", 0);
  server.stop();
  server.run();  // returns
}

// The moment between run() and the first connection is where a stop could get lost.
TEST(Server, StopsAtAnyMoment) {
  app::Engine engine{app::Config()};
  for (int i = 0; i < 50; ++i) {
    Server server(engine, {});
    server.bind("127.0.0.1", 0);
    std::thread runner([&] { server.run(); });
    server.stop();
    runner.join();
  }
}

TEST(Server, AnAddressOfAnotherMachineIsAnError) {
  app::Engine engine{app::Config()};
  Server server(engine, {});
  EXPECT_THROW(server.bind("192.0.2.1", 0), base::Error);
}

}  // namespace
}  // namespace greenroom::server
