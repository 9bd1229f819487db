// The commands that speak to a running daemon.
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/error.h"
#include "cli/answer_text.h"
#include "cli/by_daemon.h"
#include "cli/commands.h"
#include "cli/why.h"
#include "server/http_client.h"

namespace greenroom::cli {
namespace {

namespace fs = std::filesystem;
using base::Json;
using server::ApiClient;
using server::encode_part;

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string duration_of(double seconds) {
  constexpr double kMinute = 60, kHour = 3600;
  if (seconds < kMinute) return fmt::format("{:.0f} s", seconds);
  if (seconds < kHour) return fmt::format("{:.0f} min", seconds / kMinute);
  return fmt::format("{:.1f} h", seconds / kHour);
}

void print_model(const Json& model) {
  std::string idle = "-";
  if (model.contains("idle_seconds")) idle = duration_of(model["idle_seconds"].get<double>());
  if (model["leases"].get<int>() > 0) idle = "in use";
  const auto bytes = model["bytes"].get<std::uint64_t>();
  const std::string device = text_of(model, "placed");
  fmt::print("{:<32} {:<10} {:<8} {:>10} {:>5} {:>8}{}\n", text_of(model, "id"), text_of(model, "status"),
             device.empty() ? text_of(model, "device") : device, bytes > 0 ? base::format_bytes(bytes) : "-",
             model["holds"].get<int>(), idle, model["pinned"].get<bool>() ? "  pinned" : "");
  if (model.contains("error")) fmt::print("    {}\n", text_of(model, "error"));
  if (model.contains("remedy")) fmt::print("    {}\n", text_of(model, "remedy"));
}

void print_models(const Json& models) {
  if (models.empty()) {
    fmt::print("no model is registered; `greenroom load PATH` registers and loads one\n");
    return;
  }
  fmt::print("{:<32} {:<10} {:<8} {:>10} {:>5} {:>8}\n", "model", "status", "device", "memory", "holds",
             "idle");
  for (const auto& model : models) print_model(model);
}

bool is_registered(const Json& models, const std::string& id) {
  return std::any_of(models.begin(), models.end(), [&](const Json& model) { return model.at("id") == id; });
}

int ps(ApiClient& api, const DaemonArguments& arguments) {
  const Json answer = api.get("/api/v1/models");
  if (arguments.json) {
    print_json(answer);
  } else {
    print_models(answer.at("models"));
  }
  return 0;
}

int load(ApiClient& api, const DaemonArguments& arguments) {
  const bool known = is_registered(api.get("/api/v1/models").at("models"), arguments.name);
  Json body = Json::object();
  if (!arguments.device.empty()) body["device"] = arguments.device;
  std::string id = arguments.name;
  if (!known) {
    std::error_code error;
    const fs::path path = fs::canonical(arguments.name, error);
    if (error) {
      throw base::Error(
          base::ErrorCode::kNotFound,
          fmt::format("'{}' is neither a model the daemon knows (`greenroom ps` lists them) nor a path",
                      arguments.name));
    }
    Json added = body;
    added["path"] = path.string();
    if (!arguments.id.empty()) added["id"] = arguments.id;
    id = api.post("/api/v1/models", added).at("id").get<std::string>();
  }
  const Json model = api.post("/api/v1/models/" + encode_part(id) + "/load", body);
  if (arguments.json) {
    print_json(model);
  } else {
    fmt::print("{} is loaded on {}: {}\n", id, text_of(model, "placed"),
               base::format_bytes(model.at("bytes").get<std::uint64_t>()));
  }
  return 0;
}

int unload(ApiClient& api, const DaemonArguments& arguments) {
  const Json body = {{"force", arguments.force}};
  if (arguments.all) {
    const Json answer = api.post("/api/v1/models/unload", body);
    if (arguments.json) {
      print_json(answer);
    } else {
      fmt::print("{} unloaded\n", answer.at("unloaded").size());
      for (const auto& kept : answer.at("kept")) fmt::print("kept: {}\n", text_of(kept, "reason"));
    }
    return answer.at("kept").empty() ? 0 : 1;
  }
  const Json model = api.post("/api/v1/models/" + encode_part(arguments.name) + "/unload", body);
  if (arguments.json) {
    print_json(model);
  } else {
    fmt::print("{} is {}\n", arguments.name, text_of(model, "status"));
  }
  return 0;
}

int preload(ApiClient& api, const DaemonArguments& arguments) {
  const Json answer = api.post("/api/v1/tasks/" + encode_part(arguments.name) + "/preload");
  if (arguments.json) {
    print_json(answer);
    return 0;
  }
  fmt::print("task {}: {} required and {} optional models are ready, {} in all\n", arguments.name,
             answer.at("required").size(), answer.at("optional").size(),
             base::format_bytes(answer.at("bytes").get<std::uint64_t>()));
  for (const auto& one : answer.at("skipped")) {
    fmt::print("left out: {}: {}\n", text_of(one, "model_path"), text_of(one, "reason"));
  }
  return 0;
}

int clean_up(ApiClient& api, const DaemonArguments& arguments) {
  const Json answer = api.post("/api/v1/tasks/" + encode_part(arguments.name) + "/cleanup");
  if (arguments.json) {
    print_json(answer);
  } else {
    fmt::print("task {}: {} models let go\n", arguments.name, answer.at("released").size());
  }
  return 0;
}

int optimize(ApiClient& api, const DaemonArguments& arguments) {
  const Json answer = api.post("/api/v1/memory/optimize");
  if (arguments.json) {
    print_json(answer);
  } else {
    fmt::print("{} given back\n", base::format_bytes(answer.at("freed_bytes").get<std::uint64_t>()));
  }
  return 0;
}

// Puts the lines of a stream of events together.
class EventPrinter {
 public:
  explicit EventPrinter(bool json) : json_(json) {}

  void take(std::string_view bytes) {
    for (const char c : bytes) {
      if (c != '\n') {
        line_ += c;
        continue;
      }
      end_line();
      line_.clear();
    }
    std::fflush(stdout);
  }

 private:
  void end_line() {
    if (line_.starts_with("event: ")) type_ = line_.substr(7);
    if (!line_.starts_with("data: ")) return;
    const Json data = Json::parse(line_.substr(6), nullptr, false);
    if (data.is_discarded()) return;
    if (json_) {
      fmt::print(
          "{}\n",
          Json({{"event", type_}, {"data", data}}).dump(-1, ' ', false, Json::error_handler_t::replace));
    } else if (type_ == "event" && text_of(data, "type") != "load_progress") {
      print_event(data);
    } else if (type_ == "alert") {
      fmt::print("alert: {}\n", text_of(data, "message"));
    } else if (type_ == "lag") {
      fmt::print("some events are missing here\n");
    }
  }

  static void print_event(const Json& data) {
    fmt::print("{:<18} {}{}\n", text_of(data, "type"), text_of(data, "model_id"), event_details(data));
  }

  const bool json_;
  std::string line_, type_;
};

int events(ApiClient& api, const DaemonArguments& arguments) {
  EventPrinter printer(arguments.json);
  api.stream("/api/v1/events", [&](std::string_view bytes) {
    printer.take(bytes);
    return true;
  });
  return 0;
}

int why(ApiClient& api, const DaemonArguments& arguments) {
  const Json answer = ask_why(api, arguments.name, arguments.limit);
  if (arguments.json) {
    print_json(answer);
  } else {
    fmt::print("{}", why_text(answer, arguments.name));
  }
  return 0;
}

}  // namespace

int run_daemon_command(const app::Config& config, const DaemonArguments& arguments) {
  const auto named = arguments.server.empty() ? named_server() : arguments.server;
  ApiClient api(named.empty() ? configured_server(config) : named, config.api_key);
  switch (arguments.act) {
    case DaemonArguments::Act::kPs:
      return ps(api, arguments);
    case DaemonArguments::Act::kLoad:
      return load(api, arguments);
    case DaemonArguments::Act::kUnload:
      return unload(api, arguments);
    case DaemonArguments::Act::kPreload:
      return preload(api, arguments);
    case DaemonArguments::Act::kCleanUp:
      return clean_up(api, arguments);
    case DaemonArguments::Act::kOptimize:
      return optimize(api, arguments);
    case DaemonArguments::Act::kWhy:
      return why(api, arguments);
    case DaemonArguments::Act::kEvents:
      return events(api, arguments);
  }
  return 1;
}

}  // namespace greenroom::cli
