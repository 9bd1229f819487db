#include "checkpoint/read_plan.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "checkpoint/convert_dtype.h"
#include "checkpoint/text.h"

namespace greenroom::checkpoint {
namespace {

constexpr std::uint64_t kAlignment = 64;

std::uint64_t align(std::uint64_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

struct Wanted {
  const std::string* name;
  const TensorView* view;
  DType dtype;
};

}  // namespace

ReadPlan::ReadPlan(Checkpoint source, const Choice& choose) : source_(std::move(source)) {
  std::vector<Wanted> wanted;
  for (const auto& [name, view] : source_.tensors()) {
    const auto dtype = choose(name, view);
    if (!dtype) continue;
    if (*dtype != view.dtype && !can_convert(view.dtype, *dtype)) {
      throw base::Error(
          base::ErrorCode::kInvalidArgument,
          fmt::format("{}: the tensor {} holds {}, which cannot become {}", source_.path().string(),
                      printable(name), dtype_name(view.dtype), dtype_name(*dtype)));
    }
    wanted.push_back({&name, &view, *dtype});
  }
  std::stable_sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
    return std::less<>()(a.view->bytes.data(), b.view->bytes.data());
  });
  using Identity = std::tuple<const std::byte*, std::size_t, DType, DType>;
  std::map<Identity, std::uint64_t> placed;
  for (const Wanted& item : wanted) {
    const TensorView& view = *item.view;
    const std::uint64_t bytes = view.bytes.size() / dtype_size(view.dtype) * dtype_size(item.dtype);
    const Identity identity{view.bytes.data(), view.bytes.size(), view.dtype, item.dtype};
    const auto [known, is_new] = placed.emplace(identity, bytes_);
    if (is_new && bytes > 0) {
      pieces_.push_back({view.bytes, view.dtype, item.dtype, bytes_});
      source_bytes_ += view.bytes.size();
      bytes_ = align(bytes_ + bytes);
    }
    tensors_.emplace(*item.name, PlacedTensor{item.dtype, view.shape, view.strides, known->second, bytes});
  }
}

}  // namespace greenroom::checkpoint
