// HTTP messages as plain values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "server/form.h"

namespace greenroom::server {

// In the order in which they came; names compare without regard to case.
class Headers {
 public:
  void add(std::string name, std::string value) { list_.emplace_back(std::move(name), std::move(value)); }
  // Replaces those of that name.
  void set(std::string_view name, std::string value);
  // The first of that name.
  std::optional<std::string> find(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  // Whether `token` stands in a comma-separated list of that name: "keep-alive" in Connection.
  bool has_token(std::string_view name, std::string_view token) const;

  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }
  std::size_t size() const { return list_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> list_;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);

// Names and decoded values, as those of a query or of a path's parts.
class Parameters {
 public:
  void add(std::string name, std::string value) { list_.emplace_back(std::move(name), std::move(value)); }
  std::optional<std::string> find(std::string_view name) const;  // the first of that name
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> list_;
};

struct Request {
  std::string method;                 // "GET"
  std::string path;                   // as sent, without the query
  std::vector<std::string> segments;  // of the path, each decoded: an id may hold a slash
  Parameters query;
  Parameters parts;  // of the path, by their names in the route: "id"
  Headers headers;
  bool keeps_alive = true;  // HTTP/1.1 and no "Connection: close"
  bool is_http_1_1 = true;
  std::string body;  // of a JSON route
  Form form;         // of an upload

  // Has the client gone away, as far as can be told? May be asked from any thread for as long as the answer
  // is made.
  std::function<bool()> is_abandoned = [] { return false; };

  // The part of the path named in the route; the route has it.
  const std::string part(std::string_view name) const { return parts.find(name).value_or(""); }
  // The body as an object; an empty body is an empty object. Throws base::Error(kInvalidArgument).
  base::Json json() const;
};

// Writes an answer whose length is not known beforehand. The head goes out with the first write, so that an
// error before it can still become an answer of its own. Used by the thread that answers.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  // False when the client has gone, or the server ends: there is no use in writing more.
  virtual bool write(std::string_view bytes) = 0;
  virtual bool is_open() const = 0;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  // One of these instead of `body`. A file is sent from disk and may be asked for in parts (Range); `keeper`
  // lives until it is sent.
  std::optional<std::filesystem::path> file;
  std::shared_ptr<const void> keeper;
  std::function<void(BodyWriter&)> stream;

  static Response json(const base::Json& value, int status = 200);
  static Response text(std::string body, std::string content_type, int status = 200);
  static Response nothing();  // 204
  static Response from_file(std::filesystem::path path, std::string content_type,
                            std::shared_ptr<const void> keeper = nullptr);
  static Response streamed(std::string content_type, std::function<void(BodyWriter&)> write);

  Response& with(std::string_view name, std::string value) {
    headers.set(name, std::move(value));
    return *this;
  }
};

// As JSON for people and programs; text that is no UTF-8 becomes replacement characters.
std::string dump(const base::Json& json);

// "Not Found"; "Unknown" for what has no name.
std::string_view reason_phrase(int status);

}  // namespace greenroom::server
