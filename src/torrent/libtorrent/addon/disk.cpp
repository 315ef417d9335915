// libtorrent's disk, for all torrents of a session: every job goes to JavaScript, and comes back.
//
// Everything here runs on libtorrent's network thread but `complete` and `fail_all`, which post to it. No
// handler is called from within the call that brought it. While a job is out, the network thread is kept
// from ending.
#include "disk.hpp"

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/disk_observer.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/performance_counters.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>
#include <variant>

namespace sluice {

namespace lt = libtorrent;
using lt::storage_error;

namespace {

char const* const save_prefix = "/sluice/";

using ReadDone = std::function<void(lt::disk_buffer_holder, storage_error const&)>;
using WriteDone = std::function<void(storage_error const&)>;
using HashDone =
    std::function<void(lt::piece_index_t, lt::sha1_hash const&, storage_error const&)>;
using BlockHashDone =
    std::function<void(lt::piece_index_t, lt::sha256_hash const&, storage_error const&)>;
using ClearDone = std::function<void(lt::piece_index_t)>;
using FlushDone = std::function<void()>;
using CheckDone = std::function<void(lt::status_t, storage_error const&)>;

// A job that is out.
struct Outstanding {
  std::variant<std::monostate, ReadDone, WriteDone, HashDone, BlockHashDone, ClearDone, FlushDone,
               CheckDone>
      done;
  lt::piece_index_t piece{0};
  // Read: where the answer goes, or is.
  char* block = nullptr;
  int length = 0;
  // Hash: libtorrent's own memory, which its handler keeps alive.
  lt::span<lt::sha256_hash> leaves;
  lt::sha1_hash v1;
  // Hash of one block.
  lt::sha256_hash leaf;
};

storage_error failed(lt::operation_t operation) {
  // A code for which libtorrent stops the torrent, and does not go on as a mere seed.
  return {boost::system::errc::make_error_code(boost::system::errc::io_error), operation};
}

storage_error unsupported(lt::operation_t operation) {
  return {boost::system::errc::make_error_code(boost::system::errc::operation_not_supported),
          operation};
}

class Disk final : public lt::disk_interface,
                   public lt::buffer_allocator_interface,
                   public Answerable {
public:
  Disk(lt::io_context& network, std::shared_ptr<Bridge> bridge)
      : network_(network), bridge_(std::move(bridge)) {
    bridge_->attach(this);
  }

  ~Disk() override { bridge_->attach(nullptr); }

  lt::storage_holder new_torrent(lt::storage_params const& params,
                                 std::shared_ptr<void> const&) override {
    std::int32_t const storage = ++last_storage_;
    std::string const path = params.path;
    auto const at = path.rfind(save_prefix);
    std::int32_t const key =
        at == std::string::npos ? 0 : std::atoi(path.c_str() + at + std::strlen(save_prefix));
    push(Kind::open, 0, storage, key);
    return {lt::storage_index_t(std::uint32_t(storage)), *this};
  }

  // No more jobs come for the storage; some of it may still be out.
  void remove_torrent(lt::storage_index_t storage) override {
    push(Kind::close, 0, index(storage), 0);
    bridge_->wake();
  }

  void async_read(lt::storage_index_t storage, lt::peer_request const& r, ReadDone handler,
                  lt::disk_job_flags_t flags) override {
    if (r.length < 0 || r.length > block_bytes) {
      post([handler = std::move(handler)] { handler({}, unsupported(lt::operation_t::file_read)); });
      return;
    }
    char* const block = bridge_->slabs.take();
    auto const id = add(std::move(handler), r.piece);
    at(id).block = block;
    at(id).length = r.length;
    Place const place = bridge_->slabs.place(block);
    bool const is_volatile = bool(flags & volatile_read);
    send({int(Kind::read), is_volatile ? volatile_flag : 0, id, index(storage), int(r.piece),
          r.start, r.length, place.slab, place.offset});
  }

  bool async_write(lt::storage_index_t storage, lt::peer_request const& r, char const* buf,
                   std::shared_ptr<lt::disk_observer> observer, WriteDone handler,
                   lt::disk_job_flags_t flags) override {
    if (r.length < 0 || r.length > block_bytes) {
      post([handler = std::move(handler)] { handler(unsupported(lt::operation_t::file_write)); });
      return false;
    }
    char* const block = bridge_->slabs.take();
    std::memcpy(block, buf, std::size_t(r.length));
    auto const id = add(std::move(handler), r.piece);
    Place const place = bridge_->slabs.place(block);
    bool const flushes = bool(flags & flush_piece);
    auto const waiting = bridge_->waiting_bytes += r.length;
    send({int(Kind::write), flushes ? flush_flag : 0, id, index(storage), int(r.piece), r.start,
          r.length, place.slab, place.offset});
    if (waiting <= Bridge::waiting_high && !bridge_->is_full) return false;
    if (observer) observers_.push_back(std::move(observer));
    return true;
  }

  void async_hash(lt::storage_index_t storage, lt::piece_index_t piece,
                  lt::span<lt::sha256_hash> leaves, lt::disk_job_flags_t flags,
                  HashDone handler) override {
    auto const id = add(std::move(handler), piece);
    at(id).leaves = leaves;
    std::int32_t const wanted =
        (flags & v1_hash ? v1_flag : 0) | (flags & flush_piece ? flush_flag : 0);
    send({int(Kind::hash), wanted, id, index(storage), int(piece), 0, int(leaves.size()), 0, 0});
  }

  void async_hash2(lt::storage_index_t storage, lt::piece_index_t piece, int offset,
                   lt::disk_job_flags_t, BlockHashDone handler) override {
    auto const id = add(std::move(handler), piece);
    send({int(Kind::hash_block), 0, id, index(storage), int(piece), offset, 0, 0, 0});
  }

  // Where chunks stand is not libtorrent's affair.
  void async_move_storage(
      lt::storage_index_t, std::string path, lt::move_flags_t,
      std::function<void(lt::status_t, std::string const&, storage_error const&)> handler) override {
    post([handler = std::move(handler), path = std::move(path)] {
      handler(lt::status_t::fatal_disk_error, path, unsupported(lt::operation_t::file_rename));
    });
  }

  void async_release_files(lt::storage_index_t storage, FlushDone handler) override {
    auto const id = add(std::move(handler), lt::piece_index_t(0));
    send({int(Kind::flush), 0, id, index(storage), 0, 0, 0, 0, 0});
  }

  void async_stop_torrent(lt::storage_index_t storage, FlushDone handler) override {
    async_release_files(storage, std::move(handler));
  }

  // What there is came with `have_pieces` and `unfinished_pieces`: nothing is read. The answer waits until
  // JavaScript knows the torrent, whose info it may just have learnt.
  void async_check_files(lt::storage_index_t storage, lt::add_torrent_params const*,
                         lt::aux::vector<std::string, lt::file_index_t>,
                         CheckDone handler) override {
    auto const id = add(std::move(handler), lt::piece_index_t(0));
    send({int(Kind::check), 0, id, index(storage), 0, 0, 0, 0, 0});
  }

  // Objects get their names elsewhere.
  void async_rename_file(
      lt::storage_index_t, lt::file_index_t file, std::string name,
      std::function<void(std::string const&, lt::file_index_t, storage_error const&)> handler)
      override {
    post([handler = std::move(handler), file, name = std::move(name)] {
      handler(name, file, unsupported(lt::operation_t::file_rename));
    });
  }

  // Erasing is the session's choice, after the engine has let go.
  void async_delete_files(lt::storage_index_t, lt::remove_flags_t,
                          WriteDone handler) override {
    post([handler = std::move(handler)] { handler(unsupported(lt::operation_t::file_remove)); });
  }

  void async_set_file_priority(
      lt::storage_index_t, lt::aux::vector<lt::download_priority_t, lt::file_index_t> priorities,
      std::function<void(storage_error const&,
                         lt::aux::vector<lt::download_priority_t, lt::file_index_t>)>
          handler) override {
    post([handler = std::move(handler), priorities = std::move(priorities)]() mutable {
      handler({}, std::move(priorities));
    });
  }

  void async_clear_piece(lt::storage_index_t storage, lt::piece_index_t piece,
                         ClearDone handler) override {
    auto const id = add(std::move(handler), piece);
    send({int(Kind::clear), 0, id, index(storage), int(piece), 0, 0, 0, 0});
  }

  void update_stats_counters(lt::counters& counters) const override {
    counters.set_value(lt::counters::disk_blocks_in_use,
                       bridge_->waiting_bytes / block_bytes + std::int64_t(out_));
  }

  std::vector<lt::open_file_state> get_status(lt::storage_index_t) const override { return {}; }

  // What is out comes back by itself, and keeps the network thread at work until then.
  void abort(bool) override { bridge_->wake(); }

  void submit_jobs() override {
    if (has_sent_) bridge_->wake();
    has_sent_ = false;
  }

  void settings_updated() override {}

  void free_disk_buffer(char* block) override { bridge_->slabs.give_back(block); }

  void complete(Answers answers) override {
    boost::asio::post(network_, [this, answers = std::move(answers)]() mutable {
      for (auto& hash : answers.hashes) take_hash(hash);
      for (std::size_t i = 0; i + 1 < answers.outcomes.size(); i += 2)
        finish(answers.outcomes[i], answers.outcomes[i + 1] != 0);
      tell_observers();
    });
  }

  void fail_all() override {
    boost::asio::post(network_, [this] {
      for (std::size_t id = 0; id < outstanding_.size(); ++id) finish(int(id), true);
      bridge_->is_full = false;
      bridge_->waiting_bytes = 0;
      tell_observers();
    });
  }

private:
  static std::int32_t index(lt::storage_index_t storage) {
    return std::int32_t(static_cast<std::uint32_t>(storage));
  }

  template <typename Done> std::int32_t add(Done handler, lt::piece_index_t piece) {
    if (out_++ == 0) work_.emplace(boost::asio::make_work_guard(network_));
    std::int32_t id;
    if (free_ids_.empty()) {
      id = std::int32_t(outstanding_.size());
      outstanding_.emplace_back();
    } else {
      id = free_ids_.back();
      free_ids_.pop_back();
    }
    at(id).done = std::move(handler);
    at(id).piece = piece;
    return id;
  }

  Outstanding& at(std::int32_t id) { return outstanding_[std::size_t(id)]; }

  template <typename Call> void post(Call call) { boost::asio::post(network_, std::move(call)); }

  void push(Kind kind, std::int32_t id, std::int32_t storage, std::int32_t piece) {
    bridge_->push({int(kind), 0, id, storage, piece, 0, 0, 0, 0});
    has_sent_ = true;
  }

  void send(Job const& job) {
    if (bridge_->is_dead) {
      post([this, id = job.id] { finish(id, true); });
      return;
    }
    bridge_->push(job);
    has_sent_ = true;
  }

  void take_hash(HashAnswer const& hash) {
    if (std::size_t(hash.id) >= outstanding_.size()) return;
    auto& job = at(hash.id);
    std::memcpy(job.v1.data(), hash.v1.data(), hash.v1.size());
    if (job.leaves.empty()) {
      if (hash.leaves.size() == 32) job.leaf.assign(hash.leaves.data());
      return;
    }
    std::size_t const count =
        std::min(hash.leaves.size() / 32, std::size_t(job.leaves.size()));
    for (std::size_t i = 0; i < count; ++i)
      job.leaves[std::ptrdiff_t(i)].assign(hash.leaves.data() + i * 32);
  }

  void finish(std::int32_t id, bool has_failed) {
    if (id < 0 || std::size_t(id) >= outstanding_.size()) return;
    // Moved out first: a handler may bring new jobs.
    Outstanding job = std::exchange(at(id), Outstanding{});
    if (std::holds_alternative<std::monostate>(job.done)) return;
    free_ids_.push_back(id);
    call(job, has_failed);
    if (--out_ == 0) work_.reset();
  }

  void call(Outstanding& job, bool has_failed) {
    if (auto* read = std::get_if<ReadDone>(&job.done)) {
      lt::disk_buffer_holder buffer(*this, job.block, job.length);
      if (has_failed) (*read)({}, failed(lt::operation_t::file_read));
      else (*read)(std::move(buffer), {});
    } else if (auto* write = std::get_if<WriteDone>(&job.done)) {
      (*write)(has_failed ? failed(lt::operation_t::file_write) : storage_error{});
    } else if (auto* hash = std::get_if<HashDone>(&job.done)) {
      (*hash)(job.piece, job.v1, has_failed ? failed(lt::operation_t::file_read) : storage_error{});
    } else if (auto* block = std::get_if<BlockHashDone>(&job.done)) {
      (*block)(job.piece, job.leaf,
               has_failed ? failed(lt::operation_t::file_read) : storage_error{});
    } else if (auto* clear = std::get_if<ClearDone>(&job.done)) {
      (*clear)(job.piece);
    } else if (auto* flush = std::get_if<FlushDone>(&job.done)) {
      if (*flush) (*flush)();
    } else if (auto* check = std::get_if<CheckDone>(&job.done)) {
      if (has_failed) (*check)(lt::status_t::fatal_disk_error, failed(lt::operation_t::check_resume));
      else (*check)(lt::status_t::no_error, {});
    }
  }

  void tell_observers() {
    if (observers_.empty() || bridge_->is_full ||
        bridge_->waiting_bytes > Bridge::waiting_low)
      return;
    auto const observers = std::exchange(observers_, {});
    for (auto const& observer : observers)
      if (auto const alive = observer.lock()) alive->on_disk();
  }

  lt::io_context& network_;
  std::shared_ptr<Bridge> bridge_;
  std::deque<Outstanding> outstanding_;
  std::vector<std::int32_t> free_ids_;
  std::size_t out_ = 0;
  std::optional<boost::asio::executor_work_guard<lt::io_context::executor_type>> work_;
  std::vector<std::weak_ptr<lt::disk_observer>> observers_;
  std::int32_t last_storage_ = 0;
  bool has_sent_ = false;
};

} // namespace

std::string save_path(std::int32_t key) { return save_prefix + std::to_string(key); }

lt::disk_io_constructor_type disk_constructor(std::shared_ptr<Bridge> bridge) {
  return [bridge = std::move(bridge)](lt::io_context& network, lt::settings_interface const&,
                                      lt::counters&) {
    return std::make_unique<Disk>(network, bridge);
  };
}

} // namespace sluice
