// Listens, and gives each connection a thread of its own. HTTP/1.1 written here, over sockets: what strangers
// may send is bounded in size, number and time at every step (docs/api.md has the figures).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "base/mutex.h"
#include "server/connection.h"
#include "server/gate.h"
#include "server/http_session.h"
#include "server/router.h"

namespace greenroom::server {

// An address to listen on, taken. Move-only.
class Listener {
 public:
  // Throws base::Error(kUnavailable) when it is taken or not ours, kInvalidArgument when it is no address.
  Listener(const std::string& host, int port);
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) = delete;
  ~Listener();

  int port() const { return port_; }
  bool is_loopback() const { return is_loopback_; }  // only programs of this machine reach it
  bool is_any() const { return is_any_; }            // all addresses of this machine
  int socket() const { return socket_; }

 private:
  int socket_ = -1;
  int port_ = 0;
  bool is_loopback_ = false;
  bool is_any_ = false;
};

// run() is for one thread, once; the rest may be called from any, at any time.
class HttpServer {
 public:
  using Observe = decltype(Service::observe);

  // Borrows router and gate.
  HttpServer(const Router& router, const Gate& gate, const HttpLimits& limits, Observe observe);
  // REQUIRES: run() has returned, or was not called.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Answers requests until stop(); at once when stop() came first. Returns when all connections have ended.
  void run(const Listener& listener) EXCLUDES_LOCK(mutex_);
  // New work is answered with 503 from now on; reading goes on.
  void drain() { draining_ = true; }
  bool is_draining() const { return draining_; }
  // Takes no connection and no request any more; those under way are answered.
  void stop();
  // Ends what is under way too.
  void abort() EXCLUDES_LOCK(mutex_);

  std::size_t connections() const EXCLUDES_LOCK(mutex_);

 private:
  struct Task;
  static void* serve(void* task);

  void accept_one(int listening) EXCLUDES_LOCK(mutex_);
  void finish(const Connection* connection) EXCLUDES_LOCK(mutex_);

  const HttpLimits limits_;
  std::atomic<bool> draining_{false}, stopping_{false};
  const Service service_;
  WakeUp wake_;
  mutable base::Mutex mutex_;
  base::CondVar ended_;
  std::set<const Connection*> open_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::server
