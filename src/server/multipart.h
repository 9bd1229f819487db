// Reads multipart/form-data (RFC 7578) piece by piece: fields stay in memory, files go to disk as they come.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/form.h"

namespace greenroom::server {

// The boundary named by a Content-Type of multipart/form-data. Throws HttpError(400) when there is none.
std::string boundary_of(std::string_view content_type);

// Not thread-safe.
class MultipartReader {
 public:
  static constexpr std::size_t kMaxParts = 64;
  static constexpr std::size_t kMaxFieldBytes = 1U << 20;  // of all fields together

  explicit MultipartReader(const std::string& boundary);

  // The next bytes of the body. Throws HttpError (400, 413), and base::Error(kUnavailable) for a full disk.
  void feed(std::string_view bytes);
  // What was read. Throws HttpError(400) when the body is not complete. Once.
  Form finish();

 private:
  enum class State { kPreamble, kBoundaryEnd, kHeaders, kContent, kEpilogue };

  bool step();  // false: more bytes are needed
  bool skip_to_boundary();
  bool end_boundary();
  bool read_headers();
  bool read_content();
  void begin_part(std::string_view headers);
  void take(std::string_view content);

  const std::string delimiter_;  // CR LF, two dashes, the boundary
  State state_ = State::kPreamble;
  std::string buffer_;
  Form form_;
  std::size_t parts_ = 0;
  std::size_t field_bytes_ = 0;
  bool in_file_ = false;
};

}  // namespace greenroom::server
