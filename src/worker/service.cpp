#include "worker/service.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/current_error.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/heap_keeper.h"
#include "base/log.h"
#include "base/mutex.h"
#include "worker/channel.h"
#include "worker/crew.h"
#include "worker/recipe.h"
#include "worker/shared_memory.h"
#include "worker/wire.h"

namespace greenroom::worker {
namespace {

using base::DeviceId;
using base::Error;
using base::ErrorCode;
using base::Json;
using base::MutexLock;

// One call under way: what the daemon sends for it, and whether it still wants it. Thread-safe.
class Exchange {
 public:
  Exchange(Channel& channel, std::uint64_t id) : channel_(channel), id_(id) {}

  void say(const char* word, Json body = Json::object(), std::vector<base::FileDescriptor> files = {}) {
    body[key::kCall] = id_;
    body[key::kIs] = word;
    channel_.send({std::move(body), std::move(files)});
  }
  // The answer to what was asked.
  Message hear() EXCLUDES_LOCK(mutex_) {
    MutexLock lock(mutex_);
    while (heard_.empty()) changed_.wait(mutex_);
    Message message = std::move(heard_.front());
    heard_.pop_front();
    return message;
  }
  void post(Message message) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(mutex_);
    heard_.push_back(std::move(message));
    changed_.notify_all();
  }
  const std::shared_ptr<std::atomic<bool>>& cancelled() const { return cancelled_; }

 private:
  Channel& channel_;
  const std::uint64_t id_;
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Message> heard_ GUARDED_BY(mutex_);
};

// What the daemon keeps here, by the numbers it was told. Thread-safe.
class Holdings {
 public:
  std::uint64_t add(std::shared_ptr<core::LoadedComponent> component) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(mutex_);
    components_[++last_] = std::move(component);
    return last_;
  }
  std::uint64_t add(std::shared_ptr<core::HostImage> image) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(mutex_);
    images_[++last_] = std::move(image);
    return last_;
  }
  // Null when there is none of that number.
  std::shared_ptr<core::LoadedComponent> component(std::uint64_t handle) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(mutex_);
    const auto found = components_.find(handle);
    return found == components_.end() ? nullptr : found->second;
  }
  std::shared_ptr<core::HostImage> image(std::uint64_t handle) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(mutex_);
    const auto found = images_.find(handle);
    return found == images_.end() ? nullptr : found->second;
  }
  void free(std::uint64_t component, std::uint64_t image) EXCLUDES_LOCK(mutex_) {
    std::shared_ptr<core::LoadedComponent> freed;  // outside the lock
    std::shared_ptr<core::HostImage> dropped;
    MutexLock lock(mutex_);
    if (const auto found = components_.find(component); found != components_.end()) {
      freed = std::move(found->second);
      components_.erase(found);
    }
    if (const auto found = images_.find(image); found != images_.end()) {
      dropped = std::move(found->second);
      images_.erase(found);
    }
  }

 private:
  base::Mutex mutex_;
  std::uint64_t last_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, std::shared_ptr<core::LoadedComponent>> components_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, std::shared_ptr<core::HostImage>> images_ GUARDED_BY(mutex_);
};

// Stages are pinned in the daemon, whose manager decides; here are the weights.
class RemoteAccess final : public core::StageAccess {
 public:
  RemoteAccess(Exchange& exchange, Holdings& holdings, const core::Model& model)
      : exchange_(exchange), holdings_(holdings), model_(model) {}

  std::unique_ptr<core::PinnedStage> pin(std::size_t stage, const core::WorkspaceNeed& need) override {
    const std::uint64_t number = ++last_;
    exchange_.say(word::kPin, {{key::kPin, number},
                               {key::kStage, stage},
                               {key::kNeed, to_tree(need)},
                               {key::kParts, model_.stages().at(stage).components}});
    const Message answer = exchange_.hear();
    if (get<std::string>(answer.body, key::kDo) == act::kRefused)
      throw error_from(answer.body.at(key::kError));
    auto pinned = std::make_unique<Pinned>(exchange_, number);
    for (const auto& [index, handle] :
         get<std::vector<std::pair<std::size_t, std::uint64_t>>>(answer.body, key::kParts)) {
      pinned->components[index] = holdings_.component(handle);
    }
    return pinned;
  }

 private:
  class Pinned final : public core::PinnedStage {
   public:
    Pinned(Exchange& exchange, std::uint64_t number) : exchange_(exchange), number_(number) {}
    ~Pinned() override {
      components.clear();
      try {
        exchange_.say(word::kUnpin, {{key::kPin, number_}});
      } catch (const Error& error) {  // the daemon unpins when the call ends
        base::log(base::LogLevel::kWarning, "worker", error.what());
      }
    }
    core::LoadedComponent& component(std::size_t index) override {
      const auto found = components.find(index);
      if (found != components.end() && found->second) return *found->second;
      throw Error(ErrorCode::kInternal, fmt::format("component {} was used without being pinned", index));
    }
    void measured(std::uint64_t peak_bytes) override {
      exchange_.say(word::kMeasured, {{key::kPin, number_}, {key::kBytes, peak_bytes}});
    }

    std::map<std::size_t, std::shared_ptr<core::LoadedComponent>> components;

   private:
    Exchange& exchange_;
    const std::uint64_t number_;
  };

  Exchange& exchange_;
  Holdings& holdings_;
  const core::Model& model_;
  std::uint64_t last_ = 0;
};

// Models by the numbers that the daemon gave them; each made once, by the first call that needs it.
// Thread-safe.
class Models {
 public:
  MadeModel get(std::uint64_t id, const Json& recipe, const models::Library& library) EXCLUDES_LOCK(mutex_) {
    std::promise<MadeModel> promise;
    std::shared_future<MadeModel> future;
    bool is_ours = false;
    {
      MutexLock lock(mutex_);
      const auto found = models_.find(id);
      is_ours = found == models_.end();
      future = is_ours ? promise.get_future().share() : found->second;
      if (is_ours) models_[id] = future;
    }
    if (is_ours) {
      try {
        promise.set_value(make(recipe, library));
      } catch (...) {
        forget(id);  // the next call tries again
        promise.set_exception(std::current_exception());
      }
    }
    return future.get();
  }
  void forget(std::uint64_t id) EXCLUDES_LOCK(mutex_) {
    std::shared_future<MadeModel> last;  // destroyed outside the lock
    MutexLock lock(mutex_);
    const auto found = models_.find(id);
    if (found == models_.end()) return;
    last = std::move(found->second);
    models_.erase(found);
  }

 private:
  base::Mutex mutex_;
  std::map<std::uint64_t, std::shared_future<MadeModel>> models_ GUARDED_BY(mutex_);
};

class Service {
 public:
  Service(base::FileDescriptor socket, const ServiceOptions& options)
      : options_(options), channel_(std::move(socket)) {}

  // Returns when the daemon has gone.
  void run() {
    Exchange(channel_, 0).say(word::kHello, {{key::kVersion, options_.version}});
    while (auto message = channel_.receive()) {
      if (!dispatch(std::move(*message))) return;
    }
  }

 private:
  // Nothing here takes long: the daemon waits for some of the answers. False: the end.
  bool dispatch(Message message) {
    const auto act = get<std::string>(message.body, key::kDo);
    if (act == act::kEnd) return false;
    if (act == act::kForget) {
      crew_.run([this, id = get<std::uint64_t>(message.body, key::kModel)] { models_.forget(id); });
    } else if (act == act::kFree && !message.body.contains(key::kCall)) {
      crew_.run([this, body = std::move(message.body)] { free(body); });
    } else if (const auto id = get<std::uint64_t>(message.body, key::kCall);
               act == act::kCancel || act == act::kGiveUp) {
      if (const auto exchange = find(id)) exchange->cancelled()->store(true);
    } else if (act == act::kAdmitted || act == act::kPinned || act == act::kRefused) {
      if (const auto exchange = find(id)) exchange->post(std::move(message));
    } else {
      begin(id, act, std::move(message));
    }
    return true;
  }

  std::shared_ptr<Exchange> find(std::uint64_t id) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(mutex_);
    const auto found = exchanges_.find(id);
    return found == exchanges_.end() ? nullptr : found->second;
  }

  void begin(std::uint64_t id, const std::string& act, Message message) EXCLUDES_LOCK(mutex_) {
    const auto exchange = std::make_shared<Exchange>(channel_, id);
    {
      MutexLock lock(mutex_);
      exchanges_[id] = exchange;
    }
    const auto shared = std::make_shared<Message>(std::move(message));  // a std::function must be copyable
    crew_.run([this, id, act, exchange, shared] {
      carry_out(act, *exchange, *shared);
      if (computes(act)) computed_ = true;
      MutexLock lock(mutex_);
      exchanges_.erase(id);
    });
  }

  static bool computes(const std::string& act) {
    return act == act::kLoad || act == act::kConvert || act == act::kSpeak;
  }

  // Since it was asked last.
  bool has_computed() EXCLUDES_LOCK(mutex_) {
    const bool has = computed_.exchange(false);
    MutexLock lock(mutex_);
    return has || !exchanges_.empty();
  }

  void carry_out(const std::string& act, Exchange& exchange, Message& message) {
    try {
      try {
        answer(act, exchange, message);
      } catch (const std::exception&) {
        const Error error = base::current_error();
        end_if_broken(error);
        exchange.say(word::kError, {{key::kError, to_tree(error)}});
      }
    } catch (const std::exception& error) {  // the answer could not be sent
      base::log(base::LogLevel::kError, "worker", error.what());
      channel_.close();
    }
  }

  void answer(const std::string& act, Exchange& exchange, Message& message) {
    const Json& body = message.body;
    if (act == act::kLoad) {
      load(exchange, body);
    } else if (act == act::kConvert) {
      convert(exchange, message);
    } else if (act == act::kSpeak) {
      speak(exchange, message);
    } else if (act == act::kFree) {
      free(body);
      exchange.say(word::kDone);
    } else if (act == act::kAbout) {
      const auto& library = options_.library();
      exchange.say(word::kDone,
                   {{key::kTorch, library.torch_version()}, {key::kGpus, library.cuda_device_count()}});
    } else if (act == act::kHeap) {
      const auto heap = options_.library().device_heap(get<int>(body, key::kIndex));
      exchange.say(word::kDone,
                   {{key::kBytes, heap.allocated}, {key::kHeld, heap.held}, {key::kStuck, heap.stuck}});
    } else if (act == act::kDrop) {
      options_.library().release_device_memory();
      base::return_freed_memory();
      exchange.say(word::kDone);
    } else {
      throw Error(ErrorCode::kUnimplemented, fmt::format("a worker cannot \"{}\"", act));
    }
  }

  MadeModel model_for(const Json& body) {
    const auto& library = options_.library();
    // Of this thread; 0: nobody has said.
    if (const int threads = get<int>(body, key::kThreads); threads > 0) library.set_threads(threads);
    return models_.get(get<std::uint64_t>(body, key::kModel), body.at(key::kRecipe), library);
  }

  void load(Exchange& exchange, const Json& body) {
    const auto made = model_for(body);
    core::LoadControl control;
    control.progress = [&](std::uint64_t done, std::uint64_t total) {
      exchange.say(word::kProgress, {{key::kDone, done}, {key::kTotal, total}});
    };
    control.cancelled = exchange.cancelled();
    control.image = holdings_.image(get<std::uint64_t>(body, key::kImage));
    if (get<bool>(body, key::kKeepImage)) {
      control.admit_image = [&](std::uint64_t bytes) {
        exchange.say(word::kAdmit, {{key::kBytes, bytes}});
        return get<bool>(exchange.hear().body, key::kYes);
      };
    }
    auto loaded =
        made.model().load_component(get<std::size_t>(body, key::kComponent), device_from(body), control);
    const std::uint64_t bytes = loaded->bytes();
    auto image = loaded->take_image();
    const std::uint64_t image_bytes = image ? image->bytes() : 0;
    const std::uint64_t image_handle = image ? holdings_.add(std::move(image)) : 0;
    exchange.say(word::kDone, {{key::kHandle, holdings_.add(std::move(loaded))},
                               {key::kBytes, bytes},
                               {key::kImage, image_handle},
                               {key::kImageBytes, image_bytes}});
  }

  void convert(Exchange& exchange, const Message& message) {
    const auto made = model_for(message.body);
    if (!made.conversion) throw Error(ErrorCode::kInternal, "the model does not convert");
    const auto input = read_samples(message.files.at(0), get<int>(message.body, key::kRate));
    RemoteAccess access(exchange, holdings_, *made.conversion);
    models::RunControl control;
    control.progress = [&](double fraction) { exchange.say(word::kProgress, {{key::kFraction, fraction}}); };
    control.cancelled = exchange.cancelled();
    const auto result =
        made.conversion->convert(access, device_from(message.body), input,
                                 convert_options_from(message.body.at(key::kOptions)), control);
    say_result(exchange, to_tree(result), result.audio);
  }

  void speak(Exchange& exchange, const Message& message) {
    const Json& body = message.body;
    const auto made = model_for(body);
    if (!made.synthesis) throw Error(ErrorCode::kInternal, "the model does not speak");
    auto request = speak_request_from(body.at(key::kRequest));
    request.voice = read_samples(message.files.at(0), get<int>(body, key::kRate));
    if (body.contains(key::kEmotionRate)) {
      request.emotion_audio = read_samples(message.files.at(1), get<int>(body, key::kEmotionRate));
    }
    RemoteAccess access(exchange, holdings_, *made.synthesis);
    models::SpeakControl control;
    control.progress = [&](double fraction) { exchange.say(word::kProgress, {{key::kFraction, fraction}}); };
    control.cancelled = exchange.cancelled();
    if (get<bool>(body, key::kSegment)) {
      control.on_segment = [&](const models::SpokenSegment& segment) {
        std::vector<base::FileDescriptor> files;
        files.push_back(share_samples(segment.audio));
        exchange.say(word::kSegment,
                     {{key::kIndex, segment.index},
                      {key::kCount, segment.count},
                      {key::kRate, segment.audio.sample_rate}},
                     std::move(files));
      };
    }
    const auto result = made.synthesis->speak(access, device_from(body), request,
                                              speak_options_from(body.at(key::kOptions)), control);
    say_result(exchange, to_tree(result), result.audio);
  }

  static void say_result(Exchange& exchange, Json result, const audio::Buffer& audio) {
    std::vector<base::FileDescriptor> files;
    files.push_back(share_samples(audio));
    exchange.say(word::kDone, {{key::kResult, std::move(result)}}, std::move(files));
  }

  void free(const Json& body) {
    holdings_.free(get<std::uint64_t>(body, key::kHandle), body.value(key::kImage, std::uint64_t{0}));
    heap_.freed();
  }

  // An error that stays with the process (a corrupt CUDA context) ends it: the next one has a fresh context.
  // All calls under way end with it, this one too.
  void end_if_broken(const Error& error) {
    if (options_.device.kind != base::DeviceKind::kCuda) return;
    if (error.code() != ErrorCode::kInternal && error.code() != ErrorCode::kUnavailable) return;
    if (!options_.library().is_device_broken(options_.device.index)) return;
    Exchange(channel_, 0)
        .say(word::kBroken, {{key::kError, fmt::format("{} cannot be used any more after \"{}\"",
                                                       base::to_string(options_.device), error.what())}});
    ::_exit(kBrokenStatus);
  }

  const ServiceOptions& options_;
  Channel channel_;
  Holdings holdings_;
  Models models_;
  base::Mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<Exchange>> exchanges_ GUARDED_BY(mutex_);
  std::atomic<bool> computed_ = false;
  base::HeapKeeper heap_{[this] { return has_computed(); }};
  Crew crew_;  // ends first
};

}  // namespace

int serve(base::FileDescriptor socket, const ServiceOptions& options) {
  // Not destroyed: what is computed for nobody is not waited for.
  auto* service = new Service(std::move(socket), options);
  try {
    service->run();
    return 0;
  } catch (const Error& error) {
    base::log(base::LogLevel::kError, "worker", error.what());
    return 1;
  }
}

}  // namespace greenroom::worker
