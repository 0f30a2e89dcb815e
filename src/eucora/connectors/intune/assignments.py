"""Our offers among everybody's assignments of an app. ``/assign`` replaces them all, so: read, merge, write, read back.

Source: powershell-intune-samples issue 36, confirmed there by a Microsoft maintainer: assigning one lost 103 others.
The merge is pure; ``AssignmentDesk`` carries it out. v1.0 shows no assignment filters, so none can be kept that a
person set on such an app by the beta interface.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final
from urllib.parse import quote

from eucora.application.planes import Offer, PlaneRejected, PlaneUnavailable
from eucora.connectors.errors import report
from eucora.connectors.intune import wire
from eucora.connectors.intune.graph import APPS, Graph, JsonObject
from eucora.domain.planes import Plane

_READ_ONLY: Final = ("id", "source", "sourceId")
ROUNDS_MAX: Final = 2  # our write, and one more when another writer came in between
READ_BACK_WAITS_S: Final = (0.0, 1.0, 2.0)  # before each look: what was written may take a moment to be seen


def with_offer(
    standing: Sequence[JsonObject],
    group: str,
    offer: Offer,
    *,
    excluded: Collection[str] = (),
    app_type: str = wire.WIN32_APP,
) -> list[JsonObject]:
    """``standing`` and our offer to ``group``; an offer of the other kind to the same group gives way to it.

    Groups of ``excluded`` that nothing keeps out of such offers yet are kept out from now on.
    """
    group = group.lower()
    out = {
        str(a["target"].get("groupId", "")).lower()
        for a in standing
        if wire.target_kind(a) == "exclusionGroup" and a.get("intent") == wire.INTENTS[offer]
    }
    kept_out = [wire.exclusion(one, offer) for one in sorted({one.lower() for one in excluded} - out)]
    ours = [a for a in standing if (made := wire.offer_of(a)) is not None and made[0] == group]
    if offer is Offer.AVAILABLE:  # then, and only then, what makes it available to this group is ours, too
        ours += [a for a in standing if wire.available_to(a) == group]
    if [a.get("intent") for a in ours] == [wire.INTENTS[offer]]:
        return [*standing, *kept_out]
    return [*(a for a in standing if a not in ours), *kept_out, wire.assignment(group, offer, app_type)]


def without_offers(
    standing: Sequence[JsonObject], groups: Collection[str], available: Collection[str] = ()
) -> list[JsonObject]:
    """``standing`` without our offers to ``groups``; without any offer of ours when ``groups`` is empty.

    An assignment carries no owner. An app published under a key of ours is ours, so its required and uninstall
    assignments to groups count as our offers; exclusions and all-devices ones never do. One that makes it available
    makes nobody install it, and others make it so for groups of theirs: it is ours where we made it, for ``available``.
    """
    wanted, free = {group.lower() for group in groups}, {group.lower() for group in available}
    return [
        a
        for a in standing
        if wire.available_to(a) not in free
        and ((made := wire.offer_of(a)) is None or (bool(wanted) and made[0] not in wanted))
    ]


def offers(standing: Sequence[JsonObject]) -> list[tuple[str, Offer]]:
    """Group and offer of each assignment that asks a group for something, and so counts as ours."""
    return [made for a in standing if (made := wire.offer_of(a)) is not None]


def available_groups(standing: Sequence[JsonObject]) -> list[tuple[str, Offer]]:
    """The groups that the app is available to, by whomever."""
    return [(group, Offer.AVAILABLE) for a in standing if (group := wire.available_to(a)) is not None]


def wide_offers(standing: Sequence[JsonObject]) -> list[str]:
    """Required and uninstall assignments that reach devices by anything but a group: ``required for allDevices``."""
    return [
        f"{assignment.get('intent')} for {wire.target_kind(assignment)}"
        for assignment in standing
        if wire.asks(assignment) and wire.target_kind(assignment) not in ("group", "exclusionGroup")
    ]


def excluded_groups(standing: Sequence[JsonObject]) -> list[str]:
    """Groups that an assignment keeps out of the app."""
    targets = [assignment.get("target") for assignment in standing if wire.target_kind(assignment) == "exclusionGroup"]
    return [str(target.get("groupId", "")).lower() for target in targets if isinstance(target, dict)]


def holds(
    wanted: Sequence[JsonObject], read: Sequence[JsonObject], gone: Collection[str], available: Collection[str] = ()
) -> bool:
    """Whether ``read`` has all that is ``wanted`` and no offer to a group in ``gone``.

    What another writer added is no harm. Offers of ours and exclusions are compared by group and kind, because the
    service fills in settings; everything else must have come back as it was. ``available``: groups that are, or were,
    made free to install it by us.
    """
    there = Counter(_identity(a, available) for a in read)
    missing = Counter(_identity(a, available) for a in wanted) - there
    kept = [group for group, _ in available_groups(wanted)]
    freed = [group for group, _ in available_groups(read) if group in available and group not in kept]
    return not missing and not freed and not any(group in gone for group, _ in offers(read))


def _identity(assignment: JsonObject, available: Collection[str]) -> str:
    made = wire.offer_of(assignment)
    if made is not None:
        return f"{made[1]} {made[0]}"
    if (group := wire.available_to(assignment)) in available:
        return f"available {group}"
    if wire.target_kind(assignment) == "exclusionGroup":
        return f"not {assignment.get('intent')} {str(assignment['target'].get('groupId')).lower()}"
    return json.dumps(_without_nulls(assignment), sort_keys=True)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


class AssignmentDesk:
    """Reads and writes the assignments of one app at a time."""

    def __init__(self, graph: Graph, *, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._graph, self._sleep = graph, sleep

    async def standing(self, operation: str, app: str) -> list[JsonObject]:
        """Every assignment of ``app``, as it would be written again."""
        path = f"{APPS}/{quote(app, safe='')}/assignments"
        return [
            {name: value for name, value in assignment.items() if name not in _READ_ONLY}
            async for page in self._graph.pages(operation, path)
            for assignment in page
        ]

    async def offer(
        self,
        app: str,
        group: str,
        offer: Offer,
        *,
        excluded: Collection[str] = (),
        app_type: str = wire.WIN32_APP,
    ) -> bool:
        """Make the offer stand, and nobody of ``excluded`` have it; False when the offer stood already.

        An exclusion carries an intent, and Microsoft does not say whether one for ``required`` keeps a group out of
        what is ``available``, too. So each kind of offer gets its own, unless the service takes a group only once.

        Raises PlaneUnavailable when another writer keeps undoing it.
        """
        available = [group] if offer is Offer.AVAILABLE else []

        def merge(standing: Sequence[JsonObject]) -> list[JsonObject]:
            return with_offer(standing, group, offer, excluded=excluded, app_type=app_type)

        def merge_once(standing: Sequence[JsonObject]) -> list[JsonObject]:
            anew = {one.lower() for one in excluded} - {*excluded_groups(standing)}
            return with_offer(standing, group, offer, excluded=anew, app_type=app_type)

        try:
            return bool(await self._change("assign", app, merge, available))
        except PlaneRejected as refused:
            if refused.status != 400 or not excluded:
                raise
            return bool(await self._change("assign", app, merge_once, available))

    async def take_back(self, app: str, groups: Sequence[str], available: Sequence[str] = ()) -> list[str]:
        """Take our offers back from ``groups`` (all when empty); the groups that had one.

        ``available``: those of them to which we made the app available.
        """
        return await self._change(
            "withdraw", app, lambda standing: without_offers(standing, groups, available), available
        )

    async def _change(
        self,
        operation: str,
        app: str,
        merge: Callable[[Sequence[JsonObject]], list[JsonObject]],
        available: Sequence[str],
    ) -> list[str]:
        """Groups whose offer was changed: added, replaced or taken. Empty when all stood as wanted."""
        changed: set[str] = set()
        ours = frozenset(group.lower() for group in available)
        for _ in range(ROUNDS_MAX):
            standing = await self.standing(operation, app)
            wanted = merge(standing)
            if wanted == standing:
                return sorted(changed)
            before, after = set(offers(standing)), set(offers(wanted))
            free = set(available_groups(standing)) ^ set(available_groups(wanted))
            changed |= {group for group, _ in (before ^ after) | free}
            await self._graph.post(
                operation, f"{APPS}/{quote(app, safe='')}/assign", {"mobileAppAssignments": list(wanted)}
            )
            gone = {group for group, _ in before} - {group for group, _ in after}
            if await self._reads_back(operation, app, wanted, gone, ours):
                return sorted(changed)
        detail = "another writer changed the assignments at the same time"
        raise report(PlaneUnavailable(Plane.INTUNE, operation, detail))

    async def _reads_back(
        self, operation: str, app: str, wanted: Sequence[JsonObject], gone: Collection[str], available: Collection[str]
    ) -> bool:
        for wait_s in READ_BACK_WAITS_S:
            if wait_s:
                await self._sleep(wait_s)
            if holds(wanted, await self.standing(operation, app), gone, available):
                return True
        return False
