#include "server/multipart.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "server/http_head.h"
#include "server/http_message.h"
#include "server/problem.h"

namespace greenroom::server {
namespace {

constexpr int kBadRequest = 400;
constexpr int kTooLarge = 413;
constexpr std::size_t kMaxPartHeaders = 8U << 10;
constexpr std::size_t kMaxBoundary = 70;
constexpr std::string_view kEnd = "\r\n";

[[noreturn]] void malformed(const std::string& what) {
  throw HttpError(kBadRequest, "invalid_argument", "the form is not multipart/form-data: " + what);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// What follows the first word of `form-data; name="a"; filename="b;c.wav"`.
std::vector<std::pair<std::string, std::string>> parameters_of(std::string_view header) {
  std::vector<std::pair<std::string, std::string>> result;
  auto at = header.find(';');
  while (at != std::string_view::npos) {
    header.remove_prefix(at + 1);
    const auto equals = header.find('=');
    if (equals == std::string_view::npos) break;
    std::string name(trim(header.substr(0, equals)));
    header.remove_prefix(equals + 1);
    std::string value;
    if (!header.empty() && header.front() == '"') {
      std::size_t i = 1;
      for (; i < header.size() && header[i] != '"'; ++i) {
        if (header[i] == '\\' && i + 1 < header.size()) ++i;
        value += header[i];
      }
      header.remove_prefix(std::min(i, header.size()));
    } else {
      value = trim(header.substr(0, header.find(';')));
    }
    result.emplace_back(std::move(name), std::move(value));
    at = header.find(';');
  }
  return result;
}

// RFC 8187: UTF-8''na%C3%AFve.wav
std::optional<std::string> decode_extended(std::string_view value) {
  const auto quote = value.find("''");
  if (quote == std::string_view::npos || !equal_ignoring_case(value.substr(0, quote), "utf-8"))
    return std::nullopt;
  return decode_percent(value.substr(quote + 2), false);
}

struct PartHead {
  std::optional<std::string> name, file_name;
  std::string content_type = "application/octet-stream";
};

PartHead parse_part(std::string_view text) {
  PartHead head;
  while (!text.empty()) {
    const auto end = text.find(kEnd);
    const auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + kEnd.size());
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) malformed("a header of a part has no name");
    const auto name = line.substr(0, colon);
    const auto value = trim(line.substr(colon + 1));
    if (equal_ignoring_case(name, "Content-Type")) head.content_type = value;
    if (!equal_ignoring_case(name, "Content-Disposition")) continue;
    for (const auto& [key, content] : parameters_of(value)) {
      if (equal_ignoring_case(key, "name")) head.name = content;
      if (equal_ignoring_case(key, "filename") && !head.file_name) head.file_name = content;
      if (equal_ignoring_case(key, "filename*")) {
        if (auto decoded = decode_extended(content)) head.file_name = std::move(decoded);
      }
    }
  }
  return head;
}

}  // namespace

std::string boundary_of(std::string_view content_type) {
  for (const auto& [name, value] : parameters_of(content_type)) {
    if (equal_ignoring_case(name, "boundary") && !value.empty() && value.size() <= kMaxBoundary) return value;
  }
  malformed("its Content-Type names no boundary");
}

MultipartReader::MultipartReader(const std::string& boundary)
    : delimiter_("\r\n--" + boundary), buffer_(kEnd) {}  // as if a line ended before the first boundary

void MultipartReader::feed(std::string_view bytes) {
  if (state_ == State::kEpilogue) return;
  buffer_ += bytes;
  while (step()) {
  }
}

bool MultipartReader::step() {
  switch (state_) {
    case State::kPreamble:
      return skip_to_boundary();
    case State::kBoundaryEnd:
      return end_boundary();
    case State::kHeaders:
      return read_headers();
    case State::kContent:
      return read_content();
    case State::kEpilogue:
      buffer_.clear();
      return false;
  }
  return false;
}

bool MultipartReader::skip_to_boundary() {
  const auto at = buffer_.find(delimiter_);
  if (at == std::string::npos) {
    if (buffer_.size() >= delimiter_.size()) buffer_.erase(0, buffer_.size() - delimiter_.size() + 1);
    return false;
  }
  buffer_.erase(0, at + delimiter_.size());
  state_ = State::kBoundaryEnd;
  return true;
}

bool MultipartReader::end_boundary() {
  const auto blank = buffer_.find_first_not_of(" \t");
  if (blank == std::string::npos || buffer_.size() < blank + 2) {
    if (buffer_.size() > kMaxPartHeaders) malformed("a boundary does not end");
    return false;
  }
  const std::string_view next = std::string_view(buffer_).substr(blank, 2);
  if (next != "--" && next != kEnd) malformed("a boundary is followed by something else");
  state_ = next == "--" ? State::kEpilogue : State::kHeaders;
  buffer_.erase(0, blank + 2);
  return true;
}

bool MultipartReader::read_headers() {
  constexpr std::string_view kBlank = "\r\n\r\n";
  const auto end = buffer_.find(kBlank);
  if (end > kMaxPartHeaders) {  // also when there is none
    if (buffer_.size() > kMaxPartHeaders) malformed("the headers of a part are too long");
    return false;
  }
  begin_part(std::string_view(buffer_).substr(0, end));
  buffer_.erase(0, end + kBlank.size());
  state_ = State::kContent;
  return true;
}

void MultipartReader::begin_part(std::string_view headers) {
  const PartHead head = parse_part(headers);
  if (!head.name || head.name->empty()) malformed("a part has no name");
  if (++parts_ > kMaxParts) {
    throw HttpError(kTooLarge, "payload_too_large",
                    fmt::format("the form has more than {} parts", kMaxParts));
  }
  in_file_ = head.file_name.has_value();
  if (in_file_) {
    form_.files.push_back({*head.name, *head.file_name, head.content_type, 0, TempFile()});
  } else {
    form_.fields.emplace_back(*head.name, "");
  }
}

bool MultipartReader::read_content() {
  const auto at = buffer_.find(delimiter_);
  if (at == std::string::npos) {
    // The delimiter may have begun in the last bytes.
    if (buffer_.size() < delimiter_.size()) return false;
    const auto sure = buffer_.size() - delimiter_.size() + 1;
    take(std::string_view(buffer_).substr(0, sure));
    buffer_.erase(0, sure);
    return false;
  }
  take(std::string_view(buffer_).substr(0, at));
  if (in_file_) form_.files.back().file.close();
  buffer_.erase(0, at + delimiter_.size());
  state_ = State::kBoundaryEnd;
  return true;
}

void MultipartReader::take(std::string_view content) {
  if (in_file_) {
    form_.files.back().file.append(content);
    form_.files.back().bytes += content.size();
    return;
  }
  field_bytes_ += content.size();
  if (field_bytes_ > kMaxFieldBytes) {
    throw HttpError(kTooLarge, "payload_too_large",
                    fmt::format("the fields of the form have more than {} bytes", kMaxFieldBytes));
  }
  form_.fields.back().second += content;
}

Form MultipartReader::finish() {
  if (state_ != State::kEpilogue) malformed("it ends before its last boundary");
  return std::move(form_);
}

}  // namespace greenroom::server
