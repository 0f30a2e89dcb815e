"""A stream of bytes on its way into an artifact store: on local disk, hashed while it is written, in nobody's sight."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Spooled:
    """A stream that came whole. ``sha256`` and ``size`` (bytes) are of what was read."""

    path: Path
    sha256: str
    size: int


async def spool(folder: Path, chunks: AsyncIterator[bytes], *, size_max: int) -> Spooled:
    """Write the stream to a new file in ``folder``, synced to disk; the caller removes it.

    Raises:
        ValueError: it holds more than ``size_max`` bytes; nothing is left of it.
    """
    digest, size = hashlib.sha256(), 0
    path = folder / secrets.token_hex(16)
    try:
        with path.open("xb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > size_max:
                    raise ValueError(f"more than {size_max} bytes")
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
    except BaseException:  # a client that goes away ends in a CancelledError
        path.unlink(missing_ok=True)
        raise
    return Spooled(path, digest.hexdigest(), size)


@asynccontextmanager
async def scratch(folder: Path) -> AsyncIterator[Path]:
    """A new name in ``folder``; whatever stands there in the end is removed."""
    path = folder / secrets.token_hex(16)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def key_of(sha256: str) -> str:
    """Where a file stands below the store's root. Raises KeyError for what is no digest."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise KeyError(sha256)
    return f"sha256/{sha256[:2]}/{sha256}"


async def chunks_of(path: Path) -> AsyncIterator[bytes]:
    """The file in pieces of ``CHUNK`` bytes."""
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in chunks. Blocking."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
