#include "server/connection.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "server/http_head.h"
#include "server/problem.h"

namespace greenroom::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kBadRequest = 400;
constexpr int kTimeout = 408;
constexpr int kHeadersTooLarge = 431;

int milliseconds_until(Connection::TimePoint deadline) {
  constexpr milliseconds::rep kMost = 3'600'000;
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
  return static_cast<int>(std::clamp<milliseconds::rep>(left, 0, kMost));
}

[[noreturn]] void too_slow() {
  throw HttpError(kTimeout, "deadline_exceeded", "the request did not arrive in time");
}

}  // namespace

WakeUp::WakeUp() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0) {
    throw base::Error(base::ErrorCode::kUnavailable,
                      std::string("no descriptor is left to wait with: ") + std::strerror(errno));
  }
}

WakeUp::~WakeUp() {
  ::close(descriptor_);
}

void WakeUp::ring() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(descriptor_, &one, sizeof(one));  // full: it rings already
}

Connection::Connection(int socket, const WakeUp& stop) : socket_(socket), stop_(stop) {}

Connection::~Connection() {
  ::close(socket_);
}

bool Connection::wait(short events, TimePoint deadline, bool or_stop, bool* stopped) const {
  pollfd waited[2] = {{socket_, events, 0}, {stop_.descriptor(), POLLIN, 0}};
  for (;;) {
    const int left = milliseconds_until(deadline);
    const int ready = ::poll(waited, or_stop ? 2 : 1, left);
    if (ready < 0 && errno == EINTR) continue;
    if (or_stop && (waited[1].revents & POLLIN) != 0) {
      if (stopped != nullptr) *stopped = true;
      if (waited[0].revents == 0) return false;
    }
    if (ready > 0) return true;
    if (ready < 0 || steady_clock::now() >= deadline) return false;
  }
}

bool Connection::fill(TimePoint deadline) {
  begin_ = end_ = 0;
  for (;;) {
    const auto count = ::recv(socket_, block_.data(), block_.size(), MSG_DONTWAIT);
    if (count > 0) {
      end_ = static_cast<std::size_t>(count);
      return true;
    }
    if (count == 0) return false;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
    if (!wait(POLLIN, deadline, false)) too_slow();
  }
}

bool Connection::wait_for_request(TimePoint deadline) {
  if (begin_ < end_) return true;
  return wait(POLLIN, deadline, true) && fill(deadline);
}

std::optional<std::string> Connection::read_head(TimePoint deadline) {
  std::string head;
  // Empty lines before a request are to be ignored (RFC 9112, 2.2).
  bool begun = false;
  for (;;) {
    if (begin_ == end_ && !fill(deadline)) return std::nullopt;
    while (begin_ < end_) {
      const char c = block_[begin_++];
      if (!begun && (c == '\r' || c == '\n')) continue;
      begun = true;
      head += c;
      if (head.size() > kMaxHeadBytes) {
        throw HttpError(kHeadersTooLarge, "invalid_argument",
                        "the head of the request is longer than " + std::to_string(kMaxHeadBytes) + " bytes");
      }
      if (c != '\n') continue;
      const std::string_view view = head;
      if (view.ends_with("\n\r\n")) return head.substr(0, head.size() - 2);
      if (view.ends_with("\n\n")) return head.substr(0, head.size() - 1);
    }
    if (steady_clock::now() >= deadline) too_slow();
  }
}

std::size_t Connection::read(char* to, std::size_t most, TimePoint deadline) {
  if (begin_ == end_ && !fill(deadline)) return 0;
  if (steady_clock::now() >= deadline) too_slow();
  const auto count = std::min(most, end_ - begin_);
  std::memcpy(to, block_.data() + begin_, count);
  begin_ += count;
  return count;
}

std::string Connection::read_line(std::size_t most, TimePoint deadline) {
  std::string line;
  for (;;) {
    char c = 0;
    if (read(&c, 1, deadline) == 0)
      throw HttpError(kBadRequest, "invalid_argument", "the body ends too early");
    if (c == '\n') break;
    if (line.size() > most)
      throw HttpError(kBadRequest, "invalid_argument", "a line of the body is too long");
    line += c;
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

bool Connection::write(std::string_view bytes, std::chrono::nanoseconds patience) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait(POLLOUT, steady_clock::now() + patience, false)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool Connection::write_file(int file, std::uint64_t first, std::uint64_t bytes,
                            std::chrono::nanoseconds patience) {
  constexpr std::size_t kBlock = 64U << 10;
  std::string block(kBlock, 0);
  while (bytes > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, kBlock));
    const auto count = ::pread(file, block.data(), wanted, static_cast<off_t>(first));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;  // shorter than it was
    if (!write(std::string_view(block.data(), static_cast<std::size_t>(count)), patience)) return false;
    first += static_cast<std::uint64_t>(count);
    bytes -= static_cast<std::uint64_t>(count);
  }
  return true;
}

bool Connection::has_gone() const {
  pollfd waited{socket_, POLLRDHUP, 0};
  return ::poll(&waited, 1, 0) > 0 && (waited.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void Connection::shut_down() const {
  ::shutdown(socket_, SHUT_RDWR);
}

void Connection::linger(TimePoint deadline) {
  ::shutdown(socket_, SHUT_WR);
  constexpr int kMostBlocks = 64;
  try {
    for (int i = 0; i < kMostBlocks && wait(POLLIN, deadline, true) && fill(deadline); ++i) {
    }
  } catch (const HttpError&) {  // it had its time
  }
}

}  // namespace greenroom::server
