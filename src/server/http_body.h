// The body of a request, read within bounds of size and time.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/connection.h"
#include "server/http_head.h"

namespace greenroom::server {

// Who sends slower than this is cut off.
struct BodyPace {
  std::chrono::nanoseconds grace = std::chrono::seconds(20);  // before anything has to be there
  std::uint64_t bytes_per_second = 4U << 10;                  // from then on, on average
};

// Not thread-safe.
class BodyReader {
 public:
  // Throws HttpError(413) when the announced length exceeds `most_bytes`.
  BodyReader(Connection& connection, const Framing& framing, std::uint64_t most_bytes, const BodyPace& pace);

  // The next bytes, valid until the next call; empty at the end. Throws HttpError: 400 (malformed or cut
  // off), 408, 413.
  std::string_view next();
  // All that is left.
  std::string rest();

 private:
  Connection::TimePoint deadline() const;
  bool begin_chunk();  // false: that was the last

  Connection& connection_;
  const bool chunked_;
  const std::uint64_t most_bytes_;
  const BodyPace pace_;
  const Connection::TimePoint began_;
  std::uint64_t left_ = 0;  // of the body, or of the chunk
  std::uint64_t received_ = 0;
  bool first_chunk_ = true;
  bool ended_ = false;
  std::array<char, 16U << 10> block_{};
};

}  // namespace greenroom::server
