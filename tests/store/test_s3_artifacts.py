"""What a bucket adds to the contract of the artifact stores: the condition on every write, and honest failures."""

import asyncio
import hashlib
from pathlib import Path

import httpx
import pytest
from artifact_stores import CONTENT, DIGEST, BucketOfTest, files, put, stream

from eucora.api.kept_files import KeptFile
from eucora.store.s3_artifacts import WHOLE_MAX, ArtifactStoreAway, Bucket, S3Artifacts

LARGE = b"large" * (WHOLE_MAX // 5 + 1)
LARGE_DIGEST = hashlib.sha256(LARGE).hexdigest()


def key(sha256: str) -> str:
    return f"kept/here/sha256/{sha256[:2]}/{sha256}"


@pytest.mark.parametrize(("content", "digest"), [(CONTENT, DIGEST), (LARGE, LARGE_DIGEST)], ids=["whole", "in parts"])
async def test_a_file_is_the_one_object_that_a_write_leaves(
    bucket: BucketOfTest, tmp_path: Path, content: bytes, digest: str
) -> None:
    await put(bucket.store, stream(content), size_max=len(content))
    assert bucket.keys() == [key(digest)]  # under the prefix; no staged copy stays
    assert bucket.uploads() == 0
    assert bucket.ask("GET", f"/{key(digest)}").content == content
    async with bucket.store.local_copy(digest) as path:
        assert path.read_bytes() == content
    assert files(tmp_path) == []  # neither what came in nor the copy


@pytest.mark.parametrize(("content", "digest"), [(CONTENT, DIGEST), (LARGE, LARGE_DIGEST)], ids=["whole", "in parts"])
async def test_what_stands_under_a_digest_is_never_written_over(
    bucket: BucketOfTest, content: bytes, digest: str
) -> None:
    """Also where it is not what it should be: an intruder's object must be found by its hash, not healed away."""
    bucket.ask("PUT", f"/{key(digest)}", b"something else")
    await put(bucket.store, stream(content), size_max=len(content))
    assert bucket.ask("GET", f"/{key(digest)}").content == b"something else"


@pytest.mark.parametrize(("content", "digest"), [(CONTENT, DIGEST), (LARGE, LARGE_DIGEST)], ids=["whole", "in parts"])
async def test_of_writers_that_all_saw_nothing_one_creates_the_object(
    bucket: BucketOfTest, content: bytes, digest: str
) -> None:
    """The bucket keeps every version that was ever written: there is one."""
    bucket.keep_versions()
    store = bucket.store
    arrivals = [await store.receive(stream(content), size_max=len(content)) for _ in range(3)]
    assert await store.size(digest) is None
    await asyncio.gather(*(arrived.keep() for arrived in arrivals))
    for arrived in arrivals:
        async with arrived:
            pass
    assert bucket.versions(key(digest)) == 1
    assert bucket.keys() == [key(digest)]
    assert bucket.uploads() == 0


async def test_the_server_of_these_tests_enforces_the_condition(bucket: BucketOfTest) -> None:
    """Without it the tests above would prove nothing."""
    bucket.ask("PUT", "/taken", b"first")
    with pytest.raises(httpx.HTTPStatusError, match="412"):
        bucket.ask("PUT", "/taken", b"second", {"If-None-Match": "*"})
    assert bucket.ask("GET", "/taken").content == b"first"


async def test_a_file_is_answered_out_of_the_bucket_and_its_copy_goes(bucket: BucketOfTest, tmp_path: Path) -> None:
    store = bucket.store
    await put(store, stream(LARGE), size_max=len(LARGE))
    answer = KeptFile(store, LARGE_DIGEST, "scan")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(answer), base_url="http://eucora.test") as http:
        told = await http.get("/")
    assert told.content == LARGE
    assert files(tmp_path) == []


async def test_a_bucket_that_is_not_there_is_told_on_a_write(bucket: BucketOfTest, tmp_path: Path) -> None:
    nowhere = S3Artifacts(Bucket("s3://nowhere", bucket.endpoint, "eu-west-1", "key", "secret"), tmp_path / "incoming")
    for content in (CONTENT, LARGE):
        with pytest.raises(ArtifactStoreAway, match="bucket nowhere: "):
            await put(nowhere, stream(content), size_max=len(content))
    assert files(tmp_path) == []


async def test_a_server_that_does_not_answer_is_told_in_one_line(tmp_path: Path, unused_tcp_port: int) -> None:
    place = Bucket("s3://away", f"http://127.0.0.1:{unused_tcp_port}", "eu-west-1", "key", "top-secret")
    assert "top-secret" not in repr(place)
    away = S3Artifacts(place, tmp_path / "incoming", retries=0)
    with pytest.raises(ArtifactStoreAway) as caught:
        await away.size(DIGEST)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "secret" not in str(caught.value)
    with pytest.raises(ArtifactStoreAway):
        async with away.local_copy(DIGEST):
            pass
    assert files(tmp_path) == []
