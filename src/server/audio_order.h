// What a client orders of a model: read from JSON or an upload, checked, and carried out.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "app/engine.h"
#include "app/jobs.h"
#include "app/voice_library.h"
#include "audio/encode.h"
#include "base/json.h"
#include "base/mutex.h"
#include "server/fields.h"
#include "server/http_message.h"

namespace greenroom::server {

// The fields of a JSON body or of an upload as one object. Of an upload, numbers, true and false, and arrays
// are taken as such where no text is expected.
base::Json fields_of(const Request& request);

// The registered model that is meant; the only one of its type where none is named. Throws base::Error:
// kNotFound, kInvalidArgument (which one? or it is of the other type).
std::string model_for(app::Engine& engine, const std::optional<std::string>& named, const char* type);

// All throw base::Error(kInvalidArgument), naming the field.
models::SpeakOptions speak_options(Fields& fields);
models::ConvertOptions convert_options(Fields& fields);
// "priority", "timeout_seconds".
app::RequestOptions request_options(Fields& fields);
// "response_format"; throws kUnimplemented for one that the installed libsndfile cannot write.
audio::Encoding encoding_of(Fields& fields, audio::Encoding otherwise);

struct SpeakOrder {
  std::string model;
  models::SpeakRequest request;
  models::SpeakOptions options;
  app::RequestOptions how;
  audio::Encoding encoding = audio::Encoding::kWav;
  double speed = 1;
  std::optional<int> sample_rate;  // of the answer; the model's own when absent
};

struct ConvertOrder {
  std::string model;
  models::ConvertOptions options;
  app::RequestOptions how;
  audio::Encoding encoding = audio::Encoding::kWav;
};

// Whole results, encoded; `details` has seconds, sample_rate, real_time_factor, stage_times, notices, and
// what else the run tells. `progress` may be empty. Throw as the engine does.
using Progress = std::function<void(double)>;
app::JobResult speak(app::Engine& engine, const SpeakOrder& order,
                     const std::shared_ptr<std::atomic<bool>>& cancelled, const Progress& progress);
app::JobResult convert(app::Engine& engine, const ConvertOrder& order, const audio::Buffer& input,
                       const std::shared_ptr<std::atomic<bool>>& cancelled, const Progress& progress);

// Speaks segment by segment; `write` gets the encoded bytes as they come and says whether they are still
// wanted. The result has everything but the audio.
models::SpeakResult speak_streamed(app::Engine& engine, const SpeakOrder& order,
                                   const std::shared_ptr<std::atomic<bool>>& cancelled,
                                   const std::function<bool(std::string_view)>& write);

// The result as an answer, with X-Greenroom-* headers.
Response audio_response(app::JobResult result);

// Sets `cancelled` soon after the client has gone.
class AbandonWatch {
 public:
  AbandonWatch(std::function<bool()> has_gone, std::shared_ptr<std::atomic<bool>> cancelled);
  ~AbandonWatch();
  AbandonWatch(const AbandonWatch&) = delete;
  AbandonWatch& operator=(const AbandonWatch&) = delete;

 private:
  void watch() EXCLUDES_LOCK(mutex_);

  const std::function<bool()> has_gone_;
  const std::shared_ptr<std::atomic<bool>> cancelled_;
  base::Mutex mutex_;
  base::CondVar wake_;
  bool is_over_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace greenroom::server
