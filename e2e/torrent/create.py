"""A torrent made by libtorrent: its info hashes as JSON.

    create.py v1|v2|hybrid PATH PIECE_BYTES
"""
import json
import os
import sys

import libtorrent as lt

version, path, piece_bytes = sys.argv[1:]
flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}
files = lt.file_storage()
lt.add_files(files, path)
made = lt.create_torrent(files, int(piece_bytes), flags[version])
lt.set_piece_hashes(made, os.path.dirname(path))
hashes = lt.torrent_info(made.generate()).info_hashes()
print(json.dumps({"v1": str(hashes.v1), "v2": str(hashes.v2)}))
