// The page: the files a browser loads, all within the program.
#pragma once

#include <span>
#include <string_view>

namespace greenroom::server {

struct Asset {
  std::string_view path;  // "/", "/assets/page.js"
  std::string_view content_type;
  std::string_view body;    // as it is
  std::string_view brotli;  // the same compressed; both may be empty
  std::string_view gzip;
  std::string_view etag;   // with its quotes
  bool immutable = false;  // its name changes with its content
};

std::span<const Asset> assets();

}  // namespace greenroom::server
