"""What changed in the members of directory groups since the last look, by Graph's delta query.

A round tells of what is new and ends in a link to the next; the first tells everything. Graph may tell the same thing
again. A link lasts seven days, and the service may want a fresh start earlier: it answers 410 then, and the round is a
whole one again. Source: Microsoft Graph v1.0, "group: delta" and the concept page on delta queries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eucora.application.planes import PlaneRejected
from eucora.connectors.correlation import correlation
from eucora.connectors.intune.graph import Graph, JsonObject, objects_in, off_schema, text_in

GROUPS_MAX: Final = 50  # that one delta filter may name
_OPERATION: Final = "group_changes"
_PATH: Final = "/groups/delta()"
_DEVICE: Final = "#microsoft.graph.device"


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """One round. Devices are named by their directory object ids, groups by theirs; all in lower case.

    ``whole``: ``joined`` are all members there are, and whoever is in it no more is not told of. ``link`` asks for the
    next round; keep it, since it carries everything that the first question said.
    """

    joined: Mapping[str, frozenset[str]]
    left: Mapping[str, frozenset[str]]
    deleted: frozenset[str]
    whole: bool
    link: str


async def group_changes(
    graph: Graph, groups: Sequence[str], link: str | None = None, *, correlation_id: str
) -> GroupChanges:
    """The next round for ``groups`` (object ids, 1 to 50); ``link`` is that of the round before, None for the first.

    Raises:
        ValueError: too few or too many groups.
        PlaneRejected: the answer is not what Graph describes, or ``link`` is none of its own.
    """
    if not 1 <= len(groups) <= GROUPS_MAX:
        raise ValueError(f"1 to {GROUPS_MAX} groups, not {len(groups)}")
    with correlation(correlation_id):
        if link is not None:
            try:
                return await _round(graph, link, None, whole=False)
            except PlaneRejected as error:
                if error.status != 410:
                    raise
        wanted = " or ".join(f"id eq '{group}'" for group in groups)
        return await _round(graph, _PATH, {"select": "members", "filter": wanted}, whole=True)


async def _round(graph: Graph, path: str, params: Mapping[str, str] | None, *, whole: bool) -> GroupChanges:
    joined: dict[str, set[str]] = {}
    left: dict[str, set[str]] = {}
    deleted: set[str] = set()
    last: JsonObject = {}
    async for last in graph.whole_pages(_OPERATION, path, params):
        for row in objects_in(_OPERATION, last, "value"):
            group = text_in(_OPERATION, row, "id").lower()
            if "@removed" in row:
                deleted.add(group)
                continue
            comes, goes = joined.setdefault(group, set()), left.setdefault(group, set())
            for member in objects_in(_OPERATION, row, "members@delta") if "members@delta" in row else ():
                if member.get("@odata.type", _DEVICE) != _DEVICE:
                    continue
                object_id = text_in(_OPERATION, member, "id").lower()
                now, before = (goes, comes) if "@removed" in member else (comes, goes)
                now.add(object_id)
                before.discard(object_id)  # told twice in one round: the later word counts
    next_round = last.get("@odata.deltaLink")
    if not isinstance(next_round, str) or not next_round:
        raise off_schema(_OPERATION, "the round has no deltaLink")
    return GroupChanges(
        {group: frozenset(members) for group, members in joined.items() if members or whole},
        {group: frozenset(members) for group, members in left.items() if members},
        frozenset(deleted),
        whole,
        next_round,
    )
