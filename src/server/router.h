// Which function answers which path. Each file routes_*.cpp adds its own; labels of metrics and the list of
// what is served come from here.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http_message.h"
#include "server/problem.h"

namespace greenroom::server {

// What it throws becomes the answer, in the form of the route's errors. May block.
using Handler = std::function<Response(Request&)>;

// What body a route takes; of another type is a 415. No body at all is an empty one.
enum class Body { kNone, kJson, kForm, kJsonOrForm };

struct RouteOptions {
  Body body = Body::kNone;
  ErrorForm errors = problem_json;
  bool needs_key = true;        // when there is one
  bool while_draining = false;  // answered though the server takes no new work; reading always is
};

struct Route {
  std::string method;   // "GET" answers HEAD too
  std::string pattern;  // "/api/v1/models/{id}/load": a name in braces stands for one part of the path
  Handler handler;
  RouteOptions options;
};

// Filled before the server runs, constant from then on.
class Router {
 public:
  // A part that is spelt out goes before one in braces. REQUIRES: not there yet.
  void add(std::string method, std::string pattern, Handler handler, const RouteOptions& options = {});
  // How errors are worded where no route says so: for paths that begin so.
  void set_error_form(std::string prefix, ErrorForm form);

  struct Match {
    const Route* route = nullptr;
    Parameters parts;
    std::vector<std::string> allowed;  // methods of that path, when only the method is wrong
  };
  Match find(const std::string& method, const std::vector<std::string>& segments) const;
  ErrorForm error_form(std::string_view path) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
  std::vector<std::vector<std::string>> patterns_;  // of the routes, in parts
  std::vector<std::pair<std::string, ErrorForm>> forms_;
};

}  // namespace greenroom::server
