// One accepted connection: bytes in and out, each wait with an end.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace greenroom::server {

// An event that threads wait for together with their sockets. Thread-safe.
class WakeUp {
 public:
  WakeUp();
  ~WakeUp();
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;

  void ring();  // for good
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

// Used by one thread; only shut_down() and has_gone() may be called from others.
class Connection {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Owns the socket. `stop` ends wait_for_request(); it outlives the connection.
  Connection(int socket, const WakeUp& stop);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Waits for the first byte of a request. False: it did not come in time, the client closed, or the server
  // stops.
  bool wait_for_request(TimePoint deadline);

  // The head of a request without the empty line at its end. nullopt: the client closed. Throws HttpError:
  // 408 (not whole at the deadline), 431 (longer than kMaxHeadBytes).
  std::optional<std::string> read_head(TimePoint deadline);

  // At most `most` bytes, at least one. 0: the client closed. Throws HttpError(408).
  std::size_t read(char* to, std::size_t most, TimePoint deadline);
  // To the end of a line, which is left out. Throws HttpError: 408, 400 (closed, or longer than `most`).
  std::string read_line(std::size_t most, TimePoint deadline);

  // All of it; a send that makes no progress for so long fails. False: the client does not take it.
  bool write(std::string_view bytes, std::chrono::nanoseconds patience);
  // From an open file, the same way.
  bool write_file(int file, std::uint64_t first, std::uint64_t bytes, std::chrono::nanoseconds patience);

  // Has the client closed its end?
  bool has_gone() const;
  // Ends all reading and writing, here and there.
  void shut_down() const;
  // Tells the client that nothing more comes and takes in what it still sends, within bounds: a close with
  // unread bytes would take the answer from it.
  void linger(TimePoint deadline);

 private:
  bool fill(TimePoint deadline);  // false: closed
  // False: it was not ready in time. REQUIRES: no pending bytes, for reading.
  bool wait(short events, TimePoint deadline, bool or_stop, bool* stopped = nullptr) const;

  static constexpr std::size_t kBlockBytes = 16U << 10;

  const int socket_;
  const WakeUp& stop_;
  std::array<char, kBlockBytes> block_{};
  std::size_t begin_ = 0, end_ = 0;  // of what was received and not taken
};

}  // namespace greenroom::server
