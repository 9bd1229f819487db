#include "cli/answer_text.h"

#include <cstdint>

#include "base/bytes.h"
#include "cli/words.h"

namespace greenroom::cli {

std::string text_of(const base::Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? harmless(found->get_ref<const std::string&>()) : "";
}

std::string event_details(const base::Json& event) {
  std::string details;
  for (const char* name : {"component", "cause", "message"}) {
    if (const auto text = text_of(event, name); !text.empty()) details += "  " + text;
  }
  const auto bytes = event.value("bytes", std::uint64_t{0});
  return bytes > 0 ? details + "  " + base::format_bytes(bytes) : details;
}

}  // namespace greenroom::cli
