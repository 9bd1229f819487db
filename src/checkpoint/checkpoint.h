// Opens a checkpoint of any supported format and finds tensors in it by name. Reads headers only: tensor
// bytes are mapped, never copied, and touched by nobody but the caller.
//
// Formats, told apart by content and never by file name: torch.save's zip archive (a pickle read by our own
// machine, which constructs no object and runs no code), and safetensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "checkpoint/tensor_view.h"

namespace greenroom::checkpoint {

class MappedFile;

// A plain value found beside the tensors (an epoch number, a config entry).
using Scalar = std::variant<bool, std::int64_t, double, std::string>;

// Immutable; copies are cheap and share the mapping. Thread-safe.
class Checkpoint {
 public:
  // Throws Error: kNotFound (no such file, or not a regular one), kDataLoss (truncated, corrupt, or not a
  // checkpoint; the message says what the file looks like instead), kUnimplemented (TorchScript, legacy
  // format).
  static Checkpoint open(const std::filesystem::path& path);

  const std::filesystem::path& path() const;

  // "torch.save archive" or "safetensors".
  std::string_view format() const;

  // All tensors by full name. Names of nested dicts, lists and tuples are joined by ".": the entry
  // ckpt["model"]["encoder.weight"] is "model.encoder.weight", ckpt["layers"][0] is "layers.0".
  const std::map<std::string, TensorView, std::less<>>& tensors() const&;
  const std::map<std::string, TensorView, std::less<>>& tensors() const&& = delete;  // would dangle

  // Null when there is none.
  const TensorView* find(std::string_view name) const;

  // All numbers, strings and booleans by full name, same joining.
  const std::map<std::string, Scalar, std::less<>>& scalars() const&;
  const std::map<std::string, Scalar, std::less<>>& scalars() const&& = delete;

  // Names of values that were skipped because their class is foreign (argparse.Namespace and the like), with
  // the class name. A tensor of an unsupported kind is listed here too.
  const std::map<std::string, std::string, std::less<>>& skipped() const;

  // Keeps the bytes of every TensorView alive.
  std::shared_ptr<const MappedFile> mapping() const;

  // What the format readers fill; private to this layer.
  struct Contents;

 private:
  explicit Checkpoint(std::shared_ptr<const Contents> contents);
  std::shared_ptr<const Contents> contents_;
};

}  // namespace greenroom::checkpoint
