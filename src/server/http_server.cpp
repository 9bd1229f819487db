#include "server/http_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace greenroom::server {
namespace {

using base::Error;
using base::ErrorCode;

// Of a connection's thread. Only what is touched costs memory; inference runs in it too.
constexpr std::size_t kStackBytes = 4U << 20;
// Connections beyond the limit that are still told so.
constexpr std::size_t kRefusedAtOnce = 32;
constexpr int kRetryMilliseconds = 100;

[[noreturn]] void fail_to_bind(const std::string& host, int port, int error) {
  throw Error(
      ErrorCode::kUnavailable,
      fmt::format("cannot listen on {}:{}: {}; is another program using the port? Choose one with --port",
                  host, port, std::strerror(error)));
}

struct Addresses {
  Addresses(const std::string& host, int port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &first);
    if (failed != 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("cannot listen on {}: {}; name an address of this machine with --host", host,
                              ::gai_strerror(failed)));
    }
  }
  ~Addresses() {
    if (first != nullptr) ::freeaddrinfo(first);
  }
  Addresses(const Addresses&) = delete;
  Addresses& operator=(const Addresses&) = delete;

  addrinfo* first = nullptr;
};

// Not SO_REUSEPORT: that would share the port with whoever else listens on it.
int listen_on(const addrinfo& address) {
  const int socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return -1;
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (::bind(socket, address.ai_addr, address.ai_addrlen) == 0 && ::listen(socket, SOMAXCONN) == 0)
    return socket;
  const int error = errno;
  ::close(socket);
  errno = error;
  return -1;
}

}  // namespace

Listener::Listener(const std::string& host, int port) {
  const Addresses addresses(host, port);
  int error = 0;
  for (const auto* one = addresses.first; one != nullptr && socket_ < 0; one = one->ai_next) {
    socket_ = listen_on(*one);
    error = errno;
  }
  if (socket_ < 0) fail_to_bind(host, port, error);
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  ::getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &size);
  if (bound.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(bound);
    port_ = ntohs(v6.sin6_port);
    is_loopback_ = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
    is_any_ = IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr) != 0;
  } else {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(bound);
    port_ = ntohs(v4.sin_port);
    constexpr unsigned kLoopbackNet = 127;
    const auto number = ntohl(v4.sin_addr.s_addr);
    is_loopback_ = number >> 24U == kLoopbackNet;
    is_any_ = number == INADDR_ANY;
  }
}

Listener::Listener(Listener&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      port_(other.port_),
      is_loopback_(other.is_loopback_),
      is_any_(other.is_any_) {}

Listener::~Listener() {
  if (socket_ >= 0) ::close(socket_);
}

struct HttpServer::Task {
  HttpServer& server;
  Connection connection;
  bool too_many;
};

HttpServer::HttpServer(const Router& router, const Gate& gate, const HttpLimits& limits, Observe observe)
    : limits_(limits), service_{router, gate, limits_, draining_, stopping_, std::move(observe)} {}

HttpServer::~HttpServer() = default;

void HttpServer::run(const Listener& listener) {
  while (!stopping_) {
    pollfd waited[2] = {{listener.socket(), POLLIN, 0}, {wake_.descriptor(), POLLIN, 0}};
    if (::poll(waited, 2, -1) < 0 && errno != EINTR) break;
    if (!stopping_ && (waited[0].revents & POLLIN) != 0) accept_one(listener.socket());
  }
  base::MutexLock lock(mutex_);
  while (!open_.empty()) ended_.wait(mutex_);
}

void HttpServer::accept_one(int listening) {
  const int socket = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      base::log(base::LogLevel::kWarning, "server",
                fmt::format("a connection cannot be taken: {}", std::strerror(errno)));
      pollfd waited{wake_.descriptor(), POLLIN, 0};
      ::poll(&waited, 1, kRetryMilliseconds);
    }
    return;
  }
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  auto task = std::unique_ptr<Task>(new Task{*this, {socket, wake_}, false});
  {
    base::MutexLock lock(mutex_);
    if (open_.size() >= limits_.max_connections + kRefusedAtOnce) return;
    task->too_many = open_.size() >= limits_.max_connections;
    open_.insert(&task->connection);
  }
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t ignored{};
  const int failed = ::pthread_create(&ignored, &attributes, &HttpServer::serve, task.get());
  ::pthread_attr_destroy(&attributes);
  if (failed == 0) {
    static_cast<void>(task.release());  // the thread's now
    return;
  }
  base::log(base::LogLevel::kWarning, "server",
            fmt::format("a connection gets no thread: {}", std::strerror(failed)));
  finish(&task->connection);
}

void* HttpServer::serve(void* argument) {
  const std::unique_ptr<Task> task(static_cast<Task*>(argument));
  HttpServer& server = task->server;
  try {
    HttpSession session(task->connection, server.service_);
    if (task->too_many) {
      session.refuse();
    } else {
      session.run();
    }
  } catch (const std::exception& error) {  // no memory even for an error's answer
    base::log(base::LogLevel::kError, "server", fmt::format("a connection ends: {}", error.what()));
  }
  server.finish(&task->connection);
  return nullptr;
}

// After it the server may be gone.
void HttpServer::finish(const Connection* connection) {
  base::MutexLock lock(mutex_);
  open_.erase(connection);
  ended_.notify_all();
}

void HttpServer::stop() {
  draining_ = true;
  stopping_ = true;
  wake_.ring();
}

void HttpServer::abort() {
  stop();
  base::MutexLock lock(mutex_);
  for (const auto* connection : open_) connection->shut_down();
}

std::size_t HttpServer::connections() const {
  base::MutexLock lock(mutex_);
  return open_.size();
}

}  // namespace greenroom::server
