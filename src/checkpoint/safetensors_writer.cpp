#include "checkpoint/safetensors_writer.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/atomic_file.h"
#include "checkpoint/convert_dtype.h"
#include "checkpoint/safetensors_dtypes.h"
#include "checkpoint/text.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kBufferBytes = 4u << 20;
constexpr std::string_view kMetadata = "__metadata__";

struct Item {
  std::string_view name;
  const TensorView* view = nullptr;
  DType dtype = DType::kFloat32;  // as stored
  std::uint64_t bytes = 0;
};

// Copies the elements in row-major order into `buffer`, handing it on whenever it is full.
class Gatherer {
 public:
  Gatherer(const Item& item, const std::function<void(std::span<const std::byte>)>& sink)
      : view_(*item.view), to_(item.dtype), sink_(sink) {}

  void run() {
    if (view_.numel() == 0) return;
    if (view_.is_contiguous()) return whole();
    std::vector<std::int64_t> index(view_.shape.size(), 0);
    const std::size_t element = dtype_size(view_.dtype);
    for (std::int64_t left = view_.numel(); left > 0; --left) {
      std::int64_t at = 0;
      for (std::size_t i = 0; i < index.size(); ++i) at += index[i] * view_.strides[i];
      const auto one = view_.bytes.subspan(static_cast<std::size_t>(at) * element, element);
      gathered_.insert(gathered_.end(), one.begin(), one.end());
      if (gathered_.size() >= kBufferBytes) flush();
      for (std::size_t i = index.size(); i-- > 0;) {
        if (++index[i] < view_.shape[i]) break;
        index[i] = 0;
      }
    }
    flush();
  }

 private:
  void whole() {
    for (std::size_t done = 0; done < view_.bytes.size(); done += kBufferBytes) {
      emit(view_.bytes.subspan(done, std::min(kBufferBytes, view_.bytes.size() - done)));
    }
  }

  void flush() {
    emit(gathered_);
    gathered_.clear();
  }

  void emit(std::span<const std::byte> bytes) {
    if (to_ == view_.dtype) return sink_(bytes);
    converted_.resize(bytes.size() / dtype_size(view_.dtype) * dtype_size(to_));
    convert_elements(bytes, view_.dtype, converted_, to_);
    sink_(converted_);
  }

  const TensorView& view_;
  DType to_;
  const std::function<void(std::span<const std::byte>)>& sink_;
  std::vector<std::byte> gathered_;
  std::vector<std::byte> converted_;
};

bool is_tensor_class(std::string_view name) {
  return name.starts_with("torch._utils._rebuild_") || name.starts_with("torch._tensor._rebuild_");
}

// The text of a plain value, as Python would print it.
std::string text_of(const Scalar& scalar) {
  if (const auto* flag = std::get_if<bool>(&scalar)) return *flag ? "True" : "False";
  if (const auto* whole = std::get_if<std::int64_t>(&scalar)) return fmt::format("{}", *whole);
  if (const auto* real = std::get_if<double>(&scalar)) return fmt::format("{}", *real);
  return std::get<std::string>(scalar);
}

class Writer {
 public:
  Writer(const std::filesystem::path& path, const Checkpoint& source, const SafetensorsOptions& options)
      : path_(path), source_(source), options_(options) {}

  SafetensorsReport run() {
    choose();
    const std::string header = make_header();
    write_atomically(path_, [&](const std::filesystem::path& temporary) { write(temporary, header); });
    return std::move(report_);
  }

 private:
  void choose() {
    for (const auto& [name, class_name] : source_.skipped()) {
      if (is_tensor_class(class_name))
        leave_out(name, class_name);
      else
        report_.skipped.emplace(name, class_name);
    }
    std::set<std::tuple<std::uint64_t, const std::byte*>> seen;
    for (const auto& [name, view] : source_.tensors()) {
      if (name.empty() || name == kMetadata) {
        leave_out(name, "a name that the format reserves");
        continue;
      }
      const DType dtype = options_.dtype && is_floating(view.dtype) ? *options_.dtype : view.dtype;
      if (safetensors_dtype_name(dtype).empty()) {
        leave_out(name, std::string(dtype_name(dtype)));
        continue;
      }
      if (!view.bytes.empty() && !seen.emplace(view.storage, view.bytes.data()).second) ++report_.copies;
      items_.push_back({name, &view, dtype, static_cast<std::uint64_t>(view.numel()) * dtype_size(dtype)});
    }
    std::stable_sort(items_.begin(), items_.end(),
                     [](const Item& a, const Item& b) { return dtype_size(a.dtype) > dtype_size(b.dtype); });
    report_.tensors = items_.size();
  }

  void leave_out(const std::string& name, const std::string& kind) {
    if (options_.skip_unsupported) {
      report_.skipped.emplace(name, kind);
      return;
    }
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("{}: the tensor {} ({}) cannot be stored in a safetensors file; "
                            "--skip-unsupported leaves it out",
                            source_.path().string(), printable(name), kind));
  }

  std::string make_header() {
    base::Json header = base::Json::object();
    base::Json metadata = {{"format", "pt"}};
    for (const auto& [name, scalar] : source_.scalars()) {
      constexpr std::string_view kPrefix = "__metadata__.";
      metadata[name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name] = text_of(scalar);
    }
    header[std::string(kMetadata)] = std::move(metadata);
    std::uint64_t offset = 0;
    for (const Item& item : items_) {
      header[std::string(item.name)] = {{"dtype", safetensors_dtype_name(item.dtype)},
                                        {"shape", item.view->shape},
                                        {"data_offsets", {offset, offset + item.bytes}}};
      offset += item.bytes;
    }
    total_ = offset;
    std::string text = header.dump();
    constexpr std::size_t kAlignment = 64;  // of the tensors, which follow the 8 bytes of the length and this
    while ((text.size() + 8) % kAlignment != 0) text += ' ';
    return text;
  }

  void write(const std::filesystem::path& temporary, const std::string& header) {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    const auto check = [&] {
      if (file) return;
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
    };
    check();
    std::array<char, 8> length{};
    for (std::size_t i = 0; i < length.size(); ++i)
      length[i] = static_cast<char>((static_cast<std::uint64_t>(header.size()) >> (8 * i)) & 0xFF);
    file.write(length.data(), length.size());
    file.write(header.data(), static_cast<std::streamsize>(header.size()));
    std::uint64_t done = 0;
    const std::function<void(std::span<const std::byte>)> sink = [&](std::span<const std::byte> bytes) {
      file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      check();
      done += bytes.size();
      if (options_.progress) options_.progress(done, total_);
    };
    for (const Item& item : items_) Gatherer(item, sink).run();
    file.close();
    check();
    source_.check_unchanged();
    report_.bytes = 8 + header.size() + total_;
  }

  const std::filesystem::path& path_;
  const Checkpoint& source_;
  const SafetensorsOptions& options_;
  std::vector<Item> items_;
  std::uint64_t total_ = 0;
  SafetensorsReport report_;
};

}  // namespace

SafetensorsReport write_safetensors(const std::filesystem::path& path, const Checkpoint& source,
                                    const SafetensorsOptions& options) {
  return Writer(path, source, options).run();
}

}  // namespace greenroom::checkpoint
