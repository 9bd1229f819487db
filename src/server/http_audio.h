// Has a running daemon convert and speak.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace greenroom::server {

// What a job is given: names as the API has them.
struct AudioJob {
  std::string path;  // "/api/v1/speak"
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<std::pair<std::string, std::filesystem::path>> files;  // by field
};

// NOLINTNEXTLINE(bugprone-exception-escape): moving JSON throws nothing, which the check cannot see
struct AudioAnswer {
  std::string bytes;
  base::Json result;  // seconds, real_time_factor, stage_times, notices, …
};

// Not thread-safe.
class AudioClient {
 public:
  // `url`: "http://127.0.0.1:7860"; `api_key` may be empty. Throws base::Error(kInvalidArgument) when the URL
  // is of another form.
  AudioClient(const std::string& url, const std::string& api_key);
  ~AudioClient();
  AudioClient(const AudioClient&) = delete;
  AudioClient& operator=(const AudioClient&) = delete;

  const std::string& url() const { return url_; }
  // Does a greenroom answer there? At once where nobody listens, within two seconds otherwise.
  bool is_there();

  // The id of the model that is registered under that id or for that path; a path that is not is registered.
  // Throws base::Error: what the daemon says (a path that is none of its folders is kFailedPrecondition).
  std::string model(const std::string& id_or_path);

  // Starts the job, follows it to its end, and fetches its result. Once `cancelled` is set the job is
  // cancelled. Throws base::Error: what the daemon says, kUnavailable when it goes away, kCancelled.
  AudioAnswer run(const AudioJob& job, const std::function<void(double)>& progress,
                  const std::atomic<bool>& cancelled);

 private:
  struct Connection;
  base::Json get(const std::string& path);

  std::string url_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace greenroom::server
