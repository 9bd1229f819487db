// The head of a request: from the bytes of a stranger to a Request, or to a refusal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/http_message.h"

namespace greenroom::server {

inline constexpr std::size_t kMaxHeadBytes = 32U << 10;
inline constexpr std::size_t kMaxTargetBytes = 8U << 10;
inline constexpr std::size_t kMaxHeaders = 100;

// `text`: all before the empty line. Throws HttpError: 400 (no HTTP, control characters, a path that does not
// decode), 414, 431, 505.
Request parse_head(std::string_view text);

// How the body is framed. RFC 9112, 6.3: two lengths, or a length and chunks, are a smuggler's.
struct Framing {
  bool chunked = false;
  std::uint64_t length = 0;  // 0 with `chunked`
};
// Throws HttpError: 400, 501 (a coding other than chunked).
Framing framing_of(const Request& request);

// "%2F" becomes "/". nullopt for a lone %, and for an encoded NUL.
std::optional<std::string> decode_percent(std::string_view text, bool plus_is_space);

// "bytes=0-99", "bytes=100-", "bytes=-5" of something of `size` bytes: first and last. nullopt for anything
// else, which then is answered whole; throws HttpError(416) for a part that is not there.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
std::optional<ByteRange> parse_range(std::string_view header, std::uint64_t size);

}  // namespace greenroom::server
