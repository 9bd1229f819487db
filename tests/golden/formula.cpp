#include "formula.h"

#include <fmt/format.h>
#include <torch/torch.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/torch_writer.h"

namespace greenroom::golden {
namespace {

namespace fs = std::filesystem;

// A folder of its own, gone at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "greenroom_golden_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      throw base::Error(base::ErrorCode::kUnavailable, name + ": cannot be made");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

torch::Tensor formula_tensor(std::int64_t index, torch::IntArrayRef shape, double offset, double amplitude) {
  auto tensor = torch::empty(shape, torch::kFloat32);
  auto* values = tensor.data_ptr<float>();
  const std::uint64_t start = static_cast<std::uint64_t>(index) * 40503 + 12345;
  for (std::int64_t j = 0; j < tensor.numel(); ++j) {
    auto h = static_cast<std::uint32_t>(static_cast<std::uint64_t>(j) * 2654435761U + start);
    h ^= h >> 16;
    h *= 2246822519U;
    h ^= h >> 13;
    values[j] = static_cast<float>(offset + amplitude * (h / 4294967296.0 - 0.5));
  }
  return tensor;
}

nn::Weights formula_weights(const Case& golden, const std::function<bool(std::string_view)>& wanted) {
  const auto table_path = golden.folder() / "weights_formula.json";
  std::ifstream file(table_path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto table = base::parse_json(text, table_path.string());
  std::vector<torch::Tensor> tensors;
  checkpoint::DictToWrite dict;
  for (const auto& row : table.at("tensors")) {  // name, shape, index, offset, amplitude
    const auto name = row.at(0).get<std::string>();
    if (wanted && !wanted(name)) continue;
    const auto shape = row.at(1).get<std::vector<std::int64_t>>();
    tensors.push_back(formula_tensor(row.at(2).get<std::int64_t>(), shape, row.at(3).get<double>(),
                                     row.at(4).get<double>()));
    const auto& tensor = tensors.back();
    dict.items.emplace_back(
        name, checkpoint::TensorToWrite{checkpoint::DType::kFloat32,
                                        shape,
                                        {static_cast<const std::byte*>(tensor.data_ptr()),
                                         static_cast<std::size_t>(tensor.numel()) * sizeof(float)}});
  }
  const TemporaryFolder folder;
  write_torch_archive(folder.path() / "weights.pt", dict);
  return {checkpoint::Checkpoint::open(folder.path() / "weights.pt"), base::DeviceId{}};
}

}  // namespace greenroom::golden
