"""Writes botocore.fixture.json: requests as botocore signs them, for sigv4.botocore.test.ts.

Run with botocore 1.43.11 (pip install botocore==1.43.11), then format:
python3 src/auth/botocore.fixture.py && npm run format
The clock stands still, so that the file changes only where botocore does.
"""
import datetime
import itertools
import json
import pathlib
from urllib.parse import quote, urlsplit

import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 11, 20, 14, 0, 54, tzinfo=datetime.timezone.utc)
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
HOSTS = ["127.0.0.1:9000", "s3.example.test", "bucket.s3.example.test:8443"]
NAMES = [
    "plain", "with blank", "a+b", "tilde~*'()!", "a//b", "/leading", "trailing/", "../up/./and/..",
    "per%cent", "lite%2Fral", "grüße/日本語", "emoji-\U0001f980", "q?u&e=r;y#", "@:$,[]{}|\\^`\"<>",
]
QUERIES = [
    "", "uploads", "acl=", "list-type=2&prefix=&delimiter=%2F&encoding-type=url",
    "uploadId=abc%2Bd%3D%3D&partNumber=2", "prefix=a%20b%2Bc%7Ed".replace("%7E", "~"),
    "versionId=null&response-content-type=text%2Fplain", "a=2&a=1&a-b=0&a=1", "x-id=PutObject",
]
HEADERS = [
    {},
    {"content-type": "text/plain", "content-length": "4096", "x-amz-acl": "private"},
    {"x-amz-meta-blanks": "  two  blanks   and\tmore ", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
    {"x-amz-meta-empty": "", "x-amz-copy-source": "/bucket/gr%C3%BC%C3%9Fe", "range": "bytes=0-9"},
]
METHODS = ["GET", "PUT", "HEAD", "DELETE", "POST"]

botocore.auth.get_current_datetime = lambda *_, **__: NOW


def key_path(name):
    """As botocore's serializer writes a key into a path."""
    return "/bucket/" + quote(name.encode(), safe="/~")


def cases():
    turn = itertools.count()
    for path in [*(key_path(name) for name in NAMES), "/", "/bucket", "/bucket/", "/b/odd%2Fescape%7e(1)"]:
        for query in QUERIES:
            at = next(turn)
            if (at + at // len(QUERIES)) % 3:
                continue
            yield METHODS[at % 5], HOSTS[at % 3], path, query, HEADERS[at % 4], at


def recorded(request, at, scheme):
    parts = urlsplit(request.url)
    headers = [["host", parts.netloc]] + [[n, v] for n, v in request.headers.items()]
    return {
        "name": f"{at} {scheme}: {request.method} {parts.path}?{parts.query[:40]}",
        "method": request.method, "path": parts.path, "query": parts.query, "headers": headers,
    }


def by_header():
    for method, host, path, query, headers, at in cases():
        url = f"http://{host}{path}" + (f"?{query}" if query else "")
        body = b"" if method in ("GET", "HEAD", "DELETE") else b"body %d" % at
        request = AWSRequest(method, url, dict(headers), body)
        if at % 7 == 3:
            request.headers["Date"] = "is set by the signer"
        if at % 5 == 1:
            request.context["client_config"] = Config(s3={"payload_signing_enabled": False})
        if at % 11 == 4:
            request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
        botocore.auth.S3SigV4Auth(KEYS, "s3", ["us-east-1", "eu-central-1"][at % 2]).add_auth(request)
        yield recorded(request, at, "header")


def by_query():
    for method, host, path, query, headers, at in cases():
        if "a=2&a=1" in query:
            continue  # botocore keeps only the first of duplicates when it presigns
        url = f"https://{host}{path}" + (f"?{query}" if query else "")
        request = AWSRequest(method, url, dict(headers))
        lifetime = [1, 3600, 604800][at % 3]
        botocore.auth.S3SigV4QueryAuth(KEYS, "s3", "us-east-1", lifetime).add_auth(request)
        yield recorded(request, at, "query")


document = {
    "botocore": botocore.__version__,
    "now": int(NOW.timestamp() * 1000),
    "accessKeyId": KEYS.access_key,
    "secretAccessKey": KEYS.secret_key,
    "requests": [*by_header(), *by_query()],
}
target = pathlib.Path(__file__).with_suffix(".json")
lines = ",\n".join(json.dumps(one, ensure_ascii=True) for one in document.pop("requests"))
head = json.dumps(document)[:-1]
target.write_text(f'{head}, "requests": [\n{lines}\n]}}\n')
