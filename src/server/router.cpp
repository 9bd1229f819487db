#include "server/router.h"

#include <algorithm>
#include <cassert>
#include <optional>

namespace greenroom::server {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  path.remove_prefix(1);
  for (;;) {
    const auto slash = path.find('/');
    parts.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

bool is_name(const std::string& part) {
  return part.size() > 2 && part.front() == '{' && part.back() == '}';
}

// How many parts are spelt out; nullopt when the path is another.
std::optional<int> fit(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  if (pattern.size() != segments.size()) return std::nullopt;
  int literal = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_name(pattern[i]) ? segments[i].empty() : pattern[i] != segments[i]) return std::nullopt;
    literal += is_name(pattern[i]) ? 0 : 1;
  }
  return literal;
}

}  // namespace

void Router::add(std::string method, std::string pattern, Handler handler, const RouteOptions& options) {
  assert(std::none_of(routes_.begin(), routes_.end(), [&](const Route& route) {
    return route.method == method && route.pattern == pattern;
  }));
  patterns_.push_back(split(pattern));
  routes_.push_back({std::move(method), std::move(pattern), std::move(handler), options});
}

void Router::set_error_form(std::string prefix, ErrorForm form) {
  forms_.emplace_back(std::move(prefix), form);
}

Router::Match Router::find(const std::string& method, const std::vector<std::string>& segments) const {
  const std::string& wanted = method == "HEAD" ? "GET" : method;
  Match match;
  int best = -1;
  std::size_t found = 0;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const auto literal = fit(patterns_[i], segments);
    if (!literal) continue;
    match.allowed.push_back(routes_[i].method);
    if (routes_[i].method != wanted || *literal <= best) continue;
    best = *literal;
    found = i;
    match.route = &routes_[i];
  }
  if (match.route == nullptr) return match;
  const auto& pattern = patterns_[found];
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_name(pattern[i])) match.parts.add(pattern[i].substr(1, pattern[i].size() - 2), segments[i]);
  }
  return match;
}

ErrorForm Router::error_form(std::string_view path) const {
  for (const auto& [prefix, form] : forms_) {
    if (path.starts_with(prefix)) return form;
  }
  return problem_json;
}

}  // namespace greenroom::server
