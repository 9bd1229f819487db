#include "server/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <thread>
#include <vector>

#include "base/error.h"
#include "server/plain_routes.h"
#include "support/http_get.h"
#include "support/temp_dir.h"

namespace greenroom::server {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Seen {
  std::string route, method;
  int status = 0;
};

// Routes of all kinds behind a real socket.
class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() { start({}); }
  ~HttpServerTest() override { end(); }

  void end() {
    if (!server_) return;
    server_->abort();
    thread_.join();
    server_.reset();
  }

  void start(const HttpLimits& limits, GateOptions gate = {}) {
    end();
    router_ = Router();
    add_routes();
    gate_ = std::make_unique<Gate>(std::move(gate));
    server_ = std::make_unique<HttpServer>(
        router_, *gate_, limits,
        [this](const std::string& route, const std::string& method, int status, double) {
          base::MutexLock lock(mutex_);
          seen_.push_back({route, method, status});
        });
    Listener listener("127.0.0.1", 0);
    port_ = listener.port();
    gate_->set_address("127.0.0.1", false);
    thread_ = std::thread([this, listener = std::move(listener)] { server_->run(listener); });
  }

  void add_routes() {
    router_.add("GET", "/hello", [](Request&) { return Response::text("hello", "text/plain"); });
    router_.add("GET", "/things/all", [](Request&) { return Response::text("all of them", "text/plain"); });
    add_plain_routes(router_);
    router_.add("POST", "/upload",
                [](Request& request) {
                  base::Json json = {{"fields", base::Json::object()}, {"files", base::Json::array()}};
                  for (const auto& [name, value] : request.form.fields) json["fields"][name] = value;
                  for (const auto& file : request.form.files) {
                    std::ifstream stream(file.file.path(), std::ios::binary);
                    std::stringstream content;
                    content << stream.rdbuf();
                    json["files"].push_back({{"field", file.field},
                                             {"name", file.name},
                                             {"type", file.content_type},
                                             {"bytes", file.bytes},
                                             {"sum", std::hash<std::string>()(content.str())},
                                             {"path", file.file.path().string()}});
                  }
                  return Response::json(json);
                },
                {.body = Body::kForm});
    router_.add("GET", "/fails/{code}", [](Request& request) -> Response {
      const auto code = request.part("code");
      if (code == "runtime") throw std::runtime_error("an ordinary one");
      if (code == "busy") throw base::Error(base::ErrorCode::kUnavailable, "busy", milliseconds(1500));
      throw base::Error(static_cast<base::ErrorCode>(std::stoi(code)), "it went wrong");
    });
    router_.add("GET", "/v1/fails",
                [](Request&) -> Response { throw base::Error(base::ErrorCode::kNotFound, "no such model"); },
                {.errors = openai_error});
    router_.add("GET", "/stream", [](Request&) {
      return Response::streamed("text/plain", [](BodyWriter& writer) {
        writer.write("one ");
        writer.write("two");
      });
    });
    router_.add("GET", "/stream-fails/{when}", [](Request& request) {
      return Response::streamed("text/plain", [early = request.part("when") == "early"](BodyWriter& writer) {
        if (!early) writer.write("begun");
        throw base::Error(base::ErrorCode::kNotFound, "gone");
      });
    });
    router_.add("GET", "/endless", [this](Request&) {
      return Response::streamed("text/plain", [this](BodyWriter& writer) {
        while (writer.write("x")) {
        }
        ++endless_ended_;
      });
    });
    router_.add("GET", "/file",
                [this](Request&) { return Response::from_file(dir_ / "file.bin", "audio/wav"); });
    router_.add("GET", "/evil",
                [](Request&) { return Response::nothing().with("X-Name", "a\r\nX-Injected: yes"); });
    router_.add("GET", "/open", [](Request&) { return Response::text("open", "text/plain"); },
                {.needs_key = false});
    router_.set_error_form("/v1/", openai_error);
  }

  test::HttpAnswer get(const std::string& path) const { return test::http_get(port_, path); }
  std::string send(const std::string& request) const { return test::http_exchange(port_, request); }
  // A whole request with a body; `headers` end in CR LF.
  std::string post(const std::string& path, const std::string& headers, const std::string& body) const {
    return send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
  }
  std::string post_json(const std::string& path, const std::string& body) const {
    return post(path, "Content-Type: application/json\r\n", body);
  }

  test::TempDir dir_;
  Router router_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<HttpServer> server_;
  int port_ = 0;
  std::thread thread_;
  std::atomic<int> endless_ended_{0};
  base::Mutex mutex_;
  std::vector<Seen> seen_;
};

// A connection that stays open.
class Client {
 public:
  explicit Client(int port) : socket_(test::connect_to(port)) {}
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(const std::string& bytes) const { ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // Until it has `text`, or the server closes.
  std::string read_until(const std::string& text) {
    std::string got;
    char c = 0;
    while (got.find(text) == std::string::npos && ::recv(socket_, &c, 1, 0) == 1) got += c;
    return got;
  }
  std::string read_all() { return read_until(std::string(1, '\0') + "never"); }

 private:
  int socket_;
};

TEST_F(HttpServerTest, AnswersAndCountsByRoute) {
  EXPECT_EQ(get("/hello").body, "hello");
  EXPECT_EQ(get("/things/a%2Fb%20c").body, "a/b c");
  EXPECT_EQ(get("/things/all").body, "all of them");
  EXPECT_EQ(get("/query?x=1&q=a+b%26").body, "a b&");
  EXPECT_EQ(get("/nothing/here").status, 404);
  base::MutexLock lock(mutex_);
  ASSERT_EQ(seen_.size(), 5U);
  EXPECT_EQ(seen_[1].route, "/things/{id}");
  EXPECT_EQ(seen_[2].route, "/things/all");
  EXPECT_EQ(seen_[4].route, "other");
  EXPECT_EQ(seen_[4].status, 404);
}

TEST_F(HttpServerTest, SeveralRequestsShareAConnection) {
  Client client(port_);
  for (int i = 0; i < 3; ++i) {
    client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(client.read_until("hello"),
                AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("keep-alive")));
  }
  // Two at once are answered in order; the second ends the connection.
  client.send(
      "GET /things/first HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /things/second HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.read_all(),
              AllOf(HasSubstr("first"), EndsWith("second"), HasSubstr("Connection: close")));
  EXPECT_THAT(send("GET /hello HTTP/1.0\r\n\r\n"), EndsWith("hello"));
}

TEST_F(HttpServerTest, HeadHasTheHeadersOnly) {
  EXPECT_THAT(send("HEAD /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 5"), EndsWith("\r\n\r\n")));
}

TEST_F(HttpServerTest, WhatIsNoHttpIsRefused) {
  const std::string host = "Host: localhost\r\nConnection: close\r\n";
  const std::pair<std::string, int> cases[] = {
      {"\x16\x03\x01 hello\r\n\r\n", 400},
      {"GET /hello\r\n\r\n", 400},
      {"GET  /hello HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET hello HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /hello HTTP/2.0\r\n" + host + "\r\n", 505},
      {"GET /hello HTTP/1.1\r\n" + host + "no colon\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\n" + host + " Folded: yes\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\n" + host + "Bad Name: x\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\n" + host + "X: a\x01z\r\n\r\n", 400},
      {"GET /things/%zz HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /things/%00 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /things/%4 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\n" + host + "Host: localhost\r\n\r\n", 400},
      {"GET /" + std::string(9000, 'x') + " HTTP/1.1\r\n" + host + "\r\n", 414},
      {"GET /hello HTTP/1.1\r\n" + host + "X: " + std::string(40'000, 'x') + "\r\n\r\n", 431},
      {"POST /things HTTP/1.1\r\n" + host + "Content-Length: 1x\r\n\r\n", 400},
      {"POST /things HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400},
      {"POST /things HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
      {"POST /things HTTP/1.1\r\n" + host + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400},
      {"POST /things HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 501},
      {"POST /things HTTP/1.1\r\n" + host +
           "Content-Type: application/json\r\nExpect: a miracle\r\nContent-Length: 2\r\n\r\n{}",
       417},
      {"BREW /hello HTTP/1.1\r\n" + host + "\r\n", 405},
  };
  for (const auto& [request, status] : cases) {
    EXPECT_THAT(send(request), StartsWith("HTTP/1.1 " + std::to_string(status))) << request.substr(0, 200);
  }
  std::string many = "GET /hello HTTP/1.1\r\n" + host;
  for (int i = 0; i < 120; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  EXPECT_THAT(send(many + "\r\n"), StartsWith("HTTP/1.1 431"));
  EXPECT_EQ(get("/hello").status, 200);
}

TEST_F(HttpServerTest, ErrorsAreProblemsWithTheirStatus) {
  const std::pair<base::ErrorCode, int> cases[] = {
      {base::ErrorCode::kInvalidArgument, 400},    {base::ErrorCode::kNotFound, 404},
      {base::ErrorCode::kDataLoss, 422},           {base::ErrorCode::kResourceExhausted, 507},
      {base::ErrorCode::kFailedPrecondition, 409}, {base::ErrorCode::kUnavailable, 503},
      {base::ErrorCode::kDeadlineExceeded, 504},   {base::ErrorCode::kCancelled, 499},
      {base::ErrorCode::kUnimplemented, 501},      {base::ErrorCode::kInternal, 500},
  };
  for (const auto& [code, status] : cases) {
    const auto answer = get("/fails/" + std::to_string(static_cast<int>(code)));
    EXPECT_EQ(answer.status, status);
    EXPECT_THAT(answer.head, HasSubstr("application/problem+json"));
    const auto problem = base::parse_json(answer.body, "problem");
    EXPECT_EQ(problem["code"], base::error_code_name(code));
    EXPECT_EQ(problem["detail"], "it went wrong");
    EXPECT_EQ(problem["status"], status);
    EXPECT_EQ(answer.head.find("Retry-After") != std::string::npos, status == 503);
  }
  const auto busy = get("/fails/busy");
  EXPECT_EQ(busy.status, 429);
  EXPECT_THAT(busy.head, HasSubstr("Retry-After: 2\r\n"));
  EXPECT_EQ(get("/fails/runtime").status, 500);
  const auto openai = base::parse_json(get("/v1/fails").body, "error");
  EXPECT_EQ(openai["error"]["message"], "no such model");
  EXPECT_EQ(openai["error"]["type"], "invalid_request_error");
  EXPECT_EQ(base::parse_json(get("/v1/elsewhere").body, "error")["error"]["code"], "not_found");
}

TEST_F(HttpServerTest, JsonBodiesAreCheckedFieldByField) {
  EXPECT_THAT(post_json("/things", R"({"name": "alto"})"),
              AllOf(StartsWith("HTTP/1.1 201"), HasSubstr("alto")));
  EXPECT_THAT(post("/things", "", ""), AllOf(StartsWith("HTTP/1.1 201"), HasSubstr("nobody")));
  EXPECT_THAT(post_json("/things", "{"), AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("not valid JSON")));
  EXPECT_THAT(post_json("/things", "[]"), AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("array")));
  EXPECT_THAT(post_json("/things", R"({"name": 3})"),
              AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("the field name is 3")));
  EXPECT_THAT(post_json("/things", R"({"count": 10})"), HasSubstr("a whole number from 1 to 9"));
  EXPECT_THAT(post_json("/things", R"({"count": 1.5})"), HasSubstr("a whole number from 1 to 9"));
  EXPECT_THAT(post_json("/things", R"({"nmae": "x"})"), HasSubstr("there is no field nmae"));
  EXPECT_THAT(post_json("/things", std::string(50, '[') + std::string(50, ']')), HasSubstr("nested deeper"));
  EXPECT_THAT(post("/things", "Content-Type: text/plain\r\n", "{}"), StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(post("/things", "", "{}"), StartsWith("HTTP/1.1 415"));
}

TEST_F(HttpServerTest, ChunkedBodiesAreRead) {
  const std::string head =
      "POST /things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_THAT(send(head + "5;note=1\r\n{\"nam\r\n9\r\ne\": \"al\"}\r\n0\r\nTrailer: x\r\n\r\n"),
              HasSubstr("\"al\""));
  EXPECT_THAT(send(head + "zz\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(send(head + "2\r\n{}xx\r\n0\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(send(head + "ffffffffffffffffff\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(send(head + "fffffffffffffff\r\n"), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(send(head + std::string(1000, '1')), StartsWith("HTTP/1.1 400"));
}

TEST_F(HttpServerTest, TooMuchIsRefusedBeforeItIsRead) {
  EXPECT_THAT(send("POST /things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   "Content-Length: 99999999999\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("1.0 MiB")));
  HttpLimits limits;
  limits.max_upload_bytes = 1000;
  start(limits);
  EXPECT_THAT(post("/upload", "Content-Type: multipart/form-data; boundary=b\r\n", std::string(1001, 'x')),
              StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, AskedForAnHundredItContinues) {
  Client client(port_);
  client.send(
      "POST /things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
      "Content-Length: 2\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 100"));
  client.send("{}");
  EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 201"));
}

std::string form(const std::string& file) {
  return "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nalto\r\n"
         "--b\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n"
         "--b\r\ncontent-disposition: form-data; name=file; filename=\"a \\\"b\\\";c.wav\"\r\nContent-Type: "
         "audio/wav\r\n\r\n" +
         file + "\r\n--b--\r\nepilogue";
}

TEST_F(HttpServerTest, UploadsGoToDiskAndAreGoneAfterwards) {
  std::string content = "RIFF\r\n--a\r\n-\r\n--";  // nearly the delimiter
  std::mt19937 random(1);
  for (int i = 0; i < 300'000; ++i) content += static_cast<char>(random());
  const auto answer =
      post("/upload", "Content-Type: multipart/form-data; boundary=\"b\"\r\n", form(content + "-x"));
  ASSERT_THAT(answer, StartsWith("HTTP/1.1 200"));
  const auto json = base::parse_json(answer.substr(answer.find("\r\n\r\n") + 4), "answer");
  EXPECT_EQ(json["fields"]["model"], "alto");
  EXPECT_EQ(json["fields"]["empty"], "");
  ASSERT_EQ(json["files"].size(), 1U);
  EXPECT_EQ(json["files"][0]["name"], "a \"b\";c.wav");
  EXPECT_EQ(json["files"][0]["type"], "audio/wav");
  EXPECT_EQ(json["files"][0]["bytes"], content.size() + 2);
  EXPECT_EQ(json["files"][0]["sum"], std::hash<std::string>()(content + "-x"));
  EXPECT_FALSE(std::filesystem::exists(json["files"][0]["path"].get<std::string>()));
}

TEST_F(HttpServerTest, MalformedFormsAreRefused) {
  const std::string type = "Content-Type: multipart/form-data; boundary=b\r\n";
  for (const std::string body :
       {"--b", "--b\r\n\r\n--b--", "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "nothing",
        "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nunfinished", "--bx\r\n"}) {
    EXPECT_THAT(post("/upload", type, body), StartsWith("HTTP/1.1 400")) << body;
  }
  EXPECT_THAT(post("/upload", "Content-Type: multipart/form-data\r\n", "--b--"), StartsWith("HTTP/1.1 400"));
  std::string many;
  for (int i = 0; i < 70; ++i) many += "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
  EXPECT_THAT(post("/upload", type, many + "--b--"), StartsWith("HTTP/1.1 413"));
  const std::string large =
      "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n" + std::string(2U << 20, 'x');
  EXPECT_THAT(post("/upload", type, large + "\r\n--b--"), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(post_json("/upload", "{}"), StartsWith("HTTP/1.1 415"));
}

TEST_F(HttpServerTest, StreamsInChunks) {
  EXPECT_THAT(get("/stream").body, "4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n");
  EXPECT_THAT(send("GET /stream HTTP/1.0\r\n\r\n"), EndsWith("\r\n\r\none two"));
  EXPECT_EQ(get("/stream-fails/early").status, 404);
  const auto late = get("/stream-fails/late");
  EXPECT_EQ(late.status, 200);
  EXPECT_EQ(late.body, "5\r\nbegun\r\n");  // no end: it was not all
}

TEST_F(HttpServerTest, SendsFilesAndPartsOfThem) {
  dir_.write("file.bin", "0123456789");
  const auto part = [&](const std::string& range) {
    return send("GET /file HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nRange: " + range + "\r\n\r\n");
  };
  EXPECT_EQ(get("/file").body, "0123456789");
  EXPECT_THAT(part("bytes=2-4"),
              AllOf(StartsWith("HTTP/1.1 206"), HasSubstr("bytes 2-4/10"), EndsWith("\r\n\r\n234")));
  EXPECT_THAT(part("bytes=7-"), EndsWith("\r\n\r\n789"));
  EXPECT_THAT(part("bytes=-2"), EndsWith("\r\n\r\n89"));
  EXPECT_THAT(part("bytes=0-99"), EndsWith("\r\n\r\n0123456789"));
  EXPECT_THAT(part("bytes=10-"), StartsWith("HTTP/1.1 416"));
  for (const char* all : {"bytes=4-2", "bytes=", "bytes=-", "lines=1-2", "bytes=0-1,3-4", "bytes=x-"}) {
    EXPECT_THAT(part(all), AllOf(StartsWith("HTTP/1.1 200"), EndsWith("0123456789"))) << all;
  }
  std::filesystem::remove(dir_ / "file.bin");
  EXPECT_EQ(get("/file").status, 404);
}

TEST_F(HttpServerTest, EveryAnswerIsSafeToShow) {
  for (const char* path : {"/hello", "/nothing"}) {
    EXPECT_THAT(
        get(path).head,
        AllOf(HasSubstr("X-Content-Type-Options: nosniff"), HasSubstr("X-Frame-Options: DENY"),
              HasSubstr("Cross-Origin-Resource-Policy: same-origin"), Not(HasSubstr("Access-Control"))));
  }
  EXPECT_THAT(get("/evil").head, Not(HasSubstr("\r\nX-Injected")));
}

TEST_F(HttpServerTest, AnswersToItsOwnNamesOnly) {
  const auto status = [&](const std::string& host) {
    return send("GET /hello HTTP/1.1\r\nConnection: close\r\nHost: " + host + "\r\n\r\n").substr(9, 3);
  };
  start({}, {.allowed_hosts = {"Studio.example"}});
  for (const char* host :
       {"localhost", "LOCALHOST:7860", "127.0.0.1:1", "[::1]:7860", "studio.example", "localhost."}) {
    EXPECT_EQ(status(host), "200") << host;
  }
  for (const char* host :
       {"evil.example", "localhost.evil.example", "10.0.0.1", "", "[::1", "127.0.0.1.evil.example"}) {
    EXPECT_EQ(status(host), "403") << host;
  }
  EXPECT_THAT(send("GET /hello HTTP/1.1\r\nConnection: close\r\nHost: evil.example\r\n\r\n"),
              HasSubstr("--allowed-host evil.example"));
  gate_->set_address("0.0.0.0", true);
  EXPECT_EQ(status("10.0.0.1:7860"), "200");
  EXPECT_EQ(status("evil.example"), "403");
}

TEST_F(HttpServerTest, PagesOfOtherSitesChangeNothing) {
  const auto status = [&](const std::string& headers) {
    return post("/things", "Content-Type: application/json\r\n" + headers, "{}").substr(9, 3);
  };
  EXPECT_EQ(status("Origin: http://localhost\r\n"), "201");
  EXPECT_EQ(status("Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n"), "201");
  for (const char* headers : {"Origin: http://evil.example\r\n", "Origin: null\r\n",
                              "Origin: http://localhost:1234\r\n", "Sec-Fetch-Site: cross-site\r\n",
                              "Sec-Fetch-Site: same-site\r\n", "Origin: http://localhost.evil.example\r\n"}) {
    EXPECT_EQ(status(headers), "403") << headers;
  }
}

TEST_F(HttpServerTest, AsksForItsKey) {
  start({}, {.api_key = "correct horse"});
  const auto status = [&](const std::string& headers, const std::string& path = "/hello") {
    return send("GET " + path + " HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n" + headers + "\r\n")
        .substr(9, 3);
  };
  EXPECT_EQ(status("Authorization: Bearer correct horse\r\n"), "200");
  EXPECT_EQ(status("Authorization: bearer correct horse\r\n"), "200");
  for (const char* headers :
       {"", "Authorization: Bearer \r\n", "Authorization: Bearer correct hors\r\n",
        "Authorization: Bearer correct horsecorrect horse\r\n", "Authorization: Basic correct horse\r\n"}) {
    EXPECT_EQ(status(headers), "401") << headers;
  }
  EXPECT_EQ(status("", "/nothing"), "401");  // nor says what is there
  EXPECT_EQ(status("", "/open"), "200");
  EXPECT_THAT(get("/hello").head, HasSubstr("WWW-Authenticate: Bearer"));
}

TEST_F(HttpServerTest, TheSlowAreCutOff) {
  HttpLimits limits;
  limits.head = milliseconds(50);
  limits.idle = milliseconds(50);
  limits.body = {milliseconds(50), 1U << 30};
  start(limits);
  Client silent(port_);
  EXPECT_EQ(silent.read_all(), "");
  Client half(port_);
  half.send("GET /hello HTTP/1.1\r\nHost: local");
  EXPECT_THAT(half.read_all(), StartsWith("HTTP/1.1 408"));
  Client body(port_);
  body.send(
      "POST /things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
      "9\r\n\r\n{");
  EXPECT_THAT(body.read_all(), StartsWith("HTTP/1.1 408"));
  Client idle(port_);
  idle.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(idle.read_all(), EndsWith("hello"));
  // A byte at a time, for as long as it is let: the deadline is for the whole head.
  Client drip(port_);
  std::atomic<bool> over{false};
  std::thread dripping([&] {
    while (!over) {
      drip.send("X");
      std::this_thread::yield();
    }
  });
  const auto answer = drip.read_all();
  over = true;
  dripping.join();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 408") || answer.starts_with("HTTP/1.1 431")) << answer;
}

TEST_F(HttpServerTest, AClientThatTakesNothingIsLeft) {
  HttpLimits limits;
  limits.write = milliseconds(50);
  start(limits);
  Client client(port_);
  client.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.read_until("\r\n\r\n");
  while (endless_ended_ == 0) std::this_thread::yield();
}

TEST_F(HttpServerTest, BeyondTheLimitItSaysThatItIsFull) {
  HttpLimits limits;
  limits.max_connections = 3;
  start(limits);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(port_));
    clients.back()->send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(clients.back()->read_until("hello"), StartsWith("HTTP/1.1 200"));
  }
  const auto answer = get("/hello");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.head, HasSubstr("Retry-After"));
  clients.clear();
  while (server_->connections() > 0) std::this_thread::yield();
  EXPECT_EQ(get("/hello").status, 200);
}

TEST_F(HttpServerTest, ThreeHundredConnectionsAtOnce) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(std::make_unique<Client>(port_));
  for (int round = 0; round < 3; ++round) {
    for (auto& client : clients) client->send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (auto& client : clients) EXPECT_THAT(client->read_until("hello"), StartsWith("HTTP/1.1 200"));
  }
}

TEST_F(HttpServerTest, DrainingItReadsAndTakesNoWork) {
  server_->drain();
  EXPECT_EQ(get("/hello").status, 200);
  EXPECT_THAT(post_json("/things", "{}"), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("shutting down")));
}

TEST_F(HttpServerTest, StopsWithIdleClientsAndLetsStreamsKnow) {
  Client idle(port_);
  idle.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  idle.read_until("hello");
  Client listening(port_);
  listening.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
  listening.read_until("\r\n\r\n");
  std::thread reader([&] { listening.read_all(); });
  server_->stop();
  thread_.join();
  thread_ = std::thread([] {});
  reader.join();
  EXPECT_EQ(endless_ended_, 1);
  EXPECT_EQ(idle.read_all(), "");
}

// Whatever comes, the server answers or closes, and goes on.
TEST_F(HttpServerTest, SurvivesRandomBytes) {
  HttpLimits limits;
  limits.head = limits.idle = milliseconds(20);
  limits.body.grace = milliseconds(20);
  limits.linger = milliseconds(20);
  start(limits);
  const std::string seeds[] = {
      "GET /things/a%2Fb?x=1 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1\r\n\r\n",
      "POST /things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
      "14\r\n\r\n{\"name\": \"ab\"}",
      "POST /things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
      "chunked\r\n\r\n"
      "2\r\n{}\r\n0\r\n\r\n",
      "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
      "boundary=b\r\nContent-Length: " +
          std::to_string(form("RIFF").size()) + "\r\n\r\n" + form("RIFF"),
  };
  std::mt19937 random(7);
  const auto pick = [&](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
  };
  for (int round = 0; round < 400; ++round) {
    std::string bytes = seeds[pick(std::size(seeds))];
    for (std::size_t edits = pick(6); edits > 0; --edits) {
      const auto at = pick(bytes.size());
      switch (pick(3)) {
        case 0:
          bytes[at] = static_cast<char>(pick(256));
          break;
        case 1:
          bytes.erase(at, pick(20));
          break;
        default:
          bytes.insert(at, bytes.substr(pick(bytes.size()), pick(40)));
      }
      if (bytes.empty()) bytes = "\n";
    }
    Client client(port_);
    client.send(bytes);
    client.read_all();
  }
  EXPECT_EQ(get("/hello").status, 200);
}

TEST(Listener, NamesWhatIsWrongWithAnAddress) {
  EXPECT_THROW(Listener("192.0.2.1", 0), base::Error);
  EXPECT_THROW(Listener("no such host", 0), base::Error);
  EXPECT_TRUE(Listener("127.0.0.1", 0).is_loopback());
  EXPECT_TRUE(Listener("0.0.0.0", 0).is_any());
}

}  // namespace
}  // namespace greenroom::server
