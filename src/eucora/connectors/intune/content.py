"""The content upload protocol: from an app without content to a committed content version, from wherever it stands.

Source: Microsoft Graph v1.0 reference (mobileAppContent, mobileAppContentFile) and Microsoft's sample scripts
(mggraph-intune-samples f83a7be3, read 2026-11-22); Azure Storage REST, Put Block and Put Block List.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

import httpx

from eucora.application.planes import PlaneRejected, PlaneUnavailable
from eucora.connectors.errors import classify, report
from eucora.connectors.http import send
from eucora.connectors.intune import wire
from eucora.connectors.intune.graph import APPS, Graph, JsonObject, off_schema, text_in
from eucora.domain.findings import UnreadableEvidence
from eucora.domain.planes import Plane
from eucora.formats.intunewin import IntunewinPackage, open_encrypted

BLOCK_BYTES: Final = 6 * 1024 * 1024  # as in Microsoft's own uploader; 50,000 blocks of it hold any Win32 app
RENEW_BEFORE: Final = timedelta(minutes=3)  # a block has this long to arrive
_OPERATION: Final = "publish"

_HAS_ADDRESS: Final = frozenset({"azureStorageUriRequestSuccess", "azureStorageUriRenewalSuccess"})
_COMMITTED: Final = "commitFileSuccess"
_COMMITTING: Final = "commitFilePending"
# Ends that the service reached by itself; another file starts over.
_FAILED: Final = frozenset({"commitFileFailed", "error"})
_TIMED_OUT: Final = frozenset(
    {
        "azureStorageUriRequestFailed",
        "azureStorageUriRequestTimedOut",
        "azureStorageUriRenewalFailed",
        "azureStorageUriRenewalTimedOut",
        "commitFileTimedOut",
    }
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for work that Intune does by itself: ``polls_max`` looks, ``poll_s`` seconds apart."""

    poll_s: float = 2.0
    polls_max: int = 150


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file stands: content version id, and the address of the file."""

    version: str
    url: str


class ContentUpload:
    """Uploads into one app at a time. ``storage`` is a client without credentials: the address is the credential."""

    def __init__(
        self,
        graph: Graph,
        storage: httpx.AsyncClient,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        patience: Patience,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._graph, self._storage, self._now, self._sleep = graph, storage, now, sleep
        self._patience, self._block_bytes = patience, block_bytes

    async def ensure(self, app: str, package: IntunewinPackage, path: Path) -> str:
        """The content version of ``app`` that holds the package, committed. Whatever is there already is used.

        Raises:
            PlaneRejected: Intune could not decrypt or check what it got, or answered off its schema.
            PlaneUnavailable: it did not get ready in time; the next call goes on from there.
        """
        versions = f"{APPS}/{quote(app, safe='')}/microsoft.graph.win32LobApp/contentVersions"
        place = await self._standing(versions, package) or await self._announce(versions, package)
        file = await self._file_when(place, lambda file: _state(file) in _HAS_ADDRESS | {_COMMITTING, _COMMITTED})
        if _state(file) in _HAS_ADDRESS:
            await self._upload(place, file, path)
            await self._graph.post(_OPERATION, f"{place.url}/commit", wire.commit(package))
        await self._file_when(place, lambda file: _state(file) == _COMMITTED)
        return place.version

    async def _standing(self, versions: str, package: IntunewinPackage) -> _Place | None:
        """A file of this package that is not dead: a committed one before one on its way."""
        found: list[tuple[bool, _Place]] = []
        for version in await self._ids(versions):
            files = f"{versions}/{quote(version, safe='')}/files"
            async for page in self._graph.pages(_OPERATION, files):
                found += [
                    (_state(file) == _COMMITTED, _Place(version, f"{files}/{quote(text_in(_OPERATION, file, 'id'))}"))
                    for file in page
                    if wire.describes(file, package) and _state(file) not in _FAILED | _TIMED_OUT
                ]
        return max(found, key=lambda entry: entry[0])[1] if found else None

    async def _announce(self, versions: str, package: IntunewinPackage) -> _Place:
        """A new file, in a content version that has none yet."""
        for version in await self._ids(versions):
            async for page in self._graph.pages(_OPERATION, f"{versions}/{quote(version, safe='')}/files"):
                if not page:
                    return await self._announce_in(versions, version, package)
        # until something is committed Intune answers this with the same version again
        made = await self._graph.create(_OPERATION, versions, {"@odata.type": "#microsoft.graph.mobileAppContent"})
        return await self._announce_in(versions, text_in(_OPERATION, made, "id"), package)

    async def _announce_in(self, versions: str, version: str, package: IntunewinPackage) -> _Place:
        files = f"{versions}/{quote(version, safe='')}/files"
        made = await self._graph.create(_OPERATION, files, wire.content_file(package))
        return _Place(version, f"{files}/{quote(text_in(_OPERATION, made, 'id'))}")

    async def _ids(self, versions: str) -> list[str]:
        return [text_in(_OPERATION, v, "id") async for page in self._graph.pages(_OPERATION, versions) for v in page]

    async def _upload(self, place: _Place, file: JsonObject, path: Path) -> None:
        """Every block and then their list; blocks that an earlier attempt sent are simply sent again."""
        block_ids: list[str] = []
        with ExitStack() as held:
            try:
                content = held.enter_context(open_encrypted(path))
            except (UnreadableEvidence, OSError) as error:
                raise unreadable(error) from error
            while block := await self._read(content):
                block_id = base64.b64encode(f"{len(block_ids):08d}".encode()).decode()
                file = await self._put(
                    place,
                    file,
                    f"comp=block&blockid={quote(block_id, safe='')}",
                    block,
                    {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"},
                )
                block_ids.append(block_id)
        listed = "".join(f"<Latest>{block_id}</Latest>" for block_id in block_ids)
        xml = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
        await self._put(place, file, "comp=blocklist", xml.encode(), {"Content-Type": "application/xml"})

    async def _read(self, content: BinaryIO) -> bytes:
        try:
            return await asyncio.to_thread(content.read, self._block_bytes)
        except OSError as error:
            raise unreadable(error) from error

    async def _put(
        self, place: _Place, file: JsonObject, query: str, body: bytes, headers: dict[str, str]
    ) -> JsonObject:
        """Put under the file's address, renewed before it ends, and once when storage says that it has."""
        expires = wire.moment(file.get("azureStorageUriExpirationDateTime"))
        if expires is not None and expires - self._now() < RENEW_BEFORE:
            file = await self._renew(place, file)
        for last in (False, True):
            url = f"{self._address(file)}&{query}"
            answer = await send(
                self._storage,
                Plane.INTUNE,
                _OPERATION,
                "PUT",
                url,
                content=body,
                headers=headers,
                also=frozenset({403}),
            )
            if answer.is_success:
                break
            if last:
                raise classify(Plane.INTUNE, _OPERATION, answer)
            file = await self._renew(place, file)
        return file

    async def _renew(self, place: _Place, file: JsonObject) -> JsonObject:
        old = (_state(file), file.get("azureStorageUri"))
        await self._graph.post(_OPERATION, f"{place.url}/renewUpload")
        # for a moment the file may still show what it showed before
        return await self._file_when(
            place,
            lambda new: (
                _state(new) == "azureStorageUriRenewalSuccess" and (_state(new), new.get("azureStorageUri")) != old
            ),
        )

    async def _file_when(self, place: _Place, ready: Callable[[JsonObject], bool]) -> JsonObject:
        for _ in range(self._patience.polls_max):
            file = await self._graph.must_get(_OPERATION, place.url)
            if ready(file):
                return file
            if _state(file) in _FAILED:
                detail = f"Intune could not take the content: {_state(file)} {file.get('errorCode') or ''}".strip()
                raise report(PlaneRejected(Plane.INTUNE, _OPERATION, detail))
            if _state(file) in _TIMED_OUT:
                raise report(PlaneUnavailable(Plane.INTUNE, _OPERATION, f"content file: {_state(file)}"))
            await self._sleep(self._patience.poll_s)
        raise report(PlaneUnavailable(Plane.INTUNE, _OPERATION, f"content file still {_state(file)}"))

    def _address(self, file: JsonObject) -> str:
        address = text_in(_OPERATION, file, "azureStorageUri")
        if self._graph.is_https and not address.startswith("https://"):
            raise off_schema(_OPERATION, "azureStorageUri is not https")
        return address


def unreadable(error: Exception) -> PlaneRejected:
    """The error for a local file that is no package, or is there no more; logged."""
    return report(PlaneRejected(Plane.INTUNE, _OPERATION, f"content cannot be read: {error}"))


def _state(file: JsonObject) -> str:
    return str(file.get("uploadState"))
