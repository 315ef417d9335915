"""What libtorrent makes of torrents: a line of JSON for each file that is named.

    decide.py TORRENT...
"""
import json
import sys

import libtorrent as lt

for name in sys.argv[1:]:
    try:
        info = lt.torrent_info(name)
        hashes = info.info_hashes()
        print(json.dumps({"v1": str(hashes.v1), "v2": str(hashes.v2), "files": info.num_files()}))
    except RuntimeError as error:
        print(json.dumps({"error": str(error)}))
