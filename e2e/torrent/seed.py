"""A torrent of a real folder, made and seeded by libtorrent on 127.0.0.1, without DHT, LSD and UPnP.

    seed.py v1|v2|hybrid FOLDER TORRENT PIECE_BYTES BYTES_PER_SECOND

Tells its port, then serves until its standard input ends. 0 bytes per second: as fast as it can.
"""
import os
import sys
import time

import libtorrent as lt

version, folder, torrent, piece_bytes, rate = sys.argv[1:]
flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}
files = lt.file_storage()
lt.add_files(files, folder)
made = lt.create_torrent(files, int(piece_bytes), flags[version])
lt.set_piece_hashes(made, os.path.dirname(folder))
with open(torrent, "wb") as file:
    file.write(lt.bencode(made.generate()))

session = lt.session(
    {
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "allow_multiple_connections_per_ip": True,
        "rate_limit_ip_overhead": False,
    }
)
handle = session.add_torrent(
    {"ti": lt.torrent_info(torrent), "save_path": os.path.dirname(folder)}
)
# Rates of the session do not count on this machine; those of a torrent do.
handle.set_upload_limit(int(rate))
while not handle.status().is_seeding:
    time.sleep(0.02)
print(session.listen_port(), flush=True)
sys.stdin.read()
