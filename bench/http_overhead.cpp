// What HTTP adds to calls that do next to nothing with a resident model: its hold renewed (keep-alive), and a
// hold taken and released, in the process and over a kept connection, in turns, so that all see the same
// machine. Needs libtorch, for the demo voice to be loaded.
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "app/engine.h"
#include "base/error.h"
#include "models/ddsp_svc/demo.h"
#include "server/server.h"
#include "support/http_get.h"
#include "support/temp_dir.h"

namespace greenroom {
namespace {

using Clock = std::chrono::steady_clock;

// One kept connection; answers with a Content-Length, or none at all.
class Client {
 public:
  explicit Client(int port) : socket_(test::connect_to(port)) {}
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::string call(const std::string& method, const std::string& path, const std::string& body = "") {
    std::string request = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n";
    if (!body.empty()) request += "Content-Type: application/json\r\n";
    request += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) < 0) fail();
    std::string answer;
    for (;;) {
      std::array<char, 16384> block{};
      const auto count = ::recv(socket_, block.data(), block.size(), 0);
      if (count <= 0) fail();
      answer.append(block.data(), static_cast<std::size_t>(count));
      const auto end = answer.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const auto at = answer.find("Content-Length: ");
      const auto length = at < end ? std::stoul(answer.substr(at + 16)) : 0;
      if (answer.size() < end + 4 + length) continue;
      if (answer.compare(9, 1, "2") != 0) fail();
      return answer.substr(end + 4);
    }
  }

 private:
  [[noreturn]] static void fail() {
    throw base::Error(base::ErrorCode::kUnavailable, "the server did not answer as it should");
  }
  const int socket_;
};

class Times {
 public:
  template <typename Call>
  void measure(Call&& call) {
    const auto before = Clock::now();
    call();
    times_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count());
  }
  double at(double share) {
    std::sort(times_.begin(), times_.end());
    return times_[static_cast<std::size_t>(share * static_cast<double>(times_.size() - 1))];
  }
  void print(const char* name) {
    fmt::print("{:<52} p50 {:8.1f} us   p99 {:8.1f} us\n", name, at(0.5), at(0.99));
  }

 private:
  std::vector<double> times_;
};

void run(int turns) {
  const test::TempDir folder;
  models::ddsp_svc::write_demo_models(folder / "demo", {});
  app::Config config;
  config.device = "cpu";
  config.cache_dir = folder / "cache";
  app::Engine engine(config);
  const auto id = engine.registry().add(folder / "demo/alto", "cpu");
  engine.registry().load(id);
  server::Server server(engine, {.version = "bench"});
  const int port = server.bind("127.0.0.1", 0);
  std::thread thread([&] { server.run(); });
  {
    Client client(port);
    const std::string order = R"({"owner":"bench","models":[")" + id + "\"]}";
    const auto kept = engine.take_hold("bench", {id}, std::nullopt);
    const std::string heartbeat = "/api/v1/holds/" + std::to_string(kept) + "/heartbeat";
    Times renewed, renewed_by_http, inside, outside, healthz;
    for (int i = 0; i < turns; ++i) {
      renewed.measure([&] { engine.holds().heartbeat(kept); });
      renewed_by_http.measure([&] { client.call("POST", heartbeat, "{}"); });
      inside.measure([&] { engine.holds().release(engine.take_hold("bench", {id}, std::nullopt)); });
      outside.measure([&] {
        const auto hold = client.call("POST", "/api/v1/holds", order);
        const auto at = hold.find("\"id\":") + 5;
        client.call("DELETE", "/api/v1/holds/" + hold.substr(at, hold.find_first_of(",}", at) - at));
      });
      healthz.measure([&] { client.call("GET", "/healthz"); });
    }
    fmt::print("{} turns, one kept connection\n", turns);
    renewed.print("a hold renewed in the process");
    renewed_by_http.print("the same by HTTP");
    inside.print("a hold taken and released in the process");
    outside.print("the same by HTTP: POST and DELETE, two requests");
    healthz.print("GET /healthz: the smallest answer there is");
    fmt::print("HTTP adds to renewing it: p50 {:.1f} us, p99 {:.1f} us\n",
               renewed_by_http.at(0.5) - renewed.at(0.5), renewed_by_http.at(0.99) - renewed.at(0.99));
  }
  server.stop();
  thread.join();
}

}  // namespace
}  // namespace greenroom

int main(int argc, char** argv) {
  try {
    constexpr int kTurns = 5000;
    greenroom::run(argc > 1 ? std::atoi(argv[1]) : kTurns);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
