"""Files by their SHA-256 on a local disk, created once: written beside the store, then linked in whole."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import obstore
from obstore.store import LocalStore

from eucora.store.spool import CHUNK, chunks_of, key_of, sha256_of, spool

__all__ = ["CHUNK", "Arrived", "LocalArtifacts", "sha256_of"]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A stream that came whole, on disk but in nobody's sight: judge ``path``, then ``keep`` it, or leave to drop it.

    ``sha256`` and ``size`` (bytes) are of what was read; ``target`` is where it will stand.
    """

    path: Path
    sha256: str
    size: int
    target: Path

    async def keep(self) -> None:
        """Publish the file under its digest; nothing happens when the same bytes stand there already."""
        await asyncio.to_thread(self._publish)

    def _publish(self) -> None:
        # A link takes no memory and no second copy, and it appears whole or not at all. It needs a file system with
        # hard links; ``put_async`` of obstore read the whole file into memory.
        folder = self.target.parent
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.link(self.path, self.target)
        for changed in (folder, folder.parent):
            _sync_folder(changed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.path.unlink(missing_ok=True)


class LocalArtifacts:
    """Artifacts below a folder of this machine. Nothing half-written is ever visible under a digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._incoming = self._folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._store = LocalStore(self._folder, mkdir=True)

    async def receive(self, chunks: AsyncIterator[bytes], *, size_max: int) -> Arrived:
        """Take a stream in without storing it; enter the answer with ``async with``.

        Raises:
            ValueError: it holds more than ``size_max`` bytes; nothing is left of it.
        """
        came = await spool(self._incoming, chunks, size_max=size_max)
        return Arrived(came.path, came.sha256, came.size, self._folder / key_of(came.sha256))

    async def put_file(self, path: Path) -> tuple[str, int]:
        """Store a local file; its SHA-256 and size."""
        async with await self.receive(chunks_of(path), size_max=path.stat().st_size) as arrived:
            await arrived.keep()
        return arrived.sha256, arrived.size

    async def get(self, sha256: str, *, size_max: int) -> bytes:
        """A small file whole. Raises KeyError when it is absent, ValueError when it is larger than ``size_max``."""
        size = await self.size(sha256)
        if size is None:
            raise KeyError(sha256)
        if size > size_max:
            raise ValueError(f"{sha256} has {size} bytes, more than {size_max}")
        answer = await obstore.get_async(self._store, key_of(sha256))
        return bytes(await answer.bytes_async())

    async def size(self, sha256: str) -> int | None:
        """Size in bytes; None when it is not there."""
        try:
            meta = await obstore.head_async(self._store, key_of(sha256))
        except FileNotFoundError:
            return None
        return meta["size"]

    @asynccontextmanager
    async def local_copy(self, sha256: str) -> AsyncIterator[Path]:
        """The stored file itself; hash it where the content matters. Raises KeyError when it is absent."""
        path = self._folder / key_of(sha256)
        if not path.is_file():
            raise KeyError(sha256)
        yield path


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
