"""Making a directory group hold exactly the members it should, from whatever it holds now.

Adding goes 20 at a time by one PATCH, which takes all or none; what such a PATCH refuses goes one by one, so that a
device which is gone keeps out nobody else. Removing has no such form and goes in batches. What the group holds decides,
not what was answered: a member may be there already, and what is read may be some seconds old. Sources: Microsoft
Graph v1.0 reference, "Add members", "Remove member" and "Update group" with its note on replication.
"""

from collections.abc import Awaitable, Callable, Iterable, Set
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from eucora.application.planes import PlaneRejected, PlaneUnavailable
from eucora.connectors.errors import report
from eucora.connectors.intune.batch import Batches, Part
from eucora.connectors.intune.graph import Graph, text_in
from eucora.domain.planes import Plane

BIND_MAX: Final = 20  # members in one PATCH
PAGE: Final = "999"
# Before each look, in seconds. Microsoft speaks of "a few seconds" until every replica knows of a change.
PAUSES_S: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
SHOWN_AFTER_S: Final = 60.0  # until then a group that was not to be seen may come to light
_TRIES_MAX: Final = 3  # for one member by itself


@dataclass(slots=True)
class _Work:
    """Who shall be in the group, and what was done about it. All are directory object ids in lower case."""

    wanted: set[str]
    gone: set[str] = field(default_factory=set)  # wanted, and no longer in the directory
    added: set[str] = field(default_factory=set)  # taken by Graph, though what is read may not show it yet
    removed: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)  # refused among others, so sent by themselves
    tries: dict[str, int] = field(default_factory=dict)
    refused: dict[str, PlaneRejected] = field(default_factory=dict)

    def may_try(self, members: Iterable[str]) -> list[str]:
        return sorted(member for member in members if self.tries.get(member, 0) < _TRIES_MAX)

    def heard(self, member: str, refusal: PlaneRejected | None, done: set[str]) -> None:
        self.tries[member] = self.tries.get(member, 0) + 1
        if refusal is None:
            done.add(member)
        else:
            self.refused[member] = refusal


class Members:
    """The members of directory groups; ``operation`` is the verb of the port that asks."""

    def __init__(self, graph: Graph, operation: str, *, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._graph, self._operation, self._sleep = graph, operation, sleep
        self._batches = Batches(graph, sleep=sleep)

    async def settle(self, ref: str, wanted: Set[str]) -> set[str]:
        """Make group ``ref`` hold exactly the objects ``wanted`` (lower case); those that are gone come back.

        Raises:
            PlaneRejected: Graph does not take a member, and it is no matter of waiting.
            PlaneUnavailable: the group does not show its members in time; the same call goes on from there.
        """
        work = _Work(set(wanted))
        held: set[str] | None = None
        is_known = False
        for pause_s in PAUSES_S:
            if pause_s:
                await self._sleep(pause_s)
            is_known = is_known or await self._is_there(_group(ref))
            held = await self.held(ref) if is_known else None
            if held is None:
                continue  # so new that the replica asked has not heard of it
            if held == work.wanted:
                return work.gone
            await self._add(ref, work, work.wanted - held - work.added)
            await self._remove(ref, work, held - work.wanted - work.removed)
        if held is None:
            raise self._not_yet(f"group {ref} is not to be seen yet")
        for member in sorted(held ^ work.wanted):
            if (refusal := work.refused.get(member)) is not None:
                raise refusal
        raise self._not_yet(f"group {ref} does not show its members yet")

    def _not_yet(self, detail: str) -> PlaneUnavailable:
        return report(PlaneUnavailable(Plane.INTUNE, self._operation, detail, retry_after_s=SHOWN_AFTER_S))

    async def held(self, ref: str) -> set[str] | None:
        """Every direct member, whatever it is; None while there is no such group."""
        path = f"{_group(ref)}/members"
        held: set[str] = set()
        try:
            async for page in self._graph.pages(self._operation, path, {"select": "id", "top": PAGE}):
                held |= {text_in(self._operation, member, "id").lower() for member in page}
        except PlaneRejected as error:
            if error.status == 404:
                return None
            raise
        return held

    async def _add(self, ref: str, work: _Work, members: set[str]) -> None:
        alone = work.may_try(members & work.alone)
        together = sorted(members - work.alone)
        for start in range(0, len(together), BIND_MAX):
            chunk = together[start : start + BIND_MAX]
            body = {"members@odata.bind": [self._reference(member) for member in chunk]}
            try:
                await self._graph.patch(self._operation, _group(ref), body)
            except PlaneRejected as error:
                if error.status not in {400, 404}:
                    raise
                work.alone |= set(chunk)
            else:
                work.added |= set(chunk)
        parts = [
            Part("POST", f"{_group(ref)}/members/$ref", {"@odata.id": self._reference(member)}) for member in alone
        ]
        for member, refusal in zip(alone, await self._batches.send(self._operation, parts), strict=True):
            work.heard(member, refusal, work.added)
            # 404 may speak of the group or of the member; only the device itself can tell
            if refusal is not None and refusal.status == 404 and not await self._is_there(_device(member)):
                work.wanted.discard(member)
                work.gone.add(member)

    async def _remove(self, ref: str, work: _Work, members: set[str]) -> None:
        leaving = work.may_try(members)
        parts = [Part("DELETE", f"{_group(ref)}/members/{quote(member, safe='')}/$ref") for member in leaving]
        for member, refusal in zip(leaving, await self._batches.send(self._operation, parts), strict=True):
            work.heard(member, refusal, work.removed)

    async def _is_there(self, path: str) -> bool:
        return await self._graph.get(self._operation, path, also=frozenset({404}), select="id") is not None

    def _reference(self, member: str) -> str:
        return f"{self._graph.url}/directoryObjects/{member}"


def _device(member: str) -> str:
    return f"/devices/{quote(member, safe='')}"


def _group(ref: str) -> str:
    return f"/groups/{quote(ref, safe='')}"
