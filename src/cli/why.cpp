#include "cli/why.h"

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "cli/answer_text.h"
#include "cli/words.h"

namespace greenroom::cli {
namespace {

using base::Json;
using server::encode_part;

// The events that say where a model went; loads and hits of every day would hide them.
constexpr std::array kTelling = {"load_failed", "unload_completed", "auto_cleanup",
                                 "evicted",     "demoted",          "memory_missing",
                                 "worker_lost", "recovery",         "hold_expired"};

std::uint64_t bytes_of(const Json& json, const char* name) {
  return json.value(name, std::uint64_t{0});
}

std::string time_of(const Json& json) {
  const std::chrono::system_clock::time_point time(
      std::chrono::milliseconds(json.value("time_ms", std::int64_t{0})));
  return fmt::format("{:%F %T}", fmt::localtime(std::chrono::system_clock::to_time_t(time)));
}

std::string event_line(const Json& event) {
  return fmt::format("  {}  {:<16}{}\n", time_of(event), text_of(event, "type"), event_details(event));
}

std::string candidate_text(const Json& candidate) {
  return fmt::format("{} {}, idle {:.0f} s, {:.1f} recent uses, {:.2f} s to bring back{}",
                     text_of(candidate, "component"), base::format_bytes(bytes_of(candidate, "bytes")),
                     candidate.value("idle_seconds", 0.0), candidate.value("uses", 0.0),
                     candidate.value("reload_seconds", 0.0),
                     candidate.value("young", false) ? ", only just loaded" : "");
}

// What went, and the first of what would have been next.
std::string victims(const Json& decision) {
  std::string went;
  std::string spared;
  for (const auto& candidate : decision.value("candidates", Json::array())) {
    if (candidate.value("evicted", false)) {
      went += fmt::format("      went:       {}\n", candidate_text(candidate));
    } else if (spared.empty()) {
      spared = fmt::format("      next after: {}\n", candidate_text(candidate));
    }
  }
  return went + spared;
}

std::string decision_lines(const Json& decision) {
  const auto bound = text_of(decision, "bound_by");
  const auto verdict = text_of(decision, "verdict");
  std::string text = fmt::format(
      "  {}  {:<6}  {} on {}: {} needed, {} of {} free{}{}\n", time_of(decision), verdict,
      text_of(decision, "purpose"), text_of(decision, "device"),
      base::format_bytes(bytes_of(decision, "needed_bytes")),
      base::format_bytes(bytes_of(decision, "free_bytes")),
      base::format_bytes(bytes_of(decision, "capacity_bytes")), bound.empty() ? "" : " (" + bound + ")",
      verdict == "evict" ? fmt::format(", by policy '{}'", text_of(decision, "policy")) : "");
  if (verdict == "evict") text += victims(decision);
  std::string unloaded;
  for (const auto& id : decision.value("unloaded", Json::array())) {
    if (id.is_string())
      unloaded += (unloaded.empty() ? "" : ", ") + harmless(id.get_ref<const std::string&>());
  }
  return unloaded.empty() ? text : text + "      unloaded:   " + unloaded + "\n";
}

// Null when the daemon has no model of that id.
Json find_model(server::ApiClient& api, const std::string& id) {
  const Json answer = api.get("/api/v1/models");
  for (const auto& model : answer.at("models")) {
    if (text_of(model, "id") == harmless(id)) return model;
  }
  return nullptr;
}

Json telling_events(server::ApiClient& api, const std::string& id, std::size_t most) {
  constexpr const char* kEnough = "&newest=true&limit=1000";
  Json telling = Json::array();
  const Json answer = api.get("/api/v1/history?model_id=" + encode_part(id) + kEnough);
  const Json& events = answer.at("events");  // the oldest first
  for (auto event = events.rbegin(); event != events.rend() && telling.size() < most; ++event) {
    const auto type = text_of(*event, "type");
    if (std::find(kTelling.begin(), kTelling.end(), type) != kTelling.end()) telling.push_back(*event);
  }
  return telling;
}

}  // namespace

Json ask_why(server::ApiClient& api, const std::string& about, int most) {
  Json answer = {{"events", Json::array()}};
  if (!about.empty()) {
    if (Json model = find_model(api, about); !model.is_null()) answer["model"] = std::move(model);
    answer["events"] = telling_events(api, about, static_cast<std::size_t>(most));
  }
  answer["decisions"] =
      api.get(fmt::format("/api/v1/decisions?about={}&limit={}", encode_part(about), most)).at("decisions");
  return answer;
}

std::string why_text(const Json& answer, const std::string& about) {
  std::string text;
  if (const auto model = answer.find("model"); model != answer.end()) {
    const auto device = text_of(*model, "placed");
    text +=
        fmt::format("{}: {}{}\n", about, text_of(*model, "status"), device.empty() ? "" : " on " + device);
    for (const char* name : {"error", "remedy"}) {
      if (const auto line = text_of(*model, name); !line.empty()) text += "  " + line + "\n";
    }
  }
  const Json& events = answer.at("events");
  const Json& decisions = answer.at("decisions");
  if (!events.empty()) text += "What happened to it, the latest first:\n";
  for (const auto& event : events) text += event_line(event);
  if (!decisions.empty()) text += "Decisions about room, the latest first:\n";
  for (const auto& decision : decisions) text += decision_lines(decision);
  if (events.empty() && decisions.empty()) {
    text += about.empty() ? "no decision about room was needed since the daemon started\n"
                          : fmt::format("nothing was evicted, refused or unloaded for or because of '{}'\n",
                                        harmless(about));
  }
  return text;
}

}  // namespace greenroom::cli
