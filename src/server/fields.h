// Reads the fields of a JSON object that a client sent; every error names the field, what it is, and what it
// must be.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace greenroom::server {

// Each function throws base::Error(kInvalidArgument). A field that is null is as one that is not there,
// except for has(). Not thread-safe.
class Fields {
 public:
  // Borrows the object. `where` goes before the names: "required_models[0]."
  explicit Fields(const base::Json& object, std::string where = "");

  bool has(std::string_view name);          // also when it is null
  bool is_null(std::string_view name);      // there, and null
  std::string text(std::string_view name);  // there, and not empty
  std::optional<std::string> optional_text(std::string_view name);
  std::optional<bool> optional_flag(std::string_view name);
  bool flag(std::string_view name, bool otherwise) { return optional_flag(name).value_or(otherwise); }
  std::optional<double> optional_number(std::string_view name, double low, double high);
  std::optional<std::int64_t> optional_integer(std::string_view name, std::int64_t low, std::int64_t high);
  std::optional<std::vector<std::string>> optional_texts(std::string_view name);
  // An array of objects; empty when it is not there.
  std::vector<const base::Json*> objects(std::string_view name);
  // As it is; null pointer when it is not there. For what no other function reads.
  const base::Json* any(std::string_view name);

  // Refuses fields that nobody asked for.
  void finish() const;

 private:
  const base::Json* find(std::string_view name);
  [[noreturn]] void wrong(std::string_view name, const base::Json& value, const std::string& expected) const;

  const base::Json& object_;
  const std::string where_;
  std::set<std::string, std::less<>> asked_;
};

// Numbers of a query: "minutes=10". Throws base::Error(kInvalidArgument).
std::int64_t parse_integer(std::string_view name, std::string_view text, std::int64_t low, std::int64_t high);
bool parse_flag(std::string_view name, std::string_view text);

}  // namespace greenroom::server
