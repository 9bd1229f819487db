#include "worker/workers.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace greenroom::worker {

using base::Error;
using base::ErrorCode;
using base::MutexLock;

Workers::Workers(WorkersOptions options, const base::Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

Workers::~Workers() {
  set_on_lost({});
  std::map<base::DeviceId, Seat> seats;
  std::vector<std::shared_ptr<Process>> dead;
  {
    MutexLock lock(mutex_);
    seats = std::exchange(seats_, {});
    dead = std::exchange(dead_, {});
  }
}

void Workers::set_on_lost(OnLost on_lost) {
  MutexLock lock(mutex_);
  on_lost_ = on_lost ? std::make_shared<const OnLost>(std::move(on_lost)) : nullptr;
  while (in_callback_ > 0) changed_.wait(mutex_);
}

std::shared_ptr<Connection> Workers::connect(base::DeviceId device) {
  std::vector<std::shared_ptr<Process>> dead;
  {
    MutexLock lock(mutex_);
    dead = std::exchange(dead_, {});
    for (;;) {
      Seat& seat = seats_[device];
      if (seat.process && !seat.process->connection()->has_ended()) {
        seat.idle_since.reset();
        return seat.process->connection();
      }
      if (!seat.starting) {
        const auto now = clock_.now();
        if (now < seat.not_before) {
          throw Error(
              ErrorCode::kUnavailable,
              fmt::format("the worker processes of {} end as soon as they are started; the last one: {}",
                          base::to_string(device), seat.last_death),
              std::chrono::ceil<std::chrono::milliseconds>(seat.not_before - now));
        }
        seat.starting = true;
        if (seat.process) dead.push_back(std::exchange(seat.process, nullptr));
        break;
      }
      changed_.wait(mutex_);
    }
  }
  dead.clear();  // joins their threads
  return start(device)->connection();
}

std::shared_ptr<Process> Workers::start(base::DeviceId device) {
  std::shared_ptr<Process> process;
  std::optional<Error> failure;
  try {
    process = std::make_shared<Process>(
        device, options_.launch,
        [this](const auto& connection, const std::string& how) { note_death(connection, how); });
  } catch (const Error& error) {
    failure = error;
  }
  MutexLock lock(mutex_);
  Seat& seat = seats_[device];
  seat.starting = false;
  changed_.notify_all();
  if (failure) {
    seat.last_death = failure->what();
    note_uselessness(seat);
    throw Error(*failure);
  }
  seat.process = process;
  seat.idle_since.reset();
  base::log(base::LogLevel::kInfo, "worker",
            fmt::format("the worker process of {} is {}", base::to_string(device), process->pid()));
  return process;
}

void Workers::note_uselessness(Seat& seat) {
  ++seat.useless;
  if (seat.useless < options_.most_useless) return;
  auto pause = options_.first_pause;
  for (int i = options_.most_useless; i < seat.useless && pause < options_.longest_pause; ++i) pause *= 2;
  seat.not_before = clock_.now() + std::min(pause, options_.longest_pause);
}

void Workers::note_death(const std::shared_ptr<Connection>& connection, const std::string& how) {
  std::shared_ptr<const OnLost> on_lost;
  {
    MutexLock lock(mutex_);
    Seat& seat = seats_[connection->device()];
    ++seat.deaths;
    seat.last_death = how;
    if (connection->was_useful()) {
      seat.useless = 0;
    } else {
      note_uselessness(seat);
    }
    if (seat.process && seat.process->connection() == connection) {
      dead_.push_back(std::exchange(seat.process, nullptr));
    }
    on_lost = on_lost_;
    if (on_lost) ++in_callback_;
  }
  if (!on_lost) return;
  (*on_lost)(connection->device(), how);
  MutexLock lock(mutex_);
  --in_callback_;
  changed_.notify_all();
}

std::shared_ptr<Connection> Workers::find(base::DeviceId device) const {
  MutexLock lock(mutex_);
  const auto found = seats_.find(device);
  if (found == seats_.end() || !found->second.process) return nullptr;
  const auto& connection = found->second.process->connection();
  return connection->has_ended() ? nullptr : connection;
}

std::vector<std::shared_ptr<Connection>> Workers::connections() const {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<Connection>> result;
  for (const auto& [device, seat] : seats_) {
    if (seat.process && !seat.process->connection()->has_ended())
      result.push_back(seat.process->connection());
  }
  return result;
}

std::vector<WorkerInfo> Workers::list() const {
  MutexLock lock(mutex_);
  std::vector<WorkerInfo> result;
  for (const auto& [device, seat] : seats_) {
    WorkerInfo info{.device = device, .deaths = seat.deaths, .last_death = seat.last_death};
    if (seat.process && !seat.process->connection()->has_ended()) {
      info.pid = seat.process->pid();
      info.held = seat.process->connection()->held();
    }
    result.push_back(std::move(info));
  }
  return result;
}

int Workers::end_idle() {
  std::vector<std::shared_ptr<Process>> ended;
  std::vector<std::shared_ptr<Process>> dead;
  {
    MutexLock lock(mutex_);
    dead = std::exchange(dead_, {});
    const auto now = clock_.now();
    for (auto& [device, seat] : seats_) {
      if (!seat.process || !seat.process->connection()->is_idle()) {
        seat.idle_since.reset();
      } else if (!seat.idle_since) {
        seat.idle_since = now;
      } else if (now - *seat.idle_since >= options_.idle) {
        ended.push_back(std::exchange(seat.process, nullptr));
        seat.idle_since.reset();
      }
    }
  }
  return static_cast<int>(ended.size());
}

}  // namespace greenroom::worker
