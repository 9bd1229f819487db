// The audio routes over real sockets, with the demo models and the real engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sndfile.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "audio/file.h"
#include "base/error.h"
#include "base/json.h"
#include "server/server.h"
#include "support/http_get.h"
#include "support/temp_dir.h"

namespace greenroom::server {
namespace {

using base::Json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kRecording = "/usr/share/sounds/alsa/Front_Center.wav";

struct Part {
  std::string name, value, filename;
};

// One server with the demo models for all tests of this file.
class AudioRoutes : public testing::Test {
 protected:
  struct Daemon {
    test::TempDir cache;
    app::Engine engine{[this] {
      app::Config config;
      config.device = "cpu";
      config.cache_dir = cache.path();
      return config;
    }()};
    Server server{engine, {.version = "1"}};
    int port = server.bind("127.0.0.1", 0);
    std::thread thread{[this] { server.run(); }};
    ~Daemon() {
      server.stop();
      thread.join();
    }
  };

  static void SetUpTestSuite() {
    daemon_ = new Daemon;
    const auto job = post("/api/v1/demo", Json::object())["job"]["id"].get<std::string>();
    const auto done = wait_for(job);
    ASSERT_EQ(done["state"], "done") << done;
    ASSERT_EQ(done["result"]["models"].size(), 3U);
  }
  static void TearDownTestSuite() {
    delete daemon_;
    daemon_ = nullptr;
  }

  static test::HttpAnswer exchange(const std::string& request) {
    const std::string answer = test::http_exchange(daemon_->port, request);
    const auto split = answer.find("\r\n\r\n");
    if (split == std::string::npos) throw std::runtime_error("not HTTP: " + answer);
    test::HttpAnswer result{std::stoi(answer.substr(9, 3)), answer.substr(0, split),
                            answer.substr(split + 4)};
    if (result.head.find("Transfer-Encoding: chunked") != std::string::npos)
      result.body = joined(result.body);
    return result;
  }

  // The content of chunks; throws when they do not end as they should.
  static std::string joined(const std::string& chunks) {
    std::string content;
    for (std::size_t at = 0;;) {
      const auto line = chunks.find("\r\n", at);
      if (line == std::string::npos) throw std::runtime_error("cut off");
      const auto size = std::stoul(chunks.substr(at, line - at), nullptr, 16);
      if (size == 0) return content;
      content += chunks.substr(line + 2, size);
      at = line + 2 + size + 2;
    }
  }

  static std::string head(const std::string& method, const std::string& path, const std::string& type,
                          std::size_t length) {
    return method + " " + path +
           " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: " + type +
           "\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
  }

  static test::HttpAnswer send(const std::string& method, const std::string& path, const Json& body) {
    const std::string text = body.dump();
    return exchange(head(method, path, "application/json", text.size()) + text);
  }
  static Json post(const std::string& path, const Json& body) {
    return base::parse_json(send("POST", path, body).body, path);
  }
  static test::HttpAnswer upload(const std::string& path, const std::vector<Part>& parts) {
    std::string body;
    for (const auto& part : parts) {
      body += "--xyz\r\nContent-Disposition: form-data; name=\"" + part.name + "\"";
      if (!part.filename.empty()) body += "; filename=\"" + part.filename + "\"\r\nContent-Type: audio/wav";
      body += "\r\n\r\n" + part.value + "\r\n";
    }
    body += "--xyz--\r\n";
    return exchange(head("POST", path, "multipart/form-data; boundary=xyz", body.size()) + body);
  }
  static test::HttpAnswer get(const std::string& path) {
    return exchange("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  }
  static Json get_json(const std::string& path) { return base::parse_json(get(path).body, path); }

  static Json wait_for(const std::string& job) {
    for (;;) {
      auto now = get_json("/api/v1/jobs/" + job);
      if (now["state"] != "queued" && now["state"] != "running") return now;
      std::this_thread::yield();
    }
  }

  static std::string content(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static Part recording(const char* field = "file") { return {field, content(kRecording), "in.wav"}; }

  // A FLAC file of that many seconds of nothing, written without ever being in memory.
  std::string silence_of(double seconds, int rate) const {
    const auto file = dir_.write("silence.flac", "");
    SF_INFO info = {};
    info.format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
    info.channels = 1;
    info.samplerate = rate;
    SNDFILE* sound = sf_open(file.c_str(), SFM_WRITE, &info);
    const std::vector<short> block(static_cast<std::size_t>(rate));
    for (double at = 0; at < seconds; ++at) sf_write_short(sound, block.data(), rate);
    sf_close(sound);
    return content(file);
  }

  audio::Buffer decoded(const std::string& bytes) const {
    return audio::read_file(dir_.write("audio", bytes));
  }

  // Quick, and the same every time.
  static Json speech(const std::string& text, Json more = Json::object()) {
    Json body = {{"text", text},
                 {"voice", "demo"},
                 {"num_beams", 1},
                 {"max_mel_tokens", 20},
                 {"diffusion_steps", 1},
                 {"max_text_tokens_per_segment", 20},
                 {"model", "demo/index_tts"}};
    body.update(more);
    return body;
  }
  static Json openai(Json more = Json::object()) {
    auto body = speech("", std::move(more));
    body.erase("text");
    if (!body.contains("input")) body["input"] = "Hello there.";
    return body;
  }

  static Daemon* daemon_;
  test::TempDir dir_;
};

AudioRoutes::Daemon* AudioRoutes::daemon_ = nullptr;

TEST_F(AudioRoutes, VoicesAreUploadedListedRenamedAndDeleted) {
  const auto answer = upload("/api/v1/voices", {{"name", "../中文", ""}, recording()});
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto voice = base::parse_json(answer.body, "voice");
  const std::string id = voice["id"];
  EXPECT_EQ(voice["name"], "../中文");
  EXPECT_NEAR(voice["seconds"].get<double>(), 1.43, 0.01);
  EXPECT_THAT(get("/api/v1/voices").body, HasSubstr(id));
  const auto audio = get("/api/v1/voices/" + id + "/audio");
  EXPECT_THAT(audio.head, HasSubstr("audio/wav"));
  EXPECT_EQ(decoded(audio.body).sample_rate, 48000);
  EXPECT_EQ(send("PATCH", "/api/v1/voices/" + id, {{"name", "centre"}}).status, 200);
  EXPECT_EQ(get_json("/api/v1/voices/centre")["id"], id);
  EXPECT_EQ(send("PATCH", "/api/v1/voices/" + id, {{"name", "demo"}}).status, 409);
  EXPECT_EQ(exchange(head("DELETE", "/api/v1/voices/" + id, "application/json", 0)).status, 204);
  EXPECT_EQ(get("/api/v1/voices/" + id).status, 404);
}

TEST_F(AudioRoutes, RefusesUploadsThatAreNoVoice) {
  EXPECT_EQ(upload("/api/v1/voices", {{"file", "not audio", "a.wav"}}).status, 422);
  EXPECT_EQ(upload("/api/v1/voices", {{"name", "x", ""}}).status, 400);
  EXPECT_EQ(send("POST", "/api/v1/voices", Json::object()).status, 415);
  EXPECT_EQ(get("/api/v1/voices/..%2F..%2Fstate.db/audio").status, 404);
}

TEST_F(AudioRoutes, ConvertsAnUpload) {
  const auto answer = upload("/api/v1/convert", {{"model", "demo/alto", ""},
                                                 {"steps", "1", ""},
                                                 {"key", "2.5", ""},
                                                 {"response_format", "flac", ""},
                                                 recording()});
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(answer.head, AllOf(HasSubstr("Content-Type: audio/flac"), HasSubstr("X-Greenroom-Seconds: 1.4"),
                                 HasSubstr("X-Greenroom-Notices: [")));
  EXPECT_NEAR(decoded(answer.body).seconds(), 1.43, 0.05);
}

TEST_F(AudioRoutes, ConvertSaysWhatIsWrong) {
  const auto detail = [&](std::vector<Part> parts, int status) {
    const auto answer = upload("/api/v1/convert", parts);
    EXPECT_EQ(answer.status, status) << answer.body;
    return base::parse_json(answer.body, "problem")["detail"].get<std::string>();
  };
  EXPECT_THAT(detail({{"model", "demo/alto", ""}}, 400), HasSubstr("there is no file"));
  EXPECT_THAT(detail({{"model", "nobody", ""}, recording()}, 404), HasSubstr("nobody"));
  EXPECT_THAT(detail({{"model", kRecording, ""}, recording()}, 404), HasSubstr("register it first"));
  EXPECT_THAT(detail({{"model", "demo/index_tts", ""}, recording()}, 400), HasSubstr("speaks text"));
  EXPECT_THAT(detail({{"model", "demo/alto", ""}, {"response_format", "aac", ""}, recording()}, 400),
              HasSubstr("wav, flac"));
  EXPECT_THAT(detail({{"model", "demo/alto", ""}, {"steps", "many", ""}, recording()}, 400),
              HasSubstr("steps"));
  EXPECT_THAT(detail({{"model", "demo/alto", ""}, {"speaker", "99", ""}, recording()}, 400),
              HasSubstr("speaker"));
  EXPECT_THAT(detail({{"model", "demo/alto", ""}, {"file", "x", "x.wav"}}, 422), HasSubstr("audio file"));
  EXPECT_THAT(detail({recording()}, 400), HasSubstr("demo/alto, demo/tenor"));  // which one?
}

TEST_F(AudioRoutes, ErrorsCallAnUploadByItsOwnName) {
  const auto detail = [&](const std::string& path, std::vector<Part> parts) {
    const auto answer = upload(path, parts);
    EXPECT_EQ(answer.status, 422) << answer.body;
    return base::parse_json(answer.body, "problem")["detail"].get<std::string>();
  };
  const auto names = [](const char* name) {
    return AllOf(HasSubstr("'" + std::string(name) + "'"), Not(HasSubstr("greenroom-upload")));
  };
  const Part broken{"file", "not audio", "my take 歌.wav"};
  EXPECT_THAT(detail("/api/v1/convert", {{"model", "demo/alto", ""}, broken}), names("my take 歌.wav"));
  EXPECT_THAT(detail("/api/v1/voices", {broken}), names("my take 歌.wav"));
  EXPECT_THAT(detail("/api/v1/speak", {{"text", "Hi", ""}, broken}), names("my take 歌.wav"));
  const Part with_folders{"file", "not audio",
                          "C:/music/\x01"
                          "take.wav"};
  EXPECT_THAT(detail("/api/v1/voices", {with_folders}), names("?take.wav"));
  const auto started = upload("/api/v1/convert", {{"model", "demo/alto", ""}, {"async", "true", ""}, broken});
  ASSERT_EQ(started.status, 202) << started.body;
  const auto job = wait_for(base::parse_json(started.body, "job")["job"]["id"]);
  EXPECT_THAT(job["error"].get<std::string>(), names("my take 歌.wav"));
}

TEST_F(AudioRoutes, ASmallFileOfMuchSilenceTakesNoMemory) {
  // An hour at 96 kHz: 1.3 GiB of samples in a file of some megabytes at most.
  const std::string silence = silence_of(3600, 96000);
  EXPECT_LT(silence.size(), 10U << 20);
  const auto peak = [] {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) << 10;
    }
    return 0UL;
  };
  const auto before = peak();
  const Part bomb{"file", silence, "quiet.flac"};
  const auto answer = upload("/api/v1/convert", {{"model", "demo/alto", ""}, bomb});
  EXPECT_EQ(answer.status, 413) << answer.body;
  EXPECT_THAT(answer.body, AllOf(HasSubstr("'quiet.flac' takes 1.3 GiB"), HasSubstr("ui.max_audio_mb")));
  EXPECT_EQ(upload("/api/v1/speak", {{"text", "Hi", ""}, bomb}).status, 413);
  EXPECT_EQ(upload("/api/v1/voices", {bomb}).status, 400);  // longer than a voice may be
  const auto job = base::parse_json(
      upload("/api/v1/convert", {{"model", "demo/alto", ""}, {"async", "true", ""}, bomb}).body, "job");
  EXPECT_THAT(wait_for(job["job"]["id"])["error"].get<std::string>(), HasSubstr("quiet.flac"));
  EXPECT_LT(peak() - before, 128U << 20);  // the upload itself is in this process
}

TEST_F(AudioRoutes, AJobConvertsAndKeepsItsResult) {
  const auto answer =
      upload("/api/v1/convert",
             {{"model", "demo/alto", ""}, {"steps", "1", ""}, {"async", "true", ""}, recording()});
  ASSERT_EQ(answer.status, 202) << answer.body;
  const std::string id = base::parse_json(answer.body, "job")["job"]["id"];
  const auto job = wait_for(id);
  ASSERT_EQ(job["state"], "done") << job;
  EXPECT_EQ(job["result"]["content_type"], "audio/wav");
  EXPECT_TRUE(job["result"]["stage_times"].contains("flow")) << job;
  const auto audio = get("/api/v1/jobs/" + id + "/audio");
  EXPECT_EQ(audio.body.size(), job["result"]["bytes"]);
  EXPECT_NEAR(decoded(audio.body).seconds(), 1.43, 0.05);
  EXPECT_EQ(exchange(head("DELETE", "/api/v1/jobs/" + id, "application/json", 0)).status, 204);
  EXPECT_EQ(get("/api/v1/jobs/" + id).status, 404);
  EXPECT_EQ(get("/api/v1/jobs/" + id + "/audio").status, 404);
}

TEST_F(AudioRoutes, AJobIsCancelledWhileItRuns) {
  auto body = speech(std::string(2000, 'a') + ".");
  body["text"] = "One two three four. Five six seven eight. Nine ten eleven twelve. One two three four.";
  body["async"] = true;
  body["diffusion_steps"] = 500;
  const std::string id = post("/api/v1/speak", body)["job"]["id"];
  while (get_json("/api/v1/jobs/" + id)["fraction"].get<double>() < 0.1) std::this_thread::yield();
  send("POST", "/api/v1/jobs/" + id + "/cancel", Json::object());
  const auto job = wait_for(id);
  EXPECT_EQ(job["state"], "cancelled") << job;
  EXPECT_EQ(job["code"], "cancelled");
  EXPECT_EQ(get("/api/v1/jobs/" + id + "/audio").status, 409);
}

TEST_F(AudioRoutes, SpeaksInAKeptVoiceOrAnUploadedOne) {
  const auto kept = send("POST", "/api/v1/speak", speech("Hello there."));
  ASSERT_EQ(kept.status, 200) << kept.body;
  EXPECT_EQ(decoded(kept.body).sample_rate, 22050);
  const auto uploaded = upload("/api/v1/speak", {{"text", "12", ""},
                                                 {"num_beams", "1", ""},
                                                 {"max_mel_tokens", "20", ""},
                                                 {"diffusion_steps", "1", ""},
                                                 {"emotion_vector", "[0,0,0.5,0,0,0,0,0]", ""},
                                                 {"response_format", "opus", ""},
                                                 recording()});
  ASSERT_EQ(uploaded.status, 200) << uploaded.body;
  EXPECT_THAT(uploaded.head, HasSubstr("audio/ogg; codecs=opus"));
  EXPECT_EQ(decoded(uploaded.body).sample_rate, 48000);
}

TEST_F(AudioRoutes, SpeakSaysWhatIsWrong) {
  const auto detail = [&](const Json& body, int status) {
    const auto answer = send("POST", "/api/v1/speak", body);
    EXPECT_EQ(answer.status, status) << body << answer.body.substr(0, 200);
    return base::parse_json(answer.body, "problem")["detail"].get<std::string>();
  };
  EXPECT_THAT(detail(speech("Hi", {{"voice", "nobody"}}), 404), HasSubstr("\"demo\""));
  EXPECT_THAT(detail(speech("Hi", {{"voice", nullptr}}), 400), HasSubstr("voice"));
  EXPECT_THAT(detail(speech("... !!"), 400), HasSubstr("nothing to say"));
  EXPECT_THAT(detail(speech("Hi", {{"model", "demo/alto"}}), 400), HasSubstr("speaks no text"));
  EXPECT_THAT(detail(speech("Hi", {{"emotion_vector", {1, 2, 3}}}), 400), HasSubstr("8"));
  EXPECT_THAT(detail(speech("Hi", {{"speed", 9}}), 400), HasSubstr("speed"));
  EXPECT_THAT(detail(speech("Hi", {{"stream", true}, {"async", true}}), 400), HasSubstr("exclude"));
  EXPECT_THAT(detail(speech("Hi", {{"volume", 3}}), 400), HasSubstr("volume"));
  // An error before the first segment is an answer, also of a stream.
  EXPECT_THAT(detail(speech("Hi", {{"stream", true}, {"top_p", 7}}), 400), HasSubstr("top_p"));
}

TEST_F(AudioRoutes, AStreamIsTheWholeSegmentBySegment) {
  const std::string text = "One two three. Four five six. Seven eight nine.";
  const auto whole = send("POST", "/api/v1/speak", speech(text, {{"response_format", "pcm"}}));
  ASSERT_EQ(whole.status, 200) << whole.body;
  const auto pcm =
      send("POST", "/api/v1/speak", speech(text, {{"response_format", "pcm"}, {"stream", true}}));
  EXPECT_THAT(pcm.head, HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_EQ(pcm.body, whole.body);
  const auto wav = send("POST", "/api/v1/speak", speech(text, {{"stream", true}}));
  EXPECT_THAT(wav.body, StartsWith("RIFF\xff\xff\xff\xff"
                                   "WAVEfmt "));
  EXPECT_EQ(wav.body.substr(44), whole.body);
  const auto opus =
      send("POST", "/api/v1/speak", speech(text, {{"stream", true}, {"response_format", "opus"}}));
  EXPECT_NEAR(decoded(opus.body).seconds(), static_cast<double>(whole.body.size()) / 2 / 22050, 0.1);
}

TEST_F(AudioRoutes, WhoHangsUpIsNoLongerSpokenTo) {
  const auto cancelled = [&] {
    const auto metrics = get("/metrics").body;
    const std::string name = R"(greenroom_inferences_total{type="index_tts",outcome="cancelled"} )";
    const auto at = metrics.find(name);
    return at == std::string::npos ? 0 : std::stoi(metrics.substr(at + name.size()));
  };
  const int before = cancelled();
  auto body = speech("One two three. Four five six. Seven eight nine. One two three. Four five six.");
  body["stream"] = true;
  body["diffusion_steps"] = 30;
  const std::string text = body.dump();
  const std::string request = head("POST", "/api/v1/speak", "application/json", text.size()) + text;
  const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(daemon_->port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_GT(::send(connection, request.data(), request.size(), MSG_NOSIGNAL), 0);
  char block[64];
  ASSERT_GT(::recv(connection, block, sizeof(block), 0), 0);  // the first segment is there
  ::close(connection);
  while (cancelled() == before) std::this_thread::yield();
}

TEST_F(AudioRoutes, OpenAiClientsGetWhatTheyExpect) {
  const auto mp3 = send("POST", "/v1/audio/speech", openai({{"model", "tts-1"}}));
  ASSERT_EQ(mp3.status, 200) << mp3.body;
  EXPECT_THAT(mp3.head, HasSubstr("Content-Type: audio/mpeg"));
  const double seconds = decoded(mp3.body).seconds();
  EXPECT_GT(seconds, 0.2);
  const auto pcm = send("POST", "/v1/audio/speech", openai({{"response_format", "pcm"}}));
  EXPECT_NEAR(static_cast<double>(pcm.body.size()) / 2 / 24000, seconds, 0.1);  // 24 kHz
  const auto fast = send("POST", "/v1/audio/speech", openai({{"response_format", "pcm"}, {"speed", 2}}));
  EXPECT_NEAR(static_cast<double>(fast.body.size()) * 2, static_cast<double>(pcm.body.size()), 8);
  const auto events =
      send("POST", "/v1/audio/speech", openai({{"stream_format", "sse"}, {"voice", {{"id", "demo"}}}}));
  EXPECT_THAT(events.head, HasSubstr("text/event-stream"));
  EXPECT_THAT(events.body, StartsWith("data: {\"type\":\"speech.audio.delta\",\"audio\":\""));
  const auto last = events.body.rfind("data: ") + 6;
  const auto done = base::parse_json(events.body.substr(last), "done");
  EXPECT_EQ(done["type"], "speech.audio.done");
  EXPECT_GT(done["usage"]["input_tokens"], 0);
  EXPECT_GT(done["usage"]["output_tokens"], 0);
  EXPECT_LE(done["usage"]["output_tokens"], 20);  // max_mel_tokens
  EXPECT_EQ(done["usage"]["total_tokens"],
            done["usage"]["input_tokens"].get<int>() + done["usage"]["output_tokens"].get<int>());
}

TEST_F(AudioRoutes, OpenAiErrorsAndModels) {
  const auto error = [&](const Json& body, int status) {
    const auto answer = send("POST", "/v1/audio/speech", body);
    EXPECT_EQ(answer.status, status) << answer.body;
    return base::parse_json(answer.body, "error")["error"];
  };
  EXPECT_EQ(error(openai({{"model", "gpt-9"}}), 404)["code"], "model_not_found");
  EXPECT_EQ(error(openai({{"voice", "alloy"}}), 404)["type"], "invalid_request_error");
  EXPECT_THAT(error(openai({{"response_format", "aac"}}), 400)["message"].get<std::string>(),
              HasSubstr("mp3"));
  EXPECT_EQ(error(openai({{"input", ""}}), 400)["type"], "invalid_request_error");
  const auto models = get_json("/v1/models");
  ASSERT_EQ(models["data"].size(), 1U);  // voices that convert do not speak
  EXPECT_EQ(models["data"][0]["id"], "demo/index_tts");
  EXPECT_EQ(get_json("/v1/models/demo%2Findex_tts")["object"], "model");
  EXPECT_EQ(get("/v1/models/demo%2Falto").status, 404);
}

TEST_F(AudioRoutes, TellsWhichFormatsThereAre) {
  const auto formats = get_json("/api/v1/formats")["formats"];
  ASSERT_EQ(formats.size(), 5U);
  EXPECT_EQ(formats[0]["name"], "wav");
  EXPECT_TRUE(formats[0]["available"]);
}

}  // namespace
}  // namespace greenroom::server
