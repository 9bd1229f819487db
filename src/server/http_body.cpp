#include "server/http_body.h"

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "server/problem.h"

namespace greenroom::server {
namespace {

constexpr int kBadRequest = 400;
constexpr int kTooLarge = 413;
constexpr std::size_t kMaxChunkLine = 256;
constexpr int kMaxTrailers = 16;

[[noreturn]] void malformed(const char* what) {
  throw HttpError(kBadRequest, "invalid_argument", what);
}

[[noreturn]] void too_large(std::uint64_t most) {
  throw HttpError(kTooLarge, "payload_too_large",
                  "the body of the request is larger than " + base::format_bytes(most));
}

}  // namespace

BodyReader::BodyReader(Connection& connection, const Framing& framing, std::uint64_t most_bytes,
                       const BodyPace& pace)
    : connection_(connection),
      chunked_(framing.chunked),
      most_bytes_(most_bytes),
      pace_(pace),
      began_(std::chrono::steady_clock::now()),
      left_(framing.length),
      ended_(!framing.chunked && framing.length == 0) {
  if (framing.length > most_bytes) too_large(most_bytes);
}

Connection::TimePoint BodyReader::deadline() const {
  return began_ + pace_.grace +
         std::chrono::seconds(received_ / std::max<std::uint64_t>(1, pace_.bytes_per_second));
}

bool BodyReader::begin_chunk() {
  if (!first_chunk_ && !connection_.read_line(0, deadline()).empty())
    malformed("a chunk of the body does not end");
  first_chunk_ = false;
  const std::string line = connection_.read_line(kMaxChunkLine, deadline());
  const auto digits = std::string_view(line).substr(0, line.find_first_of("; \t"));
  constexpr int kHex = 16;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), left_, kHex);
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    malformed("the size of a chunk of the body is no number");
  }
  if (left_ > most_bytes_ - received_) too_large(most_bytes_);
  if (left_ > 0) return true;
  for (int i = 0; !connection_.read_line(kMaxHeadBytes, deadline()).empty(); ++i) {
    if (i == kMaxTrailers) malformed("the body has too many trailers");
  }
  return false;
}

std::string_view BodyReader::next() {
  if (ended_) return {};
  if (chunked_ && left_ == 0 && !begin_chunk()) {
    ended_ = true;
    return {};
  }
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(left_, block_.size()));
  const auto count = connection_.read(block_.data(), most, deadline());
  if (count == 0) malformed("the body ends too early");
  left_ -= count;
  received_ += count;
  if (!chunked_ && left_ == 0) ended_ = true;
  return {block_.data(), count};
}

std::string BodyReader::rest() {
  std::string result;
  for (auto part = next(); !part.empty(); part = next()) result += part;
  return result;
}

}  // namespace greenroom::server
