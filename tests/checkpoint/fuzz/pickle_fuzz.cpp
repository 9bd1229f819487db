#include "checkpoint/object_tree.h"
#include "checkpoint/pickle.h"
#include "fuzz.h"

namespace greenroom::checkpoint {
namespace {

// Every storage is there, in the size declared, up to a limit.
class AnyStorage final : public StorageSource {
 public:
  Storage find(const Node&, std::uint64_t bytes, const std::string&) override {
    static const std::vector<std::byte> kMemory(4096);
    if (bytes > kMemory.size()) throw base::Error(base::ErrorCode::kDataLoss, "too large");
    return {0, bytes, std::span(kMemory).first(bytes)};
  }
};

}  // namespace
}  // namespace greenroom::checkpoint

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace greenroom::checkpoint;
  try {
    const Pickle pickle = read_pickle(std::as_bytes(std::span(data, size)), "fuzz");
    auto contents = std::make_shared<Checkpoint::Contents>();
    AnyStorage storages;
    flatten(pickle, storages, *contents);
    for (const auto& [name, view] : contents->tensors) {
      if (view.is_contiguous() && view.nbytes() > view.bytes.size()) std::abort();
    }
  } catch (const greenroom::base::Error& error) {
    if (error.code() == greenroom::base::ErrorCode::kInternal) std::abort();
  }
  return 0;
}
