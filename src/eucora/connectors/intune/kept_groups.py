"""Security groups of our own, each holding exactly the devices that it was asked to hold.

Group names are not unique in Entra, so the key in the description says which group is ours; a stranger's group of the
same name is left alone. Nor can creating be repeated safely: if an attempt died with its answer under way, and the next
one looked before the directory showed the group, there are two with our key. The oldest is the one, each time; and what
could lead there asks for a minute's patience first.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from eucora.application.holdings import Holding
from eucora.application.planes import Gathered, Gathering, PlaneRejected, PlaneUnavailable
from eucora.connectors.errors import report
from eucora.connectors.intune.graph import Graph, JsonObject, quoted, text_in
from eucora.connectors.intune.groups import find_group, object_ids
from eucora.connectors.intune.held_members import holdings
from eucora.connectors.intune.members import SHOWN_AFTER_S, Members
from eucora.domain.planes import Plane, Platform

_OPERATION: Final = "gather"
_FIELDS: Final = "id,displayName,description,createdDateTime"
_NOTICE: Final = "Kept by EUCORA: members that people add or remove do not last."
_LOOKS_S: Final = (0.5, 1.0, 2.0, 4.0)  # for a group that the directory has and does not show
_CHOICES_MAX: Final = 3  # how often an older group with our key may come to light in one call

_log = structlog.get_logger(__name__)


class KeptGroups:
    """The groups that this installation keeps in one tenant."""

    def __init__(self, graph: Graph, *, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._graph, self._sleep = graph, sleep
        self._members = Members(graph, _OPERATION, sleep=sleep)

    async def gather(self, asked: Gathering) -> Gathered:
        """The group with the key, completed from whatever state an earlier attempt left.

        Devices that the directory has meanwhile lost count as missing too.

        Raises:
            GroupNotFound: the source is gone.
            PlaneRejected: Entra does not take the group or one of its members.
            PlaneUnavailable: the directory did not show the group, or its members, in time; call again.
        """
        source, _ = await find_group(self._graph, asked.source)
        known = await object_ids(self._graph, source)
        devices = {device.lower() for device in asked.devices}
        wanted = {known[device] for device in devices if device in known}
        missing = sum(device not in known for device in devices)
        ref, made = await self._find(asked), None
        for _ in range(_CHOICES_MAX):
            if ref is None:
                ref, created = await self._create(asked)
                made = ref if created else None
            gone = await self._members.settle(ref, wanted)
            oldest = await self._find(asked)
            if oldest is None or oldest == ref:
                return Gathered(ref, created=ref == made, missing=missing + len(gone))
            ref = oldest
        raise report(PlaneUnavailable(Plane.INTUNE, _OPERATION, f"older groups with {asked.key} keep turning up"))

    async def holdings(self, groups: Sequence[tuple[str, Gathering]], platform: Platform) -> Sequence[Holding]:
        """What each group holds of a platform, in the order given; see ``held_members``."""
        held = [await self._members.held(ref) for ref, _ in groups]
        return await holdings(self._graph, groups, held, platform)

    async def _find(self, asked: Gathering) -> str | None:
        """The oldest group that carries the key, under its name or renamed; None when there is none to be seen."""
        ours: dict[str, JsonObject] = {}
        for condition in (
            f"displayName eq {quoted(asked.name)}",
            f"startswith(description,{quoted(asked.key)})",
        ):
            query = {"filter": condition, "select": _FIELDS}
            async for page in self._graph.pages(_OPERATION, "/groups", query):
                ours |= {text_in(_OPERATION, group, "id"): group for group in page if _carries(group, asked.key)}
        if not ours:
            return None
        first = min(ours, key=lambda ref: (str(ours[ref].get("createdDateTime")), ref))
        if len(ours) > 1:
            others = sorted(ours.keys() - {first})
            _log.warning("intune.group_made_twice", key=asked.key, kept=first, unused=others)
        return first

    async def _create(self, asked: Gathering) -> tuple[str, bool]:
        """The group's id and whether it was made now.

        A directory that refuses the nickname, which comes from the key alone, has a group of ours that it does not show
        yet: Entra is known to want nicknames unique of some kinds of groups.
        """
        body: JsonObject = {
            "displayName": asked.name,
            "description": f"{_mark(asked.key)} {_NOTICE}",
            "mailEnabled": False,
            "mailNickname": f"eucora-{_digest(asked.key)}",  # 64 characters at most
            "securityEnabled": True,
        }
        try:
            return text_in(_OPERATION, await self._graph.create(_OPERATION, "/groups", body), "id"), True
        except PlaneUnavailable as error:
            # It may have been made, its answer lost: whoever looks too soon makes another.
            wait_s = max(error.retry_after_s or 0.0, SHOWN_AFTER_S)
            again = PlaneUnavailable(Plane.INTUNE, _OPERATION, error.detail, status=error.status, retry_after_s=wait_s)
            raise again from error
        except PlaneRejected as error:
            if error.status not in {400, 409}:
                raise
            for pause_s in _LOOKS_S:
                await self._sleep(pause_s)
                if (shown := await self._find(asked)) is not None:
                    return shown, False
            raise


def _carries(group: JsonObject, key: str) -> bool:
    """Whether the description begins with ``key`` and its digest, whatever people wrote behind them."""
    description = group.get("description")
    return isinstance(description, str) and f"{description} ".startswith(f"{_mark(key)} ")


def _mark(key: str) -> str:
    """Where a key ends can be seen by its digest only: it may hold blanks, and be the beginning of another one."""
    return f"{key} #{_digest(key)[:12]}"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:40]
