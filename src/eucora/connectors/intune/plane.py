"""Microsoft Intune as a plane: apps with real content, offered to Entra groups, through Microsoft Graph v1.0.

The Windows devices and the Macs of one tenant are two planes over one connection.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime

import httpx

from eucora.application.checkups import CheckupFinding, Health
from eucora.application.held_requests import PlaneAwaitingApproval
from eucora.application.holdings import Holding
from eucora.application.planes import (
    Assigned,
    Assignment,
    Gathered,
    Gathering,
    Group,
    Inspection,
    Observation,
    Offer,
    PlaneError,
    Publication,
    Published,
    Watch,
    Withdrawal,
    Withdrawn,
)
from eucora.connectors.correlation import correlation
from eucora.connectors.intune import wire
from eucora.connectors.intune.approval_list import take_back, undecided
from eucora.connectors.intune.approvals import only_what_is_held
from eucora.connectors.intune.assignments import (
    AssignmentDesk,
    available_groups,
    excluded_groups,
    offers,
    wide_offers,
)
from eucora.connectors.intune.blocks import BLOCK_BYTES
from eucora.connectors.intune.checkup import check_up
from eucora.connectors.intune.content import ContentUpload, Patience
from eucora.connectors.intune.devices import ManagedDevices
from eucora.connectors.intune.exports import ReportExports
from eucora.connectors.intune.graph import APPS, Graph, JsonObject, text_in
from eucora.connectors.intune.group_changes import GroupChanges, group_changes
from eucora.connectors.intune.groups import resolve_group
from eucora.connectors.intune.kept_groups import KeptGroups
from eucora.connectors.intune.own_apps import FIELDS, OwnApps, expect_ours, path_of
from eucora.connectors.intune.payload import prepared
from eucora.connectors.intune.status import observations
from eucora.domain.planes import PLATFORM_OF, Plane


class IntunePlane:
    """``graph`` is a client with a bearer token, ``storage`` one without any credential; both of the usual stack.

    ``plane``: INTUNE is the tenant's Windows devices, INTUNE_MACOS its Macs; devices of other platforms in a group do
    not exist for it. ``certificate_ends_at``: of the one that the client signs in with (UTC); None: with no such.
    ``is_asked``: see ``Graph``; without it, content is sent again while its commit waits for an approval.

    Two calls with the same key must not run side by side: the job table's lock by key sees to that.
    """

    def __init__(
        self,
        graph: httpx.AsyncClient,
        storage: httpx.AsyncClient,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patience: Patience | None = None,
        block_bytes: int = BLOCK_BYTES,
        plane: Plane = Plane.INTUNE,
        certificate_ends_at: datetime | None = None,
        is_asked: Callable[[httpx.Request], Awaitable[bool]] | None = None,
    ) -> None:
        self.plane, self._platform = plane, PLATFORM_OF[plane]
        self._certificate_ends_at = certificate_ends_at
        self._http, self._now, self._graph = graph, now, Graph(graph, is_asked=is_asked)
        patience = patience or Patience()
        self._apps = OwnApps(self._graph, sleep=sleep, patience=patience)
        self.devices = ManagedDevices(self._graph, now=now)
        self._kept = KeptGroups(self._graph, sleep=sleep)
        self._desk = AssignmentDesk(self._graph, sleep=sleep)
        self._exports = ReportExports(self._graph, storage, sleep=sleep, patience=patience)
        self._upload = ContentUpload(
            self._graph, storage, now=now, sleep=sleep, patience=patience, block_bytes=block_bytes
        )

    async def check_up(self, *, correlation_id: str) -> Sequence[CheckupFinding]:
        """Findings on sign-in, clock and permissions; nothing is changed. Two planes of one connection say it once."""
        with correlation(correlation_id):
            found = await check_up(self._http, self._now, ends_at=self._certificate_ends_at)
        if self.plane is not Plane.INTUNE:
            return [_of_connection(found)]
        return found

    async def undecided(self, code: str, *, correlation_id: str) -> PlaneAwaitingApproval | None:
        """Why a request of ours still waits for a second administrator; None: it does not, or is not listed."""
        with correlation(correlation_id):
            return await undecided(self._graph, code)

    async def take_back(self, code: str, *, correlation_id: str) -> None:
        """Cancel a request of ours that nobody wants any more; one that Intune keeps is approved in vain."""
        with correlation(correlation_id), suppress(PlaneError):
            await take_back(self._graph, code)

    async def resolve(self, group: str, *, correlation_id: str) -> Group:
        """The group by id, or by name where the name is no GUID. Raises GroupNotFound."""
        with correlation(correlation_id):
            return await resolve_group(self._graph, group, self._platform)

    async def changes(self, groups: Sequence[str], link: str | None = None, *, correlation_id: str) -> GroupChanges:
        """Who joined and left the ``groups`` since the round that ``link`` is from; see ``group_changes``."""
        return await group_changes(self._graph, groups, link, correlation_id=correlation_id)

    async def gather(self, gathering: Gathering, *, correlation_id: str) -> Gathered:
        """A security group of our own that holds exactly the devices.

        Raises:
            GroupNotFound: the source group is gone.
            PlaneRejected: Entra does not take the group or one of its members.
            PlaneUnavailable: the directory was not done in time; call again.
        """
        with correlation(correlation_id):
            return await self._kept.gather(gathering)

    async def holdings(self, groups: Sequence[tuple[str, Gathering]], *, correlation_id: str) -> Sequence[Holding]:
        """What each group of ours holds; a look reads the records of all managed devices once."""
        with correlation(correlation_id):
            return await self._kept.holdings(groups, self._platform)

    async def publish(self, publication: Publication, *, correlation_id: str) -> Published:
        """The app with our key and its content, finished from whatever state an earlier attempt left.

        Raises:
            PlaneRejected: the content is no readable ``.intunewin``, or Intune does not take it. On macOS the content
                is a plain ``.pkg`` or ``.dmg``.
            PlaneUnavailable: Intune was not done in time; call again.
        """
        with correlation(correlation_id):
            found = await self._apps.find("publish", publication.key, publication.name, publication.version)
            app = found[0] if found else None
            if app is not None and (version := await self._apps.content_version("publish", app)):
                ref, created = text_in("publish", app, "id"), app.get("publishingState") != "published"
                await self._apps.until_published(ref)
            else:
                ref, version = await self._upload_into(app, publication)
                created = True
            await self._apps.clear(found[1:])
            return Published(ref, version, created=created)

    async def _upload_into(self, app: JsonObject | None, publication: Publication) -> tuple[str, str]:
        """Id and committed content version of the app, which is made where there is none."""
        async with prepared(publication, self._platform) as payload:
            if app is None:
                app = await self._graph.create("publish", APPS, payload.body)
            elif app.get("publishingState") == "processing":  # without content: its creation waits for an approval
                with only_what_is_held():
                    app = await self._graph.create("publish", APPS, payload.body)
            ref = text_in("publish", app, "id")
            version = await self._upload.ensure(ref, payload.package, payload.opened, app_type=payload.app_type)
        change = {"@odata.type": payload.app_type, "committedContentVersion": version}
        await self._graph.patch("publish", path_of(ref), change)
        await self._apps.until_published(ref)
        return ref, version

    async def assign(self, assignment: Assignment, *, correlation_id: str) -> Assigned:
        """Offer the app to the group beside every assignment that stands.

        Raises:
            PlaneRejected: the app does not carry the key.
            PlaneUnavailable: another writer keeps changing the assignments.
        """
        with correlation(correlation_id):
            app = await self._apps.ours("assign", assignment.ref, assignment.key)
            if assignment.anew:
                # An offer that stands gives its devices no cause to look; one that is made again does.
                await self._desk.take_back(assignment.ref, [assignment.group])
            changed = await self._desk.offer(
                assignment.ref,
                assignment.group,
                assignment.offer,
                # an uninstall takes the app off only where this app put it, so nobody has to be kept out of one
                excluded=() if assignment.offer is Offer.UNINSTALL else assignment.excluded,
                app_type=str(app.get("@odata.type") or wire.WIN32_APP),
            )
            return Assigned(assignment.ref, changed=changed)

    async def observe(self, watch: Watch, *, correlation_id: str) -> AsyncIterator[Sequence[Observation]]:
        """States of the devices watched, a page of Intune's report at a time."""
        async with aclosing(observations(self._graph, watch, self._exports)) as pages:
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
            app = await self._graph.get("withdraw", path_of(withdrawal.ref), also=frozenset({404}), select=FIELDS)
            if app is None:
                return Withdrawn(())
            expect_ours("withdraw", app, withdrawal.key)
            taken = await self._desk.take_back(withdrawal.ref, withdrawal.groups, withdrawal.available)
            return Withdrawn(tuple(taken))

    async def inspect(self, key: str, name: str, version: str, *, correlation_id: str) -> Inspection:
        """The app that carries ``key``, wherever it was renamed to."""
        with correlation(correlation_id):
            found = await self._apps.find("inspect", key, name, version)
            if not found:
                return Inspection(None, "", "")
            app, ref = found[0], text_in("inspect", found[0], "id")
            content_version = await self._apps.content_version("inspect", app)
            standing = await self._desk.standing("inspect", ref)
            shown = str(app.get("displayName") or "")
            return Inspection(
                ref=ref,
                version=shown.removeprefix(f"{name} "),
                content_version=content_version,
                groups=(*offers(standing), *available_groups(standing)),
                wide=tuple(wide_offers(standing)),
                excluded=tuple(excluded_groups(standing)),
            )


def _of_connection(found: Sequence[CheckupFinding]) -> CheckupFinding:
    """The one line of a plane that shares its connection with Windows: as red as what is told there."""
    bad = any(one.health is Health.BAD for one in found)
    told = f"the one of {Plane.INTUNE}, " + ("which does not work as it should: " if bad else "") + "see there"
    return CheckupFinding("connection", Health.BAD if bad else Health.GOOD, told)
