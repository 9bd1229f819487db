#include "server/model_loads.h"

#include <spdlog/fmt/fmt.h>

#include <thread>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace greenroom::server {
namespace {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

}  // namespace

ModelLoads::~ModelLoads() {
  close();
}

void ModelLoads::check_registered(const std::string& id) const {
  if (engine_.registry().find(id)) return;
  throw Error(ErrorCode::kNotFound,
              fmt::format("there is no model '{}': register it with POST /api/v1/models", id));
}

bool ModelLoads::is_held(const std::string& id) const {
  const auto registered = engine_.registry().find(id);
  const auto info = engine_.model_info(id);
  return registered && registered->held && info && info->status == core::ModelStatus::kLoaded &&
         info->holds > 0;
}

void ModelLoads::load_now(const std::string& id) {
  if (is_held(id)) return;
  board_.note_problem(id, std::nullopt);
  try {
    engine_.registry().load(id);
  } catch (const base::Error& error) {
    board_.note_problem(id, error);
    throw;
  } catch (const std::exception& error) {
    board_.note_problem(id, base::Error(base::ErrorCode::kInternal, error.what()));
    throw;
  }
}

void ModelLoads::load(const std::string& id) {
  check_registered(id);
  std::shared_ptr<Flight> flight;
  {
    MutexLock lock(mutex_);
    if (closed_) throw Error(ErrorCode::kUnavailable, "greenroom is shutting down and loads nothing more");
    auto& known = flights_[id];
    if (known) {
      const auto other = known;
      while (!other->done) changed_.wait(mutex_);
      if (other->error) std::rethrow_exception(other->error);
      return;
    }
    flight = known = std::make_shared<Flight>();
  }
  std::exception_ptr error;
  try {
    load_now(id);
  } catch (...) {
    error = std::current_exception();
  }
  {
    MutexLock lock(mutex_);
    flight->done = true;
    flight->error = error;
    flights_.erase(id);
    changed_.notify_all();
  }
  if (error) std::rethrow_exception(error);
}

void ModelLoads::start(const std::string& id) {
  check_registered(id);
  {
    MutexLock lock(mutex_);
    if (closed_) throw Error(ErrorCode::kUnavailable, "greenroom is shutting down and loads nothing more");
    if (flights_.count(id) > 0) return;
    if (threads_ >= kMostAtOnce) {
      throw Error(ErrorCode::kUnavailable, fmt::format("{} loads are under way, as many as may", threads_),
                  std::chrono::seconds(1));
    }
    ++threads_;
  }
  const auto run = [this, id] {
    try {
      load(id);
    } catch (const std::exception& error) {
      base::log(base::LogLevel::kInfo, "server", fmt::format("loading '{}': {}", id, error.what()));
    }
    MutexLock lock(mutex_);
    --threads_;
    changed_.notify_all();
  };
  try {
    std::thread(run).detach();  // close() waits for it
  } catch (const std::system_error&) {
    MutexLock lock(mutex_);
    --threads_;
    throw Error(ErrorCode::kUnavailable, "the system has no thread left for a load; try again later");
  }
}

void ModelLoads::unload(const std::string& id, bool force) {
  if (engine_.registry().find(id)) {
    engine_.registry().unload(id, force);
  } else {
    engine_.unload(id, force);
  }
  board_.note_problem(id, std::nullopt);
}

ModelLoads::Unloaded ModelLoads::unload_all(bool force) {
  Unloaded result;
  for (const auto& info : engine_.models()) {
    if (info.status == core::ModelStatus::kUnloaded || info.status == core::ModelStatus::kUnloading) continue;
    try {
      unload(info.id, force);
      result.unloaded.push_back(info.id);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) result.kept.push_back({info.id, error.what()});
    }
  }
  return result;
}

void ModelLoads::cancel_all() {
  std::vector<std::string> under_way;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, flight] : flights_) under_way.push_back(id);
  }
  for (const auto& info : engine_.models()) {  // those of tasks and holds too
    if (info.status == core::ModelStatus::kLoading) under_way.push_back(info.id);
  }
  for (const auto& id : under_way) engine_.cancel_load(id);
}

void ModelLoads::close() {
  // One that has not come to the manager yet cannot be cancelled there: it is asked again.
  constexpr std::chrono::milliseconds kAgain{20};
  {
    MutexLock lock(mutex_);
    closed_ = true;
  }
  for (;;) {
    cancel_all();
    MutexLock lock(mutex_);
    if (threads_ == 0 && flights_.empty()) return;
    changed_.wait_until(mutex_, std::chrono::steady_clock::now() + kAgain);
  }
}

}  // namespace greenroom::server
