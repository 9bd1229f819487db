// The page at "/": one file, nothing fetched from elsewhere.
#pragma once

namespace greenroom::server {

const char* page_html();

}  // namespace greenroom::server
