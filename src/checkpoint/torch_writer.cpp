#include "checkpoint/torch_writer.h"

#include <spdlog/fmt/fmt.h>
#include <zlib.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/bytes.h"
#include "base/error.h"
#include "checkpoint/atomic_file.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kMaxArchive = 0xFFFF0000;  // beyond it zip64 would be needed
constexpr std::uint16_t kUtf8Names = 0x0800;

// Little-endian, with as many zeros behind the value as `bytes` asks for.
void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out.push_back(static_cast<char>(value & 0xFF));
    value >>= 8;
  }
}

std::string_view storage_class(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return "DoubleStorage";
    case DType::kFloat32:
      return "FloatStorage";
    case DType::kFloat16:
      return "HalfStorage";
    case DType::kBFloat16:
      return "BFloat16Storage";
    case DType::kInt64:
      return "LongStorage";
    case DType::kInt32:
      return "IntStorage";
    case DType::kInt16:
      return "ShortStorage";
    case DType::kInt8:
      return "CharStorage";
    case DType::kUInt8:
      return "ByteStorage";
    case DType::kBool:
      return "BoolStorage";
    case DType::kComplex64:
      return "ComplexFloatStorage";
    case DType::kComplex128:
      return "ComplexDoubleStorage";
    default:
      break;
  }
  throw Error(ErrorCode::kUnimplemented, fmt::format("tensors of {} cannot be written", dtype_name(dtype)));
}

// The protocol-2 pickle of a dict, and the tensors met on the way in the order of their storage keys.
class PickleWriter {
 public:
  std::string write(const DictToWrite& root) {
    out_ = "\x80\x02";
    dict(root, /*ordered=*/false);
    out_ += '.';
    return std::move(out_);
  }
  const std::vector<const TensorToWrite*>& tensors() const { return tensors_; }

 private:
  void global(std::string_view module, std::string_view name) {
    out_ += fmt::format("c{}\n{}\n", module, name);
  }

  void text(std::string_view value) {
    out_ += 'X';
    put(out_, value.size(), 4);
    out_ += value;
  }

  void integer(std::int64_t value) {
    if (value >= INT32_MIN && value <= INT32_MAX) {
      out_ += 'J';
      put(out_, static_cast<std::uint64_t>(value), 4);
    } else {
      out_ += "\x8a\x08";
      put(out_, static_cast<std::uint64_t>(value), 8);
    }
  }

  void real(double value) {
    out_ += 'G';
    const auto bits = std::bit_cast<std::uint64_t>(value);
    for (int i = 7; i >= 0; --i) out_.push_back(static_cast<char>((bits >> (8 * i)) & 0xFF));
  }

  void sizes(const std::vector<std::int64_t>& values) {
    out_ += '(';
    for (const std::int64_t value : values) integer(value);
    out_ += 't';
  }

  // torch._utils._rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())
  void tensor(const TensorToWrite& tensor) {
    std::int64_t count = 1;
    for (const std::int64_t size : tensor.shape) count *= size;
    if (static_cast<std::uint64_t>(count) * dtype_size(tensor.dtype) != tensor.bytes.size()) {
      throw Error(ErrorCode::kInternal,
                  fmt::format("a tensor of {} elements was given {} bytes", count, tensor.bytes.size()));
    }
    std::vector<std::int64_t> strides(tensor.shape.size());
    std::int64_t stride = 1;
    for (std::size_t i = strides.size(); i-- > 0;) {
      strides[i] = stride;
      stride *= tensor.shape[i];
    }
    global("torch._utils", "_rebuild_tensor_v2");
    out_ += "((";
    text("storage");
    global("torch", storage_class(tensor.dtype));
    text(fmt::format("{}", tensors_.size()));
    text("cpu");
    integer(count);
    out_ += "tQ";
    integer(0);
    sizes(tensor.shape);
    sizes(strides);
    out_ += '\x89';
    global("collections", "OrderedDict");
    out_ += ")RtR";
    tensors_.push_back(&tensor);
  }

  void value(const ValueToWrite& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return integer(*whole);
    if (const auto* number = std::get_if<double>(&value)) return real(*number);
    if (const auto* words = std::get_if<std::string>(&value)) return text(*words);
    if (const auto* array = std::get_if<TensorToWrite>(&value)) return tensor(*array);
    dict(*std::get<std::shared_ptr<DictToWrite>>(value), /*ordered=*/true);
  }

  void dict(const DictToWrite& dict, bool ordered) {
    if (ordered) {
      global("collections", "OrderedDict");
      out_ += ")R";
    } else {
      out_ += '}';
    }
    out_ += '(';
    for (const auto& [key, item] : dict.items) {
      text(key);
      value(item);
    }
    out_ += 'u';
  }

  std::string out_;
  std::vector<const TensorToWrite*> tensors_;
};

// Writes stored entries one after the other and the directory at the end.
class ZipWriter {
 public:
  explicit ZipWriter(const std::filesystem::path& path)
      : path_(path), file_(path, std::ios::binary | std::ios::trunc) {
    check();
  }

  void add(const std::string& name, std::span<const std::byte> bytes) {
    if (position_ + bytes.size() + name.size() + 2 * kAlignment > kMaxArchive) {
      throw Error(ErrorCode::kUnimplemented,
                  fmt::format("{}: archives of 4 GiB and more cannot be written", path_.string()));
    }
    const auto* data = reinterpret_cast<const Bytef*>(bytes.data());
    const std::uint64_t crc = ::crc32_z(0, data, bytes.size());
    constexpr std::uint64_t kHeader = 30;
    constexpr std::uint64_t kExtraHeader = 4;
    const std::uint64_t unpadded = position_ + kHeader + name.size() + kExtraHeader;
    const std::uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
    std::string header;
    put(header, 0x04034b50, 4);
    fields(header, crc, bytes.size(), name.size());
    put(header, kExtraHeader + padding, 2);
    header += name;
    header += "FB";
    put(header, padding, 2);
    header.append(padding, 'Z');

    put(directory_, 0x02014b50, 4);
    put(directory_, 0, 2);
    fields(directory_, crc, bytes.size(), name.size());
    put(directory_, 0, 2 + 2 + 2 + 2 + 4);
    put(directory_, position_, 4);
    directory_ += name;
    ++entries_;
    write(header);
    file_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    position_ += bytes.size();
    check();
  }

  void finish() {
    const std::uint64_t offset = position_;
    std::string end = directory_;
    put(end, 0x06054b50, 4);
    put(end, 0, 4);
    put(end, entries_, 2);
    put(end, entries_, 2);
    put(end, directory_.size(), 4);
    put(end, offset, 4);
    put(end, 0, 2);
    write(end);
    file_.close();
    check();
  }

 private:
  void fields(std::string& out, std::uint64_t crc, std::uint64_t size, std::uint64_t name_length) {
    put(out, 0, 2);
    put(out, kUtf8Names, 2);
    put(out, 0, 2 + 2 + 2);  // stored, no time, no date: equal input gives equal files
    put(out, crc, 4);
    put(out, size, 4);
    put(out, size, 4);
    put(out, name_length, 2);
  }

  void write(const std::string& text) {
    file_.write(text.data(), static_cast<std::streamsize>(text.size()));
    position_ += text.size();
  }

  void check() {
    if (file_) return;
    throw Error(ErrorCode::kUnavailable,
                fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
  }

  std::filesystem::path path_;
  std::ofstream file_;
  std::string directory_;
  std::uint64_t position_ = 0;
  std::uint64_t entries_ = 0;
};

std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

void write_entries(const std::filesystem::path& path, const std::string& prefix, const DictToWrite& root) {
  PickleWriter pickle;
  const std::string program = pickle.write(root);
  if (pickle.tensors().size() > 60'000) {
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("{}: more tensors than a plain zip archive can hold", path.string()));
  }
  ZipWriter zip(path);
  zip.add(prefix + "/data.pkl", as_bytes(program));
  zip.add(prefix + "/byteorder", as_bytes("little"));
  for (std::size_t i = 0; i < pickle.tensors().size(); ++i) {
    zip.add(fmt::format("{}/data/{}", prefix, i), pickle.tensors()[i]->bytes);
  }
  zip.add(prefix + "/version", as_bytes("3\n"));
  zip.finish();
}

}  // namespace

void write_torch_archive(const std::filesystem::path& path, const DictToWrite& root) {
  write_atomically(path, [&](const std::filesystem::path& temporary) {
    write_entries(temporary, path.stem().string(), root);
  });
}

}  // namespace greenroom::checkpoint
