// What crosses between libtorrent's network thread and JavaScript: jobs in one direction, answers in the
// other, both in batches. `jobs.ts` knows the same numbers.
#pragma once

#include "slabs.hpp"

#include <libtorrent/io_context.hpp>
#include <libtorrent/sha1_hash.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace sluice {

enum class Kind : std::int32_t {
  open = 0,  // piece: the torrent's key
  close = 1, // no more jobs of a storage come
  read = 2,
  write = 3,
  hash = 4, // length: blocks of version 2, or 0
  hash_block = 5,
  clear = 6,
  flush = 7,
  check = 8,
};

// Bits of `Job::flags`.
constexpr std::int32_t volatile_flag = 1;
constexpr std::int32_t v1_flag = 2;
constexpr std::int32_t flush_flag = 4;

struct Job {
  std::int32_t kind, flags, id, storage, piece, offset, length, slab, at;
};
constexpr int job_fields = sizeof(Job) / sizeof(std::int32_t);

// A hash is told beside the answer that says whether there is one.
struct HashAnswer {
  std::int32_t id;
  std::array<char, 20> v1;
  std::vector<char> leaves;
};

struct Answers {
  // Pairs of a job's id and 0, or 1 where it failed.
  std::vector<std::int32_t> outcomes;
  std::vector<HashAnswer> hashes;
};

// The disk as JavaScript's thread may call it; null once libtorrent has no disk any more.
class Answerable {
public:
  virtual void complete(Answers answers) = 0;
  virtual void fail_all() = 0;

protected:
  ~Answerable() = default;
};

// What both threads hold. Whoever calls `wake` makes JavaScript's thread come and `take`.
class Bridge {
public:
  // Bytes of blocks that JavaScript has not taken yet, above which peers are asked to wait, and below which
  // they go on.
  static constexpr std::int64_t waiting_high = 4 << 20;
  static constexpr std::int64_t waiting_low = 1 << 20;

  Slabs slabs;
  std::atomic<std::int64_t> waiting_bytes{0};
  // The disk's own buffer is over its high-water mark.
  std::atomic<bool> is_full{false};
  // Nobody will answer any more: JavaScript's thread ends.
  std::atomic<bool> is_dead{false};
  std::atomic<bool> has_alerts{false};
  std::atomic<bool> is_closed{false};

  explicit Bridge(std::function<void()> call) : call_(std::move(call)) {}

  void push(Job const& job) {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back(job);
  }

  // One call of the other thread for all that has come since its last one.
  void wake() {
    std::lock_guard<std::mutex> lock(call_mutex_);
    if (!is_dead && !is_called_.exchange(true)) call_();
  }

  std::vector<Job> take() {
    is_called_ = false;
    std::vector<Job> taken;
    std::lock_guard<std::mutex> lock(mutex_);
    taken.swap(jobs_);
    return taken;
  }

  bool has_jobs() {
    std::lock_guard<std::mutex> lock(mutex_);
    return !jobs_.empty();
  }

  // From here on `wake` calls nobody, and what is outstanding fails.
  void die() {
    {
      std::lock_guard<std::mutex> lock(call_mutex_);
      is_dead = true;
    }
    std::lock_guard<std::mutex> lock(disk_mutex_);
    if (disk_ != nullptr) disk_->fail_all();
  }

  void attach(Answerable* disk) {
    std::lock_guard<std::mutex> lock(disk_mutex_);
    disk_ = disk;
  }

  void answer(Answers answers) {
    std::lock_guard<std::mutex> lock(disk_mutex_);
    if (disk_ != nullptr) disk_->complete(std::move(answers));
  }

private:
  std::function<void()> call_;
  std::mutex call_mutex_;
  std::atomic<bool> is_called_{false};
  std::mutex mutex_;
  std::vector<Job> jobs_;
  std::mutex disk_mutex_;
  Answerable* disk_ = nullptr;
};

} // namespace sluice
