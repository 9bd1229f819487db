// Opens a checkpoint of any supported format and finds tensors in it by name. Reads headers only: tensor
// bytes are mapped, never copied, and touched by nobody but the caller.
//
// Formats, told apart by content and never by file name: torch.save's zip archive and the stream it wrote
// before PyTorch 1.6 (pickles read by our own machine, which constructs no object and runs no code),
// safetensors, and safetensors in shards with their index. docs/checkpoint_formats.md has the details.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "checkpoint/tensor_view.h"

namespace greenroom::checkpoint {

class MappedFile;

// A plain value found beside the tensors (an epoch number, a config entry).
using Scalar = std::variant<bool, std::int64_t, double, std::string>;

enum class OpenMode {
  kTensors,  // the bytes of every tensor can be read
  kHeaders,  // names, shapes and sizes only; touches next to nothing of a large file
};

// Immutable; copies are cheap and share the mapping. Thread-safe.
class Checkpoint {
 public:
  // `path` is a file, the index of a sharded model, or a folder with "model.safetensors.index.json" or
  // "model.safetensors". Throws Error: kNotFound (no such file, or not a regular one), kDataLoss (truncated,
  // corrupt, changed while it was read, or not a checkpoint; the message says what the file looks like
  // instead), kUnimplemented (TorchScript, a newer format), kResourceExhausted (a compressed archive that
  // unpacks to more than 1 GiB).
  static Checkpoint open(const std::filesystem::path& path, OpenMode mode = OpenMode::kTensors);

  const std::filesystem::path& path() const;

  // "torch.save archive", "safetensors", ...
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
  // the class name; what plain values and tensors they hold are found below their name. A tensor of an
  // unsupported kind (quantised, sparse) is listed here too.
  const std::map<std::string, std::string, std::less<>>& skipped() const;

  // The file it was read from, or the index and all shards.
  const std::vector<std::shared_ptr<const MappedFile>>& files() const;

  // Keeps the bytes of every TensorView alive.
  std::shared_ptr<const void> keep_alive() const;

  // Throws Error(kDataLoss) when a file was changed since it was opened. A file that is cut off while its
  // tensors are read gives zeros, not a crash: whoever has read tensors asks here before it uses them.
  void check_unchanged() const;

  // What the format readers fill; private to this layer.
  struct Contents;

 private:
  explicit Checkpoint(std::shared_ptr<const Contents> contents);
  std::shared_ptr<const Contents> contents_;
};

}  // namespace greenroom::checkpoint
