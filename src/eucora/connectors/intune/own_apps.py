"""Apps of ours among everybody's: found by the key in their notes, and kept down to one for each key."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import quote

import structlog

from eucora.application.planes import PlaneError, PlaneRejected, PlaneUnavailable
from eucora.connectors.errors import report
from eucora.connectors.intune import wire
from eucora.connectors.intune.content import Patience
from eucora.connectors.intune.graph import APPS, Graph, JsonObject, quoted, text_in
from eucora.domain.planes import Plane

FIELDS: Final = "id,displayName,notes,createdDateTime,publishingState"

_log = structlog.get_logger(__name__)


class OwnApps:
    """Looks for the app of a key; names are not unique in Intune and filters may be ignored, so only notes decide."""

    def __init__(self, graph: Graph, *, sleep: Callable[[float], Awaitable[None]], patience: Patience) -> None:
        self._graph, self._sleep, self._patience = graph, sleep, patience

    async def find(self, operation: str, key: str, name: str, version: str) -> list[JsonObject]:
        """Apps that carry ``key``, the one that counts first: by name first, then among all, since a person may have
        renamed it. Should there be two, the published one or else the oldest is the one, each time.
        """
        named = f"displayName eq {quoted(wire.display_name(name, version))}"
        queries: tuple[dict[str, str], ...] = ({"filter": named}, {})
        for query in queries:
            found = [
                app
                async for page in self._graph.pages(operation, APPS, {"select": FIELDS} | query)
                for app in page
                if wire.carries(app, key)
            ]
            if found:
                return sorted(found, key=_precedence)
        return []

    async def ours(self, operation: str, ref: str, key: str) -> JsonObject:
        """The app ``ref``. Raises PlaneRejected when there is none, or when it does not carry ``key``."""
        return expect_ours(operation, await self._graph.must_get(operation, path_of(ref), select=FIELDS), key)

    async def content_version(self, operation: str, app: JsonObject) -> str:
        """The committed content version; empty when nothing is committed yet."""
        whole = await self._graph.must_get(operation, path_of(text_in(operation, app, "id")))
        return str(whole.get("committedContentVersion") or "")

    async def until_published(self, ref: str) -> None:
        """Return when the app may be assigned. Raises PlaneUnavailable when Intune is not done in time."""
        for _ in range(self._patience.polls_max):
            app = await self._graph.must_get("publish", path_of(ref), select="id,publishingState")
            if app.get("publishingState") == "published":
                return
            await self._sleep(self._patience.poll_s)
        raise report(PlaneUnavailable(Plane.INTUNE, "publish", f"the app is still {app.get('publishingState')}"))

    async def clear(self, duplicates: Sequence[JsonObject]) -> None:
        """Delete other apps of the same key that an attempt left behind, where nothing hangs on them.

        Two come to be when a creation took effect, its answer was lost, and the search did not show it yet. One that is
        published or assigned is left, since devices may follow it; the log says so. This never fails a publication.
        """
        for app in duplicates:
            try:
                reason = await self._clear(app)
            except PlaneError as error:
                reason = error.detail
            if reason:
                _log.warning("intune.duplicate_left", app=app.get("id"), name=app.get("displayName"), reason=reason)

    async def _clear(self, app: JsonObject) -> str:
        """Why the app is left; empty when it is gone."""
        path = path_of(text_in("publish", app, "id"))
        whole = await self._graph.get("publish", path, also=frozenset({404}))
        if whole is None:
            return ""
        if whole.get("publishingState") != "notPublished" or whole.get("committedContentVersion"):
            return "it is published, or about to be"
        async for page in self._graph.pages("publish", f"{path}/assignments"):
            if page:
                return "it is assigned"
        await self._graph.delete("publish", path, also=frozenset({404}))
        return ""


def expect_ours(operation: str, app: JsonObject, key: str) -> JsonObject:
    """``app``, when it carries ``key``. Raises PlaneRejected otherwise."""
    if not wire.carries(app, key):
        raise report(PlaneRejected(Plane.INTUNE, operation, f"app {app.get('id')} does not carry {key}"))
    return app


def path_of(ref: str) -> str:
    """Where the app of that id is."""
    return f"{APPS}/{quote(ref, safe='')}"


def _precedence(app: JsonObject) -> tuple[bool, str, str]:
    return (app.get("publishingState") != "published", str(app.get("createdDateTime")), str(app.get("id")))
