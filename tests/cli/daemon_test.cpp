// The commands that speak to a daemon, and how the daemon ends: two processes of the real binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <future>
#include <iterator>
#include <thread>

#include "base/json.h"
#include "base/process.h"
#include "cli/program.h"
#include "support/http_get.h"
#include "support/temp_dir.h"

namespace greenroom {
namespace {

using test::Program;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A daemon with the demo models among its roots.
class Daemon : public testing::Test {
 protected:
  void start(std::vector<std::string> arguments = {}, std::vector<std::string> variables = {}) {
    arguments.insert(arguments.begin(),
                     {"serve", "--port", "0", "--model-root", test::demo_models().string()});
    variables.push_back("XDG_CACHE_HOME=" + cache_.path().string());
    program_ = std::make_unique<Program>(arguments, variables);
    const std::string before = "serves on http://127.0.0.1:";
    ASSERT_TRUE(program_->wait_for("Ctrl-C"));
    const auto line = program_->out();
    port_ = std::stoi(line.substr(line.find(before) + before.size()));
  }
  test::Outcome run(std::vector<std::string> arguments, std::vector<std::string> variables = {}) const {
    variables.push_back("GREENROOM_SERVER=http://127.0.0.1:" + std::to_string(port_));
    return test::run_program(arguments, variables);
  }

  test::TempDir cache_;
  std::unique_ptr<Program> program_;
  int port_ = 0;
};

// OpenMP reads its settings when the program is loaded: what counts is what that began with.
TEST_F(Daemon, ThreadsThatWaitSleep) {
  const auto environment = [this] {
    std::ifstream file("/proc/" + std::to_string(program_->pid()) + "/environ", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  start();
  EXPECT_THAT(environment(), HasSubstr("OMP_WAIT_POLICY=passive"));
  start({}, {"OMP_WAIT_POLICY=active"});
  EXPECT_THAT(environment(), HasSubstr("OMP_WAIT_POLICY=active"));
}

TEST_F(Daemon, WithoutOneEveryCommandSaysWhatToDo) {
  const std::vector<std::vector<std::string>> commands = {
      {"ps"},       {"load", "x"}, {"unload", "x"}, {"unload", "--all"}, {"preload", "t"}, {"cleanup", "t"},
      {"optimize"}, {"events"},    {"why"}};
  for (auto command : commands) {
    command.insert(command.end(), {"--server", "http://127.0.0.1:1"});
    const auto outcome = test::run_program(command);
    EXPECT_EQ(outcome.status, 1) << command[0];
    EXPECT_THAT(outcome.err,
                AllOf(HasSubstr("http://127.0.0.1:1"), HasSubstr("greenroom serve"), HasSubstr("--server")));
  }
  EXPECT_EQ(test::run_program({"ps", "--server", "localhost"}).status, 1);
  EXPECT_EQ(test::run_program({"unload"}).status, 2);
}

TEST_F(Daemon, ListsAndRefusesByName) {
  start();
  EXPECT_THAT(run({"ps"}).out, HasSubstr("no model is registered"));
  EXPECT_THAT(run({"load", "nobody"}).err, HasSubstr("'nobody' is neither a model the daemon knows"));
  const test::TempDir elsewhere;
  elsewhere.write("model_0.pt", "x");
  EXPECT_THAT(run({"load", (elsewhere / "model_0.pt").string()}).err, HasSubstr("--model-root"));
  EXPECT_EQ(run({"unload", "nobody"}).status, 1);
  EXPECT_THAT(run({"preload", "nothing"}).err, HasSubstr("there is no task 'nothing'"));
  EXPECT_THAT(run({"why"}).out, HasSubstr("no decision about room was needed"));
  EXPECT_THAT(run({"why", "no\nbody"}).out, HasSubstr("for or because of 'no?body'"));
  EXPECT_EQ(run({"why", "--limit", "0"}).status, 2);
  EXPECT_THAT(run({"optimize"}).out, HasSubstr("given back"));
  EXPECT_EQ(base::parse_json(run({"optimize", "--json"}).out, "optimize")["freed_bytes"], 0);
}

TEST_F(Daemon, AsksForItsKey) {
  start({}, {"GREENROOM_API_KEY=correct horse"});
  EXPECT_THAT(run({"ps"}).err, HasSubstr("API key"));
  EXPECT_EQ(run({"ps"}, {"GREENROOM_API_KEY=correct horse"}).status, 0);
  EXPECT_EQ(run({"ps", "--api-key", "correct horse"}).status, 0);
  EXPECT_THAT(run({"ps", "--api-key", "wrong"}).err, HasSubstr("not the one"));
}

TEST_F(Daemon, IsNotThereForOtherMachinesWithoutAKey) {
  const auto outcome = test::run_program({"serve", "--host", "0.0.0.0", "--port", "0"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("--api-key"), HasSubstr("--no-auth")));
}

TEST_F(Daemon, ReadsItsConfigurationAgain) {
  const test::TempDir dir;
  const auto file = dir.write("config.yaml", "gpu: {idle_timeout_minutes: 7}\nui: {max_connections: 100}\n");
  start({"--config", file.string()});
  const auto idle = [&] {
    const auto settings = base::parse_json(test::http_get(port_, "/api/v1/settings").body, "settings");
    for (const auto& one : settings["settings"]) {
      if (one["name"] == "gpu.idle_timeout_minutes") return one["value"].get<double>();
    }
    return -1.0;
  };
  EXPECT_EQ(idle(), 7);
  dir.write("config.yaml", "gpu: {idle_timeout_minutes: 9}\nui: {max_connections: 200}\n");
  program_->send(SIGHUP);
  ASSERT_TRUE(program_->wait_for("after a restart only: ui.max_connections"));
  EXPECT_EQ(idle(), 9);
  dir.write("config.yaml", "gpu: {idle_timeout_minutes: soon}\n");
  program_->send(SIGHUP);
  ASSERT_TRUE(program_->wait_for("the configuration stays as it was"));
  EXPECT_EQ(idle(), 9);
  program_->send(SIGTERM);
  EXPECT_EQ(program_->wait().status, 0);
}

TEST_F(Daemon, EndsThoughClientsStay) {
  start();
  Program listener({"events", "--server", "http://127.0.0.1:" + std::to_string(port_), "--json"});
  ASSERT_TRUE(listener.wait_for("\"hello\""));
  program_->send(SIGTERM);
  const auto outcome = program_->wait();
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(listener.wait().signal, 0);
}

#if GREENROOM_HAVE_TORCH
TEST_F(Daemon, LoadsListsAndUnloads) {
  start();
  const auto alto = (test::demo_models() / "alto").string();
  const auto loaded = run({"load", alto, "--id", "stage/alto", "--device", "cpu"});
  EXPECT_EQ(loaded.status, 0) << loaded.err;
  EXPECT_THAT(loaded.out, HasSubstr("stage/alto is loaded on cpu"));
  EXPECT_THAT(run({"ps"}).out, AllOf(HasSubstr("stage/alto"), HasSubstr("loaded"), HasSubstr("MiB")));
  const auto listed = base::parse_json(run({"ps", "--json"}).out, "ps");
  EXPECT_EQ(listed["models"][0]["id"], "stage/alto");
  EXPECT_EQ(run({"load", "stage/alto"}).status, 0);
  EXPECT_THAT(run({"unload", "stage/alto"}).out, HasSubstr("unloaded"));
  EXPECT_EQ(run({"unload", "stage/alto"}).status, 1);
  EXPECT_EQ(base::parse_json(run({"load", "stage/alto", "--json"}).out, "load")["status"], "loaded");
  EXPECT_THAT(run({"unload", "--all"}).out, HasSubstr("1 unloaded"));
}

// The speaker that was used goes when a voice needs its room.
TEST_F(Daemon, SaysWhyAModelWent) {
  start({"--memory-budget", "cpu=22MiB"});
  const auto speaker = (test::demo_models() / "index_tts").string();
  ASSERT_EQ(run({"load", speaker, "--id", "speaker", "--device", "cpu"}).status, 0);
  ASSERT_EQ(run({"unload", "speaker"}).status, 0);
  const test::TempDir dir;
  const auto spoken = run(
      {"speak", "--model", "speaker", "--voice", "/usr/share/sounds/alsa/Front_Center.wav", "--text", "Hi",
       "--num-beams", "1", "--max-mel-tokens", "20", "--diffusion-steps", "1", (dir / "out.wav").string()},
      {"GREENROOM_LOCAL="});
  ASSERT_EQ(spoken.status, 0) << spoken.err;
  EXPECT_THAT(spoken.out, HasSubstr("by the daemon at http://127.0.0.1:" + std::to_string(port_)));
  const auto loaded = run({"load", (test::demo_models() / "alto").string(), "--id", "alto"});
  ASSERT_EQ(loaded.status, 0) << loaded.err;

  const auto why = run({"why", "speaker"}).out;
  EXPECT_THAT(why, AllOf(HasSubstr("speaker: unloaded"), HasSubstr("evicted"), HasSubstr("loading 'alto'"),
                         HasSubstr("recent uses"), HasSubstr("went: "), HasSubstr("next after: "),
                         testing::ContainsRegex("unloaded: .*speaker")));
  EXPECT_THAT(run({"why", "alto"}).out, HasSubstr("loading 'alto' on cpu"));
  EXPECT_THAT(run({"why"}).out, HasSubstr("loading 'alto' on cpu"));
  const auto json = base::parse_json(run({"why", "speaker", "--json", "--limit", "1"}).out, "why");
  EXPECT_EQ(json["model"]["status"], "unloaded");
  ASSERT_EQ(json["decisions"].size(), 1U);
  EXPECT_EQ(json["decisions"][0]["verdict"], "evict");
}

// A daemon with a voice, and clients of its own that convert.
class Converting : public Daemon {
 protected:
  void start_with_voice() {
    start({}, {"OMP_WAIT_POLICY=passive"});
    const auto alto = (test::demo_models() / "alto").string();
    ASSERT_EQ(run({"load", alto, "--id", "alto", "--device", "cpu"}).status, 0);
  }
  // The answer to come; why there was none.
  std::future<std::string> convert(const std::string& steps) const {
    std::ifstream file("/usr/share/sounds/alsa/Front_Center.wav", std::ios::binary);
    const std::string recording{std::istreambuf_iterator<char>(file), {}};
    std::string body;
    for (const auto& [name, value] :
         {std::pair<std::string, std::string>{"model", "alto"}, {"steps", steps}}) {
      body += "--xyz\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
    }
    body += "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.wav\"\r\n\r\n" +
            recording + "\r\n--xyz--\r\n";
    const std::string request =
        "POST /api/v1/convert HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Content-Type: multipart/form-data; boundary=xyz\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    return std::async(std::launch::async, [request, port = port_]() -> std::string {
      try {
        return test::http_exchange(port, request);
      } catch (const std::runtime_error& error) {
        return error.what();
      }
    });
  }
  // One that takes some seconds and is under way.
  void begin(const std::string& steps) {
    start_with_voice();
    answer_ = convert(steps);
    while (running() == 0) std::this_thread::yield();
  }
  // Memory that is the daemon's and its workers' own.
  std::uint64_t own_bytes() const {
    std::uint64_t sum = base::anonymous_bytes(program_->pid());
    const auto status = base::parse_json(test::http_get(port_, "/api/v1/status").body, "status");
    for (const auto& worker : status["workers"]) sum += base::anonymous_bytes(worker["pid"].get<int>());
    return sum;
  }
  int running() const {
    const auto status = base::parse_json(test::http_get(port_, "/api/v1/status").body, "status");
    return status["queue"][0]["running"].get<int>();
  }

  std::future<std::string> answer_;
};

TEST_F(Converting, GivesTheSystemBackWhatInferencesTook) {
  start_with_voice();
  constexpr std::uint64_t kLeast = 4U << 20;
  bool is_given_back = false;
  // Again, should the memory have been given back before the first look at it.
  for (int attempt = 0; attempt < 5 && !is_given_back; ++attempt) {
    std::vector<std::future<std::string>> answers;
    for (int i = 0; i < 4; ++i) answers.push_back(convert("1"));
    for (auto& answer : answers) EXPECT_THAT(answer.get(), HasSubstr("200 OK"));
    const auto after = own_bytes();
    ASSERT_GT(after, 0U);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!is_given_back && std::chrono::steady_clock::now() < end) {
      is_given_back = own_bytes() + kLeast < after;
      std::this_thread::yield();
    }
  }
  EXPECT_TRUE(is_given_back);
}

TEST_F(Converting, AnEndLetsItFinishAndIsReadyForNothingElse) {
  begin("120");
  EXPECT_EQ(test::http_get(port_, "/readyz").status, 200);
  program_->send(SIGTERM);
  ASSERT_TRUE(program_->wait_for("greenroom ends when what runs is done"));
  while (test::http_get(port_, "/readyz").status == 200) std::this_thread::yield();
  EXPECT_EQ(test::http_get(port_, "/readyz").status, 503);
  EXPECT_EQ(test::http_get(port_, "/healthz").status, 200);
  EXPECT_EQ(test::http_get(port_, "/api/v1/models/alto/load", "POST").status, 503);
  EXPECT_EQ(running(), 1);
  EXPECT_THAT(answer_.get(), AllOf(HasSubstr("200 OK"), HasSubstr("audio/wav"), HasSubstr("RIFF")));
  const auto outcome = program_->wait();
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Converting, ASecondSignalCutsItOff) {
  for (const auto& [signal, status] : {std::pair{SIGTERM, 143}, {SIGINT, 130}}) {
    begin("1000");
    program_->send(signal);
    ASSERT_TRUE(program_->wait_for("greenroom ends when what runs is done"));
    EXPECT_EQ(running(), 1);
    program_->send(signal);
    const auto outcome = program_->wait();
    EXPECT_EQ(outcome.status, status);
    EXPECT_EQ(outcome.signal, 0);
    EXPECT_THAT(outcome.err, HasSubstr("cut off"));
    EXPECT_THAT(answer_.get(), Not(HasSubstr("200 OK")));
  }
}

TEST_F(Daemon, TellsWhatHappens) {
  start();
  Program listener({"events", "--server", "http://127.0.0.1:" + std::to_string(port_)});
  const auto json = std::make_unique<Program>(
      std::vector<std::string>{"events", "--json", "--server", "http://127.0.0.1:" + std::to_string(port_)});
  ASSERT_TRUE(json->wait_for("\"hello\""));
  // The plain one shows nothing before something happens; a load that both can see settles it.
  for (int i = 0; i < 50 && listener.out().find("load_completed") == std::string::npos; ++i) {
    run({"load", (test::demo_models() / "alto").string(), "--id", "alto", "--device", "cpu"});
    run({"unload", "alto"});
  }
  EXPECT_TRUE(listener.wait_for("load_completed"));
  EXPECT_TRUE(json->wait_for("\"type\":\"load_completed\""));
}
#endif

}  // namespace
}  // namespace greenroom
