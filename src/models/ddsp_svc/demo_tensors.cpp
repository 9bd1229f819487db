#include "models/ddsp_svc/demo_tensors.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <span>

#include "checkpoint/torch_writer.h"

namespace greenroom::models::ddsp_svc {
namespace {

// SplitMix64's output function: a counter in, 64 well-mixed bits out.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// FNV-1a, so that a tensor's noise does not depend on the standard library's std::hash.
std::uint64_t hash_name(const std::string& name) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

std::int64_t product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace

float unit_gain(std::int64_t fan_in) {
  return static_cast<float>(std::sqrt(3.0 / static_cast<double>(fan_in)));
}

float& DemoTensor::at(std::int64_t i, std::int64_t j, std::int64_t k, std::int64_t l) {
  const std::int64_t index[] = {i, j, k, l};
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    assert(axis < 4 && index[axis] >= 0 && index[axis] < shape[axis]);
    offset = offset * shape[axis] + index[axis];
  }
  return values[static_cast<std::size_t>(offset)];
}

void DemoTensor::clear_row(std::int64_t i) {
  const auto width = static_cast<std::int64_t>(values.size()) / shape[0];
  std::fill_n(values.begin() + i * width, width, 0.0f);
}

void DemoTensor::clear_column(std::int64_t j) {
  const auto width = static_cast<std::int64_t>(values.size()) / (shape[0] * shape[1]);
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    std::fill_n(values.begin() + (i * shape[1] + j) * width, width, 0.0f);
  }
}

void TensorSet::add_noise(const std::string& name, DemoTensor& tensor, float amplitude) const {
  const std::uint64_t key = mix(seed_ ^ hash_name(name));
  const float scale = amplitude / 2147483648.0f;
  std::uint64_t counter = key;
  const std::size_t count = tensor.values.size();
  for (std::size_t i = 0; i < count; i += 2) {
    counter += 0x9e3779b97f4a7c15ULL;
    const std::uint64_t bits = mix(counter);
    tensor.values[i] += scale * static_cast<float>(static_cast<std::int32_t>(bits));
    if (i + 1 < count)
      tensor.values[i + 1] += scale * static_cast<float>(static_cast<std::int32_t>(bits >> 32));
  }
}

DemoTensor& TensorSet::constant(const std::string& name, std::vector<std::int64_t> shape, float value) {
  const auto count = static_cast<std::size_t>(product(shape));
  entries_.push_back({name, {std::move(shape), std::vector<float>(count, value)}});
  return entries_.back().tensor;
}

DemoTensor& TensorSet::noise(const std::string& name, std::vector<std::int64_t> shape, float amplitude) {
  auto& tensor = constant(name, std::move(shape), 0);
  add_noise(name, tensor, amplitude);
  return tensor;
}

void TensorSet::integer(const std::string& name, std::int64_t value) {
  entries_.push_back({name, {}, true, value});
}

DemoTensor& TensorSet::weight_norm(const std::string& prefix, std::vector<std::int64_t> shape, int axis,
                                   float amplitude) {
  std::vector<std::int64_t> gain_shape(shape.size(), 1);
  gain_shape[static_cast<std::size_t>(axis)] = shape[static_cast<std::size_t>(axis)];
  auto& gain = constant(prefix + ".weight_g", std::move(gain_shape), 0);
  auto& direction = noise(prefix + ".weight_v", std::move(shape), amplitude);
  norms_.push_back({prefix, &gain, &direction, axis});
  return direction;
}

void TensorSet::finish(const Norm& norm) const {
  const auto& shape = norm.direction->shape;
  const auto axis = static_cast<std::size_t>(norm.axis);
  const std::int64_t rows = shape[axis];
  const std::int64_t inner =
      std::accumulate(shape.begin() + norm.axis + 1, shape.end(), std::int64_t{1}, std::multiplies<>());
  const auto row_of = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<std::int64_t>(i) / inner % rows);
  };
  auto& values = norm.direction->values;
  std::vector<double> squares(static_cast<std::size_t>(rows), 0.0);
  for (std::size_t i = 0; i < values.size(); ++i)
    squares[row_of(i)] += static_cast<double>(values[i]) * values[i];
  for (std::size_t row = 0; row < squares.size(); ++row) {
    norm.gain->values[row] = static_cast<float>(std::sqrt(squares[row]));
  }
  if (std::find(squares.begin(), squares.end(), 0.0) == squares.end()) return;
  DemoTensor spare{shape, std::vector<float>(values.size(), 0.0f)};
  add_noise(norm.name + ".spare", spare, 1);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (squares[row_of(i)] == 0.0) values[i] = spare.values[i];
  }
}

std::shared_ptr<checkpoint::DictToWrite> TensorSet::dict() {
  for (const auto& norm : norms_) finish(norm);
  norms_.clear();
  auto tensors = std::make_shared<checkpoint::DictToWrite>();
  for (const auto& entry : entries_) {
    checkpoint::TensorToWrite tensor;
    if (entry.is_integer) {
      tensor.dtype = checkpoint::DType::kInt64;
      tensor.bytes = std::as_bytes(std::span(&entry.integer, 1));
    } else {
      tensor.shape = entry.tensor.shape;
      tensor.bytes = std::as_bytes(std::span(entry.tensor.values));
    }
    tensors->items.emplace_back(entry.name, std::move(tensor));
  }
  return tensors;
}

void TensorSet::write(const std::filesystem::path& path, const std::string& root,
                      const std::vector<std::pair<std::string, std::int64_t>>& numbers) {
  auto tensors = dict();
  checkpoint::DictToWrite file;
  for (const auto& [name, value] : numbers) file.items.emplace_back(name, value);
  file.items.emplace_back("greenroom_demo", std::int64_t{1});
  file.items.emplace_back(root, std::move(tensors));
  checkpoint::write_torch_archive(path, file);
}

}  // namespace greenroom::models::ddsp_svc
