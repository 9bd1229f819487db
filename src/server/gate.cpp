#include "server/gate.h"

#include <arpa/inet.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>

#include "server/problem.h"

namespace greenroom::server {
namespace {

constexpr int kBadRequest = 400;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr std::size_t kMostShown = 100;

bool is_address(const std::string& host) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

bool changes_something(const std::string& method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

}  // namespace

std::string host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    return end == std::string_view::npos ? "" : lower(authority.substr(1, end - 1));
  }
  auto host = authority.substr(0, authority.find(':'));
  if (host.ends_with('.')) host.remove_suffix(1);
  return lower(host);
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? static_cast<char>(0) : b[i % b.size()];
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(other);
  }
  return difference == 0;
}

void Gate::set_address(std::string host, bool any) {
  bound_host_ = std::move(host);
  any_address_ = any;
}

void Gate::check(const Request& request, const Route* route) const {
  check_host(request);
  if (changes_something(request.method)) check_origin(request);
  const bool needs_key = route == nullptr || route->options.needs_key;
  if (needs_key && !options_.api_key.empty()) check_key(request);
}

void Gate::check_host(const Request& request) const {
  if (request.headers.count("Host") != 1) {
    if (request.headers.count("Host") == 0 && !request.is_http_1_1) return;  // no browser sends that
    throw HttpError(kBadRequest, "invalid_argument", "the request must have one Host header");
  }
  const std::string host = host_of(*request.headers.find("Host"));
  const auto is_it = [&](const std::string& name) { return host == lower(name); };
  if (host == "localhost" || host == "127.0.0.1" || host == "::1" || is_it(bound_host_)) return;
  if (std::any_of(options_.allowed_hosts.begin(), options_.allowed_hosts.end(), is_it)) return;
  if (any_address_ && is_address(host)) return;
  throw HttpError(
      kForbidden, "forbidden",
      fmt::format("this server does not answer to the name \"{}\"; if it should, start it with "
                  "--allowed-host {}",
                  host.substr(0, kMostShown), host.empty() ? "NAME" : host.substr(0, kMostShown)));
}

void Gate::check_origin(const Request& request) const {
  const auto site = request.headers.find("Sec-Fetch-Site");
  const bool other_site = site && *site != "same-origin" && *site != "none";
  const auto origin = request.headers.find("Origin");
  bool other_origin = false;
  if (origin) {
    const auto scheme = origin->find("://");
    const auto authority = scheme == std::string::npos ? std::string() : origin->substr(scheme + 3);
    other_origin = !equal_ignoring_case(authority, request.headers.find("Host").value_or(""));
  }
  if (!other_site && !other_origin) return;
  throw HttpError(
      kForbidden, "forbidden",
      fmt::format("the request comes from a page of another site ({}); only this server's own page "
                  "and programs that are no browsers may change something",
                  origin.value_or(*site).substr(0, kMostShown)));
}

void Gate::check_key(const Request& request) const {
  constexpr std::string_view kScheme = "Bearer ";
  const auto header = request.headers.find("Authorization");
  const bool has_scheme =
      header && equal_ignoring_case(std::string_view(*header).substr(0, kScheme.size()), kScheme);
  if (has_scheme &&
      equal_in_constant_time(options_.api_key, std::string_view(*header).substr(kScheme.size()))) {
    return;
  }
  throw HttpError(kUnauthorized, "unauthorized",
                  has_scheme
                      ? "the API key is not the one this server was started with"
                      : "this server asks for its API key: send the header \"Authorization: Bearer KEY\"");
}

}  // namespace greenroom::server
