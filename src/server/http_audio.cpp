#include "server/http_audio.h"

#include <httplib.h>
#include <spdlog/fmt/fmt.h>

#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/error.h"
#include "server/http_client.h"

namespace greenroom::server {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;
using base::Json;

constexpr int kOk = 200, kCreated = 201, kAccepted = 202;
constexpr std::chrono::milliseconds kBetweenLooks{100};

// The error that the daemon tells in its own words.
[[noreturn]] void fail(const httplib::Response& response) {
  constexpr std::array<ErrorCode, 9> kCodes = {
      ErrorCode::kInvalidArgument,   ErrorCode::kNotFound,           ErrorCode::kDataLoss,
      ErrorCode::kResourceExhausted, ErrorCode::kFailedPrecondition, ErrorCode::kUnavailable,
      ErrorCode::kCancelled,         ErrorCode::kUnimplemented,      ErrorCode::kDeadlineExceeded};
  std::string detail = fmt::format("the daemon answered {}", response.status);
  ErrorCode code = ErrorCode::kFailedPrecondition;
  try {
    const auto problem = base::parse_json(response.body, "the daemon's answer");
    detail = problem.at("detail").get<std::string>();
    const auto name = problem.at("code").get<std::string>();
    for (const auto each : kCodes) {
      if (base::error_code_name(each) == name) code = each;
    }
  } catch (const std::exception&) {  // not its own form
  }
  throw Error(code, detail);
}

std::string read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(ErrorCode::kNotFound, fmt::format("{}: cannot be read", path.string()));
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Fit for a header: httplib writes names between quotes as they are.
std::string form_name(const fs::path& path) {
  constexpr unsigned char kFirstPrintable = 0x20;
  std::string name = path.filename().string();
  for (char& c : name) {
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < kFirstPrintable) c = '_';
  }
  return name;
}

fs::path canonical(const fs::path& path) {
  std::error_code ignored;
  return fs::weakly_canonical(fs::absolute(path, ignored), ignored);
}

}  // namespace

struct AudioClient::Connection {
  Connection(const std::string& url, const std::string& api_key) : client(url) {
    constexpr int kConnectSeconds = 2, kPatienceSeconds = 60;
    client.set_connection_timeout(kConnectSeconds);
    client.set_read_timeout(kPatienceSeconds);
    client.set_keep_alive(true);
    if (!api_key.empty()) client.set_default_headers({{"Authorization", "Bearer " + api_key}});
  }
  const httplib::Response& checked(const httplib::Result& result) const {
    if (!result) {
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("the daemon does not answer: {}", httplib::to_string(result.error())));
    }
    if (result->status != kOk && result->status != kCreated && result->status != kAccepted) fail(*result);
    return *result;
  }
  httplib::Client client;
};

AudioClient::AudioClient(const std::string& url, const std::string& api_key)
    : url_(checked_url(url)), connection_(std::make_unique<Connection>(url, api_key)) {}

AudioClient::~AudioClient() = default;

Json AudioClient::get(const std::string& path) {
  return base::parse_json(connection_->checked(connection_->client.Get(path)).body, "the daemon's answer");
}

bool AudioClient::is_there() {
  const auto answer = connection_->client.Get("/healthz");
  return answer && answer->status == kOk && answer->body == "ok\n";
}

std::string AudioClient::model(const std::string& id_or_path) {
  const auto models = get("/api/v1/models");
  const fs::path wanted = canonical(id_or_path);
  for (const auto& model : models.at("models")) {
    if (model.at("id") == id_or_path) return id_or_path;
  }
  for (const auto& model : models.at("models")) {
    if (!model.contains("path")) continue;
    const fs::path path = canonical(model.at("path").get<std::string>());
    if (path == wanted || path.parent_path() == wanted) return model.at("id").get<std::string>();
  }
  const Json body = {{"path", wanted.string()}};
  const auto added = connection_->client.Post("/api/v1/models", body.dump(), "application/json");
  return base::parse_json(connection_->checked(added).body, "the daemon's answer")
      .at("id")
      .get<std::string>();
}

AudioAnswer AudioClient::run(const AudioJob& job, const std::function<void(double)>& progress,
                             const std::atomic<bool>& cancelled) {
  httplib::MultipartFormDataItems items;
  for (const auto& [name, value] : job.fields) items.push_back({name, value, "", ""});
  for (const auto& [name, path] : job.files) {
    items.push_back({name, read(path), form_name(path), "application/octet-stream"});
  }
  items.push_back({"async", "true", "", ""});
  const auto started = connection_->client.Post(job.path, items);
  auto entry = base::parse_json(connection_->checked(started).body, "the daemon's answer").at("job");
  const std::string path = "/api/v1/jobs/" + entry.at("id").get<std::string>();
  bool is_told = false;
  while (entry.at("state") == "queued" || entry.at("state") == "running") {
    if (cancelled && !std::exchange(is_told, true)) {
      connection_->checked(connection_->client.Post(path + "/cancel", "{}", "application/json"));
    }
    if (progress) progress(entry.at("fraction").get<double>());
    std::this_thread::sleep_for(kBetweenLooks);
    entry = get(path);
  }
  if (entry.at("state") != "done") {
    throw Error(entry.at("state") == "cancelled" ? ErrorCode::kCancelled : ErrorCode::kFailedPrecondition,
                entry.value("error", "the job failed"));
  }
  AudioAnswer answer;
  answer.bytes = connection_->checked(connection_->client.Get(path + "/audio")).body;
  answer.result = entry.at("result");
  connection_->client.Delete(path);
  return answer;
}

}  // namespace greenroom::server
