#include "worker/remote_library.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "base/current_error.h"
#include "base/error.h"
#include "base/log.h"
#include "worker/recipe.h"
#include "worker/shared_memory.h"
#include "worker/wire.h"

namespace greenroom::worker {
namespace {

using base::DeviceId;
using base::Error;
using base::ErrorCode;
using base::FileDescriptor;
using base::Json;

// How long a wish to cancel goes unnoticed at most: the flag has nobody to wake.
constexpr std::chrono::milliseconds kLookForCancel{10};
// For answers that take no computing. The manager asks for them before it decides.
constexpr std::chrono::seconds kQuickAnswer{2};
constexpr std::chrono::seconds kFreeAnswer{30};

// Tells the worker once that a call is no longer wanted.
class Canceller {
 public:
  Canceller(Call& call, std::shared_ptr<const std::atomic<bool>> cancelled)
      : call_(call), cancelled_(std::move(cancelled)) {}

  // The next message, while looking at the flag.
  Message next() {
    for (;;) {
      if (cancelled_ && !told_ && cancelled_->load()) {
        told_ = true;
        call_.send({{key::kDo, act::kCancel}});
      }
      if (!cancelled_ || told_) return call_.next();
      if (auto message = call_.next(kLookForCancel)) return std::move(*message);
    }
  }

 private:
  Call& call_;
  std::shared_ptr<const std::atomic<bool>> cancelled_;
  bool told_ = false;
};

std::string word_of(const Message& message) {
  return get<std::string>(message.body, key::kIs);
}

// What a call ends with. Throws the worker's error.
bool is_last(Call& call, const Message& message) {
  const std::string said = word_of(message);
  if (said == word::kError) {
    call.finish();
    throw error_from(message.body.at(key::kError));
  }
  if (said != word::kDone) return false;
  call.finish();
  return true;
}

const FileDescriptor& file_of(const Message& message, std::size_t index) {
  if (index < message.files.size()) return message.files[index];
  throw Error(ErrorCode::kDataLoss, "a message between greenroom's processes lacks its audio");
}

// Asks and waits for the one answer. Nullopt when it does not come in time.
std::optional<Message> ask(Connection& connection, Json body, std::chrono::nanoseconds patience) {
  Call call = connection.call(std::move(body));
  auto answer = call.next(patience);
  if (answer) is_last(call, *answer);
  return answer;
}

class RemoteImage final : public core::HostImage {
 public:
  RemoteImage(std::shared_ptr<Connection> connection, std::uint64_t handle, std::uint64_t bytes)
      : connection_(std::move(connection)), handle_(handle), bytes_(bytes) {
    connection_->add_held();
  }
  ~RemoteImage() override {
    if (!is_lost()) connection_->tell({{key::kDo, act::kFree}, {key::kHandle, 0}, {key::kImage, handle_}});
    connection_->drop_held();
  }
  RemoteImage(const RemoteImage&) = delete;
  RemoteImage& operator=(const RemoteImage&) = delete;

  std::uint64_t bytes() const override { return bytes_; }
  bool is_lost() const override { return connection_->has_ended(); }
  // 0 when another worker has it.
  std::uint64_t handle_in(const Connection& connection) const {
    return &connection == connection_.get() ? handle_ : 0;
  }

 private:
  std::shared_ptr<Connection> connection_;
  std::uint64_t handle_;
  std::uint64_t bytes_;
};

class RemoteComponent final : public core::LoadedComponent {
 public:
  RemoteComponent(std::shared_ptr<Connection> connection, std::uint64_t handle, std::uint64_t bytes)
      : connection_(std::move(connection)), handle_(handle), bytes_(bytes) {
    connection_->add_held();
  }
  // Returns when the memory is free: what was freed is counted afterwards.
  ~RemoteComponent() override {
    try {
      if (!is_lost()) ask(*connection_, {{key::kDo, act::kFree}, {key::kHandle, handle_}}, kFreeAnswer);
    } catch (const Error& error) {
      if (!is_lost()) base::log(base::LogLevel::kWarning, "worker", error.what());
    }
    connection_->drop_held();
  }
  RemoteComponent(const RemoteComponent&) = delete;
  RemoteComponent& operator=(const RemoteComponent&) = delete;

  std::uint64_t bytes() const override { return bytes_; }
  bool is_lost() const override { return connection_->has_ended(); }
  std::shared_ptr<core::HostImage> take_image() override { return std::exchange(image_, nullptr); }

  void set_image(std::shared_ptr<core::HostImage> image) { image_ = std::move(image); }
  const std::shared_ptr<Connection>& connection() const { return connection_; }
  std::uint64_t handle() const { return handle_; }

 private:
  std::shared_ptr<Connection> connection_;
  std::uint64_t handle_;
  std::uint64_t bytes_;
  std::shared_ptr<core::HostImage> image_;
};

// What both kinds of models have in common: an identity that workers know the model by, and loading.
class RemoteModel {
 public:
  RemoteModel(Workers& workers, const std::atomic<int>& threads, Json recipe)
      : workers_(workers), threads_(threads), recipe_(std::move(recipe)), id_(next_id()) {}
  ~RemoteModel() {
    for (const auto& connection : workers_.connections()) {
      connection->tell({{key::kDo, act::kForget}, {key::kModel, id_}});
    }
  }
  RemoteModel(const RemoteModel&) = delete;
  RemoteModel& operator=(const RemoteModel&) = delete;

  std::shared_ptr<core::LoadedComponent> load(std::size_t index, DeviceId device,
                                              const core::LoadControl& control) const;

  // Runs one inference, whose stages are pinned through `access`. `on_word` gets what is neither about stages
  // nor the end. Returns the last message.
  Message run(const char* what, DeviceId device, const Json& body, std::vector<FileDescriptor> files,
              core::StageAccess& access, const std::shared_ptr<const std::atomic<bool>>& cancelled,
              const std::function<void(const Message&)>& on_word) const;

 private:
  static std::uint64_t next_id() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
  }
  Json request(const char* what, DeviceId device) const {
    return {{key::kDo, what},
            {key::kModel, id_},
            {key::kRecipe, recipe_},
            {key::kDevice, base::to_string(device)},
            {key::kThreads, threads_.load()}};
  }

  Workers& workers_;
  const std::atomic<int>& threads_;
  const Json recipe_;
  const std::uint64_t id_;
};

std::shared_ptr<core::LoadedComponent> RemoteModel::load(std::size_t index, DeviceId device,
                                                         const core::LoadControl& control) const {
  const auto connection = workers_.connect(device);
  Json body = request(act::kLoad, device);
  body[key::kComponent] = index;
  const auto* image = dynamic_cast<const RemoteImage*>(control.image.get());
  body[key::kImage] = image != nullptr ? image->handle_in(*connection) : 0;
  body[key::kKeepImage] = static_cast<bool>(control.admit_image);
  Call call = connection->call(std::move(body));
  Canceller messages(call, control.cancelled);
  for (;;) {
    const Message message = messages.next();
    const std::string said = word_of(message);
    if (said == word::kProgress) {
      if (control.progress) {
        control.progress(get<std::uint64_t>(message.body, key::kDone),
                         get<std::uint64_t>(message.body, key::kTotal));
      }
    } else if (said == word::kAdmit) {
      const bool yes =
          control.admit_image && control.admit_image(get<std::uint64_t>(message.body, key::kBytes));
      call.send({{key::kDo, act::kAdmitted}, {key::kYes, yes}});
    } else if (is_last(call, message)) {
      connection->note_use();
      auto loaded =
          std::make_shared<RemoteComponent>(connection, get<std::uint64_t>(message.body, key::kHandle),
                                            get<std::uint64_t>(message.body, key::kBytes));
      if (const auto kept = get<std::uint64_t>(message.body, key::kImage); kept != 0) {
        loaded->set_image(std::make_shared<RemoteImage>(connection, kept,
                                                        get<std::uint64_t>(message.body, key::kImageBytes)));
      }
      return loaded;
    }
  }
}

// The stages that a run has pinned, by the numbers that the worker gave them.
class Pins {
 public:
  Pins(const Connection& connection, Call& call, core::StageAccess& access)
      : connection_(connection), call_(call), access_(access) {}

  // False for a message about something else.
  bool take(const Message& message) {
    const std::string said = word_of(message);
    if (said == word::kPin) {
      pin(message.body);
    } else if (said == word::kMeasured) {
      pins_.at(get<std::uint64_t>(message.body, key::kPin))
          ->measured(get<std::uint64_t>(message.body, key::kBytes));
    } else if (said == word::kUnpin) {
      pins_.erase(get<std::uint64_t>(message.body, key::kPin));
    } else {
      return false;
    }
    return true;
  }

 private:
  void pin(const Json& body) {
    try {
      auto pinned = access_.pin(get<std::size_t>(body, key::kStage), need_from(body.at(key::kNeed)));
      Json handles = Json::array();
      for (const auto index : get<std::vector<std::size_t>>(body, key::kParts)) {
        handles.push_back({index, handle_of(pinned->component(index))});
      }
      pins_[get<std::uint64_t>(body, key::kPin)] = std::move(pinned);
      call_.send({{key::kDo, act::kPinned}, {key::kParts, handles}});
    } catch (const std::exception&) {
      call_.send({{key::kDo, act::kRefused}, {key::kError, to_tree(base::current_error())}});
    }
  }

  std::uint64_t handle_of(core::LoadedComponent& component) const {
    const auto& remote = static_cast<const RemoteComponent&>(component);  // nothing else is loaded here
    if (remote.connection().get() == &connection_) return remote.handle();
    throw Error(ErrorCode::kUnavailable, remote.connection()->ending());  // it was lost between two stages
  }

  const Connection& connection_;
  Call& call_;
  core::StageAccess& access_;
  std::map<std::uint64_t, std::unique_ptr<core::PinnedStage>> pins_;
};

Message RemoteModel::run(const char* what, DeviceId device, const Json& body,
                         std::vector<FileDescriptor> files, core::StageAccess& access,
                         const std::shared_ptr<const std::atomic<bool>>& cancelled,
                         const std::function<void(const Message&)>& on_word) const {
  const auto connection = workers_.connect(device);
  Json asked = request(what, device);
  asked.update(body);
  Call call = connection->call(std::move(asked), std::move(files));
  Pins pins(*connection, call, access);
  Canceller messages(call, cancelled);
  for (;;) {
    Message message = messages.next();
    if (pins.take(message)) continue;
    if (is_last(call, message)) {
      connection->note_use();
      return message;
    }
    on_word(message);
  }
}

class RemoteVoice final : public models::ConversionModel {
 public:
  RemoteVoice(Workers& workers, const std::atomic<int>& threads, models::ddsp_svc::Description description)
      : description_(std::move(description)), remote_(workers, threads, recipe_of(description_)) {}

  std::string type() const override { return "ddsp_svc"; }
  const std::vector<core::ComponentSpec>& components() const override { return description_.components; }
  const std::vector<core::Stage>& stages() const override { return description_.stages; }
  int degradations() const override { return models::ddsp_svc::kDegradations; }

  std::shared_ptr<core::LoadedComponent> load_component(std::size_t index, DeviceId device,
                                                        const core::LoadControl& control) const override {
    return remote_.load(index, device, control);
  }

  models::ConvertResult convert(core::StageAccess& access, DeviceId device, const audio::Buffer& input,
                                const models::ConvertOptions& options,
                                const models::RunControl& control) const override {
    std::vector<FileDescriptor> files;
    files.push_back(share_samples(input));
    const Message last = remote_.run(
        act::kConvert, device, {{key::kOptions, to_tree(options)}, {key::kRate, input.sample_rate}},
        std::move(files), access, control.cancelled, [&](const Message& message) {
          if (control.progress && word_of(message) == word::kProgress)
            control.progress(get<double>(message.body, key::kFraction));
        });
    auto result = convert_result_from(last.body.at(key::kResult));
    result.audio = read_samples(file_of(last, 0), result.audio.sample_rate);
    return result;
  }

 private:
  models::ddsp_svc::Description description_;
  RemoteModel remote_;
};

class RemoteSpeech final : public models::SynthesisModel {
 public:
  RemoteSpeech(Workers& workers, const std::atomic<int>& threads, models::index_tts::Description description,
               const std::filesystem::path& cache)
      : description_(std::move(description)), remote_(workers, threads, recipe_of(description_, cache)) {}

  std::string type() const override { return "index_tts"; }
  const std::vector<core::ComponentSpec>& components() const override { return description_.components; }
  const std::vector<core::Stage>& stages() const override { return description_.stages; }
  std::vector<std::size_t> resident_stages() const override {
    return {models::index_tts::kResidentStages.begin(), models::index_tts::kResidentStages.end()};
  }

  std::shared_ptr<core::LoadedComponent> load_component(std::size_t index, DeviceId device,
                                                        const core::LoadControl& control) const override {
    return remote_.load(index, device, control);
  }

  models::SpeakResult speak(core::StageAccess& access, DeviceId device, const models::SpeakRequest& request,
                            const models::SpeakOptions& options,
                            const models::SpeakControl& control) const override {
    Json body = {{key::kOptions, to_tree(options)},
                 {key::kRequest, to_tree(request)},
                 {key::kRate, request.voice.sample_rate},
                 {key::kSegment, static_cast<bool>(control.on_segment)}};
    std::vector<FileDescriptor> files;
    files.push_back(share_samples(request.voice));
    if (request.emotion_audio) {
      body[key::kEmotionRate] = request.emotion_audio->sample_rate;
      files.push_back(share_samples(*request.emotion_audio));
    }
    const Message last = remote_.run(act::kSpeak, device, body, std::move(files), access, control.cancelled,
                                     [&](const Message& message) { hear(message, control); });
    auto result = speak_result_from(last.body.at(key::kResult));
    result.audio = read_samples(file_of(last, 0), result.audio.sample_rate);
    return result;
  }

 private:
  static void hear(const Message& message, const models::SpeakControl& control) {
    const std::string said = word_of(message);
    if (said == word::kProgress && control.progress) {
      control.progress(get<double>(message.body, key::kFraction));
    } else if (said == word::kSegment && control.on_segment) {
      const auto audio = read_samples(file_of(message, 0), get<int>(message.body, key::kRate));
      control.on_segment(
          {get<std::size_t>(message.body, key::kIndex), get<std::size_t>(message.body, key::kCount), audio});
    }
  }

  models::index_tts::Description description_;
  RemoteModel remote_;
};

}  // namespace

RemoteLibrary::About RemoteLibrary::about() const {
  {
    base::MutexLock lock(mutex_);
    if (about_) return *about_;
  }
  const auto running = workers_.connections();
  // Who asks has a GPU and is about to use it.
  const auto connection = running.empty() ? workers_.connect({base::DeviceKind::kCuda, 0}) : running.front();
  Call call = connection->call({{key::kDo, act::kAbout}});
  const Message answer = call.next();
  is_last(call, answer);
  About about{get<std::string>(answer.body, key::kTorch), get<int>(answer.body, key::kGpus)};
  base::MutexLock lock(mutex_);
  about_ = about;
  return about;
}

std::string RemoteLibrary::torch_version() const {
  return about().torch;
}

int RemoteLibrary::cuda_device_count() const {
  return about().gpus;
}

models::DeviceHeap RemoteLibrary::device_heap(int index) const {
  const auto connection = workers_.find({base::DeviceKind::kCuda, index});
  if (!connection) return {};
  const auto answer = ask(*connection, {{key::kDo, act::kHeap}, {key::kIndex, index}}, kQuickAnswer);
  if (answer) {
    return {get<std::uint64_t>(answer->body, key::kBytes), get<std::uint64_t>(answer->body, key::kHeld),
            get<std::uint64_t>(answer->body, key::kStuck)};
  }
  throw Error(ErrorCode::kUnavailable,
              fmt::format("the worker process of cuda:{} does not say what it holds", index));
}

void RemoteLibrary::release_device_memory() const {
  for (const auto& connection : workers_.connections())
    ask(*connection, {{key::kDo, act::kDrop}}, kFreeAnswer);
}

std::shared_ptr<const models::ConversionModel> RemoteLibrary::make_ddsp_svc(
    models::ddsp_svc::Description description) const {
  return std::make_shared<RemoteVoice>(workers_, threads_, std::move(description));
}

std::shared_ptr<const models::SynthesisModel> RemoteLibrary::make_index_tts(
    models::index_tts::Description description, std::filesystem::path cache) const {
  return std::make_shared<RemoteSpeech>(workers_, threads_, std::move(description), cache);
}

}  // namespace greenroom::worker
