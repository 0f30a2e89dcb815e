"""Microsoft Intune as a plane: Win32 apps with real content, offered to Entra groups, through Microsoft Graph v1.0."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import httpx

from eucora.application.planes import (
    Assigned,
    Assignment,
    Group,
    Inspection,
    Observation,
    PlaneRejected,
    PlaneUnavailable,
    Publication,
    Published,
    Watch,
    Withdrawal,
    Withdrawn,
)
from eucora.connectors.correlation import correlation
from eucora.connectors.errors import report
from eucora.connectors.intune import wire
from eucora.connectors.intune.assignments import AssignmentDesk, excluded_groups, offers, wide_offers
from eucora.connectors.intune.content import BLOCK_BYTES, ContentUpload, Patience, unreadable
from eucora.connectors.intune.graph import APPS, Graph, JsonObject, quoted, text_in
from eucora.connectors.intune.groups import resolve_group
from eucora.connectors.intune.status import observations
from eucora.domain.findings import UnreadableEvidence
from eucora.domain.planes import Plane
from eucora.formats import intunewin

_APP_FIELDS: Final = "id,displayName,notes,createdDateTime,publishingState"


class IntunePlane:
    """``graph`` is a client with a bearer token, ``storage`` one without any credential; both of the usual stack.

    Two calls with the same key must not run side by side: the job table's lock by key sees to that.
    """

    plane = Plane.INTUNE

    def __init__(
        self,
        graph: httpx.AsyncClient,
        storage: httpx.AsyncClient,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patience: Patience | None = None,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._graph = Graph(graph)
        self._sleep, self._patience = sleep, patience or Patience()
        self._desk = AssignmentDesk(self._graph, sleep=sleep)
        self._upload = ContentUpload(
            self._graph, storage, now=now, sleep=sleep, patience=self._patience, block_bytes=block_bytes
        )

    async def resolve(self, group: str, *, correlation_id: str) -> Group:
        """The group by id, or by name where the name is no GUID. Raises GroupNotFound."""
        with correlation(correlation_id):
            return await resolve_group(self._graph, group)

    async def publish(self, publication: Publication, *, correlation_id: str) -> Published:
        """The app with our key and its content, finished from whatever state an earlier attempt left.

        Raises:
            PlaneRejected: the content is no readable ``.intunewin``, or Intune does not take it.
            PlaneUnavailable: Intune was not done in time; call again.
        """
        with correlation(correlation_id):
            app = await self._find("publish", publication.key, publication.name, publication.version)
            if app is not None and (version := await self._content_version("publish", app)):
                created = app.get("publishingState") != "published"
                await self._until_published(app["id"])
                return Published(app["id"], version, created=created)
            package = await _package(publication)
            if app is None:
                app = await self._graph.create("publish", APPS, wire.win32_app(publication, package))
            ref = text_in("publish", app, "id")
            version = await self._upload.ensure(ref, package, publication.content)
            await self._graph.patch(
                "publish", _app(ref), {"@odata.type": wire.WIN32_APP, "committedContentVersion": version}
            )
            await self._until_published(ref)
            return Published(ref, version, created=True)

    async def assign(self, assignment: Assignment, *, correlation_id: str) -> Assigned:
        """Offer the app to the group beside every assignment that stands.

        Raises:
            PlaneRejected: the app does not carry the key.
            PlaneUnavailable: another writer keeps changing the assignments.
        """
        with correlation(correlation_id):
            app = await self._graph.must_get("assign", _app(assignment.ref), select=_APP_FIELDS)
            self._expect_ours("assign", app, assignment.key)
            if assignment.anew:
                # An offer that stands gives its devices no cause to look; one that is made again does.
                await self._desk.take_back(assignment.ref, [assignment.group])
            changed = await self._desk.offer(assignment.ref, assignment.group, assignment.offer)
            return Assigned(assignment.ref, changed=changed)

    async def observe(self, watch: Watch, *, correlation_id: str) -> AsyncIterator[Sequence[Observation]]:
        """States of the devices watched, a page of Intune's report at a time."""
        async with aclosing(observations(self._graph, watch)) as pages:
            while True:
                # the id is set for each step and not over the yield: see ``correlation``
                with correlation(correlation_id):
                    page = await anext(pages, None)
                if page is None:
                    return
                yield page

    async def withdraw(self, withdrawal: Withdrawal, *, correlation_id: str) -> Withdrawn:
        """Take our offers back; an app that is gone has none. Raises as ``assign``."""
        with correlation(correlation_id):
            app = await self._graph.get("withdraw", _app(withdrawal.ref), also=frozenset({404}), select=_APP_FIELDS)
            if app is None:
                return Withdrawn(())
            self._expect_ours("withdraw", app, withdrawal.key)
            return Withdrawn(tuple(await self._desk.take_back(withdrawal.ref, withdrawal.groups)))

    async def inspect(self, key: str, name: str, version: str, *, correlation_id: str) -> Inspection:
        """The app that carries ``key``, wherever it was renamed to."""
        with correlation(correlation_id):
            app = await self._find("inspect", key, name, version)
            if app is None:
                return Inspection(None, "", "")
            content_version = await self._content_version("inspect", app)
            standing = await self._desk.standing("inspect", app["id"])
            shown = str(app.get("displayName") or "")
            return Inspection(
                ref=app["id"],
                version=shown.removeprefix(f"{name} "),
                content_version=content_version,
                groups=tuple(offers(standing)),
                wide=tuple(wide_offers(standing)),
                excluded=tuple(excluded_groups(standing)),
            )

    async def _find(self, operation: str, key: str, name: str, version: str) -> JsonObject | None:
        """The app whose notes carry ``key``: by name first, then among all, since a person may have renamed it.

        Names are not unique in Intune and a filter may be ignored, so only the notes decide. Should there be two, the
        published one or else the oldest is the one, each time.
        """
        named = f"displayName eq {quoted(wire.display_name(name, version))}"
        queries: tuple[dict[str, str], ...] = ({"filter": named}, {})
        for query in queries:
            found = [
                app
                async for page in self._graph.pages(operation, APPS, {"select": _APP_FIELDS} | query)
                for app in page
                if wire.carries(app, key)
            ]
            if found:
                return min(found, key=_precedence)
        return None

    async def _content_version(self, operation: str, app: JsonObject) -> str:
        """The committed content version; empty when nothing is committed yet."""
        ref = text_in(operation, app, "id")
        whole = await self._graph.must_get(operation, _app(ref))
        return str(whole.get("committedContentVersion") or "")

    async def _until_published(self, ref: str) -> None:
        for _ in range(self._patience.polls_max):
            app = await self._graph.must_get("publish", _app(ref), select="id,publishingState")
            if app.get("publishingState") == "published":
                return
            await self._sleep(self._patience.poll_s)
        raise report(PlaneUnavailable(Plane.INTUNE, "publish", f"the app is still {app.get('publishingState')}"))

    def _expect_ours(self, operation: str, app: JsonObject, key: str) -> None:
        if not wire.carries(app, key):
            raise report(PlaneRejected(Plane.INTUNE, operation, f"app {app.get('id')} does not carry {key}"))


async def _package(publication: Publication) -> intunewin.IntunewinPackage:
    """The package, its MAC checked; in a thread, since that reads all of it."""
    try:
        return await asyncio.to_thread(intunewin.read, publication.content)
    except (UnreadableEvidence, OSError) as error:
        raise unreadable(error) from error


def _app(ref: str) -> str:
    return f"{APPS}/{quote(ref, safe='')}"


def _precedence(app: JsonObject) -> tuple[bool, str, str]:
    return (app.get("publishingState") != "published", str(app.get("createdDateTime")), str(app.get("id")))
