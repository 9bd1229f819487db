#include "server/fields.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <charconv>
#include <cmath>

#include "base/error.h"

namespace greenroom::server {
namespace {

constexpr std::size_t kMostShown = 100;

[[noreturn]] void fail(const std::string& message) {
  throw base::Error(base::ErrorCode::kInvalidArgument, message);
}

std::string shown(const base::Json& value) {
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  return value.dump(-1, ' ', false, base::Json::error_handler_t::replace).substr(0, kMostShown);
}

}  // namespace

Fields::Fields(const base::Json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object()) fail(fmt::format("{} is {}; it must be an object", where_, shown(object)));
}

void Fields::wrong(std::string_view name, const base::Json& value, const std::string& expected) const {
  fail(fmt::format("the field {}{} is {}; it must be {}", where_, name, shown(value), expected));
}

const base::Json* Fields::find(std::string_view name) {
  asked_.emplace(name);
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool Fields::has(std::string_view name) {
  asked_.emplace(name);
  return object_.contains(std::string(name));
}

bool Fields::is_null(std::string_view name) {
  return has(name) && find(name) == nullptr;
}

std::string Fields::text(std::string_view name) {
  auto value = optional_text(name);
  if (!value || value->empty())
    fail(fmt::format("the field {}{} is missing; it must be a text", where_, name));
  return *std::move(value);
}

std::optional<std::string> Fields::optional_text(std::string_view name) {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wrong(name, *value, "a text");
  auto text = value->get<std::string>();
  if (text.find('\0') != std::string::npos) wrong(name, *value, "a text without NUL");
  return text;
}

std::optional<bool> Fields::optional_flag(std::string_view name) {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) wrong(name, *value, "true or false");
  return value->get<bool>();
}

std::optional<double> Fields::optional_number(std::string_view name, double low, double high) {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  const double number = value->is_number() ? value->get<double>() : std::nan("");
  if (!(number >= low && number <= high))
    wrong(name, *value, fmt::format("a number from {} to {}", low, high));
  return number;
}

std::optional<std::int64_t> Fields::optional_integer(std::string_view name, std::int64_t low,
                                                     std::int64_t high) {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  const bool too_large =
      value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  if (!value->is_number_integer() || too_large || value->get<std::int64_t>() < low ||
      value->get<std::int64_t>() > high) {
    wrong(name, *value, fmt::format("a whole number from {} to {}", low, high));
  }
  return value->get<std::int64_t>();
}

std::optional<std::vector<std::string>> Fields::optional_texts(std::string_view name) {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) wrong(name, *value, "a list of texts");
  std::vector<std::string> texts;
  for (const auto& one : *value) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty()) wrong(name, one, "a list of texts");
    texts.push_back(one.get<std::string>());
  }
  return texts;
}

std::vector<const base::Json*> Fields::objects(std::string_view name) {
  const auto* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_array()) wrong(name, *value, "a list of objects");
  std::vector<const base::Json*> objects;
  for (const auto& one : *value) {
    if (!one.is_object()) wrong(name, one, "a list of objects");
    objects.push_back(&one);
  }
  return objects;
}

const base::Json* Fields::any(std::string_view name) {
  return find(name);
}

void Fields::finish() const {
  for (const auto& [name, value] : object_.items()) {
    if (asked_.count(name) > 0) continue;
    fail(fmt::format("there is no field {}{}; these are: {}", where_, name.substr(0, kMostShown),
                     fmt::join(asked_, ", ")));
  }
}

std::int64_t parse_integer(std::string_view name, std::string_view text, std::int64_t low,
                           std::int64_t high) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < low || value > high) {
    fail(fmt::format("{} is \"{}\"; it must be a whole number from {} to {}", name,
                     text.substr(0, kMostShown), low, high));
  }
  return value;
}

bool parse_flag(std::string_view name, std::string_view text) {
  if (text == "true" || text == "1" || text.empty()) return true;
  if (text == "false" || text == "0") return false;
  fail(fmt::format("{} is \"{}\"; it must be true or false", name, text.substr(0, kMostShown)));
}

}  // namespace greenroom::server
