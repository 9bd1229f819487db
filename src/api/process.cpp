#include "api/process.h"

#include <cstdlib>
#include <utility>

#include "app/model_library.h"
#include "base/error.h"
#include "base/log.h"

namespace greenroom::api {
namespace {

app::Config make_config(const InitOptions& options) {
  auto config = app::load_config(options.config_file);
  if (options.cache_dir) config.cache_dir = *options.cache_dir;
  if (options.pretrain_dir) config.pretrain_dir = *options.pretrain_dir;
  if (options.device) config.device = *options.device;
  if (options.threads) config.threads = *options.threads;
  for (const auto& [device, bytes] : options.memory_budgets) {
    app::set_memory_budget(config, device + "=" + std::to_string(bytes));
  }
  base::set_log_level(config.log_level);
  for (const auto& notice : config.notices) base::log(notice.level, "app", notice.message);
  return config;
}

// At the end of the program: threads end and the history is written. Weights stay where they are, for
// libtorch has taken itself apart by now; the system has them back in a moment.
void wind_down() {
  const auto engine = Process::instance().running();
  if (!engine) return;
  engine->auto_management().stop();
  engine->monitoring().stop();
  engine->history().flush();
}

}  // namespace

Process& Process::instance() {
  static auto* process = [] {
    std::atexit(wind_down);
    return new Process;  // never destroyed: threads of the program may outlive main
  }();
  return *process;
}

std::shared_ptr<app::Engine> Process::engine() {
  base::MutexLock lock(mutex_);
  return engine_ ? engine_ : start_locked({});
}

std::shared_ptr<app::Engine> Process::running() const {
  base::MutexLock lock(mutex_);
  return engine_;
}

bool Process::start(const InitOptions& options) {
  base::MutexLock lock(mutex_);
  if (engine_) return false;
  start_locked(options);
  return true;
}

std::shared_ptr<app::Engine> Process::start_locked(const InitOptions& options) {
  try {
    static_cast<void>(app::prepare_thread_pool());  // the program is not ours to start anew
    const std::shared_ptr<app::Engine> engine(new app::Engine(make_config(options)),
                                              [this](const app::Engine* old) { destroy(old); });
    ++alive_;
    engine_ = engine;  // from here on: the deleter takes the lock that is held here
    for (const auto& setup : setups_) setup(*engine);
    if (options.restore_models) engine->registry().restore(engine->config().restore);
    if (options.auto_management) {
      engine->auto_management().start();
      if (engine->monitoring().settings().enabled) engine->monitoring().start();
    }
    problem_.clear();
    return engine_;
  } catch (const std::exception& error) {
    problem_ = error.what();
    throw;
  }
}

void Process::destroy(const app::Engine* engine) {
  delete engine;  // NOLINT: the deleter of the one shared pointer that owns it
  base::MutexLock lock(mutex_);
  --alive_;
  gone_.notify_all();
}

void Process::stop() {
  std::shared_ptr<app::Engine> engine;
  std::map<int, app::Subscription> listeners;
  {
    base::MutexLock lock(mutex_);
    engine = std::move(engine_);
    engine_.reset();
    listeners.swap(listeners_);
  }
  if (engine) {
    engine->auto_management().stop();
    // A load under way is a call that keeps the engine: end it.
    for (const auto& model : engine->registry().list()) engine->cancel_load(model.id);
  }
  listeners.clear();
  engine.reset();
  base::MutexLock lock(mutex_);
  while (alive_ > (engine_ ? 1 : 0)) gone_.wait(mutex_);
}

std::string Process::problem() const {
  base::MutexLock lock(mutex_);
  return problem_;
}

void Process::on_every_engine(std::function<void(app::Engine&)> setup) {
  base::MutexLock lock(mutex_);
  if (engine_) setup(*engine_);
  setups_.push_back(std::move(setup));
}

int Process::listen(app::EventListener listener) {
  auto subscription = engine()->events().subscribe(std::move(listener));
  base::MutexLock lock(mutex_);
  listeners_.emplace(++last_listener_, std::move(subscription));
  return last_listener_;
}

bool Process::stop_listening(int number) {
  app::Subscription ended;  // outside the lock: waits for a call in progress
  base::MutexLock lock(mutex_);
  const auto found = listeners_.find(number);
  if (found == listeners_.end()) return false;
  ended = std::move(found->second);
  listeners_.erase(found);
  return true;
}

}  // namespace greenroom::api
