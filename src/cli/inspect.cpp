#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <map>

#include "base/bytes.h"
#include "base/json.h"
#include "checkpoint/summary.h"
#include "checkpoint/verify.h"
#include "cli/commands.h"

namespace greenroom::cli {
namespace {

using checkpoint::Checkpoint;
using checkpoint::TensorView;

// How many tensors lie in each storage: those above one share it.
std::map<std::uint64_t, int> count_by_storage(const Checkpoint& file) {
  std::map<std::uint64_t, int> counts;
  for (const auto& [name, view] : file.tensors()) ++counts[view.storage];
  return counts;
}

// "shared, strided"; empty for most.
std::string remarks(const TensorView& view, int in_storage) {
  std::vector<std::string_view> parts;
  if (in_storage > 1) parts.emplace_back("shared");
  if (!view.is_contiguous()) parts.emplace_back("strided");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string text_of(const checkpoint::Scalar& scalar) {
  return std::visit([](const auto& value) { return fmt::format("{}", value); }, scalar);
}

base::Json to_json(const checkpoint::Scalar& scalar) {
  return std::visit([](const auto& value) { return base::Json(value); }, scalar);
}

void print_json(const Checkpoint& file) {
  const auto counts = count_by_storage(file);
  base::Json tensors = base::Json::object();
  for (const auto& [name, view] : file.tensors()) {
    tensors[name] = {{"dtype", dtype_name(view.dtype)},
                     {"shape", view.shape},
                     {"bytes", view.nbytes()},
                     {"contiguous", view.is_contiguous()},
                     {"shared", counts.at(view.storage) > 1}};
  }
  base::Json scalars = base::Json::object();
  for (const auto& [name, scalar] : file.scalars()) scalars[name] = to_json(scalar);
  const auto summary = checkpoint::summarize(file);
  const base::Json report = {{"file", file.path().string()},     {"format", file.format()},
                             {"parameters", summary.parameters}, {"bytes", summary.bytes()},
                             {"tensors", std::move(tensors)},    {"values", std::move(scalars)},
                             {"foreign", file.skipped()}};
  fmt::print("{}\n", report.dump(2, ' ', false, base::Json::error_handler_t::replace));
}

void print_text(const Checkpoint& file) {
  const auto counts = count_by_storage(file);
  const auto summary = checkpoint::summarize(file);
  fmt::print("{}: {}\n", file.path().string(), file.format());
  for (const auto& [name, view] : file.tensors()) {
    fmt::print("{:<60} {:<9} {:<20} {:>10}  {}\n", name, dtype_name(view.dtype),
               fmt::format("[{}]", fmt::join(view.shape, ", ")), base::format_bytes(view.nbytes()),
               remarks(view, counts.at(view.storage)));
  }
  for (const auto& [name, scalar] : file.scalars()) {
    constexpr std::size_t kMostShown = 100;
    const std::string text = text_of(scalar);
    fmt::print("{} = {}\n", name, text.size() > kMostShown ? text.substr(0, kMostShown) + "..." : text);
  }
  for (const auto& [name, class_name] : file.skipped())
    fmt::print("{}: {}, which is not read\n", name.empty() ? "(the whole)" : name, class_name);
  fmt::print("{} tensors, {} parameters, {}\n", summary.tensors, summary.parameters,
             base::format_bytes(summary.bytes()));
}

}  // namespace

int run_inspect(const std::filesystem::path& path, bool json, bool verify) {
  const auto file = Checkpoint::open(path, checkpoint::OpenMode::kHeaders);
  if (json) {
    print_json(file);
  } else {
    print_text(file);
  }
  if (!verify) return 0;
  const auto result = checkpoint::verify_checksums(path);
  if (result.checked == 0) {
    fmt::print(stderr, "{}: carries no checksums, so nothing could be verified\n", path.string());
  } else {
    fmt::print(stderr, "{} of {} entries verified, {} read\n", result.checked,
               result.checked + result.unchecked, base::format_bytes(result.bytes));
  }
  return 0;
}

}  // namespace greenroom::cli
