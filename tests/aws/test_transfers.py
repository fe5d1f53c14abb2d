"""Getting and putting objects while the way to AWS fails: nothing is lost, doubled or served damaged.

What moto cannot show: two conditional puts of one key at the very same moment (S3 refuses one of them; moto looks and
puts in two steps), the refusal of a body that does not fit its checksum (moto takes what it is told), and the SHA-256
of parts.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.errors import AwsDeniedError, AwsError, IntegrityError
from penstock.storage import sending
from penstock.storage.aws import S3RawZone, S3Zone
from penstock.storage.mirror import Mirror
from penstock.storage.objects import Objects
from tests.aws import cloud
from tests.aws.proxy import Answer, Wire
from tests.aws.zones import files_in, publish

SPAWN = multiprocessing.get_context("spawn")


def test_a_flipped_bit_on_the_way_is_never_served(tables: S3Zone, line: Wire) -> None:
    """An answer that arrived damaged is asked for again; one that always does is an error, and no copy is left."""
    path = publish(tables, "t/a.parquet", b"rows of a table")
    Path(path).unlink()
    line.fail("GET", 1, Answer(flip=True))
    assert Path(tables.location("t/a.parquet")).read_bytes() == b"rows of a table"
    Path(path).unlink()
    line.fail("GET", 100, Answer(flip=True))
    with pytest.raises(IntegrityError, match="not those that were sent") as caught:
        tables.location("t/a.parquet")
    assert caught.value.where == f"s3://{tables.objects.bucket}/t/a.parquet"
    assert files_in(tables.root) == []


def test_an_answer_that_breaks_off_is_asked_for_again(tables: S3Zone, line: Wire) -> None:
    """A connection that is lost in the middle of a file costs nothing but time; one that always is, is an error."""
    content = os.urandom(3_000_000)
    path = publish(tables, "t/a.parquet", content)
    Path(path).unlink()
    line.fail("GET", 2, Answer(cut=True))
    assert Path(tables.location("t/a.parquet")).read_bytes() == content
    Path(path).unlink()
    line.fail("GET", 100, Answer(cut=True))
    with pytest.raises(AwsError, match="broke off"):
        tables.location("t/a.parquet")
    assert files_in(tables.root) == []


def test_busy_answers_are_retried(tables: S3Zone, line: Wire) -> None:
    """Where S3 is busy, every call is repeated until it is not; nothing is there twice."""
    line.fail("PUT", 1, Answer(503, "SlowDown"))
    path = publish(tables, "t/a.parquet", b"rows")
    Path(path).unlink()
    line.fail("GET", 2, Answer(500, "InternalError"))
    assert Path(tables.location("t/a.parquet")).read_bytes() == b"rows"
    line.fail("HEAD", 1, Answer(503, "ServiceUnavailable"))
    assert tables.stat("t/a.parquet") is not None
    line.fail("DELETE", 1, Answer(503, "SlowDown"))
    tables.delete("t/a.parquet")
    line.fail("GET", 1, Answer(503, "SlowDown"))
    assert list(tables.list("**")) == []
    assert [line.count(method) for method in ("PUT", "HEAD", "DELETE")] == [2, 2, 2]


def test_a_put_whose_answer_was_lost_is_ours(tables: S3Zone, line: Wire) -> None:
    """S3 took the file and the answer was lost: the repetition meets our own object, and that is no conflict."""
    line.fail("PUT", 1, Answer(after=True))
    publish(tables, "t/a.parquet", b"rows")
    assert line.count("PUT") == 2
    assert Path(tables.location("t/a.parquet")).read_bytes() == b"rows"
    with pytest.raises(FileExistsError):
        publish(tables, "t/a.parquet", b"rows")


def test_a_conflict_passes(tables: S3Zone, line: Wire) -> None:
    """While somebody else writes the key S3 asks to try again, and so it is."""
    line.fail("PUT", 2, Answer(409, "ConditionalRequestConflict"))
    publish(tables, "t/a.parquet", b"rows")
    assert tables.objects.read("t/a.parquet") == b"rows"


def test_large_files_go_in_parts(tmp_path: Path, line: Wire) -> None:
    """A large file is sent in parts, each with its checksum, and comes back whole, with the digest it was sent with."""
    mirror, content = Mirror(tmp_path / "m", cloud.bucket()), os.urandom(11_000_000)
    file = tmp_path / "large"
    file.write_bytes(content)
    sent = sending.send(mirror.objects, "t/large.parquet", str(file), part=5_300_000, large=6_000_000)
    assert sent.size == len(content)
    assert sent.digest == hashlib.sha256(content).hexdigest()
    assert line.count("PUT", "partNumber") == 3
    path = mirror.path(mirror.objects.uri("t/large.parquet"))
    (got,) = mirror.fetch([path]).values()
    assert (got.digest, got.vouched) == (sent.digest, True)
    assert Path(path).read_bytes() == content


def test_parts_of_an_upload_that_failed_are_taken_away(tmp_path: Path, line: Wire) -> None:
    """An upload in parts that cannot be finished leaves no object and no parts that cost money."""
    objects, file = Objects(cloud.bucket()), tmp_path / "large"
    file.write_bytes(bytes(11_000_000))
    line.fail("PUT", 100, Answer(400, "BadDigest"), "partNumber=2")
    with pytest.raises(AwsError, match="BadDigest"):
        sending.send(objects, "t/large.parquet", str(file), part=5_300_000, large=6_000_000)
    assert objects.look("t/large.parquet") is None
    assert objects.s3.list_multipart_uploads(Bucket=objects.bucket).get("Uploads", []) == []


def test_an_upload_in_parts_whose_last_answer_was_lost_is_ours(tmp_path: Path, line: Wire) -> None:
    """S3 put the parts together and the answer was lost: the repetition finds no upload, but our own object."""
    objects, file = Objects(cloud.bucket()), tmp_path / "large"
    file.write_bytes(os.urandom(11_000_000))
    line.fail("POST", 1, Answer(after=True), "uploadId")
    sent = sending.send(objects, "t/large.parquet", str(file), part=5_300_000, large=6_000_000)
    assert sent.size == 11_000_000
    assert objects.digest("t/large.parquet").digest == sent.digest


@pytest.mark.parametrize(
    ("call", "permission"),
    [
        ("stat", "s3:GetObject"),
        ("location", "s3:GetObject"),
        ("publish", "s3:PutObject"),
        ("delete", "s3:DeleteObject"),
        ("list", "s3:ListBucket"),
        ("list raw", "s3:ListBucketVersions"),
    ],
)
def test_what_is_not_allowed_is_named(tables: S3Zone, raw: S3RawZone, line: Wire, call: str, permission: str) -> None:
    """Where AWS denies a call, the error says what was being done to what, and names the permission to ask for."""
    line.rule = lambda _method, _path: Answer(403, "AccessDenied")
    calls: dict[str, Callable[[], object]] = {
        "stat": lambda: tables.stat("t/a"),
        "location": lambda: tables.location("t/a"),
        "publish": lambda: publish(tables, "t/a", b"x"),
        "delete": lambda: tables.delete("t/a"),
        "list": lambda: list(tables.list("**")),
        "list raw": lambda: list(raw.list("**")),
    }
    with pytest.raises(AwsDeniedError) as caught:
        calls[call]()
    assert str(caught.value.hint).startswith(f"ask for the permission {permission}, ")
    assert (caught.value.where or "").startswith("s3://")


def test_a_key_that_may_not_be_used_is_named(tables: S3Zone, line: Wire) -> None:
    """Where it is the encryption's key that is denied, the error names that permission, as AWS does."""
    text = "User: arn:aws:iam::1:user/u is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:k"
    line.rule = lambda _method, _path: Answer(403, "AccessDenied", text)
    with pytest.raises(AwsDeniedError) as caught:
        tables.location("t/a")
    assert str(caught.value.hint).startswith("ask for the permission kms:Decrypt, ")
