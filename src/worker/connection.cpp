#include "worker/connection.h"

#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "worker/wire.h"

namespace greenroom::worker {

using base::Error;
using base::ErrorCode;
using base::Json;
using base::MutexLock;

Call::Call(std::shared_ptr<Connection> connection, std::uint64_t id)
    : connection_(std::move(connection)), id_(id) {}

Call::Call(Call&& other) noexcept
    : connection_(std::move(other.connection_)), id_(other.id_), finished_(other.finished_) {}

Call::~Call() {
  if (connection_) connection_->leave(id_, finished_);
}

void Call::send(Json body, std::vector<base::FileDescriptor> files) {
  body[key::kCall] = id_;
  connection_->channel_.send({std::move(body), std::move(files)});  // when nobody is there, next() says so
}

std::optional<Message> Call::next(std::chrono::nanoseconds patience) {
  return connection_->wait_for(id_, std::chrono::steady_clock::now() + patience);
}

Message Call::next() {
  return std::move(*connection_->wait_for(id_, std::nullopt));
}

Call Connection::call(Json body, std::vector<base::FileDescriptor> files) {
  std::uint64_t id = 0;
  {
    MutexLock lock(mutex_);
    if (ended_) throw Error(ErrorCode::kUnavailable, ending_);
    id = ++last_id_;
    calls_[id];
  }
  Call call(shared_from_this(), id);
  call.send(std::move(body), std::move(files));
  return call;
}

void Connection::tell(const Json& body) noexcept {
  try {
    channel_.send({body, {}});
  } catch (const std::exception& error) {
    base::log(base::LogLevel::kWarning, "worker", error.what());
  }
}

std::string Connection::last_word() const {
  MutexLock lock(mutex_);
  return last_word_;
}

std::string Connection::ending() const {
  MutexLock lock(mutex_);
  return ending_;
}

bool Connection::is_idle() const {
  MutexLock lock(mutex_);
  return held_ == 0 && calls_.empty();
}

std::optional<Message> Connection::wait_for(std::uint64_t id,
                                            std::optional<base::Clock::TimePoint> deadline) {
  MutexLock lock(mutex_);
  auto& mailbox = calls_.at(id);
  for (;;) {
    if (!mailbox.messages.empty()) {
      Message message = std::move(mailbox.messages.front());
      mailbox.messages.pop_front();
      return message;
    }
    if (ended_) throw Error(ErrorCode::kUnavailable, ending_);
    if (!deadline) {
      changed_.wait(mutex_);
    } else if (std::chrono::steady_clock::now() >= *deadline) {
      return std::nullopt;
    } else {
      changed_.wait_until(mutex_, *deadline);
    }
  }
}

void Connection::post(Message message) {
  if (get<std::string>(message.body, key::kIs) == word::kBroken) {
    MutexLock lock(mutex_);
    last_word_ = get<std::string>(message.body, key::kError);
    return;
  }
  const auto id = get<std::uint64_t>(message.body, key::kCall);
  {
    MutexLock lock(mutex_);
    const auto found = calls_.find(id);
    if (found != calls_.end()) {
      found->second.messages.push_back(std::move(message));
      changed_.notify_all();
      return;
    }
  }
  // The call was given up when this was on its way: what it brought is nobody's.
  if (!message.body.contains(key::kHandle)) return;
  tell({{key::kDo, act::kFree},
        {key::kHandle, message.body[key::kHandle]},
        {key::kImage, message.body.value(key::kImage, std::uint64_t{0})}});
}

void Connection::leave(std::uint64_t id, bool finished) noexcept {
  {
    MutexLock lock(mutex_);
    calls_.erase(id);
  }
  if (!finished && !ended_) tell({{key::kDo, act::kGiveUp}, {key::kCall, id}});
}

void Connection::receive_all() {
  try {
    while (auto message = channel_.receive()) post(std::move(*message));
  } catch (const Error& error) {
    base::log(base::LogLevel::kError, "worker", error.what());
  }
}

void Connection::end(const std::string& how) {
  MutexLock lock(mutex_);
  ending_ = how;
  ended_ = true;
  changed_.notify_all();
}

}  // namespace greenroom::worker
