"""A libtorrent session of one torrent on 127.0.0.1, without DHT, LSD and UPnP.

    peer.py seed|leech TORRENT FOLDER [PEER]    PEER: host:port to connect to

Tells its port, then "done" once it has everything; a seed goes on until its standard input ends.
"""
import os
import sys
import time

import libtorrent as lt

role, torrent, folder, *peers = sys.argv[1:]
session = lt.session(
    {
        "listen_interfaces": "127.0.0.1:" + os.environ.get("PORT", "0"),
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "allow_multiple_connections_per_ip": True,
        "alert_mask": lt.alert.category_t.all_categories,
    }
)
handle = session.add_torrent({"ti": lt.torrent_info(torrent), "save_path": folder})
for peer in peers:
    host, port = peer.rsplit(":", 1)
    handle.connect_peer((host, int(port)))
print(session.listen_port(), flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    status = handle.status()
    if status.is_seeding:
        print("done", flush=True)
        break
    if status.errc.value() != 0:
        sys.exit(status.errc.message())
    time.sleep(0.05)
else:
    print([alert.message() for alert in session.pop_alerts()][-20:], file=sys.stderr)
    sys.exit(f"not done after a minute: {handle.status().state} {handle.status().progress}")
if role == "seed":
    handle.force_reannounce()
    sys.stdin.read()
