#include "server/http_head.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "server/problem.h"

namespace greenroom::server {
namespace {

constexpr int kBadRequest = 400;
constexpr int kTargetTooLong = 414;
constexpr int kRangeNotThere = 416;
constexpr int kHeadersTooLarge = 431;
constexpr int kNotImplemented = 501;
constexpr int kVersionNotSupported = 505;

[[noreturn]] void malformed(const std::string& what) {
  throw HttpError(kBadRequest, "invalid_argument", "not a request of HTTP: " + what);
}

// RFC 9110, 5.6.2: what methods and header names are made of.
bool is_token(std::string_view text) {
  constexpr std::string_view kSigns = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return std::isalnum(c) != 0 || kSigns.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return (c >= ' ' && c != 0x7f) || c == '\t'; });
}

// Takes the next line, whose end is CR LF or LF.
std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  auto line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

void parse_query(std::string_view text, Parameters& query) {
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const auto name = decode_percent(pair.substr(0, equals), true);
    const auto value =
        decode_percent(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) malformed("the query does not decode");
    query.add(*name, *value);
  }
}

void parse_target(std::string_view target, Request& request) {
  // A proxy's form, "http://host/path": the path counts, and the Host header.
  if (const auto scheme = target.find("://"); scheme != std::string_view::npos && target.front() != '/') {
    const auto slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  if (target.empty() || target.front() != '/') malformed("its target is no path");
  const auto mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string_view::npos) parse_query(target.substr(mark + 1), request.query);
  std::string_view rest = std::string_view(request.path).substr(1);
  for (;;) {
    const auto slash = rest.find('/');
    auto segment = decode_percent(rest.substr(0, slash), false);
    if (!segment) malformed("its path does not decode");
    request.segments.push_back(*std::move(segment));
    if (slash == std::string_view::npos) break;
    rest = rest.substr(slash + 1);
  }
}

void parse_request_line(std::string_view line, Request& request) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) malformed("its first line has no three words");
  const auto method = line.substr(0, first);
  const auto target = line.substr(first + 1, last - first - 1);
  const auto version = line.substr(last + 1);
  if (!is_token(method) || target.find(' ') != std::string_view::npos) malformed("its first line");
  if (!version.starts_with("HTTP/")) malformed("its first line");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    throw HttpError(kVersionNotSupported, "invalid_argument", "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  if (target.size() > kMaxTargetBytes) {
    throw HttpError(kTargetTooLong, "invalid_argument",
                    fmt::format("the path and query are longer than {} bytes", kMaxTargetBytes));
  }
  request.method = method;
  request.is_http_1_1 = version == "HTTP/1.1";
  parse_target(target, request);
}

void parse_header(std::string_view line, Request& request) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) malformed("a header has no name");
  const auto value = trim(line.substr(colon + 1));
  if (!is_text(value)) malformed("a header has control characters");
  if (request.headers.size() >= kMaxHeaders) {
    throw HttpError(kHeadersTooLarge, "invalid_argument",
                    fmt::format("the request has more than {} headers", kMaxHeaders));
  }
  request.headers.add(std::string(line.substr(0, colon)), std::string(value));
}

}  // namespace

std::optional<std::string> decode_percent(std::string_view text, bool plus_is_space) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      result += ' ';
    } else if (text[i] != '%') {
      result += text[i];
    } else {
      unsigned value = 0;
      constexpr int kHex = 16;
      if (i + 2 >= text.size()) return std::nullopt;
      const char* begin = text.data() + i + 1;
      const auto parsed = std::from_chars(begin, begin + 2, value, kHex);
      if (parsed.ptr != begin + 2 || value == 0) return std::nullopt;
      result += static_cast<char>(value);
      i += 2;
    }
  }
  return result;
}

Request parse_head(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) malformed("it has a NUL");
  Request request;
  const auto line = take_line(text);
  if (!is_text(line)) malformed("its first line has control characters");
  parse_request_line(line, request);
  while (!text.empty()) parse_header(take_line(text), request);
  request.keeps_alive = request.is_http_1_1 ? !request.headers.has_token("Connection", "close")
                                            : request.headers.has_token("Connection", "keep-alive");
  return request;
}

Framing framing_of(const Request& request) {
  const auto coding = request.headers.find("Transfer-Encoding");
  const auto lengths = request.headers.count("Content-Length");
  if (coding) {
    if (lengths > 0 || request.headers.count("Transfer-Encoding") > 1) {
      malformed("its body has several lengths");
    }
    if (!equal_ignoring_case(*coding, "chunked")) {
      throw HttpError(kNotImplemented, "unimplemented",
                      "the transfer coding is not chunked; no other is understood here");
    }
    if (!request.is_http_1_1) malformed("chunks in HTTP/1.0");
    return {true, 0};
  }
  if (lengths == 0) return {};
  if (lengths > 1) malformed("its body has several lengths");
  const std::string text = *request.headers.find("Content-Length");
  Framing framing;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, framing.length);
  if (parsed.ec != std::errc() || parsed.ptr != end) malformed("its Content-Length is no number");
  return framing;
}

std::optional<ByteRange> parse_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return std::nullopt;
  header.remove_prefix(kUnit.size());
  const auto dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view text) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
    return value;
  };
  const auto first = number(header.substr(0, dash));
  const auto last = number(header.substr(dash + 1));
  const bool from_end = dash == 0;
  if ((!first && !from_end) || (!last && (from_end || dash + 1 < header.size()))) return std::nullopt;
  if (first && last && *last < *first) return std::nullopt;
  if (size == 0 || (first && *first >= size) || (from_end && *last == 0)) {
    throw HttpError(kRangeNotThere, "invalid_argument",
                    fmt::format("there is no such part: it has {} bytes in all", size));
  }
  if (from_end) return ByteRange{size - std::min(size, *last), size - 1};
  return ByteRange{*first, std::min(last.value_or(size - 1), size - 1)};
}

}  // namespace greenroom::server
