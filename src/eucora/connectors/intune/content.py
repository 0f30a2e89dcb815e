"""The content upload protocol: from an app without content to a committed content version, from wherever it stands.

Source: Microsoft Graph v1.0 reference (mobileAppContent, mobileAppContentFile) and Microsoft's sample scripts
(mggraph-intune-samples f83a7be3, read 2026-11-22).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

import httpx
import structlog

from eucora.application.planes import PlaneForbidden, PlaneRejected, PlaneUnavailable
from eucora.connectors.errors import report
from eucora.connectors.intune import wire
from eucora.connectors.intune.blocks import BLOCK_BYTES, PARALLEL, BlockUpload, Opener, SignedAddress
from eucora.connectors.intune.graph import APPS, Graph, JsonObject, text_in
from eucora.domain.planes import Plane
from eucora.formats.intunewin import IntunewinPackage

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
_DEAD: Final = _FAILED | _TIMED_OUT

_log = structlog.get_logger(__name__)


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


@dataclass(slots=True)
class _Found:
    """What earlier attempts left in an app: a file to go on with, an empty version, and files that came to nothing."""

    place: _Place | None = None
    committed: bool = False
    empty_version: str | None = None
    dead: list[tuple[str, str]] = field(default_factory=list)  # address and state


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
        parallel: int = PARALLEL,
    ) -> None:
        self._graph, self._now, self._sleep, self._patience = graph, now, sleep, patience
        self._blocks = BlockUpload(storage, block_bytes=block_bytes, parallel=parallel)

    async def ensure(
        self, app: str, package: IntunewinPackage, opened: Opener, *, app_type: str = wire.WIN32_APP
    ) -> str:
        """The content version of ``app`` that holds the package, committed. Whatever is there already is used.

        ``opened`` gives the encrypted bytes that ``package`` describes; ``app_type`` is the app's ``@odata.type``.

        Raises:
            PlaneRejected: Intune could not decrypt or check what it got, or answered off its schema.
            PlaneUnavailable: it did not get ready in time; the next call goes on from there.
        """
        versions = f"{APPS}/{quote(app, safe='')}/{app_type.removeprefix('#')}/contentVersions"
        found = await self._survey(versions, package)
        place = found.place or await self._announce(versions, found, package)
        file = await self._file_when(place, lambda file: _state(file) in _HAS_ADDRESS | {_COMMITTING, _COMMITTED})
        if _state(file) in _HAS_ADDRESS:
            commit, keys = f"{place.url}/commit", wire.commit(package)
            # A commit that waits for its approval says that the content is there: it is asked for after the last block.
            # Sending it again would renew an address that ended meanwhile, and that would take the commit back.
            if not await self._graph.is_asked(commit, keys):
                await self._put(place, file, opened)
            await self._graph.post(_OPERATION, commit, keys)
        await self._file_when(place, lambda file: _state(file) == _COMMITTED)
        return place.version

    async def _put(self, place: _Place, file: JsonObject, opened: Opener) -> None:
        address = SignedAddress(
            file, renew=lambda old: self._renew(place, old), now=self._now, https=self._graph.is_https
        )
        await self._blocks.put(address, opened)

    async def _survey(self, versions: str, package: IntunewinPackage) -> _Found:
        """What is there: of two living files of this package, a committed one before one on its way."""
        found = _Found()
        ids = [text_in(_OPERATION, v, "id") async for page in self._graph.pages(_OPERATION, versions) for v in page]
        for version in ids:
            files = f"{versions}/{quote(version, safe='')}/files"
            held = [file async for page in self._graph.pages(_OPERATION, files) for file in page]
            if not held:
                found.empty_version = version
            for file in held:
                url, state = f"{files}/{quote(text_in(_OPERATION, file, 'id'), safe='')}", _state(file)
                if state in _DEAD:
                    found.dead.append((url, state))
                elif wire.describes(file, package) and (state == _COMMITTED or found.place is None):
                    found.place, found.committed = _Place(version, url), state == _COMMITTED
        return found

    async def _announce(self, versions: str, found: _Found, package: IntunewinPackage) -> _Place:
        """A new file, in a content version that has none yet; files that came to nothing are cleared away first."""
        for url, state in found.dead:
            await self._clear(url, state)
        version = found.empty_version
        if version is None:
            # until something is committed Intune answers this with the same version again
            body = {"@odata.type": "#microsoft.graph.mobileAppContent"}
            version = text_in(_OPERATION, await self._graph.create(_OPERATION, versions, body), "id")
        files = f"{versions}/{quote(version, safe='')}/files"
        made = await self._graph.create(_OPERATION, files, wire.content_file(package))
        return _Place(version, f"{files}/{quote(text_in(_OPERATION, made, 'id'), safe='')}")

    async def _clear(self, url: str, state: str) -> None:
        """Take a dead file away. One that Intune keeps does no harm: nothing commits it. The log says that it is left.

        Whether the service lets such files go is not documented, so a refusal is no failure of the publication.
        """
        try:
            await self._graph.delete(_OPERATION, url, also=frozenset({404}))
        except (PlaneRejected, PlaneForbidden) as refused:
            _log.info("intune.dead_file_left", file=url, state=state, reason=refused.detail)

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


def _state(file: JsonObject) -> str:
    return str(file.get("uploadState"))
