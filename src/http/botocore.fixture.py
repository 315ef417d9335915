"""Makes botocore.fixture.json: what botocore sends for every S3 operation, and what it was asked for.

    python3 src/http/botocore.fixture.py        (botocore 1.43.11)

Each operation is called twice, with its required members and with all members, by a client that
signs and serialises as ever but whose requests never leave the process.
"""

import base64
import datetime
import json
import pathlib
import uuid

import botocore.awsrequest
import botocore.session
from botocore.config import Config

# Idempotency tokens are drawn by chance; the fixture must not be.
uuid.uuid4 = lambda: uuid.UUID(int=7)

WHEN = datetime.datetime(2026, 3, 4, 5, 6, 7, tzinfo=datetime.timezone.utc)
DROPPED = {"user-agent", "authorization", "x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request", "expect",
           "x-amz-content-sha256", "accept-encoding"}
# Refused or rewritten by botocore itself, or spoken to another host.
SKIPPED_MEMBERS = {"SSECustomerKey", "SSECustomerKeyMD5", "SSECustomerAlgorithm", "CopySourceSSECustomerKey",
                   "CopySourceSSECustomerKeyMD5", "CopySourceSSECustomerAlgorithm", "ContentMD5", "ContentLength",
                   "ChecksumAlgorithm", "MfaDelete"}


def fill(shape, every, name="", depth=0):
    kind = shape.type_name
    if kind == "structure":
        chosen = shape.members if every else shape.required_members
        skip = SKIPPED_MEMBERS if depth == 0 else set()
        return {k: fill(shape.members[k], every, k, depth + 1) for k in chosen
                if k not in skip and not (depth == 0 and k.startswith("Checksum") and k != "ChecksumMode")}
    if kind == "list":
        return [fill(shape.member, every, name, depth + 1)] * (2 if every and depth > 0 else 1)
    if kind == "map":
        return {"colour": "blue", "n-1": "x"}
    if kind == "string":
        if getattr(shape, "enum", None):
            return shape.enum[0]
        return {"Bucket": "my-bucket", "Key": "my/k\u00e9y +&%?", "CopySource": "src/a-b"}.get(name, "x<&\u00e9>y" if depth > 1 else "xy")
    if kind in ("integer", "long"):
        return 7
    if kind == "boolean":
        return True
    if kind == "blob":
        return b"body"
    if kind == "timestamp":
        return WHEN
    raise ValueError(kind)


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, datetime.datetime):
        return {"date": value.isoformat().replace("+00:00", ".000Z")}
    if isinstance(value, bytes):
        return {"bytes": value.decode()}
    return value


class Stop(Exception):
    pass


def record(client, operation, params):
    seen = {}

    def before_send(request, **_):
        body = request.body
        if body is not None and hasattr(body, "read"):
            body = body.read()
        if isinstance(body, str):
            body = body.encode()
        target = request.url.split("/", 3)[3]
        headers = {}
        for k, v in request.headers.items():
            v = v.decode("latin1") if isinstance(v, bytes) else v
            if k.lower() not in DROPPED:
                headers[k] = v.encode("utf-8").decode("latin1")
        seen.update(method=request.method, host=request.url.split("/", 3)[2], target="/" + target, headers=headers,
                    body=(body or b"").decode())
        raise Stop

    client.meta.events.register("before-send.s3", before_send)
    try:
        getattr(client, botocore.xform_name(operation))(**params)
    except Stop:
        pass
    finally:
        client.meta.events.unregister("before-send.s3", before_send)
    return seen


def main():
    session = botocore.session.get_session()
    requests = []
    for style in ("path", "virtual"):
        client = session.create_client(
            "s3", region_name="us-east-1", endpoint_url="http://s3.example.com:9000", aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(s3={"addressing_style": style}, retries={"max_attempts": 0}, inject_host_prefix=False,
                          parameter_validation=False))
        model = client.meta.service_model
        for name in model.operation_names:
            operation = model.operation_model(name)
            for every in (False, True):
                if style == "virtual" and every:
                    continue
                params = fill(operation.input_shape, every) if operation.input_shape else {}
                try:
                    seen = record(client, name, dict(params))
                except Exception as error:  # told, never hidden: the fixture must hold all of them
                    print(style, name, every, repr(error)[:200])
                    continue
                if not seen:
                    print(style, name, every, "nothing sent")
                    continue
                requests.append({"operation": name, "style": style, "every": every, **seen, "params": plain(params)})
    file = pathlib.Path(__file__).with_suffix(".json")
    lines = ",\n".join(json.dumps(each, ensure_ascii=True) for each in requests)
    file.write_text(f"[\n{lines}\n]\n")
    print(botocore.__version__, len(requests), "requests")


main()
