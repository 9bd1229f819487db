// A server with an engine of its own and the demo models, answering for the length of a test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "app/engine.h"
#include "base/json.h"
#include "models/ddsp_svc/demo.h"
#include "server/server.h"
#include "support/http_get.h"
#include "support/temp_dir.h"

namespace greenroom::test {

// Written once per process.
inline const std::filesystem::path& demo_voices() {
  static const TempDir dir;
  static const std::filesystem::path folder = [] {
    models::ddsp_svc::write_demo_models(dir.path(), {});
    return std::filesystem::canonical(dir.path());
  }();
  return folder;
}

struct JsonAnswer {
  int status = 0;
  std::string head;
  base::Json body;
};

class ApiTest : public testing::Test {
 protected:
  ApiTest() { start({}, {}); }
  ~ApiTest() override { end(); }

  // Anew, with the same state on disk.
  void start(app::Config config, server::ServerOptions options) {
    end();
    config.cache_dir = cache_ / "greenroom";
    config.monitoring.interval_seconds = 0.1;
    options.version = "9.8.7";
    if (options.model_roots.empty()) options.model_roots = {demo_voices()};
    engine_ = std::make_unique<app::Engine>(config);
    server_ = std::make_unique<server::Server>(*engine_, options);
    port_ = server_->bind("127.0.0.1", 0);
    thread_ = std::thread([this] { server_->run(); });
  }

  void end() {
    if (!server_) return;
    server_->stop();
    thread_.join();
    server_.reset();
    engine_.reset();
  }

  JsonAnswer call(const std::string& method, const std::string& path, const std::string& body = "") const {
    std::string request = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    if (!body.empty()) request += "Content-Type: application/json\r\n";
    request += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    const auto answer = http_exchange(port_, request);
    const auto split = answer.find("\r\n\r\n");
    JsonAnswer result{std::stoi(answer.substr(9, 3)), answer.substr(0, split), {}};
    const auto text = answer.substr(split + 4);
    if (!text.empty()) result.body = base::parse_json(text, "the answer to " + path);
    return result;
  }
  JsonAnswer get(const std::string& path) const { return call("GET", path); }
  JsonAnswer post(const std::string& path, const base::Json& body = base::Json::object()) const {
    return call("POST", path, body.dump());
  }
  // Registers the demo voice and returns its id.
  std::string add(const std::string& voice, const std::string& id) const {
    const auto answer =
        post("/api/v1/models", {{"path", (demo_voices() / voice).string()}, {"id", id}, {"device", "cpu"}});
    EXPECT_EQ(answer.status, 201) << answer.body;
    return id;
  }

  TempDir cache_;
  std::unique_ptr<app::Engine> engine_;
  std::unique_ptr<server::Server> server_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace greenroom::test
