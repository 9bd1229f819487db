// The page at "/": one file, nothing fetched from elsewhere.
#pragma once

namespace greenroom::server {

extern const char* const kPage;

}  // namespace greenroom::server
