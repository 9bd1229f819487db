// Routes that answer with what they were asked, for the server's tests and its fuzzer.
#pragma once

#include "server/fields.h"
#include "server/router.h"

namespace greenroom::server {

// A part of the path, the query, and a JSON body whose fields are checked.
inline void add_plain_routes(Router& router) {
  router.add("GET", "/things/{id}",
             [](Request& request) { return Response::text(request.part("id"), "text/plain"); });
  router.add("GET", "/query", [](Request& request) {
    return Response::text(request.query.find("q").value_or("none"), "text/plain");
  });
  router.add("POST", "/things",
             [](Request& request) {
               const auto json = request.json();
               Fields fields(json);
               const auto name = fields.optional_text("name").value_or("nobody");
               fields.optional_integer("count", 1, 9);
               fields.finish();
               return Response::json({{"name", name}}, 201);
             },
             {.body = Body::kJson});
}

}  // namespace greenroom::server
