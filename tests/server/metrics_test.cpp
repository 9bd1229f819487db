#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "server/server.h"
#include "server/webhook.h"
#include "support/http_get.h"
#include "support/nvml_scenario.h"

namespace greenroom::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kScenario = R"(driver 560.35.03
gpu NVIDIA "H200" | GPU-h200 | 00000000:18:00.0
 memory 150754820096 53687091200 643825664
 utilisation 37 12
 celsius 52
 margin 35
 memory_celsius 61
 milliwatts 321500 700000
 millijoules 5000
 megahertz 1980 3201
 throttle 0x44
 pcie 5 16 1500 2500
 ecc 3 1
 process 1 1048576000
 xid 31
gpu NVIDIA L40S | GPU-l40s | 00000000:65:00.0
 memory 48305799168 1000
)";

// A server with two GPUs that are not there, watched.
class MetricsTest : public testing::Test {
 protected:
  MetricsTest() : server_(engine_, {.version = "9.8.7"}), port_(server_.bind("127.0.0.1", 0)) {
    engine_.monitoring().monitor().sample();
    engine_.monitoring().start();
    thread_ = std::thread([this] { server_.run(); });
  }
  ~MetricsTest() override {
    server_.stop();
    thread_.join();
  }

  std::string metrics() const { return test::http_get(port_, "/metrics").body; }

  test::NvmlScenario scenario_{kScenario};
  app::Engine engine_{app::Config()};
  Server server_;
  int port_;
  std::thread thread_;
};

bool is_installed(const char* program) {
  return std::system((std::string("command -v ") + program + " >/dev/null").c_str()) == 0;
}

TEST_F(MetricsTest, TellsDevicesUnderOurNamesAndUnderDcgms) {
  const auto text = metrics();
  EXPECT_THAT(text, HasSubstr("greenroom_device_memory_total_bytes{device=\"cuda:0\"} 150754820096\n"));
  EXPECT_THAT(text, HasSubstr("greenroom_device_utilization_ratio{device=\"cuda:0\"} 0.37\n"));
  EXPECT_THAT(text, HasSubstr("name=\"NVIDIA \\\"H200\\\"\""));
  EXPECT_THAT(text, HasSubstr("greenroom_device_throttled{device=\"cuda:0\",reason=\"power_cap\"} 1\n"));
  EXPECT_THAT(
      text,
      HasSubstr("greenroom_device_process_memory_bytes{device=\"cuda:0\",owner=\"others\"} 1048576000\n"));
  EXPECT_THAT(text, testing::ContainsRegex("DCGM_FI_DEV_FB_USED\\{gpu=\"0\",UUID=\"GPU-h200\".*\\} 51200\n"));
  EXPECT_THAT(text, Not(HasSubstr("greenroom_device_temperature_celsius{device=\"cuda:1\"}")))
      << "what a device does not tell is not there";
  EXPECT_THAT(text, HasSubstr("greenroom_device_pcie_sent_bytes_per_second{device=\"cuda:0\"} 1500000\n"));
  EXPECT_THAT(text, testing::ContainsRegex("DCGM_FI_DEV_PCIE_RX_THROUGHPUT\\{gpu=\"0\".*\\} 2500\n"));
  EXPECT_THAT(text, HasSubstr("greenroom_device_xid_errors_total{device=\"cuda:0\"} 1\n"));
  EXPECT_THAT(text, testing::ContainsRegex("DCGM_FI_DEV_XID_ERRORS\\{gpu=\"0\".*\\} 31\n"));
  EXPECT_THAT(text, HasSubstr("greenroom_ledger_bytes{device=\"cpu\",account=\"capacity\"}"));
}

TEST(MetricsWithoutMonitoring, TellTheDevicesAsTheyAreAndNotAsTheyWere) {
  const test::NvmlScenario scenario("live\ngpu A | GPU-a |\n memory 1000 100\n");
  app::Config config;
  config.monitoring.enabled = false;
  config.monitoring.interval_seconds = 1e-9;  // whatever is there is too old
  app::Engine engine(config);
  Server server(engine, {.version = "1"});
  const int port = server.bind("127.0.0.1", 0);
  std::thread thread([&] { server.run(); });
  const std::string name = "greenroom_device_memory_free_bytes{device=\"cuda:0\"} ";
  EXPECT_THAT(test::http_get(port, "/metrics").body, HasSubstr(name + "900\n"));
  scenario.change("live\ngpu A | GPU-a |\n memory 1000 400\n");
  EXPECT_THAT(test::http_get(port, "/metrics").body, HasSubstr(name + "600\n"));
  server.stop();
  thread.join();
}

TEST_F(MetricsTest, CountsRequestsByRouteAndNotByWhatClientsMakeUp) {
  test::http_get(port_, "/healthz");
  test::http_get(port_, "/../../etc/passwd\"x");
  test::http_get(port_, "/nonsense");
  const auto text = metrics();
  EXPECT_THAT(text,
              HasSubstr("greenroom_http_requests_total{route=\"/healthz\",method=\"GET\",code=\"200\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("greenroom_http_requests_total{route=\"other\",method=\"\",code=\"404\"}"));
  EXPECT_THAT(text, Not(HasSubstr("passwd")));
  EXPECT_THAT(text, HasSubstr("greenroom_http_request_seconds_count{route=\"/healthz\"} 1\n"));
}

TEST_F(MetricsTest, PromtoolHasNothingToSay) {
  if (!is_installed("promtool")) GTEST_SKIP() << "promtool is not installed (package prometheus)";
  test::http_get(port_, "/healthz");
  core::Event event;
  event.type = core::EventType::kLoadCompleted;
  event.model_type = "toy";
  event.seconds = 1;
  engine_.metrics().observe(event);
  engine_.metrics().observe_inference("toy", "ok", 1);
  engine_.metrics().observe_inference("toy", "cancelled", 1);
  const test::TempDir dir;
  const auto file = dir.write("metrics", metrics());
  const auto said = (dir / "said").string();
  const int status =
      std::system(("promtool check metrics <" + file.string() + " >" + said + " 2>&1").c_str());
  std::ifstream stream(said);
  const std::string words((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  EXPECT_EQ(status, 0);
  EXPECT_EQ(words, "");
}

// Debian's Prometheus as it comes, scraping this server for as long as the test wants.
class Prometheus {
 public:
  explicit Prometheus(int scraped_port) {
    dir_.write("prometheus.yml",
               "global: {scrape_interval: 100ms, scrape_timeout: 100ms}\nscrape_configs:\n"
               "  - {job_name: greenroom, static_configs: [{targets: ['127.0.0.1:" +
                   std::to_string(scraped_port) + "']}]}\n");
    const std::string config = "--config.file=" + (dir_ / "prometheus.yml").string();
    const std::string storage = "--storage.tsdb.path=" + (dir_ / "data").string();
    const std::string address = "--web.listen-address=127.0.0.1:" + std::to_string(port_);
    const std::string words = (dir_ / "words").string();
    const char* arguments[] = {"prometheus", config.c_str(), storage.c_str(), address.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, words.c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (posix_spawnp(&pid_, "prometheus", &actions, nullptr, const_cast<char**>(arguments), environ) != 0) {
      pid_ = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Prometheus() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Prometheus(const Prometheus&) = delete;
  Prometheus& operator=(const Prometheus&) = delete;

  // The value of a query once there is one; empty after a minute without.
  std::string query(const std::string& expression) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (std::chrono::steady_clock::now() < deadline) {
      try {
        const auto answer = test::http_get(port_, "/api/v1/query?query=" + expression);
        const auto json = base::parse_json(answer.body, "prometheus");
        const auto& result = json["data"]["result"];
        if (!result.empty()) return result[0]["value"][1].get<std::string>();
      } catch (const std::exception&) {  // not up yet
      }
      std::this_thread::yield();
    }
    return "";
  }

 private:
  static int free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
    ::close(socket);
    return ntohs(address.sin_port);
  }

  test::TempDir dir_;
  int port_ = free_port();
  pid_t pid_ = -1;
};

TEST_F(MetricsTest, PrometheusScrapesThem) {
  if (!is_installed("prometheus")) GTEST_SKIP() << "prometheus is not installed";
  const Prometheus prometheus(port_);
  EXPECT_EQ(prometheus.query("greenroom_device_memory_total_bytes%7Bdevice%3D%22cuda:0%22%7D"),
            "150754820096");
  EXPECT_EQ(prometheus.query("DCGM_FI_DEV_GPU_UTIL"), "37");
  EXPECT_EQ(prometheus.query("up%7Bjob%3D%22greenroom%22%7D"), "1");
}

// One request, answered with a status line.
class Receiver {
 public:
  explicit Receiver(std::string answer) : answer_(std::move(answer)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 1), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Receiver() {
    if (thread_.joinable()) thread_.join();
    ::close(socket_);
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  int port() const { return port_; }
  std::string received() {
    thread_.join();
    return received_;
  }

 private:
  void serve() {
    const int connection = ::accept(socket_, nullptr, nullptr);
    char block[4096];
    while (received_.find('}') == std::string::npos) {
      const auto count = ::recv(connection, block, sizeof(block), 0);
      if (count <= 0) break;
      received_.append(block, static_cast<std::size_t>(count));
    }
    EXPECT_EQ(::send(connection, answer_.data(), answer_.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(answer_.size()));
    ::close(connection);
  }

  std::string answer_, received_;
  int socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
  int port_ = 0;
  std::thread thread_;
};

const monitor::MemoryAlert kAlert{base::Clock::WallTime(std::chrono::milliseconds(1800000000123)),
                                  "critical",
                                  "memory",
                                  "cuda:0",
                                  "cuda:0 (Toy): 95.0 % of memory in use",
                                  95,
                                  90};

TEST(Webhook, PostsAnAlertAsJson) {
  Receiver receiver("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  post_alert("http://127.0.0.1:" + std::to_string(receiver.port()) + "/hook?key=1", kAlert);
  const std::string request = receiver.received();
  EXPECT_THAT(request, HasSubstr("POST /hook?key=1 HTTP/1.1"));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/json"));
  const auto body = base::parse_json(request.substr(request.find("\r\n\r\n") + 4), "body");
  EXPECT_EQ(body["type"], "critical");
  EXPECT_EQ(body["device"], "cuda:0");
  EXPECT_EQ(body["value"], 95);
  EXPECT_EQ(body["threshold"], 90);
  EXPECT_EQ(body["time"], "2027-01-15T08:00:00.123Z");
}

TEST(Webhook, SaysWhatWentWrong) {
  const auto error_of = [](const std::string& url) -> std::string {
    try {
      post_alert(url, kAlert);
    } catch (const base::Error& error) {
      return error.what();
    }
    return "no error";
  };
  Receiver failing("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(error_of("http://127.0.0.1:" + std::to_string(failing.port())), HasSubstr("HTTP status 500"));
  Receiver moved("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(error_of("http://127.0.0.1:" + std::to_string(moved.port())), HasSubstr("HTTP status 302"));
  EXPECT_THAT(error_of("http://127.0.0.1:1/x"), HasSubstr("does not answer"));
  EXPECT_THAT(error_of("ftp://127.0.0.1/x"), HasSubstr("not of the form"));
  EXPECT_THAT(error_of("http:///x"), HasSubstr("not of the form"));
}

}  // namespace
}  // namespace greenroom::server
