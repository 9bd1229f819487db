#include "case.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/error.h"

namespace greenroom::golden {
namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

Arrays::Arrays(const std::filesystem::path& path) : file_(checkpoint::Checkpoint::open(path)) {}

bool Arrays::has(const std::string& name) const {
  return file_.find(name) != nullptr;
}

torch::Tensor Arrays::tensor(const std::string& name) const {
  const auto* view = file_.find(name);
  if (view == nullptr)
    throw base::Error(base::ErrorCode::kNotFound, file_.path().string() + " has no array " + name);
  torch::ScalarType type = torch::kFloat32;
  switch (view->dtype) {
    case checkpoint::DType::kFloat32:
      break;
    case checkpoint::DType::kFloat64:
      type = torch::kFloat64;
      break;
    case checkpoint::DType::kInt64:
      type = torch::kInt64;
      break;
    case checkpoint::DType::kInt16:
      type = torch::kInt16;
      break;
    default:
      throw base::Error(base::ErrorCode::kUnimplemented, name + " has an unexpected dtype");
  }
  auto tensor = torch::empty(view->shape, type);
  std::memcpy(tensor.data_ptr(), view->bytes.data(), view->bytes.size());
  return tensor;
}

std::vector<float> Arrays::floats(const std::string& name) const {
  const auto flat = tensor(name).to(torch::kFloat32).flatten().contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

std::vector<double> Arrays::doubles(const std::string& name) const {
  const auto flat = tensor(name).to(torch::kFloat64).flatten().contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

std::vector<std::int64_t> Arrays::integers(const std::string& name) const {
  const auto flat = tensor(name).to(torch::kInt64).flatten().contiguous();
  return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
}

double Arrays::number(const std::string& name) const {
  return doubles(name).at(0);
}

std::vector<std::string> Arrays::names() const {
  std::vector<std::string> names;
  for (const auto& entry : file_.tensors()) names.push_back(entry.first);
  return names;
}

Case::Case(std::filesystem::path folder, std::vector<Row>& table)
    : folder_(std::move(folder)),
      name_(folder_.filename().string()),
      meta_(base::parse_json(read_text(folder_ / "meta.json"), (folder_ / "meta.json").string())),
      table_(table) {
  if (std::filesystem::exists(folder_ / "io.safetensors")) io_.emplace(folder_ / "io.safetensors");
}

const Arrays& Case::io() const {
  if (io_) return *io_;
  throw base::Error(base::ErrorCode::kNotFound, (folder_ / "io.safetensors").string() + ": no such file");
}

base::Json Case::json(const std::string& file) const {
  return base::parse_json(read_text(folder_ / file), (folder_ / file).string());
}

base::DeviceId device() {
  const char* named = std::getenv("GREENROOM_GOLDEN_DEVICE");
  if (named == nullptr || *named == 0) return {};
  if (const auto parsed = base::parse_device_id(named)) return *parsed;
  throw base::Error(base::ErrorCode::kInvalidArgument,
                    std::string("GREENROOM_GOLDEN_DEVICE=") + named + ": no such device");
}

nn::Weights Case::device_weights(const std::string& file) const {
  return {checkpoint::Checkpoint::open(folder_ / file), device()};
}

nn::Weights Case::weights(const std::string& file) const {
  return {checkpoint::Checkpoint::open(folder_ / file), base::DeviceId{}};
}

void Case::compare(const std::string& quantity, const torch::Tensor& ours, const torch::Tensor& theirs,
                   double limit) {
  Row row{name_, quantity, std::numeric_limits<double>::infinity(), limit};
  const auto a = ours.to(torch::kCPU, torch::kFloat64).squeeze();
  const auto b = theirs.to(torch::kCPU, torch::kFloat64).squeeze();
  if (a.sizes() == b.sizes() && a.numel() > 0) {
    const double scale = b.abs().max().item<double>();
    const double difference = (a - b).abs().max().item<double>();
    row.error = difference == 0 ? 0 : difference / (scale > 0 ? scale : 1);
    if (!(row.error >= 0)) row.error = std::numeric_limits<double>::infinity();  // NaN
  } else {
    std::ostringstream text;
    text << quantity << " (shape " << a.sizes() << ", expected " << b.sizes() << ")";
    row.quantity = text.str();
  }
  table_.push_back(row);
}

void Case::check(const std::string& reference, const torch::Tensor& ours, double limit) {
  compare(reference, ours, io().tensor(reference), limit);
}

void Case::check(const std::string& reference, const std::vector<float>& ours, double limit) {
  check(reference, torch::tensor(ours, torch::kFloat32), limit);
}

void Case::check(const std::string& reference, const std::vector<double>& ours, double limit) {
  check(reference, torch::tensor(ours, torch::kFloat64), limit);
}

void Case::check_equal(const std::string& quantity, const std::vector<std::int64_t>& ours,
                       const std::vector<std::int64_t>& theirs) {
  check_equal(quantity, ours == theirs);
}

void Case::check_equal(const std::string& quantity, bool equal) {
  table_.push_back({name_, quantity, equal ? 0.0 : std::numeric_limits<double>::infinity(), 0.0});
}

torch::Tensor RecordedNoise::normal(std::string_view name, torch::IntArrayRef shape, torch::Device device) {
  const auto found = draws_.find(name);
  if (found == draws_.end()) {
    throw base::Error(base::ErrorCode::kInternal,
                      "the case has no recorded draw \"" + std::string(name) + "\"");
  }
  // Long draws are taken piece by piece along the samples.
  auto& rest = found->second;
  if (rest.sizes() == shape) return rest.to(device);
  auto piece = rest.slice(1, 0, shape[1]);
  if (piece.sizes() != shape)
    throw base::Error(base::ErrorCode::kInternal, "recorded draw has another shape");
  rest = rest.slice(1, shape[1]);
  return piece.to(device);
}

torch::Tensor RecordedNoise::uniform(std::string_view name, torch::IntArrayRef shape, torch::Device device) {
  return normal(name, shape, device);
}

bool run_by_name(Case& golden, const Kinds& kinds) {
  const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                 [&](const auto& each) { return golden.name().starts_with(each.first); });
  if (kind == kinds.end()) return false;
  kind->second(golden);
  return true;
}

}  // namespace greenroom::golden
