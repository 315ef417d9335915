#pragma once

#include "jobs.hpp"

#include <libtorrent/disk_interface.hpp>
#include <libtorrent/session_params.hpp>

#include <memory>
#include <string>

namespace sluice {

// Where a torrent "is saved" names its key: it is all of a torrent that libtorrent tells its disk.
std::string save_path(std::int32_t key);

libtorrent::disk_io_constructor_type disk_constructor(std::shared_ptr<Bridge> bridge);

} // namespace sluice
