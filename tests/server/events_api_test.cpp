// What was and what happens, over HTTP.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/api_fixture.h"
#include "server/thinning.h"

namespace greenroom::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Reads a stream of events as a browser does.
class EventSource {
 public:
  explicit EventSource(int port, const std::string& headers = "", const std::string& path = "/api/v1/events")
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error("no connection");
    }
    const auto request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
    ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL);
    read_until("\r\n\r\n");
  }
  ~EventSource() { ::close(socket_); }
  EventSource(const EventSource&) = delete;
  EventSource& operator=(const EventSource&) = delete;

  // All up to the end of the next event that has `text`; without it when the server closes.
  std::string until(const std::string& text) {
    std::string got = read_until(text);
    return got + read_until("\n\n");
  }
  std::string rest() { return read_until(std::string(1, '\0')); }

 private:
  std::string read_until(const std::string& text) {
    std::string got;
    char c = 0;
    while (got.find(text) == std::string::npos && ::recv(socket_, &c, 1, 0) == 1) got += c;
    return got;
  }

  int socket_;
};

std::string last_id_in(const std::string& events) {
  const auto at = events.rfind("id: ");
  return at == std::string::npos ? "" : events.substr(at + 4, events.find('\n', at) - at - 4);
}

using EventsApi = test::ApiTest;

TEST_F(EventsApi, GreetsWithEverythingThereIs) {
  add("alto", "alto");
  EventSource source(port_);
  const auto greeting = source.until("event: sample");
  EXPECT_THAT(greeting, AllOf(HasSubstr("event: hello\ndata: {\"version\":\"9.8.7\",\"schema\":1}"),
                              HasSubstr("event: model\ndata: {\"id\":\"alto\""),
                              HasSubstr("\"devices\":[{\"id\":\"cpu\"")));
  EXPECT_THAT(greeting, Not(HasSubstr("\"components\":[{\"kind\"")));
}

TEST_F(EventsApi, TellsChangesOfModelsAndTasksAsTheyHappen) {
  EventSource source(port_);
  source.until("event: sample");
  add("alto", "alto");
  EXPECT_THAT(source.until("event: model"), HasSubstr("\"status\":\"unloaded\""));
  call("PATCH", "/api/v1/models/alto", R"({"pinned": true})");
  EXPECT_THAT(source.until("event: model"), HasSubstr("\"pinned\":true"));
  call("PUT", "/api/v1/tasks/choir", "{}");
  EXPECT_THAT(source.until("event: task"), HasSubstr("\"task_name\":\"choir\""));
  call("DELETE", "/api/v1/models/alto");
  EXPECT_THAT(source.until("removed"), HasSubstr("\"id\":\"alto\""));
}

TEST_F(EventsApi, SamplesComeWhileItIsMonitored) {
  engine_->monitoring().start();
  EventSource source(port_);
  source.until("event: sample");
  source.until("event: sample");
  const auto sample = source.until("event: sample");
  EXPECT_THAT(sample, HasSubstr("\"ledger\""));
  const auto history = get("/api/v1/memory/history?minutes=1&points=10").body;
  ASSERT_FALSE(history["series"].empty());
  EXPECT_GE(history["series"][0]["time_ms"].size(), 1U);
  EXPECT_EQ(history["series"][0]["used"].size(), history["series"][0]["used_max"].size());
  EXPECT_EQ(history["interval_seconds"], 6);
  EXPECT_TRUE(get("/api/v1/alerts").body["firing"].is_array());
}

#if GREENROOM_HAVE_TORCH
TEST_F(EventsApi, WhoComesBackMissesNothing) {
  add("alto", "alto");
  std::string last;
  {
    EventSource source(port_);
    source.until("event: sample");
    post("/api/v1/models/alto/load");
    last = last_id_in(source.until("\"type\":\"load_completed\""));
    ASSERT_FALSE(last.empty());
  }
  post("/api/v1/models/alto/unload");
  EventSource again(port_, "Last-Event-ID: " + last + "\r\n");
  const auto caught_up = again.until("event: sample");
  EXPECT_THAT(caught_up, AllOf(HasSubstr("\"type\":\"unload_completed\""),
                               Not(HasSubstr("\"type\":\"load_completed\"")), Not(HasSubstr("event: lag"))));
  // After a restart: from the history, and it is told that this may not be all.
  start({}, {});
  EventSource later(port_, "Last-Event-ID: " + last + "\r\n");
  EXPECT_THAT(later.until("event: sample"), AllOf(HasSubstr("unload_completed"), HasSubstr("event: lag")));
}

TEST_F(EventsApi, HistoryAndDecisionsCanBeAsked) {
  add("alto", "alto");
  post("/api/v1/models/alto/load");
  post("/api/v1/models/alto/unload");
  const auto events = get("/api/v1/history?model_id=alto&type=load_completed").body["events"];
  ASSERT_EQ(events.size(), 1U);
  EXPECT_GT(events[0]["bytes"], 1'000'000);
  const auto id = std::to_string(events[0]["id"].get<int>());
  EXPECT_EQ(get("/api/v1/history?since_id=" + id + "&type=load_completed").body["events"].size(), 0U);
  EXPECT_EQ(get("/api/v1/history?limit=1&newest=true").body["events"][0]["type"], "unload_completed");
  const auto decisions = get("/api/v1/decisions?about=alto&limit=5").body["decisions"];
  ASSERT_FALSE(decisions.empty());
  EXPECT_EQ(decisions[0]["verdict"], "grant");
  EXPECT_EQ(decisions[0]["purpose"], "loading 'alto'");
}

TEST_F(EventsApi, AModelThatLoadsShowsHowFarItIs) {
  add("alto", "alto");
  EventSource source(port_);
  source.until("event: sample");
  const auto answer = post("/api/v1/models/alto/load", {{"wait", false}});
  EXPECT_EQ(answer.status, 202);
  EXPECT_THAT(source.until("\"status\":\"loaded\""), HasSubstr("load_progress"));
}
#endif

TEST_F(EventsApi, SendsEverybodyAwayWhenItStops) {
  EventSource source(port_);
  source.until("event: sample");
  server_->stop();
  source.rest();  // ends
}

TEST_F(EventsApi, TooManyListenersAreRefused) {
  start({}, {.max_event_clients = 2});
  EventSource first(port_), second(port_);
  first.until("event: hello");
  second.until("event: hello");
  const auto answer = get("/api/v1/events");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.head, HasSubstr("Retry-After"));
}

TEST_F(EventsApi, QuestionsAreChecked) {
  for (const char* path :
       {"/api/v1/memory/history?minutes=0", "/api/v1/memory/history?minutes=1441",
        "/api/v1/memory/history?points=x", "/api/v1/alerts?minutes=-1", "/api/v1/history?limit=0",
        "/api/v1/history?newest=maybe", "/api/v1/decisions?limit=99999999999999999999",
        "/api/v1/events?last_event_id=x"}) {
    EXPECT_EQ(get(path).status, 400) << path;
  }
}

TEST(Thinning, KeepsPeaksAndGaps) {
  std::vector<monitor::HistoryPoint> points;
  for (int i = 0; i < 100; ++i) {
    if (i >= 40 && i < 60) continue;  // nobody watched
    monitor::HistoryPoint point;
    point.time_ms = 1'000'000 + i * 1000;
    point.total = 1000;
    point.used = point.used_min = point.used_max = i == 15 ? 990 : 100;
    if (i % 2 == 0) point.utilisation_percent = i;
    points.push_back(point);
  }
  const auto series = series_json(points, 10'000);
  ASSERT_EQ(series.size(), 1U);
  EXPECT_EQ(series[0]["time_ms"].size(), 8U);
  EXPECT_EQ(series[0]["used_max"][1], 990);
  EXPECT_EQ(series[0]["used"][1], 189);
  EXPECT_EQ(series[0]["utilisation_percent"][0], 4);
  EXPECT_TRUE(series[0]["temperature_celsius"][0].is_null());
}

}  // namespace
}  // namespace greenroom::server
