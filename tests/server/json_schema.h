// The part of JSON Schema that openapi.json uses, as a check.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace greenroom::test {

// Not thread-safe.
class SchemaChecker {
 public:
  explicit SchemaChecker(const base::Json& document) : document_(document) {}

  // What does not fit, each with where it is; empty: all fits.
  std::vector<std::string> check(const base::Json& value, const base::Json& schema) {
    problems_.clear();
    check_at(value, schema, "$");
    return problems_;
  }

 private:
  static bool has_type(const base::Json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    if (type == "number") return value.is_number();
    return type == "integer" &&
           (value.is_number_integer() || (value.is_number() && value == value.get<std::int64_t>()));
  }

  void check_at(const base::Json& value, const base::Json& schema, const std::string& where) {
    if (schema.contains("$ref")) {
      const auto pointer = schema["$ref"].get<std::string>().substr(1);  // without the #
      return check_at(value, document_.at(base::Json::json_pointer(pointer)), where);
    }
    if (schema.contains("type")) check_type(value, schema["type"], where);
    if (schema.contains("enum")) check_enum(value, schema["enum"], where);
    if (schema.contains("minimum") && value.is_number() && value < schema["minimum"]) {
      problems_.push_back(where + ": " + value.dump() + " is too small");
    }
    if (value.is_object()) check_object(value, schema, where);
    if (value.is_array() && schema.contains("items")) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        check_at(value[i], schema["items"], where + "[" + std::to_string(i) + "]");
      }
    }
  }

  void check_type(const base::Json& value, const base::Json& type, const std::string& where) {
    bool fits = false;
    for (const auto& one : type.is_array() ? type : base::Json::array({type})) {
      fits = fits || has_type(value, one.get<std::string>());
    }
    if (!fits)
      problems_.push_back(where + ": " + value.dump().substr(0, 60) + " is not of type " + type.dump());
  }

  void check_enum(const base::Json& value, const base::Json& choices, const std::string& where) {
    for (const auto& choice : choices) {
      if (choice == value) return;
    }
    problems_.push_back(where + ": " + value.dump().substr(0, 60) + " is none of " + choices.dump());
  }

  void check_object(const base::Json& value, const base::Json& schema, const std::string& where) {
    const auto properties = schema.value("properties", base::Json::object());
    for (const auto& name : schema.value("required", base::Json::array())) {
      if (!value.contains(name.get<std::string>()))
        problems_.push_back(where + ": " + name.dump() + " is missing");
    }
    const auto others = schema.value("additionalProperties", base::Json(true));
    for (const auto& [name, member] : value.items()) {
      const std::string here = where + "." + name;
      if (properties.contains(name)) {
        check_at(member, properties[name], here);
      } else if (others.is_object()) {
        check_at(member, others, here);
      } else if (others == false) {
        problems_.push_back(here + " is not described");
      }
    }
  }

  const base::Json& document_;
  std::vector<std::string> problems_;
};

}  // namespace greenroom::test
