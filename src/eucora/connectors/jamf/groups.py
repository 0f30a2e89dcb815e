"""Computer groups of Jamf Pro: found by id or name, and one of our own that holds exactly the devices it is to hold.

A Classic group has no field for a key, so its name is the key: a static group of our name is ours. Members are moved
by additions and deletions, which rewrite nobody's list, in pieces of a bounded size. Source: Classic API 11.26.0,
computergroups.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, SubElement

import httpx

from eucora.application.holdings import Holding
from eucora.application.planes import Gathered, Gathering, GroupNotFound, PlaneRejected, PlaneUnavailable
from eucora.connectors.errors import report
from eucora.connectors.jamf.api import JamfApi, off_schema, segment
from eucora.connectors.jamf.names import group_name
from eucora.connectors.jamf.pace import SPREADING, Sleep
from eucora.domain.planes import Plane

_GROUPS: Final = "/JSSResource/computergroups"
_CONFLICT: Final = frozenset({409})
MOVED_AT_ONCE: Final = 500  # computers in one request; some 20 KB


@dataclass(frozen=True, slots=True)
class ComputerGroup:
    """A group and the ids of the computers in it. ``smart``: Jamf chooses them by criteria."""

    id: str
    name: str
    computers: Collection[str]
    smart: bool = False


async def find_group(api: JamfApi, group: str) -> ComputerGroup:
    """The group of that id or, where it is no number, of that name. Raises GroupNotFound.

    A number is an id and nothing else: on record are ids, and a group that was deleted must not be found again in one
    that happens to be called by its number.
    """
    found: ComputerGroup | None = None
    if group.isascii() and group.isdecimal():
        found = await _read(api, f"{_GROUPS}/id/{group}")
    elif group.strip():
        found = await _named(api, group)
    if found is None:
        raise report(GroupNotFound(Plane.JAMF, group))
    return found


async def find_excluded(api: JamfApi, groups: Sequence[str], *, gone_too: bool) -> Sequence[ComputerGroup]:
    """The groups that an offer leaves out. Raises GroupNotFound for one that is gone, unless ``gone_too``.

    ``gone_too`` is for a removal: a group that is gone holds nobody who could be kept out, and nothing that is to be
    removed may stay for it. What is installed is not offered to somebody who was to be spared.
    """
    found: list[ComputerGroup] = []
    for group in groups:
        try:
            found.append(await find_group(api, group))
        except GroupNotFound:
            if not gone_too:
                raise
    return found


async def gather_group(api: JamfApi, gathering: Gathering, sleep: Sleep) -> Gathered:
    """Make the group; see ``PlanePort.gather``.

    A node of the cluster may not have heard yet of the group, of its members, or of a computer that was deleted, so
    everything is looked at again, and completed, for as long as news takes to spread. Computers that somebody else
    put into the group are taken out: its name says whose it is.

    Raises:
        GroupNotFound: the source is gone.
        PlaneRejected: our name belongs to a smart group or is the source's own; or Jamf keeps refusing the members.
        PlaneUnavailable: the group does not show its members yet.
    """
    name, created = group_name(gathering.name), False
    refusal: httpx.Response | None = None
    async for _ in SPREADING.looks(sleep):
        source = await find_group(api, gathering.source)
        inside = frozenset(source.computers)
        wanted = [device for device in dict.fromkeys(gathering.devices) if device in inside]
        group = await _named(api, name)
        if group is None and not created:
            refusal = await _create(api, name)
            created = refusal is None
            group = await _named(api, name)
        if group is None:
            continue
        _expect_ours(api, group, source)
        if _differ(group, wanted):
            refusal = await _move(api, group, wanted)
            group = await _named(api, name) or group
        if not _differ(group, wanted):
            return Gathered(group.id, created, missing=len(set(gathering.devices)) - len(wanted))
    if refusal is not None:
        raise api.refusal(refusal)
    raise report(PlaneUnavailable(Plane.JAMF, api.operation, f"group {name!r} does not show its members yet"))


async def read_holding(api: JamfApi, ref: str, gathering: Gathering) -> Holding:
    """What the group of ours with the id ``ref`` holds beside the devices that it is to hold.

    Computers that left the source are in neither. A group that somebody made smart is none of ours any more.
    """
    group = await _read(api, f"{_GROUPS}/id/{segment(ref)}")
    if group is None or group.smart:
        return Holding(exists=False)
    inside, wanted = frozenset(group.computers), frozenset(gathering.devices)
    missing = wanted - inside
    if missing:
        try:
            missing &= frozenset((await find_group(api, gathering.source)).computers)
        except GroupNotFound:
            missing = frozenset()
    foreign = tuple(f"computer {computer}" for computer in sorted(inside - wanted, key=_number))
    return Holding(True, len(missing), foreign)


def _number(computer: str) -> tuple[int, str]:
    return len(computer), computer


async def _named(api: JamfApi, name: str) -> ComputerGroup | None:
    found = await _read(api, f"{_GROUPS}/name/{segment(name)}")
    return found if found is not None and found.name.casefold() == name.strip().casefold() else None


async def _read(api: JamfApi, path: str) -> ComputerGroup | None:
    document = await api.get_xml(path, "computer_group")
    if document is None:
        return None
    group_id = (document.findtext("id") or "").strip()
    if not group_id.isdecimal():
        raise off_schema(api.operation, "a group without id")
    members = (computer.findtext("id") for computer in document.iterfind("computers/computer"))
    return ComputerGroup(
        id=group_id,
        name=(document.findtext("name") or "").strip(),
        computers=list(dict.fromkeys(member.strip() for member in members if member)),
        smart=(document.findtext("is_smart") or "").strip().lower() == "true",
    )


async def _create(api: JamfApi, name: str) -> httpx.Response | None:
    """Make the group, empty; the answer when its name is taken, by ourselves before a kill or in another process."""
    answer = await api.write_xml("POST", f"{_GROUPS}/id/0", _document(name), also=_CONFLICT)
    return None if answer.is_success else answer


async def _move(api: JamfApi, group: ComputerGroup, wanted: Sequence[str]) -> httpx.Response | None:
    """Write the difference; the answer when one of the computers is not there any more."""
    standing, needed = frozenset(group.computers), frozenset(wanted)
    moves = (
        ("computer_deletions", [member for member in group.computers if member not in needed]),
        ("computer_additions", [member for member in wanted if member not in standing]),
    )
    for tag, members in moves:
        for start in range(0, len(members), MOVED_AT_ONCE):
            change = _document(group.name)
            part = SubElement(change, tag)
            for member in members[start : start + MOVED_AT_ONCE]:
                SubElement(SubElement(part, "computer"), "id").text = member
            answer = await api.write_xml("PUT", f"{_GROUPS}/id/{group.id}", change, also=_CONFLICT)
            if not answer.is_success:
                return answer
    return None


def _document(name: str) -> Element:
    """What every write has to name."""
    document = Element("computer_group")
    SubElement(document, "name").text = name
    SubElement(document, "is_smart").text = "false"
    return document


def _expect_ours(api: JamfApi, group: ComputerGroup, source: ComputerGroup) -> None:
    if group.id == source.id:
        raise report(PlaneRejected(Plane.JAMF, api.operation, f"group {group.id} cannot be gathered into itself"))
    if group.smart:
        detail = f"group {group.id} has our name {group.name!r} and is smart, so it cannot hold chosen computers: "
        raise report(PlaneRejected(Plane.JAMF, api.operation, f"{detail}rename or delete it in Jamf Pro"))


def _differ(group: ComputerGroup, wanted: Sequence[str]) -> bool:
    return frozenset(group.computers) != frozenset(wanted)
