"""Files by their SHA-256 in a bucket of S3 or of what speaks like it, created once by conditional writes."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from eucora.store.spool import Spooled, chunks_of, key_of, scratch, spool

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential

WHOLE_MAX: Final = 8 << 20  # bytes that go up in one request, and are in memory meanwhile
PART: Final = 8 << 20  # bytes, in memory while they travel; S3 takes 10,000 parts, so 80 GiB
PARTS_AT_ONCE: Final = 4
# UploadPartCopy takes 5 GiB. Source: Amazon S3 API Reference, UploadPartCopy; read 2026-11-22.
COPY_MAX: Final = 5 << 30
KEY_LIFE: Final = timedelta(minutes=1)
TIMEOUT_S: Final = 300  # of one request; the longest is the store's own copy of 5 GiB


class ArtifactStoreAway(ConnectionError):
    """The bucket does not answer, does not exist, or does not let us in."""

    def __init__(self, bucket: str, error: Exception) -> None:
        # The client's own text goes on for pages; its first line holds what people need.
        told = (str(error).splitlines() or [type(error).__name__])[0][:2000]
        super().__init__(f"bucket {bucket}: {told}")
        self.bucket = bucket


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the files are. ``url``: ``s3://bucket/prefix``. ``endpoint`` None: Amazon's own, by region.

    ``keys_now``: the key as it is now, where it changes; it is asked for every ``key_life``. Without
    keys the machine's identity counts (environment, web identity, instance profile), as AWS tools do it.
    """

    url: str
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    keys_now: Callable[[], tuple[str, str]] | None = field(default=None, repr=False)
    key_life: timedelta = KEY_LIFE


@dataclass(frozen=True, slots=True)
class S3Arrived:
    """A stream that came whole, on local disk: judge ``path``, then ``keep`` it, or leave to drop it."""

    path: Path
    sha256: str
    size: int
    store: "S3Artifacts"

    async def keep(self) -> None:
        """Upload the file under its digest; nothing happens when it stands there already. Raises ArtifactStoreAway."""
        await self.store.create(Spooled(self.path, self.sha256, self.size))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.path.unlink(missing_ok=True)


def _current(keys_now: Callable[[], tuple[str, str]], life: timedelta) -> "Callable[[], S3Credential]":
    def key() -> "S3Credential":
        first, second = keys_now()
        return {
            "access_key_id": first,
            "secret_access_key": second,
            "token": None,
            "expires_at": datetime.now(UTC) + life,
        }

    return key


class S3Artifacts:
    """Artifacts in a bucket. ``incoming``: a local folder for what comes in and for copies that are worked on.

    Every method raises ArtifactStoreAway where the bucket cannot be reached.
    """

    def __init__(self, bucket: Bucket, incoming: Path, *, retries: int = 3) -> None:
        self._incoming = incoming.resolve()
        self._incoming.mkdir(parents=True, exist_ok=True)
        parts = urlsplit(bucket.url)
        self._name = parts.netloc
        config: S3Config = {"copy_if_not_exists": "multipart", "conditional_put": "etag"}
        if bucket.endpoint is not None:
            config["endpoint"] = bucket.endpoint
        if bucket.region is not None:
            config["region"] = bucket.region
        if bucket.keys_now is None and bucket.access_key_id is not None and bucket.secret_access_key is not None:
            config["access_key_id"] = bucket.access_key_id
            config["secret_access_key"] = bucket.secret_access_key
        self._store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config=config,
            credential_provider=None if bucket.keys_now is None else _current(bucket.keys_now, bucket.key_life),
            client_options={
                "allow_http": (bucket.endpoint or "").startswith("http://"),
                "connect_timeout": "5s",
                "timeout": f"{TIMEOUT_S}s",
            },
            retry_config={"max_retries": retries},
        )

    async def receive(self, chunks: AsyncIterator[bytes], *, size_max: int) -> S3Arrived:
        """Take a stream in without storing it; enter the answer with ``async with``.

        Raises:
            ValueError: it holds more than ``size_max`` bytes; nothing is left of it.
        """
        came = await spool(self._incoming, chunks, size_max=size_max)
        return S3Arrived(came.path, came.sha256, came.size, self)

    async def put_file(self, path: Path) -> tuple[str, int]:
        """Store a local file; its SHA-256 and size."""
        async with await self.receive(chunks_of(path), size_max=path.stat().st_size) as arrived:
            await arrived.keep()
        return arrived.sha256, arrived.size

    async def create(self, came: Spooled) -> None:
        """Upload under its digest, unless an object stands there: it stays as it is."""
        key = key_of(came.sha256)
        whole = await asyncio.to_thread(came.path.read_bytes) if came.size <= WHOLE_MAX else None
        with self._away(), suppress(AlreadyExistsError):
            if whole is not None:
                await obstore.put_async(self._store, key, whole, mode="create", use_multipart=False)
            elif await self._size(key) is None:
                await self._create_large(came, key)

    async def _create_large(self, came: Spooled, key: str) -> None:
        """In parts to a name of its own, then copied to its digest by the store itself, on the condition that nothing
        stands there. Beyond the copy's limit the parts go to the digest directly, and the look beforehand has to do."""
        if came.size > COPY_MAX:
            await self._upload(came.path, key)
            return
        staged = f"incoming/{secrets.token_hex(16)}"
        try:
            await self._upload(came.path, staged)
            await obstore.copy_async(self._store, staged, key, overwrite=False)
        finally:
            # What a kill leaves here, a lifecycle rule of the bucket removes.
            with suppress(BaseError, FileNotFoundError):
                await obstore.delete_async(self._store, staged)

    async def _upload(self, path: Path, key: str) -> None:
        await obstore.put_async(
            self._store, key, path, use_multipart=True, chunk_size=PART, max_concurrency=PARTS_AT_ONCE
        )

    async def get(self, sha256: str, *, size_max: int) -> bytes:
        """A small file whole. Raises KeyError when it is absent, ValueError when it is larger than ``size_max``."""
        key = key_of(sha256)
        with self._away():
            try:
                answer = await obstore.get_async(self._store, key)
            except FileNotFoundError:
                raise KeyError(sha256) from None
            if answer.meta["size"] > size_max:
                raise ValueError(f"{sha256} has {answer.meta['size']} bytes, more than {size_max}")
            return bytes(await answer.bytes_async())

    async def size(self, sha256: str) -> int | None:
        """Size in bytes; None when it is not there."""
        with self._away():
            return await self._size(key_of(sha256))

    async def _size(self, key: str) -> int | None:
        try:
            return (await obstore.head_async(self._store, key))["size"]
        except FileNotFoundError:
            return None

    @asynccontextmanager
    async def local_copy(self, sha256: str) -> AsyncIterator[Path]:
        """A copy on local disk while the block runs; hash it where the content matters. Raises KeyError."""
        key = key_of(sha256)
        async with scratch(self._incoming) as path:
            with self._away():
                await self._download(key, sha256, path)
            yield path

    async def _download(self, key: str, sha256: str, path: Path) -> None:
        size = await self._size(key)
        if size is None:
            raise KeyError(sha256)
        with path.open("xb") as file:
            # Piece by piece: a request has a time limit, and a file of some gigabytes would outlast it.
            for start in range(0, size, PART):
                piece = await obstore.get_range_async(self._store, key, start=start, end=min(start + PART, size))
                await asyncio.to_thread(file.write, piece)

    @contextmanager
    def _away(self) -> Iterator[None]:
        try:
            yield
        except AlreadyExistsError:
            raise
        except (BaseError, FileNotFoundError) as error:
            # A write that finds nothing found no bucket.
            raise ArtifactStoreAway(self._name, error) from error
