// Things in a row, each holding the next one. Internal to core.
#pragma once

#include <memory>
#include <utility>

namespace greenroom::core {

// Putting one in takes no memory, so that it cannot fail where there is no way back. `Item` has a member
// `std::shared_ptr<Item> next`, and is in one chain at most. Not thread-safe.
template <typename Item>
class Chain {
 public:
  Chain() = default;
  Chain(Chain&& other) noexcept
      : first_(std::move(other.first_)), last_(std::exchange(other.last_, nullptr)) {}
  Chain& operator=(Chain&& other) noexcept {
    if (this == &other) return *this;
    clear();
    first_ = std::move(other.first_);
    last_ = std::exchange(other.last_, nullptr);
    return *this;
  }
  ~Chain() { clear(); }

  bool empty() const { return first_ == nullptr; }
  // REQUIRES: not empty.
  const Item& front() const { return *first_; }
  void push(std::shared_ptr<Item> item) noexcept {
    Item* const added = item.get();
    (last_ != nullptr ? last_->next : first_) = std::move(item);
    last_ = added;
  }
  // REQUIRES: not empty.
  std::shared_ptr<Item> pop() noexcept {
    std::shared_ptr<Item> item = std::move(first_);
    first_ = std::move(item->next);
    if (!first_) last_ = nullptr;
    return item;
  }
  // One after the other: a chain may be longer than the stack is deep.
  void clear() noexcept {
    while (!empty()) pop();
  }
  template <typename Act>
  void for_each(const Act& act) const {
    for (const std::shared_ptr<Item>* at = &first_; *at; at = &(*at)->next) act(*at);
  }

 private:
  std::shared_ptr<Item> first_;
  Item* last_ = nullptr;
};

}  // namespace greenroom::core
