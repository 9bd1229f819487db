#include "server/http_session.h"

#include <fcntl.h>
#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <exception>

#include "base/log.h"
#include "server/multipart.h"
#include "server/problem.h"

namespace greenroom::server {
namespace {

using std::chrono::steady_clock;

constexpr int kNoContent = 204;
constexpr int kPartial = 206;
constexpr int kNotModified = 304;
constexpr int kNotFound = 404;
constexpr int kNotAllowed = 405;
constexpr int kUnsupported = 415;
constexpr int kExpectation = 417;

// What every answer says to a browser.
constexpr std::string_view kSafety =
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

bool has_type(const Request& request, std::string_view type) {
  const std::string given = request.headers.find("Content-Type").value_or("");
  auto name = std::string_view(given).substr(0, given.find(';'));
  while (name.ends_with(' ')) name.remove_suffix(1);
  return equal_ignoring_case(name, type);
}

bool takes_json(Body body) {
  return body == Body::kJson || body == Body::kJsonOrForm;
}

bool takes_form(Body body) {
  return body == Body::kForm || body == Body::kJsonOrForm;
}

[[noreturn]] void refuse_type(const Route& route, const Request& request) {
  std::string takes = "no body";
  if (takes_json(route.options.body)) takes = "application/json";
  if (takes_form(route.options.body)) {
    takes =
        takes_json(route.options.body) ? "application/json or multipart/form-data" : "multipart/form-data";
  }
  throw HttpError(kUnsupported, "unsupported_media_type",
                  fmt::format("{} {} takes {}; the request's Content-Type is \"{}\"", route.method,
                              route.pattern, takes, request.headers.find("Content-Type").value_or("")));
}

[[noreturn]] void refuse_path(const Request& request, const Router::Match& match) {
  if (match.allowed.empty()) {
    throw HttpError(kNotFound, "not_found", fmt::format("there is nothing at {}", request.path));
  }
  throw HttpError(kNotAllowed, "method_not_allowed",
                  fmt::format("{} is not answered at {}; {} is", request.method, request.path,
                              fmt::join(match.allowed, " and ")));
}

// A header's value must not begin another header.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return text;
}

class OpenFile {
 public:
  explicit OpenFile(const std::filesystem::path& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat status {};
    if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
      throw base::Error(base::ErrorCode::kNotFound, "the file to be sent is not there any more");
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const { return descriptor_; }
  std::uint64_t size() const { return size_; }

 private:
  int descriptor_;
  std::uint64_t size_ = 0;
};

}  // namespace

// Chunks, the head before the first of them.
class HttpSession::Writer final : public BodyWriter {
 public:
  Writer(HttpSession& session, const Exchange& exchange, const Response& response, bool keep)
      : session_(session), exchange_(exchange), response_(response), keep_(keep) {}

  bool write(std::string_view bytes) override {
    if (bytes.empty()) return is_open();
    if (!is_open()) return false;
    const bool chunked = exchange_.request.is_http_1_1;
    const std::string block =
        chunked ? fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes) : std::string(bytes);
    if (begun_) {
      open_ = session_.connection_.write(block, session_.service_.limits.write);
    } else {
      begun_ = true;
      open_ = session_.send_head(exchange_, response_, keep_, block);
    }
    return open_;
  }

  bool is_open() const override {
    return open_ && !session_.service_.stopping && !session_.connection_.has_gone();
  }

  bool has_begun() const { return begun_; }
  // False: the connection cannot go on.
  bool finish() {
    const bool chunked = exchange_.request.is_http_1_1;
    if (!begun_) return session_.send_head(exchange_, response_, keep_, chunked ? "0\r\n\r\n" : "");
    return open_ && (!chunked || session_.connection_.write("0\r\n\r\n", session_.service_.limits.write));
  }

 private:
  HttpSession& session_;
  const Exchange& exchange_;
  const Response& response_;
  const bool keep_;
  bool begun_ = false;
  bool open_ = true;
};

void HttpSession::run() {
  auto patience = service_.limits.head;
  while (connection_.wait_for_request(steady_clock::now() + patience) && serve_one()) {
    patience = service_.limits.idle;
  }
}

void HttpSession::refuse() {
  Exchange exchange;
  exchange.began = steady_clock::now();
  try {
    const auto deadline = exchange.began + service_.limits.linger;
    if (!connection_.wait_for_request(deadline) || !connection_.read_head(deadline)) return;
  } catch (const base::Error&) {  // whatever it was: there is no room for it
  }
  auto response = problem_json(
      problem_of(base::Error(base::ErrorCode::kUnavailable,
                             fmt::format("{} connections are open, as many as may be; try again later",
                                         service_.limits.max_connections))));
  if (send(exchange, response, false)) connection_.linger(steady_clock::now() + service_.limits.linger);
}

bool HttpSession::serve_one() {
  Exchange exchange;
  exchange.began = steady_clock::now();
  Response response;
  try {
    const auto head = connection_.read_head(exchange.began + service_.limits.head);
    if (!head) return false;
    exchange.request = parse_head(*head);
    exchange.request.is_abandoned = [this] { return connection_.has_gone(); };
    response = answer(exchange);
  } catch (...) {
    const auto problem = problem_of(std::current_exception(), exchange.request.path);
    response = error_form(exchange)(problem);
    if (problem.status == kNotAllowed) {
      const auto match = service_.router.find(exchange.request.method, exchange.request.segments);
      response.headers.set("Allow", fmt::format("{}", fmt::join(match.allowed, ", ")));
    }
  }
  if (!response.stream) exchange.request.form = Form();  // uploads are not needed any more
  const bool keep = exchange.is_read && exchange.request.keeps_alive && !service_.stopping;
  const bool sent = send(exchange, response, keep);
  if (sent && !keep) connection_.linger(steady_clock::now() + service_.limits.linger);
  return sent && keep;
}

ErrorForm HttpSession::error_form(const Exchange& exchange) const {
  return exchange.route != nullptr ? exchange.route->options.errors
                                   : service_.router.error_form(exchange.request.path);
}

Response HttpSession::answer(Exchange& exchange) {
  Request& request = exchange.request;
  auto match = service_.router.find(request.method, request.segments);
  exchange.route = match.route;
  service_.gate.check(request, match.route);
  if (match.route == nullptr) {
    const Framing framing = framing_of(request);
    exchange.is_read = !framing.chunked && framing.length == 0;
    refuse_path(request, match);
  }
  request.parts = std::move(match.parts);
  const bool reads = match.route->method == "GET";
  if (service_.draining && !reads && !match.route->options.while_draining) {
    throw base::Error(base::ErrorCode::kUnavailable, "greenroom is shutting down and takes no new work");
  }
  read_body(exchange);
  return match.route->handler(request);
}

void HttpSession::read_body(Exchange& exchange) {
  Request& request = exchange.request;
  const Route& route = *exchange.route;
  const Framing framing = framing_of(request);
  const bool is_form = has_type(request, "multipart/form-data");
  if (!framing.chunked && framing.length == 0) {
    if (is_form || request.headers.find("Content-Type").value_or("").empty() ||
        (takes_json(route.options.body) && has_type(request, "application/json")) ||
        route.options.body == Body::kNone) {
      exchange.is_read = true;
      return;
    }
    refuse_type(route, request);
  }
  const bool wanted = is_form ? takes_form(route.options.body)
                              : takes_json(route.options.body) && has_type(request, "application/json");
  if (!wanted) refuse_type(route, request);
  const auto most = is_form ? service_.limits.max_upload_bytes : service_.limits.max_json_bytes;
  BodyReader reader(connection_, framing, most, service_.limits.body);
  if (const auto expected = request.headers.find("Expect")) {
    if (!equal_ignoring_case(*expected, "100-continue")) {
      throw HttpError(kExpectation, "invalid_argument", "only \"Expect: 100-continue\" is understood");
    }
    connection_.write("HTTP/1.1 100 Continue\r\n\r\n", service_.limits.write);
  }
  if (is_form) {
    read_form(request, reader);
  } else {
    request.body = reader.rest();
  }
  exchange.is_read = true;
}

void HttpSession::read_form(Request& request, BodyReader& reader) {
  MultipartReader form(boundary_of(*request.headers.find("Content-Type")));
  for (auto part = reader.next(); !part.empty(); part = reader.next()) form.feed(part);
  request.form = form.finish();
}

void HttpSession::note(const Exchange& exchange, int status) const {
  const std::chrono::duration<double> passed = steady_clock::now() - exchange.began;
  if (exchange.route == nullptr) {
    service_.observe("other", "", status, passed.count());
  } else {
    service_.observe(exchange.route->pattern, exchange.request.method, status, passed.count());
  }
}

bool HttpSession::send_head(const Exchange& exchange, const Response& response, bool keep,
                            std::string_view with) {
  std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\n{}", response.status,
      reason_phrase(response.status),
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())), kSafety);
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, one_line(value));
  if (response.stream && exchange.request.is_http_1_1) head += "Transfer-Encoding: chunked\r\n";
  head += keep ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (exchange.request.method != "HEAD") head += with;
  note(exchange, response.status);
  return connection_.write(head, service_.limits.write);
}

bool HttpSession::send(const Exchange& exchange, Response& response, bool keep) {
  if (response.stream) return send_stream(exchange, response, keep && exchange.request.is_http_1_1);
  if (response.file) return send_file(exchange, response, keep);
  if (response.status != kNoContent && response.status != kNotModified) {
    response.headers.set("Content-Length", std::to_string(response.body.size()));
  }
  return send_head(exchange, response, keep, response.body);
}

bool HttpSession::send_file(const Exchange& exchange, Response& response, bool keep) {
  std::unique_ptr<OpenFile> file;
  std::uint64_t first = 0, count = 0;
  try {
    file = std::make_unique<OpenFile>(*response.file);
    count = file->size();
    const auto header = exchange.request.headers.find("Range");
    if (const auto range = header ? parse_range(*header, count) : std::nullopt) {
      response.status = kPartial;
      response.headers.set("Content-Range", fmt::format("bytes {}-{}/{}", range->first, range->last, count));
      first = range->first;
      count = range->last - range->first + 1;
    }
  } catch (...) {
    response = error_form(exchange)(problem_of(std::current_exception(), exchange.request.path));
    return send(exchange, response, keep);
  }
  response.headers.set("Accept-Ranges", "bytes");
  response.headers.set("Content-Length", std::to_string(count));
  return send_head(exchange, response, keep) &&
         (exchange.request.method == "HEAD" ||
          connection_.write_file(file->descriptor(), first, count, service_.limits.write));
}

bool HttpSession::send_stream(const Exchange& exchange, Response& response, bool keep) {
  if (exchange.request.method == "HEAD") return send_head(exchange, response, keep);
  Writer writer(*this, exchange, response, keep);
  try {
    response.stream(writer);
    return writer.finish() && exchange.request.is_http_1_1;
  } catch (...) {
    const auto problem = problem_of(std::current_exception(), exchange.request.path);
    if (!writer.has_begun()) {
      auto error = error_form(exchange)(problem);
      return send(exchange, error, keep);
    }
    // The head is out: the client learns by the missing end that this was not all.
    base::log(base::LogLevel::kWarning, "server",
              fmt::format("{}: ends in the middle: {}", exchange.request.path, problem.detail));
    return false;
  }
}

}  // namespace greenroom::server
