"""Files by their SHA-256, through obstore: on a local disk here, on S3 or Azure with the same calls. Created once."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

CHUNK = 1 << 20  # bytes


class LocalArtifacts:
    """Artifacts below a folder of this machine. Nothing half-written is ever visible under a digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._incoming = self._folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._store = LocalStore(self._folder, mkdir=True)

    async def put(self, chunks: AsyncIterator[bytes], *, size_max: int) -> tuple[str, int]:
        """Store a stream; its SHA-256 and its size in bytes.

        Raises:
            ValueError: it holds more than ``size_max`` bytes; nothing is kept.
        """
        digest, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self._incoming)
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > size_max:
                        raise ValueError(f"more than {size_max} bytes")
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
            await self._keep(path, digest.hexdigest())
        finally:
            path.unlink(missing_ok=True)
        return digest.hexdigest(), size

    async def put_file(self, path: Path) -> tuple[str, int]:
        """Store a local file; its SHA-256 and size."""
        return await self.put(_chunks(path), size_max=path.stat().st_size)

    async def _keep(self, path: Path, sha256: str) -> None:
        try:
            await obstore.put_async(self._store, _key(sha256), path, mode="create")
        except AlreadyExistsError:
            return  # the same bytes are there already

    async def get(self, sha256: str, *, size_max: int) -> bytes:
        """A small file whole. Raises KeyError when it is absent, ValueError when it is larger than ``size_max``."""
        size = await self.size(sha256)
        if size is None:
            raise KeyError(sha256)
        if size > size_max:
            raise ValueError(f"{sha256} has {size} bytes, more than {size_max}")
        answer = await obstore.get_async(self._store, _key(sha256))
        return bytes(await answer.bytes_async())

    async def size(self, sha256: str) -> int | None:
        """Size in bytes; None when it is not there."""
        try:
            meta = await obstore.head_async(self._store, _key(sha256))
        except FileNotFoundError:
            return None
        return meta["size"]

    @asynccontextmanager
    async def local_copy(self, sha256: str) -> AsyncIterator[Path]:
        """The stored file itself; hash it where the content matters. Raises KeyError when it is absent."""
        path = self._folder / _key(sha256)
        if not path.is_file():
            raise KeyError(sha256)
        yield path


def _key(sha256: str) -> str:
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise KeyError(sha256)
    return f"sha256/{sha256[:2]}/{sha256}"


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in chunks. Blocking."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
