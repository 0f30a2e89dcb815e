"""Files by their digest: created once, whole or not at all, in a folder and in a bucket alike."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from artifact_stores import CONTENT, DIGEST, BucketOfTest, Store, files, put, stream

from eucora.store.artifacts import CHUNK, LocalArtifacts, sha256_of
from eucora.store.s3_artifacts import PART


@pytest.fixture(params=["folder", "bucket"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return LocalArtifacts(tmp_path / "incoming")
    bucket: BucketOfTest = request.getfixturevalue("bucket")
    return bucket.store


@pytest.fixture
def folder(tmp_path: Path) -> LocalArtifacts:
    return LocalArtifacts(tmp_path)


async def test_a_stream_is_kept_under_its_digest(artifacts: Store) -> None:
    assert await put(artifacts, stream(CONTENT[:7], b"", CONTENT[7:]), size_max=len(CONTENT)) == (DIGEST, len(CONTENT))
    assert await artifacts.size(DIGEST) == len(CONTENT)
    assert await artifacts.get(DIGEST, size_max=len(CONTENT)) == CONTENT
    async with artifacts.local_copy(DIGEST) as path:
        assert sha256_of(path) == DIGEST


async def test_a_file_larger_than_a_chunk_and_than_a_part_comes_whole(artifacts: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"\x00\x01" * CHUNK + b"\x02" * PART + b"end")
    digest, size = await artifacts.put_file(source)
    assert (digest, size) == (sha256_of(source), 2 * CHUNK + PART + 3)
    assert await artifacts.get(digest, size_max=size) == source.read_bytes()
    async with artifacts.local_copy(digest) as path:
        assert path.read_bytes() == source.read_bytes()


async def test_an_empty_file_is_a_file(artifacts: Store) -> None:
    digest, size = await put(artifacts, stream(), size_max=0)
    assert (digest, size) == (hashlib.sha256(b"").hexdigest(), 0)
    assert await artifacts.get(digest, size_max=0) == b""
    async with artifacts.local_copy(digest) as path:
        assert path.read_bytes() == b""


async def test_who_hands_the_same_bytes_in_at_once_is_told_the_same(artifacts: Store) -> None:
    together = await asyncio.gather(*(put(artifacts, stream(CONTENT), size_max=len(CONTENT)) for _ in range(5)))
    assert set(together) == {(DIGEST, len(CONTENT))}
    assert await artifacts.get(DIGEST, size_max=len(CONTENT)) == CONTENT


async def test_what_is_not_kept_is_in_nobodys_sight_and_leaves_nothing(artifacts: Store, tmp_path: Path) -> None:
    async with await artifacts.receive(stream(CONTENT), size_max=len(CONTENT)) as arrived:
        assert arrived.path.read_bytes() == CONTENT
        assert await artifacts.size(DIGEST) is None
    assert await artifacts.size(DIGEST) is None
    assert files(tmp_path) == []


async def test_what_is_too_large_leaves_nothing(artifacts: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more than 9999 bytes"):
        await put(artifacts, stream(CONTENT[:5000], CONTENT[5000:]), size_max=len(CONTENT) - 1)
    assert files(tmp_path) == []


async def test_a_stream_that_breaks_off_leaves_nothing(artifacts: Store, tmp_path: Path) -> None:
    async def breaks_off() -> AsyncIterator[bytes]:
        yield CONTENT[:100]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await put(artifacts, breaks_off(), size_max=len(CONTENT))
    assert files(tmp_path) == []


async def test_what_is_not_there_is_said_so(artifacts: Store) -> None:
    assert await artifacts.size(DIGEST) is None
    with pytest.raises(KeyError):
        await artifacts.get(DIGEST, size_max=1)
    with pytest.raises(KeyError):
        async with artifacts.local_copy(DIGEST):
            pass


async def test_a_small_read_does_not_take_a_large_file(artifacts: Store) -> None:
    await put(artifacts, stream(CONTENT), size_max=len(CONTENT))
    with pytest.raises(ValueError, match="has 10000 bytes, more than 9999"):
        await artifacts.get(DIGEST, size_max=9_999)


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", DIGEST.upper(), DIGEST[:-1], DIGEST + "0", "g" * 64, "/" * 64]
)
async def test_only_a_digest_is_a_name(artifacts: Store, name: str) -> None:
    for attempt in (artifacts.get(name, size_max=1), artifacts.size(name)):
        with pytest.raises(KeyError):
            await attempt
    with pytest.raises(KeyError):
        async with artifacts.local_copy(name):
            pass


async def test_in_a_folder_the_same_bytes_are_created_once(folder: LocalArtifacts, tmp_path: Path) -> None:
    await put(folder, stream(CONTENT), size_max=len(CONTENT))
    stored = tmp_path / "sha256" / DIGEST[:2] / DIGEST
    before = stored.stat()
    await asyncio.gather(*(put(folder, stream(CONTENT), size_max=len(CONTENT)) for _ in range(5)))
    after = stored.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert files(tmp_path) == [f"sha256/{DIGEST[:2]}/{DIGEST}"]


async def test_in_a_folder_a_large_stream_is_published_as_the_file_that_was_written(folder: LocalArtifacts) -> None:
    size = 64 * CHUNK
    async with await folder.receive(stream(*[bytes(CHUNK)] * 64), size_max=size) as arrived:
        written = arrived.path.stat()
        await arrived.keep()
    async with folder.local_copy(arrived.sha256) as path:
        stored = path.stat()
        assert sha256_of(path) == arrived.sha256
    assert (stored.st_ino, stored.st_size) == (written.st_ino, size)  # no copy was made, in memory or on disk
    assert stored.st_nlink == 1


async def test_in_a_folder_a_refusal_takes_nothing_from_who_kept_the_same_bytes(
    folder: LocalArtifacts, tmp_path: Path
) -> None:
    async with await folder.receive(stream(CONTENT), size_max=len(CONTENT)):
        await put(folder, stream(CONTENT), size_max=len(CONTENT))
    assert files(tmp_path) == [f"sha256/{DIGEST[:2]}/{DIGEST}"]
