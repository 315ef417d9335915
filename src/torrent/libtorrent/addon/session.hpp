#pragma once

#include "jobs.hpp"

#include <libtorrent/session.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace sluice {

struct SessionOptions {
  std::string host;
  int port = 0;
  bool finds_dht = false, finds_local = false, maps_ports = false, is_loopback = false;
  int download_rate = 0, upload_rate = 0, connections = 0;
  // libtorrent's own disk below this folder, and none of ours: what the benches compare with.
  std::string own_disk;
};

// Bytes of a torrent, from `start` to before `end`.
struct Range {
  std::int64_t start, end;
};

struct Order {
  std::int32_t key = 0;
  std::string metainfo, magnet;
  std::vector<std::string> trackers;
  std::string have;
  std::vector<std::pair<std::int32_t, std::string>> blocks;
  std::optional<std::vector<Range>> wanted;
};

// What the session tells; `jobs.ts` knows the same numbers.
enum class Event : std::int32_t {
  added = 0,    // text: why not, or empty
  metadata = 1, // bytes: the info dictionary
  piece = 2,
  hash_failed = 3,
  finished = 4,
  stopped = 5, // text: why
  removed = 6,
  status = 7,  // bytes: doubles, see `Status`
  listens = 8, // number: the port; or text: why not
  checked = 9,
  closed = 10,
};

struct Status {
  double state, peers, seeds, download_rate, upload_rate, downloaded, uploaded, is_paused;
};

struct Told {
  Event event;
  std::int32_t key = 0;
  std::int32_t number = 0;
  std::string text = {};
  bool is_bytes = false;
};

// A session of libtorrent; every call is from JavaScript's thread, and none of them waits for the network
// but `torrents` of a metadata that has just come.
class Session {
public:
  Session(SessionOptions const& options, std::shared_ptr<Bridge> bridge);
  ~Session();

  // Empty, or why the source is no good.
  std::string add(Order order);
  void remove(std::int32_t key);
  void pause(std::int32_t key);
  void resume(std::int32_t key);
  void connect(std::int32_t key, std::string const& host, int port);
  void want(std::int32_t key, std::vector<Range> const& wanted);
  void prioritise(std::int32_t key, std::int32_t piece, int within_ms);
  void relax(std::int32_t key, std::int32_t piece);
  void ask_status();
  void limit(int download_rate, int upload_rate, int connections);
  std::vector<Told> take_events();
  // Ends the session on a thread of its own, which calls `done` at last.
  void close(std::function<void()> done);
  // Ends it here and now: nobody answers jobs any more.
  void end();

private:
  struct Torrent {
    lt::torrent_handle handle;
    std::shared_ptr<lt::torrent_info const> info;
  };

  Torrent* find(std::int32_t key);

  std::shared_ptr<Bridge> bridge_;
  std::unique_ptr<lt::session> session_;
  std::map<std::int32_t, Torrent> torrents_;
  std::string own_disk_;
  std::thread closing_;
};

} // namespace sluice
