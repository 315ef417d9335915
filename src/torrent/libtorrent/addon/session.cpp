// A session of libtorrent with our disk, and what its alerts tell.
#include "session.hpp"
#include "disk.hpp"

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/ip_filter.hpp>
#include <libtorrent/load_torrent.hpp>
#include <libtorrent/magnet_uri.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace sluice {

using settings = lt::settings_pack;

namespace {

// Pieces that are told of while JavaScript's thread is busy with something else.
constexpr int alerts_max = 200'000;
constexpr int stop_seconds = 1;
constexpr int unlimited_connections = 100'000;

void set_limits(settings& pack, int download_rate, int upload_rate, int connections) {
  pack.set_int(settings::download_rate_limit, download_rate);
  pack.set_int(settings::upload_rate_limit, upload_rate);
  pack.set_int(settings::connections_limit, connections == 0 ? unlimited_connections : connections);
}

settings settings_of(SessionOptions const& options) {
  settings pack;
  std::string const host =
      options.host.find(':') == std::string::npos ? options.host : "[" + options.host + "]";
  pack.set_str(settings::listen_interfaces, host + ":" + std::to_string(options.port));
  pack.set_str(settings::user_agent, "Sluice libtorrent/" LIBTORRENT_VERSION);
  pack.set_int(settings::alert_mask,
               lt::alert_category::status | lt::alert_category::error |
                   lt::alert_category::storage | lt::alert_category::piece_progress);
  pack.set_int(settings::alert_queue_size, alerts_max);
  pack.set_bool(settings::enable_dht, options.finds_dht);
  pack.set_bool(settings::enable_lsd, options.finds_local);
  pack.set_bool(settings::enable_upnp, options.maps_ports);
  pack.set_bool(settings::enable_natpmp, options.maps_ports);
  // Pieces that stand beside each other are fetched one after the other: they make one extent.
  pack.set_bool(settings::piece_extent_affinity, true);
  // Else the first pieces are any, and those that somebody waits for come behind them.
  pack.set_int(settings::initial_picker_threshold, 0);
  pack.set_int(settings::stop_tracker_timeout, stop_seconds);
  pack.set_bool(settings::announce_to_all_trackers, true);
  set_limits(pack, options.download_rate, options.upload_rate, options.connections);
  if (options.is_loopback) {
    // Peers on one machine have one address, and nothing is gained by a protocol for full lines.
    pack.set_bool(settings::allow_multiple_connections_per_ip, true);
    pack.set_bool(settings::enable_outgoing_utp, false);
    pack.set_bool(settings::enable_incoming_utp, false);
  }
  return pack;
}

std::int32_t key_of(lt::client_data_t data) {
  return std::int32_t(reinterpret_cast<std::intptr_t>(data.get<void>()));
}

std::int32_t key_of(lt::torrent_alert const& alert) {
  return alert.handle.is_valid() ? key_of(alert.handle.userdata()) : 0;
}

lt::bitfield bits(std::string const& bytes, int count) {
  lt::bitfield field(count);
  for (int i = 0; i < count; ++i)
    if (std::size_t(i / 8) < bytes.size() && (bytes[std::size_t(i / 8)] >> (7 - i % 8) & 1))
      field.set_bit(i);
  return field;
}

// By pieces: what libtorrent makes of files goes by its disk first, and comes too late for a magnet that
// has just learnt of them.
std::vector<lt::download_priority_t> priorities(lt::torrent_info const& info,
                                                std::vector<Range> const& wanted) {
  std::vector<lt::download_priority_t> given(std::size_t(info.num_pieces()), lt::dont_download);
  for (auto const& range : wanted) {
    if (range.end <= range.start) continue;
    auto const first = std::size_t(std::max(std::int64_t(0), range.start / info.piece_length()));
    auto const last = std::size_t((range.end - 1) / info.piece_length());
    for (std::size_t i = first; i <= last && i < given.size(); ++i) given[i] = lt::default_priority;
  }
  return given;
}

Told status_event(lt::torrent_status const& status) {
  Status const told{
      double(int(status.state)),
      double(status.num_peers),
      double(status.num_seeds),
      double(status.download_payload_rate),
      double(status.upload_payload_rate),
      double(status.total_payload_download),
      double(status.total_payload_upload),
      bool(status.flags & lt::torrent_flags::paused) ? 1.0 : 0.0,
  };
  Told event{Event::status, key_of(status.handle.userdata())};
  event.text.assign(reinterpret_cast<char const*>(&told), sizeof told);
  event.is_bytes = true;
  return event;
}

} // namespace

Session::Session(SessionOptions const& options, std::shared_ptr<Bridge> bridge)
    : bridge_(std::move(bridge)), own_disk_(options.own_disk) {
  lt::session_params params(settings_of(options));
  if (own_disk_.empty()) params.disk_io_constructor = disk_constructor(bridge_);
  session_ = std::make_unique<lt::session>(std::move(params));
  // Peers of the same network are bound by the limits as all others.
  lt::ip_filter all;
  all.add_rule(lt::make_address("0.0.0.0"), lt::make_address("255.255.255.255"), 1);
  all.add_rule(lt::make_address("::"),
               lt::make_address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 1);
  session_->set_peer_class_filter(all);
  session_->set_alert_notify([bridge = bridge_] {
    bridge->has_alerts = true;
    bridge->wake();
  });
}

Session::~Session() { end(); }

Session::Torrent* Session::find(std::int32_t key) {
  auto const found = torrents_.find(key);
  return found == torrents_.end() || !found->second.handle.is_valid() ? nullptr : &found->second;
}

std::string Session::add(Order order) {
  if (!session_) return "the session is closed";
  lt::add_torrent_params params;
  lt::error_code error;
  if (!order.metainfo.empty()) {
    try {
      params = lt::load_torrent_buffer(order.metainfo);
    } catch (lt::system_error const& refused) {
      return refused.what();
    }
  } else {
    params = lt::parse_magnet_uri(order.magnet, error);
    if (error) return error.message();
  }
  for (auto& tracker : order.trackers) params.trackers.push_back(std::move(tracker));
  params.save_path = own_disk_.empty() ? save_path(order.key) : own_disk_;
  params.userdata = lt::client_data_t(reinterpret_cast<void*>(std::intptr_t(order.key)));
  params.flags = lt::torrent_flags::update_subscribe | lt::torrent_flags::apply_ip_filter |
                 lt::torrent_flags::duplicate_is_error;
  if (params.ti) {
    int const pieces = params.ti->num_pieces();
    if (!order.have.empty()) {
      params.have_pieces = lt::typed_bitfield<lt::piece_index_t>(bits(order.have, pieces));
      int const blocks = params.ti->piece_length() / lt::default_block_size;
      for (auto const& [piece, there] : order.blocks)
        params.unfinished_pieces[lt::piece_index_t(piece)] = bits(there, std::max(1, blocks));
    }
    if (order.wanted) params.piece_priorities = priorities(*params.ti, *order.wanted);
  }
  torrents_[order.key] = {{}, params.ti};
  session_->async_add_torrent(std::move(params));
  return {};
}

void Session::remove(std::int32_t key) {
  if (auto* torrent = find(key)) session_->remove_torrent(torrent->handle);
  torrents_.erase(key);
}

void Session::pause(std::int32_t key) {
  if (auto* torrent = find(key)) torrent->handle.pause();
}

void Session::resume(std::int32_t key) {
  if (auto* torrent = find(key)) torrent->handle.resume();
}

void Session::connect(std::int32_t key, std::string const& host, int port) {
  lt::error_code error;
  auto const address = lt::make_address(host, error);
  if (auto* torrent = find(key); torrent != nullptr && !error)
    torrent->handle.connect_peer({address, std::uint16_t(port)});
}

void Session::want(std::int32_t key, std::vector<Range> const& wanted) {
  if (auto* torrent = find(key); torrent != nullptr && torrent->info)
    torrent->handle.prioritize_pieces(priorities(*torrent->info, wanted));
}

void Session::prioritise(std::int32_t key, std::int32_t piece, int within_ms) {
  if (auto* torrent = find(key); torrent != nullptr && torrent->info && piece >= 0 &&
                                 piece < torrent->info->num_pieces())
    torrent->handle.set_piece_deadline(lt::piece_index_t(piece), within_ms);
}

void Session::relax(std::int32_t key, std::int32_t piece) {
  if (auto* torrent = find(key); torrent != nullptr && torrent->info && piece >= 0 &&
                                 piece < torrent->info->num_pieces())
    torrent->handle.reset_piece_deadline(lt::piece_index_t(piece));
}

void Session::ask_status() {
  if (session_) session_->post_torrent_updates(lt::status_flags_t{});
}

void Session::limit(int download_rate, int upload_rate, int connections) {
  if (!session_) return;
  settings pack;
  set_limits(pack, download_rate, upload_rate, connections);
  session_->apply_settings(std::move(pack));
}

std::vector<Told> Session::take_events() {
  std::vector<Told> events;
  if (!session_) return events;
  std::vector<lt::alert*> alerts;
  session_->pop_alerts(&alerts);
  for (auto* alert : alerts) {
    if (auto* piece = lt::alert_cast<lt::piece_finished_alert>(alert)) {
      events.push_back({Event::piece, key_of(*piece), int(piece->piece_index)});
    } else if (auto* wrong = lt::alert_cast<lt::hash_failed_alert>(alert)) {
      events.push_back({Event::hash_failed, key_of(*wrong), int(wrong->piece_index)});
    } else if (auto* update = lt::alert_cast<lt::state_update_alert>(alert)) {
      for (auto const& status : update->status)
        if (status.handle.is_valid()) events.push_back(status_event(status));
    } else if (auto* added = lt::alert_cast<lt::add_torrent_alert>(alert)) {
      std::int32_t const key = key_of(added->params.userdata);
      auto const found = torrents_.find(key);
      if (!added->error && found != torrents_.end()) found->second.handle = added->handle;
      // Removed before it was there.
      if (!added->error && found == torrents_.end()) session_->remove_torrent(added->handle);
      if (added->error) torrents_.erase(key);
      events.push_back({Event::added, key, 0, added->error ? added->error.message() : ""});
    } else if (auto* metadata = lt::alert_cast<lt::metadata_received_alert>(alert)) {
      std::int32_t const key = key_of(*metadata);
      auto* torrent = find(key);
      if (torrent == nullptr) continue;
      torrent->info = torrent->handle.torrent_file();
      if (!torrent->info) continue;
      auto const info = torrent->info->info_section();
      events.push_back(
          {Event::metadata, key, 0, std::string(info.data(), std::size_t(info.size())), true});
    } else if (auto* finished = lt::alert_cast<lt::torrent_finished_alert>(alert)) {
      events.push_back({Event::finished, key_of(*finished)});
    } else if (auto* checked = lt::alert_cast<lt::torrent_checked_alert>(alert)) {
      events.push_back({Event::checked, key_of(*checked)});
    } else if (auto* failed = lt::alert_cast<lt::torrent_error_alert>(alert)) {
      events.push_back({Event::stopped, key_of(*failed), 0, failed->error.message()});
    } else if (auto* invalid = lt::alert_cast<lt::metadata_failed_alert>(alert)) {
      events.push_back({Event::stopped, key_of(*invalid), 0,
                        "peers sent an info dictionary that is no good: " +
                            invalid->error.message()});
    } else if (auto* removed = lt::alert_cast<lt::torrent_removed_alert>(alert)) {
      events.push_back({Event::removed, key_of(removed->userdata)});
    } else if (auto* listens = lt::alert_cast<lt::listen_succeeded_alert>(alert)) {
      if (listens->socket_type == lt::socket_type_t::tcp)
        events.push_back({Event::listens, 0, listens->port});
    } else if (auto* refused = lt::alert_cast<lt::listen_failed_alert>(alert)) {
      events.push_back({Event::listens, 0, 0, refused->message()});
    }
  }
  return events;
}

void Session::close(std::function<void()> done) {
  if (!session_) return;
  torrents_.clear();
  closing_ = std::thread([session = std::move(session_), done = std::move(done)]() mutable {
    {
      // Destroyed in this order: the session asks the network thread to end, the proxy waits for it.
      lt::session_proxy const proxy = session->abort();
      session.reset();
    }
    done();
  });
}

void Session::end() {
  bridge_->die();
  if (closing_.joinable()) closing_.join();
  if (!session_) return;
  torrents_.clear();
  session_.reset();
}

} // namespace sluice
