// Blocks of memory that both threads see: libtorrent's network thread and the one of JavaScript. A slab is
// shown to JavaScript once, as an ArrayBuffer; a block in it is named by slab and offset, so that no buffer
// object is made for a block. Slabs are kept until the last of those who know them is gone.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace sluice {

constexpr int block_bytes = 0x4000;

struct Place {
  std::int32_t slab;
  std::int32_t offset;
};

class Slabs {
public:
  static constexpr std::size_t slab_bytes = std::size_t(2) << 20;

  Slabs() = default;
  Slabs(Slabs const&) = delete;
  Slabs& operator=(Slabs const&) = delete;
  ~Slabs() {
    for (char* slab : slabs_) std::free(slab);
  }

  // A block of `block_bytes`; any thread. Grows where none is free: who asks is bounded by back-pressure.
  char* take() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) grow();
    char* block = free_.back();
    free_.pop_back();
    return block;
  }

  void give_back(char* block) {
    std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(block);
  }

  void give_back(std::vector<char*> const& blocks) {
    std::lock_guard<std::mutex> lock(mutex_);
    free_.insert(free_.end(), blocks.begin(), blocks.end());
  }

  Place place(char const* block) const {
    std::lock_guard<std::mutex> lock(mutex_);
    auto const base = reinterpret_cast<std::uintptr_t>(block) & ~(slab_bytes - 1);
    for (std::size_t i = 0; i < slabs_.size(); ++i)
      if (reinterpret_cast<std::uintptr_t>(slabs_[i]) == base)
        return {std::int32_t(i), std::int32_t(block - slabs_[i])};
    return {-1, -1};
  }

  // Undefined (null) past the last.
  char* slab(std::size_t index) const {
    std::lock_guard<std::mutex> lock(mutex_);
    return index < slabs_.size() ? slabs_[index] : nullptr;
  }

private:
  void grow() {
    // Aligned to its size, so that a block's address tells its slab's.
    auto* slab = static_cast<char*>(std::aligned_alloc(slab_bytes, slab_bytes));
    if (slab == nullptr) throw std::bad_alloc();
    slabs_.push_back(slab);
    for (std::size_t at = slab_bytes; at > 0; at -= block_bytes)
      free_.push_back(slab + at - block_bytes);
  }

  mutable std::mutex mutex_;
  std::vector<char*> slabs_;
  std::vector<char*> free_;
};

} // namespace sluice
