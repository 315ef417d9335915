"""Cases for boto3 with its default settings. `--list` names them; with an endpoint they run and a JSON object of results is printed."""
import hashlib
import io
import json
import sys
import traceback
import urllib.request
import ssl
import os

CASES = []


def case(function):
    CASES.append(function)
    return function


def code_of(call, **parameters):
    from botocore.exceptions import ClientError
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return None, 200


@case
def bytes_put_come_back_with_their_metadata(s3, b):
    put = s3.put_object(Bucket=b, Key="k/ü x+y.txt", Body=b"hello", ContentType="text/plain; charset=utf-8",
                        Metadata={"One": "1", "two": "a b"}, CacheControl="max-age=5", ContentDisposition="inline")
    assert put["ETag"] == '"5d41402abc4b2a76b9719d911017c592"', put
    assert put["ChecksumCRC32"] == "NhCmhg==", put
    got = s3.get_object(Bucket=b, Key="k/ü x+y.txt")
    assert got["Body"].read() == b"hello"
    assert got["Metadata"] == {"one": "1", "two": "a b"}, got["Metadata"]
    assert got["ContentType"] == "text/plain; charset=utf-8" and got["CacheControl"] == "max-age=5"
    assert got["AcceptRanges"] == "bytes" and got["ChecksumCRC32"] == "NhCmhg=="


@case
def an_unseekable_stream_is_uploaded(s3, b):
    class Unseekable(io.RawIOBase):
        def __init__(self):
            self.left = 3_000_000

        def readable(self):
            return True

        def readinto(self, into):
            n = min(len(into), self.left)
            into[:n] = b"z" * n
            self.left -= n
            return n
    s3.upload_fileobj(Unseekable(), b, "unseekable")
    assert s3.head_object(Bucket=b, Key="unseekable")["ContentLength"] == 3_000_000


@case
def every_checksum_algorithm_is_verified_and_returned(s3, b):
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]:
        try:
            put = s3.put_object(Bucket=b, Key="sum", Body=b"123456789", ChecksumAlgorithm=algorithm)
        except Exception as error:
            if "awscrt" in str(error).lower() or "crt" in str(error).lower():
                continue
            raise
        head = s3.head_object(Bucket=b, Key="sum", ChecksumMode="ENABLED")
        assert head["Checksum" + algorithm] == put["Checksum" + algorithm], (algorithm, head)
    assert code_of(s3.put_object, Bucket=b, Key="sum", Body=b"x", ChecksumSHA256="A" * 43 + "=")[0] == "BadDigest"


@case
def a_multipart_upload_is_whole(s3, b):
    from boto3.s3.transfer import TransferConfig
    data = os.urandom(17 * 1024 * 1024 + 3)
    config = TransferConfig(multipart_threshold=5 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(data), b, "multi", Config=config, ExtraArgs={"Metadata": {"m": "1"}})
    out = io.BytesIO()
    s3.download_fileobj(b, "multi", out, Config=config)
    assert hashlib.sha256(out.getvalue()).digest() == hashlib.sha256(data).digest()
    head = s3.head_object(Bucket=b, Key="multi", PartNumber=2)
    assert head["PartsCount"] == 4 and head["ContentLength"] == 5 * 1024 * 1024 and head["ResponseMetadata"]["HTTPStatusCode"] == 206, head
    parts = [data[i:i + 5 * 1024 * 1024] for i in range(0, len(data), 5 * 1024 * 1024)]
    etag = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest() + "-4"
    assert head["ETag"] == f'"{etag}"', head["ETag"]


@case
def parts_are_listed_copied_and_aborted(s3, b):
    s3.put_object(Bucket=b, Key="source", Body=b"s" * (6 * 1024 * 1024))
    up = s3.create_multipart_upload(Bucket=b, Key="parts")["UploadId"]
    one = s3.upload_part_copy(Bucket=b, Key="parts", UploadId=up, PartNumber=1, CopySource={"Bucket": b, "Key": "source"}, CopySourceRange="bytes=0-5242879")
    two = s3.upload_part(Bucket=b, Key="parts", UploadId=up, PartNumber=7, Body=b"tail")
    listed = s3.list_parts(Bucket=b, Key="parts", UploadId=up)
    assert [(p["PartNumber"], p["Size"]) for p in listed["Parts"]] == [(1, 5242880), (7, 4)], listed
    ups = s3.list_multipart_uploads(Bucket=b, Prefix="parts")["Uploads"]
    assert [u["UploadId"] for u in ups] == [up]
    done = s3.complete_multipart_upload(Bucket=b, Key="parts", UploadId=up, MultipartUpload={"Parts": [
        {"PartNumber": 1, "ETag": one["CopyPartResult"]["ETag"]}, {"PartNumber": 7, "ETag": two["ETag"]}]})
    assert done["ETag"].endswith('-2"')
    assert s3.get_object(Bucket=b, Key="parts", Range="bytes=-6")["Body"].read() == b"sstail"
    gone = s3.create_multipart_upload(Bucket=b, Key="gone")["UploadId"]
    s3.abort_multipart_upload(Bucket=b, Key="gone", UploadId=gone)
    assert code_of(s3.list_parts, Bucket=b, Key="gone", UploadId=gone) == ("NoSuchUpload", 404)


@case
def parts_in_the_wrong_order_or_too_small_are_refused(s3, b):
    up = s3.create_multipart_upload(Bucket=b, Key="order")["UploadId"]
    tags = [s3.upload_part(Bucket=b, Key="order", UploadId=up, PartNumber=n, Body=b"tiny")["ETag"] for n in (1, 2)]
    parts = [{"PartNumber": n + 1, "ETag": tag} for n, tag in enumerate(tags)]
    assert code_of(s3.complete_multipart_upload, Bucket=b, Key="order", UploadId=up, MultipartUpload={"Parts": parts[::-1]})[0] == "InvalidPartOrder"
    assert code_of(s3.complete_multipart_upload, Bucket=b, Key="order", UploadId=up, MultipartUpload={"Parts": parts})[0] == "EntityTooSmall"
    assert code_of(s3.complete_multipart_upload, Bucket=b, Key="order", UploadId=up, MultipartUpload={"Parts": [{"PartNumber": 3, "ETag": "x"}]})[0] == "InvalidPart"


@case
def conditional_writes_have_one_winner(s3, b):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda i: code_of(s3.put_object, Bucket=b, Key="lock", Body=bytes([i]), IfNoneMatch="*")[1], range(8)))
    assert sorted(codes)[0] == 200 and codes.count(200) == 1 and set(codes) <= {200, 409, 412}, codes
    etag = s3.head_object(Bucket=b, Key="lock")["ETag"]
    assert code_of(s3.put_object, Bucket=b, Key="lock", Body=b"n", IfMatch='"' + "0" * 32 + '"') == ("PreconditionFailed", 412)
    assert code_of(s3.put_object, Bucket=b, Key="lock", Body=b"new", IfMatch=etag)[1] == 200
    assert code_of(s3.put_object, Bucket=b, Key="never", Body=b"n", IfMatch=etag)[0] == "NoSuchKey"
    assert code_of(s3.delete_object, Bucket=b, Key="lock", IfMatch=etag)[1] == 412


@case
def conditional_reads_answer_304_and_412(s3, b):
    etag = s3.put_object(Bucket=b, Key="cond", Body=b"c")["ETag"]
    assert code_of(s3.get_object, Bucket=b, Key="cond", IfNoneMatch=etag)[1] == 304
    assert code_of(s3.get_object, Bucket=b, Key="cond", IfMatch='"x"')[1] == 412
    assert code_of(s3.head_object, Bucket=b, Key="cond", IfNoneMatch=etag)[1] == 304
    assert s3.get_object(Bucket=b, Key="cond", IfMatch=etag)["Body"].read() == b"c"


@case
def a_listing_pages_through_every_key_once(s3, b):
    keys = sorted([f"list/{i:03}/a b+c%d&é\U0001f600" for i in range(25)] + ["list/z\n\t", "list//", "list/"], key=lambda k: k.encode())
    for key in keys:
        s3.put_object(Bucket=b, Key=key, Body=b"")
    for operation in ("list_objects_v2", "list_objects"):
        seen = []
        for page in s3.get_paginator(operation).paginate(Bucket=b, Prefix="list/", PaginationConfig={"PageSize": 4}):
            seen += [o["Key"] for o in page.get("Contents", [])]
        assert seen == keys, (operation, seen)
        prefixes = []
        for page in s3.get_paginator(operation).paginate(Bucket=b, Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 3}):
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        assert prefixes == ["list//"] + [f"list/{i:03}/" for i in range(25)], (operation, prefixes)
    versions = s3.list_object_versions(Bucket=b, Prefix="list/000")["Versions"]
    assert [v["VersionId"] for v in versions] == ["null"] and versions[0]["IsLatest"]


@case
def many_keys_are_deleted_in_one_call(s3, b):
    for i in range(5):
        s3.put_object(Bucket=b, Key=f"del/{i}<&>", Body=b"")
    answer = s3.delete_objects(Bucket=b, Delete={"Objects": [{"Key": f"del/{i}<&>"} for i in range(6)]})
    assert len(answer["Deleted"]) == 6 and "Errors" not in answer, answer
    assert s3.list_objects_v2(Bucket=b, Prefix="del/")["KeyCount"] == 0


@case
def a_copy_replaces_or_keeps_metadata(s3, b):
    s3.put_object(Bucket=b, Key="orig é", Body=b"copy me", Metadata={"a": "1"})
    s3.copy_object(Bucket=b, Key="kept", CopySource={"Bucket": b, "Key": "orig é"})
    assert s3.head_object(Bucket=b, Key="kept")["Metadata"] == {"a": "1"}
    s3.copy_object(Bucket=b, Key="kept", CopySource={"Bucket": b, "Key": "kept"}, MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert s3.head_object(Bucket=b, Key="kept")["Metadata"] == {"b": "2"}
    assert code_of(s3.copy_object, Bucket=b, Key="kept", CopySource={"Bucket": b, "Key": "kept"})[0] == "InvalidRequest"
    assert s3.get_object(Bucket=b, Key="kept")["Body"].read() == b"copy me"


@case
def presigned_urls_work_for_every_method(s3, b):
    import boto3
    context = ssl._create_unverified_context()
    # Without this botocore presigns with SigV2 for an endpoint of one's own in us-east-1.
    s3 = boto3.client("s3", endpoint_url=sys.argv[1], config=boto3.session.Config(signature_version="s3v4"))

    def fetch(operation, method, body=None, **parameters):
        url = s3.generate_presigned_url(operation, Params={"Bucket": b, "Key": "pre signed", **parameters}, ExpiresIn=600)
        request = urllib.request.Request(url, data=body, method=method)
        return urllib.request.urlopen(request, context=context)
    fetch("put_object", "PUT", b"via url")
    assert fetch("get_object", "GET").read() == b"via url"
    assert fetch("head_object", "HEAD").headers["Content-Length"] == "7"
    assert fetch("get_object", "GET", ResponseContentType="x/y").headers["Content-Type"] == "x/y"
    assert fetch("delete_object", "DELETE").status == 204


@case
def access_control_lists_are_kept(s3, b):
    s3.put_object(Bucket=b, Key="acl", Body=b"", ACL="public-read")
    grants = s3.get_object_acl(Bucket=b, Key="acl")["Grants"]
    assert sorted(g["Permission"] for g in grants) == ["FULL_CONTROL", "READ"], grants
    s3.put_bucket_acl(Bucket=b, ACL="private")
    assert len(s3.get_bucket_acl(Bucket=b)["Grants"]) == 1


@case
def tags_versions_and_policies_are_kept(s3, b):
    s3.put_object(Bucket=b, Key="tagged", Body=b"stay", Tagging="a=1")
    s3.put_object_tagging(Bucket=b, Key="tagged", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_object_tagging(Bucket=b, Key="tagged")["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.delete_object_tagging(Bucket=b, Key="tagged")
    assert s3.get_object(Bucket=b, Key="tagged")["Body"].read() == b"stay"
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::%s/denied"}]}' % b
    s3.put_bucket_policy(Bucket=b, Policy=policy)
    s3.put_object(Bucket=b, Key="denied", Body=b"x")
    assert code_of(s3.get_object, Bucket=b, Key="denied") == ("AccessDenied", 403)
    s3.delete_bucket_policy(Bucket=b)
    assert s3.get_object(Bucket=b, Key="denied")["Body"].read() == b"x"
    s3.create_bucket(Bucket=b + "-versions")
    s3.put_bucket_versioning(Bucket=b + "-versions", VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket=b + "-versions", Key="k", Body=body)["VersionId"] for body in (b"one", b"two")]
    s3.delete_object(Bucket=b + "-versions", Key="k")
    assert s3.get_object(Bucket=b + "-versions", Key="k", VersionId=ids[0])["Body"].read() == b"one"
    listed = s3.list_object_versions(Bucket=b + "-versions")
    assert [v["VersionId"] for v in listed["Versions"]] == ids[::-1]
    marker = listed["DeleteMarkers"][0]["VersionId"]
    for version in [marker, *ids]:
        s3.delete_object(Bucket=b + "-versions", Key="k", VersionId=version)
    s3.delete_bucket(Bucket=b + "-versions")


@case
def objects_are_queried_in_sql(s3, b):
    import gzip
    rows = "name,age\n" + "".join(f"n{i},{i}\n" for i in range(1000))
    s3.put_object(Bucket=b, Key="select.csv.gz", Body=gzip.compress(rows.encode()))
    answer = s3.select_object_content(
        Bucket=b, Key="select.csv.gz", ExpressionType="SQL",
        Expression="SELECT s.name FROM S3Object s WHERE CAST(s.age AS INT) BETWEEN 7 AND 9",
        InputSerialization={"CSV": {"FileHeaderInfo": "USE"}, "CompressionType": "GZIP"},
        OutputSerialization={"JSON": {}}, RequestProgress={"Enabled": True})
    events = list(answer["Payload"])
    records = b"".join(event["Records"]["Payload"] for event in events if "Records" in event)
    assert records == b'{"name":"n7"}\n{"name":"n8"}\n{"name":"n9"}\n', records
    assert events[-2]["Stats"]["Details"]["BytesProcessed"] == len(rows), events[-2]
    assert "End" in events[-1]
    code = code_of(s3.select_object_content, Bucket=b, Key="select.csv.gz", ExpressionType="SQL",
                   Expression="SELECT FROM", InputSerialization={"CSV": {}}, OutputSerialization={"CSV": {}})
    assert code == ("ParseExpectedExpression", 400), code


@case
def buckets_are_made_found_and_removed(s3, b):
    s3.create_bucket(Bucket=b + "-two")
    assert b + "-two" in [x["Name"] for x in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket=b + "-two")["BucketRegion"] == "us-east-1"
    s3.delete_bucket(Bucket=b + "-two")
    assert code_of(s3.head_bucket, Bucket=b + "-two")[1] == 404
    assert code_of(s3.delete_bucket, Bucket=b)[0] == "BucketNotEmpty"


def main():
    if sys.argv[1] == "--list":
        print("\n".join(f.__name__ for f in CASES))
        return
    import boto3
    import urllib3
    urllib3.disable_warnings()
    s3 = boto3.client("s3", endpoint_url=sys.argv[1])
    bucket = "boto3-cases"
    s3.create_bucket(Bucket=bucket)
    results = {}
    for function in CASES:
        try:
            function(s3, bucket)
            results[function.__name__] = "ok"
        except Exception:
            results[function.__name__] = traceback.format_exc()[-1500:]
    print(json.dumps(results))


main()
