#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "checkpoint/byte_reader.h"
#include "checkpoint/contents.h"
#include "checkpoint/safetensors_dtypes.h"
#include "checkpoint/text.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::size_t kMaxHeaderDepth = 4;

constexpr std::array<std::pair<std::string_view, DType>, 19> kDTypes = {{
    {"F64", DType::kFloat64},
    {"F32", DType::kFloat32},
    {"F16", DType::kFloat16},
    {"BF16", DType::kBFloat16},
    {"I64", DType::kInt64},
    {"I32", DType::kInt32},
    {"I16", DType::kInt16},
    {"I8", DType::kInt8},
    {"U8", DType::kUInt8},
    {"BOOL", DType::kBool},
    {"C64", DType::kComplex64},
    {"U16", DType::kUInt16},
    {"U32", DType::kUInt32},
    {"U64", DType::kUInt64},
    {"F8_E4M3", DType::kFloat8E4M3},
    {"F8_E5M2", DType::kFloat8E5M2},
    {"F8_E4M3FNUZ", DType::kFloat8E4M3Fnuz},
    {"F8_E5M2FNUZ", DType::kFloat8E5M2Fnuz},
    {"F8_E8M0", DType::kFloat8E8M0},
}};

struct Entry {
  std::string name;
  TensorView view;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

std::uint64_t as_size(const base::Json& json, const std::string& what) {
  if (!json.is_number_unsigned()) throw Error(ErrorCode::kDataLoss, what + " is not a whole number");
  return json.get<std::uint64_t>();
}

Entry read_entry(const std::string& name, const base::Json& json, const std::string& file) {
  const std::string what = fmt::format("{}: the tensor {}", file, printable(name));
  const auto fail = [&](const std::string& problem) {
    return Error(ErrorCode::kDataLoss, fmt::format("{} {}", what, problem));
  };
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets")) {
    throw fail("has no dtype, shape and data_offsets");
  }
  const auto& dtype = json.at("dtype");
  const auto known = dtype.is_string() ? safetensors_dtype(dtype.get<std::string>()) : std::nullopt;
  if (!known) {
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("{} has the dtype {}, which is not supported", what, dtype.dump()));
  }
  constexpr std::size_t kMaxName = 4096;
  if (name.size() > kMaxName || !is_plain_utf8(name)) throw fail("has a name no writer would use");
  Entry entry;
  entry.name = name;
  entry.view.dtype = *known;
  const auto& shape = json.at("shape");
  const auto& offsets = json.at("data_offsets");
  if (!shape.is_array() || shape.size() > 16)
    throw fail("has a shape that is not a list of at most 16 sizes");
  if (!offsets.is_array() || offsets.size() != 2) throw fail("has data_offsets that are not two numbers");
  std::uint64_t bytes = dtype_size(*known);
  for (const auto& size : shape) {
    const auto value = as_size(size, what + ": a size");
    const auto product = base::checked_mul(bytes, value);
    if (!product || *product > (std::uint64_t{1} << 62) || value > (std::uint64_t{1} << 48))
      throw fail("has more elements than can be counted");
    bytes = *product;
    entry.view.shape.push_back(static_cast<std::int64_t>(value));
  }
  entry.view.strides = contiguous_strides(entry.view.shape);
  entry.begin = as_size(offsets[0], what + ": an offset");
  entry.end = as_size(offsets[1], what + ": an offset");
  if (entry.begin > entry.end || entry.end - entry.begin != bytes) {
    throw fail(fmt::format("needs {} bytes, its data_offsets are {} to {}", bytes, entry.begin, entry.end));
  }
  return entry;
}

// JSON takes about 40 times the memory of its text, so a huge header is refused before it is parsed; one that
// writers make has some 100 bytes for each tensor.
void check_header_text(std::string_view text, const ByteReader& reader) {
  if (text.find('\0') != std::string_view::npos) reader.fail("the header holds a zero byte");
  constexpr std::size_t kMaxTensors = 1'000'000;
  const auto tensors = static_cast<std::size_t>(std::count(text.begin(), text.end(), '{'));
  if (tensors > kMaxTensors)
    reader.fail(fmt::format("the header names {} tensors, more than {}", tensors, kMaxTensors));
  constexpr std::size_t kMaxNumbers = 8 * kMaxTensors;
  if (static_cast<std::size_t>(std::count(text.begin(), text.end(), ',')) > kMaxNumbers)
    reader.fail("the header holds more than any list of tensors would");
}

}  // namespace

std::string_view safetensors_dtype_name(DType dtype) {
  for (const auto& [name, known] : kDTypes) {
    if (known == dtype) return name;
  }
  return "";
}

std::optional<DType> safetensors_dtype(std::string_view name) {
  for (const auto& [known, dtype] : kDTypes) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<std::int64_t>(1, shape[i]);
  }
  return strides;
}

void FormatReaders::read_safetensors(Checkpoint::Contents& contents) {
  const std::string file = contents.path.string();
  const auto bytes = contents.files.front()->bytes();
  ByteReader reader(bytes, file);
  const std::uint64_t header_size = reader.u64();
  if (header_size > kMaxHeader || header_size > reader.remaining()) {
    reader.fail(fmt::format("the header claims {} bytes, the file has {}; is the download complete?",
                            header_size, bytes.size()));
  }
  const auto text = reader.text(header_size);
  check_header_text(text, reader);
  const auto header = base::parse_json(text, file + ": header", {kMaxHeader, kMaxHeaderDepth});
  if (!header.is_object()) reader.fail("the header is not a JSON object");
  const auto data = bytes.subspan(reader.position());
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name != "__metadata__") {
      entries.push_back(read_entry(name, json, file));
      continue;
    }
    if (!json.is_object()) reader.fail("__metadata__ is not an object");
    for (const auto& [key, value] : json.items()) {
      if (!value.is_string()) reader.fail(fmt::format("__metadata__.{} is not a string", key));
      contents.scalars.emplace("__metadata__." + key, value.get<std::string>());
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t expected = 0;
  for (auto& entry : entries) {
    if (entry.begin != expected) {
      throw Error(
          ErrorCode::kDataLoss,
          fmt::format("{}: the tensor {} begins at {}, expected {}: tensors must neither overlap nor leave "
                      "holes",
                      file, printable(entry.name), entry.begin, expected));
    }
    expected = entry.end;
    if (expected > data.size()) {
      throw Error(ErrorCode::kDataLoss,
                  fmt::format("{}: the tensor {} ends at {} of {} bytes; is the download complete?", file,
                              printable(entry.name), expected, data.size()));
    }
    if (contents.with_tensors()) {
      entry.view.bytes = data.subspan(static_cast<std::size_t>(entry.begin),
                                      static_cast<std::size_t>(entry.end - entry.begin));
    }
    entry.view.storage = reader.position() + entry.begin;
    contents.tensors.emplace(std::move(entry.name), std::move(entry.view));
  }
  if (expected != data.size()) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: {} bytes behind the last tensor", file, data.size() - expected));
  }
  contents.format = "safetensors";
}

}  // namespace greenroom::checkpoint
