// The page at / and what it loads.
#include <algorithm>

#include "server/assets.h"
#include "server/context.h"

namespace greenroom::server {
namespace {

constexpr int kNotModified = 304;
// Nothing from elsewhere, nothing inline.
constexpr const char* kPolicy =
    "default-src 'self'; connect-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

Response answer(const Asset& asset, const Request& request) {
  Response response;
  response.headers.set("Content-Type", std::string(asset.content_type));
  response.headers.set("Content-Security-Policy", kPolicy);
  response.headers.set("Cache-Control", asset.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  response.headers.set("Vary", "Accept-Encoding");
  if (!asset.etag.empty()) {
    response.headers.set("ETag", std::string(asset.etag));
    if (request.headers.has_token("If-None-Match", asset.etag)) {
      response.status = kNotModified;
      return response;
    }
  }
  const auto accepts = [&](std::string_view coding) {
    return request.headers.has_token("Accept-Encoding", coding);
  };
  if (!asset.brotli.empty() && accepts("br")) {
    response.headers.set("Content-Encoding", "br");
    response.body = asset.brotli;
  } else if (!asset.gzip.empty() && accepts("gzip")) {
    response.headers.set("Content-Encoding", "gzip");
    response.body = asset.gzip;
  } else {
    response.body = asset.body;
  }
  return response;
}

}  // namespace

void add_page_routes(Router& router) {
  for (const Asset& asset : assets()) {
    router.add("GET", std::string(asset.path), [&asset](Request& request) { return answer(asset, request); },
               {.needs_key = false});
  }
}

}  // namespace greenroom::server
