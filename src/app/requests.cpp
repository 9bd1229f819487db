#include "app/requests.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "app/staged_model.h"
#include "base/error.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;

// Changes when one of the model's files does.
std::string fingerprint_of(const core::GroupMember& member) {
  std::string result;
  std::error_code ignored;
  for (const auto& spec : member.model->components()) {
    const auto modified = std::filesystem::last_write_time(spec.file, ignored);
    result += fmt::format("{};", modified.time_since_epoch().count());
  }
  return result;
}

}  // namespace

// One attempt of a request on one device. Not thread-safe: lives in the request's thread; only cancel_load is
// called from others.
class Requests::Attempt {
 public:
  Attempt(Requests& owner, const RunRequest& request, base::DeviceId device, bool is_home, int degradation)
      : owner_(owner),
        request_(request),
        device_(device),
        is_home_(is_home),
        in_stages_(degradation > 0 && request.in_stages) {
    // The same id cannot be on two devices.
    base_id_ = is_home ? request.model_id : fmt::format("{}@{}", request.model_id, base::to_string(device));
    id_ = in_stages_ ? stages_id(base_id_) : base_id_;
  }

  core::ModelDoor door() {
    return {.is_loaded = [this] { return owner_.manager_.model_status(id_) == core::ModelStatus::kLoaded; },
            .fits =
                [this](const std::vector<std::string>& spared) {
                  return owner_.manager_.fits({member()}, core::Manager::Space::kIdle, spared);
                },
            .load = [this](const std::function<void()>& admitted) { load(admitted); },
            .cancel_load = [this] { owner_.manager_.cancel_load(id_); },
            .begin = [this] { return begin(); }};
  }

  core::Run& run() { return *run_; }
  const std::string& base_id() const { return base_id_; }

  class End {
   public:
    explicit End(Attempt& attempt) : attempt_(attempt) {}
    ~End() { attempt_.run_.reset(); }
    End(const End&) = delete;
    End& operator=(const End&) = delete;

   private:
    Attempt& attempt_;
  };

 private:
  const core::GroupMember& member() {
    if (!member_) {
      member_ = in_stages_                         ? request_.in_stages(device_)
                : !is_home_ && request_.resolve_on ? request_.resolve_on(device_)
                                                   : request_.resolve();
      member_->id = id_;
      member_->device = device_;
    }
    return *member_;
  }

  void load(const std::function<void()>& admitted) {
    if (!request_.options.auto_load) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("'{}' is not loaded, and the request does not want it to be", id_));
    }
    core::RecoverableOperation operation;
    operation.name = "load";
    operation.model_id = id_;
    operation.device = member().device;
    operation.cools_down = true;
    operation.fingerprint = fingerprint_of(member());
    operation.run = [&](const core::RecoverableOperation::Attempt&) {
      owner_.manager_.load_on_demand(member(), admitted);
    };
    owner_.recovery_.execute(operation);
  }

  bool begin() {
    try {
      run_ = owner_.manager_.start_run(id_);
      return true;
    } catch (const Error& error) {  // unloaded or evicted since; or a forced unload drains
      if (error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kFailedPrecondition)
        return false;
      throw;
    }
  }

  Requests& owner_;
  const RunRequest& request_;
  const base::DeviceId device_;
  const bool is_home_;
  const bool in_stages_;
  std::string base_id_;  // of the model, whether it is loaded or not
  std::string id_;       // of what is loaded for the run
  std::optional<core::GroupMember> member_;
  std::optional<core::Run> run_;
};

Requests::Requests(core::Manager& manager, const base::Clock& clock, core::RecoveryExecutor& recovery,
                   const std::vector<base::DeviceId>& devices, const core::QueueOptions& options)
    : manager_(manager), clock_(clock), recovery_(recovery) {
  for (const auto device : devices) queues_.try_emplace(device, base::to_string(device), clock, options);
}

core::RequestQueue& Requests::queue(base::DeviceId device) {
  const auto found = queues_.find(device);
  if (found != queues_.end()) return found->second;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("there is no device {}", base::to_string(device)));
}

void Requests::run(const RunRequest& request, const std::function<void(const RunTurn&)>& act) {
  const auto info = manager_.model_info(request.model_id);
  const bool is_loaded =
      info && info->status != core::ModelStatus::kError && info->status != core::ModelStatus::kUnloaded;
  const auto cancelled = request.cancelled ? request.cancelled : std::make_shared<std::atomic<bool>>(false);
  core::Request place;
  place.model = request.model_id;
  place.priority = request.options.priority;
  place.cost = request.cost;
  place.cancelled = cancelled;
  if (request.options.timeout) place.deadline = clock_.now() + *request.options.timeout;
  place.id = request.options.id != 0 ? request.options.id : next_id();

  bool is_inside = false;
  std::uint64_t freed = 0;
  std::vector<std::string> notices;
  core::RecoverableOperation operation;
  operation.name = request.name;
  operation.model_id = request.model_id;
  operation.device = is_loaded ? info->device : request.resolve().device;
  operation.fallbacks = request.fallbacks;
  std::erase(operation.fallbacks, operation.device);
  operation.cancelled = cancelled;
  operation.can_degrade = [&](int degradation) {
    return (is_inside || request.in_stages) && request.degradations && degradation <= request.degradations();
  };
  // A full queue, a broken file or a deadline are the caller's to know; no room for the model may be
  // mended on another device.
  operation.is_final = [&](const Error& error) {
    return !request.options.recover || (!is_inside && error.code() != ErrorCode::kResourceExhausted);
  };
  operation.run = [&](const core::RecoverableOperation::Attempt& attempt) {
    is_inside = false;
    Attempt here(*this, request, attempt.device, attempt.device == operation.device, attempt.degradation);
    auto mine = place;
    mine.door = here.door();
    const auto turn = queue(attempt.device).enter(mine);
    is_inside = true;
    const Attempt::End end(here);  // the run lets go of the model before the next has its turn
    const std::uint64_t refused = manager_.refusals(attempt.device);
    freed = 0;
    try {
      act({here.run(), here.base_id(), attempt.degradation, cancelled, notices});
    } catch (const Error& error) {
      // The device's own word, not the manager's. While the run lasts, what it needs is not idle.
      if (error.code() == ErrorCode::kResourceExhausted && manager_.refusals(attempt.device) == refused) {
        freed = manager_.relieve(attempt.device, UINT64_MAX,
                                 fmt::format("{} of '{}' ran out of memory", request.name, request.model_id));
      }
      throw;
    }
  };
  operation.relieved = [&](const core::RecoverableOperation::Attempt&) { return freed > 0; };
  operation.restart = [&](const core::RecoverableOperation::Attempt& attempt) {
    if (attempt.device != operation.device) return;
    const auto now = manager_.model_info(request.model_id);
    if (now && now->status == core::ModelStatus::kLoaded && now->holds == 0) {
      manager_.unload(request.model_id);
    }
    // Files that changed are read anew, whoever holds the model.
    auto member = request.resolve();
    member.id = request.model_id;
    member.device = attempt.device;
    manager_.load_on_demand(member, {});
  };
  operation.on_step = [&](const std::string& description, const std::string& cause) {
    notices.push_back(fmt::format("{} was done {}, because at first: {}", request.name, description, cause));
  };
  recovery_.execute(operation);
}

bool Requests::cancel(std::uint64_t id) {
  return std::any_of(queues_.begin(), queues_.end(), [&](auto& entry) { return entry.second.cancel(id); });
}

void Requests::drain(std::optional<base::Clock::TimePoint> deadline) {
  for (auto& [device, queue] : queues_) queue.close();
  for (auto& [device, queue] : queues_) {
    if (queue.wait_until_empty(deadline)) continue;
    queue.stop();
    queue.wait_until_empty();
  }
}

void Requests::poke() {
  for (auto& [device, queue] : queues_) queue.poke();
}

std::map<base::DeviceId, core::QueueStats> Requests::stats() const {
  std::map<base::DeviceId, core::QueueStats> result;
  for (const auto& [device, queue] : queues_) result.emplace(device, queue.stats());
  return result;
}

std::chrono::nanoseconds Requests::quiet_for() const {
  std::chrono::nanoseconds quiet = std::chrono::nanoseconds::max();
  for (const auto& [device, queue] : queues_) quiet = std::min(quiet, queue.stats().quiet_for);
  return quiet;
}

}  // namespace greenroom::app
