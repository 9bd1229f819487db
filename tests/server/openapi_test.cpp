// openapi.json is complete and true: every path in it is called on a real server and its answers are checked
// against it, and nothing is served that is not in it.
#include "server/openapi.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "server/api_fixture.h"
#include "server/json_schema.h"

namespace greenroom::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Call {
  std::string method, path;  // as described
  std::string target;        // as called
  std::string body;          // empty: none
  int status;
  std::string type = "application/json";
};

class OpenApi : public test::ApiTest {
 protected:
  OpenApi() : document_(base::parse_json(openapi_json(), "openapi.json")), checker_(document_) {
    models_ = test::demo_voices().string();
  }

  // What the answer is of and how it is worded must be as described.
  void check(const Call& call) {
    const auto& described = document_["paths"][call.path];
    std::string method = call.method;
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    ASSERT_TRUE(described.contains(method)) << call.method << " " << call.path;
    called_.insert(call.method + " " + call.path);
    if (!call.body.empty() && call.status < 400 && call.type == "application/json") {
      const auto& schema = described[method]["requestBody"]["content"]["application/json"]["schema"];
      EXPECT_THAT(checker_.check(base::parse_json(call.body, "body"), schema), IsEmpty()) << call.target;
    }
    std::string request =
        call.method + " " + call.target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    if (!call.body.empty()) request += "Content-Type: " + call.type + "\r\n";
    request += "Content-Length: " + std::to_string(call.body.size()) + "\r\n\r\n" + call.body;
    const auto answer = test::http_exchange(port_, request);
    const auto split = answer.find("\r\n\r\n");
    const int status = std::stoi(answer.substr(9, 3));
    EXPECT_EQ(status, call.status) << call.method << " " << call.target << answer.substr(split);
    const auto& responses = described[method]["responses"];
    ASSERT_TRUE(responses.contains(std::to_string(status)))
        << call.method << " " << call.target << " " << status;
    check_content(responses[std::to_string(status)], answer.substr(0, split), answer.substr(split + 4),
                  call.target);
  }

  void check_content(const base::Json& response, const std::string& head, const std::string& body,
                     const std::string& target) {
    if (!response.contains("content")) {
      EXPECT_EQ(body, "") << target;
      return;
    }
    const auto& [type, content] = *response["content"].items().begin();
    const std::string wanted = "Content-Type: " + type.substr(0, type.find('*'));
    EXPECT_NE(head.find(wanted), std::string::npos) << target << "\n" << head;
    if (type.find("json") == std::string::npos) return;
    EXPECT_THAT(checker_.check(base::parse_json(body, target), content["schema"]), IsEmpty()) << target;
  }

  std::vector<Call> readings() const {
    const std::string api = "/api/v1";
    return {
        {"GET", "/", "/", "", 200},
        {"GET", "/healthz", "/healthz", "", 200},
        {"GET", "/readyz", "/readyz", "", 200},
        {"GET", "/metrics", "/metrics", "", 200},
        {"GET", "/openapi.json", "/openapi.json", "", 200},
        {"GET", api + "/status", api + "/status", "", 200},
        {"GET", api + "/gpus", api + "/gpus", "", 200},
        {"GET", api + "/memory/history", api + "/memory/history?minutes=5", "", 200},
        {"GET", api + "/memory/history", api + "/memory/history?minutes=many", "", 400},
        {"GET", api + "/alerts", api + "/alerts", "", 200},
        {"GET", api + "/history", api + "/history?limit=5", "", 200},
        {"GET", api + "/decisions", api + "/decisions", "", 200},
        {"GET", api + "/models", api + "/models", "", 200},
        {"GET", api + "/models/{id}", api + "/models/alto", "", 200},
        {"GET", api + "/models/{id}", api + "/models/nobody", "", 404},
        {"GET", api + "/models/browse", api + "/models/browse", "", 200},
        {"GET", api + "/models/browse", api + "/models/browse?path=" + models_ + "/alto", "", 200},
        {"GET", api + "/models/browse", api + "/models/browse?path=/etc", "", 403},
        {"GET", api + "/tasks", api + "/tasks", "", 200},
        {"GET", api + "/settings", api + "/settings", "", 200},
        {"GET", api + "/holds", api + "/holds", "", 200},
        {"GET", "/v2", "/v2", "", 200},
        {"GET", "/v2/health/live", "/v2/health/live", "", 200},
        {"GET", "/v2/health/ready", "/v2/health/ready", "", 200},
        {"GET", "/v2/repository/index", "/v2/repository/index", "", 200},
        {"GET", "/v2/models/{m}", "/v2/models/alto", "", 200},
        {"GET", "/v2/models/{m}", "/v2/models/nobody", "", 404},
        {"GET", "/v2/models/{m}/ready", "/v2/models/nobody/ready", "", 404},
    };
  }

  // Without loading anything.
  std::vector<Call> changes() const {
    const std::string api = "/api/v1";
    return {
        {"POST", api + "/models", api + "/models",
         R"({"path": ")" + models_ + R"(/alto", "id": "alto", "device": "cpu"})", 201},
        {"POST", api + "/models", api + "/models", "{}", 400},
        {"PATCH", api + "/models/{id}", api + "/models/alto",
         R"({"pinned": false, "keep_alive_seconds": null})", 200},
        {"POST", api + "/estimate", api + "/estimate", R"({"path": "alto"})", 200},
        {"POST", api + "/plan", api + "/plan", R"({"load": ["alto"], "convert_seconds": 3})", 200},
        {"PATCH", api + "/settings", api + "/settings", R"({"gpu.idle_timeout_minutes": 20})", 200},
        {"PATCH", api + "/settings", api + "/settings", R"({"gpu.idle_timeout_minutes": null})", 200},
        {"PATCH", api + "/settings", api + "/settings", R"({"gpu.colour": 1})", 400},
        {"PUT", api + "/tasks/{name}", api + "/tasks/choir",
         R"({"required_models": [{"model_path": ")" + models_ + R"(/alto"}]})", 201},
        {"PUT", api + "/tasks/{name}", api + "/tasks/choir",
         R"({"required_models": [{"model_path": ")" + models_ + R"(/alto", "device": "cpu"}]})", 200},
        {"GET", api + "/tasks/{name}", api + "/tasks/choir", "", 200},
        {"POST", api + "/tasks/{name}/cleanup", api + "/tasks/choir/cleanup", "{}", 200},
        {"POST", api + "/tasks/{name}/preload", api + "/tasks/nothing/preload", "{}", 404},
        {"POST", api + "/memory/optimize", api + "/memory/optimize", "{}", 200},
        {"POST", api + "/models/unload", api + "/models/unload", "{}", 200},
        {"POST", api + "/models/{id}/cancel", api + "/models/alto/cancel", "{}", 409},
        {"POST", api + "/models/{id}/load", api + "/models/nobody/load", "{}", 404},
        {"POST", api + "/models/{id}/unload", api + "/models/nobody/unload", "{}", 404},
        {"POST", api + "/holds", api + "/holds", R"({"owner": "x", "models": ["nobody"]})", 404},
        {"POST", api + "/holds/{n}/heartbeat", api + "/holds/77/heartbeat", "{}", 404},
        {"DELETE", api + "/holds/{n}", api + "/holds/77", "", 404},
        {"POST", "/v2/repository/index", "/v2/repository/index", R"({"ready": false})", 200},
        {"POST", "/v2/repository/models/{m}/load", "/v2/repository/models/nobody/load", "{}", 404},
        {"POST", "/v2/repository/models/{m}/unload", "/v2/repository/models/nobody/unload", "{}", 404},
    };
  }

  std::vector<Call> loading() const {
    const std::string api = "/api/v1";
    return {
        {"POST", api + "/models/{id}/load", api + "/models/alto/load", R"({"wait": true, "device": "cpu"})",
         200},
        {"POST", api + "/models/{id}/load", api + "/models/alto/load", R"({"wait": false})", 202},
        {"POST", api + "/tasks/{name}/preload", api + "/tasks/choir/preload", "{}", 200},
        {"POST", api + "/holds", api + "/holds", R"({"owner": "x", "models": ["alto"], "ttl_seconds": 60})",
         201},
        {"POST", api + "/holds/{n}/heartbeat", api + "/holds/1/heartbeat", "{}", 200},
        {"GET", api + "/holds", api + "/holds", "", 200},
        {"GET", "/v2/models/{m}/ready", "/v2/models/alto/ready", "", 200},
        {"GET", api + "/status", api + "/status", "", 200},
        {"GET", api + "/history", api + "/history", "", 200},
        {"GET", api + "/decisions", api + "/decisions", "", 200},
        {"DELETE", api + "/models/{id}", api + "/models/alto", "", 409},
        {"DELETE", api + "/holds/{n}", api + "/holds/1", "", 204},
        {"POST", api + "/tasks/{name}/cleanup", api + "/tasks/choir/cleanup", "{}", 200},
        {"POST", api + "/models/{id}/unload", api + "/models/alto/unload", R"({"force": true})", 200},
        {"POST", "/v2/repository/models/{m}/load", "/v2/repository/models/alto/load", "{}", 200},
        {"POST", "/v2/repository/models/{m}/unload", "/v2/repository/models/alto/unload", "{}", 200},
        {"GET", "/v2/models/{m}/ready", "/v2/models/alto/ready", "", 503},
    };
  }

  // A second of a tone, as a form.
  static std::string recording() {
    constexpr int kRate = 16'000;
    std::string wav(
        "RIFF\x24\x7d\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\x7d\0\0", 44);
    for (int i = 0; i < kRate; ++i) {
      const auto sample = static_cast<std::int16_t>(8000 * std::sin(i * 0.1));
      wav += static_cast<char>(sample & 0xff);
      wav += static_cast<char>((sample >> 8) & 0xff);
    }
    return "--b\r\nContent-Disposition: form-data; name=file; filename=a.wav\r\n\r\n" + wav + "\r\n--b--\r\n";
  }

  std::vector<Call> audio() const {
    const std::string api = "/api/v1";
    const std::string form = "multipart/form-data; boundary=b";
    return {
        {"GET", api + "/voices", api + "/voices", "", 200},
        {"POST", api + "/voices", api + "/voices", recording(), 201, form},
        {"POST", api + "/voices", api + "/voices", "--b--\r\n", 400, form},
        {"POST", api + "/voices", api + "/voices", "{}", 415},
        {"GET", api + "/voices/{id}", api + "/voices/nobody", "", 404},
        {"GET", api + "/voices/{id}/audio", api + "/voices/nobody/audio", "", 404},
        {"PATCH", api + "/voices/{id}", api + "/voices/nobody", R"({"name": "x"})", 404},
        {"DELETE", api + "/voices/{id}", api + "/voices/nobody", "", 404},
        {"GET", api + "/jobs", api + "/jobs", "", 200},
        {"GET", api + "/jobs/{id}", api + "/jobs/nothing", "", 404},
        {"GET", api + "/jobs/{id}/audio", api + "/jobs/nothing/audio", "", 404},
        {"POST", api + "/jobs/{id}/cancel", api + "/jobs/nothing/cancel", "{}", 404},
        {"DELETE", api + "/jobs/{id}", api + "/jobs/nothing", "", 404},
        {"GET", api + "/formats", api + "/formats", "", 200},
        {"POST", api + "/convert", api + "/convert", "--b--\r\n", 400, form},
        {"POST", api + "/speak", api + "/speak", R"({"model": 3, "text": "x"})", 400},
        {"POST", "/v1/audio/speech", "/v1/audio/speech", "{}", 400},
        {"GET", "/v1/models", "/v1/models", "", 200},
        {"GET", "/v1/models/{id}", "/v1/models/nobody", "", 404},
        {"GET", "/v1/models/{folder}/{name}", "/v1/models/stage/nobody", "", 404},
        {"POST", api + "/demo", api + "/demo", "{}", 202},
        {"GET", api + "/jobs", api + "/jobs", "", 200},
    };
  }

  base::Json document_;
  test::SchemaChecker checker_;
  std::string models_;
  std::set<std::string> called_;
};

TEST_F(OpenApi, IsWhatTheServerDoes) {
  engine_->monitoring().monitor().sample();
  for (const auto& call : changes()) check(call);
  for (const auto& call : readings()) check(call);
#if GREENROOM_HAVE_TORCH
  for (const auto& call : loading()) check(call);
#endif
  for (const auto& call : audio()) check(call);
  check({"DELETE", "/api/v1/tasks/{name}", "/api/v1/tasks/choir", "", 204});
  check({"DELETE", "/api/v1/models/{id}", "/api/v1/models/alto", "", 204});
  // A stream has no end to wait for; tests/server/events_api_test.cpp reads it.
  called_.insert("GET /api/v1/events");
  std::set<std::string> described;
  for (const auto& [path, methods] : document_["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      std::string upper = method;
      std::transform(upper.begin(), upper.end(), upper.begin(),
                     [](unsigned char c) { return std::toupper(c); });
      described.insert(upper + " " + path);
    }
  }
  EXPECT_EQ(called_, described);
}

TEST_F(OpenApi, NamesAllThatIsServed) {
  for (const auto& route : server_->routes()) {
    const auto space = route.find(' ');
    std::string method = route.substr(0, space);
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    const std::string path = route.substr(space + 1);
    if (path.starts_with("/assets/") || path.find('.') != std::string::npos) continue;  // the page's files
    EXPECT_TRUE(document_["paths"].contains(path) && document_["paths"][path].contains(method)) << route;
  }
}

TEST_F(OpenApi, ItsCheckerFindsWhatIsWrong) {
  const base::Json schema = {
      {"type", "object"},
      {"required", {"a"}},
      {"properties", {{"a", {{"type", "integer"}, {"minimum", 0}}}, {"b", {{"enum", {"x"}}}}}},
      {"additionalProperties", false}};
  EXPECT_THAT(checker_.check({{"a", 1}, {"b", "x"}}, schema), IsEmpty());
  EXPECT_EQ(checker_.check({{"a", -1}, {"b", "y"}, {"c", 1}}, schema).size(), 3U);
  EXPECT_EQ(checker_.check(base::Json::object(), schema).size(), 1U);
  EXPECT_EQ(checker_.check({{"a", "1"}}, schema).size(), 1U);
  EXPECT_EQ(checker_.check(3, schema).size(), 1U);
}

}  // namespace
}  // namespace greenroom::server
