"""Computer groups: those that the fleet begins with, those that clients make, and who was in them when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree.ElementTree import Element

from eucora.lab.clock import Clock
from eucora.lab.jamf.errors import ClassicRefused
from eucora.lab.jamf.nodes import Told
from eucora.lab.jamf.shapes import Listing, ShapeError, blank, merged
from eucora.lab.roster import LabDevice

_MEMBERS: Final = Listing("computer", {"id": 0, "name": "", "serial_number": ""})
# Source: Classic API 11.26.0, PUT computergroups: ``computer_additions`` and ``computer_deletions`` in place of
# ``computers`` change the members without rewriting the list. Shapes as public tools send them, read 2026-11-22.
_WRITTEN: Final[Mapping[str, Any]] = {
    "name": "",
    "is_smart": False,
    "computers": _MEMBERS,
    "computer_additions": _MEMBERS,
    "computer_deletions": _MEMBERS,
}
ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ComputerGroup:
    """A group; ``members`` are ids of computers, in the order in which they came. A smart one of the lab has none."""

    id: str
    name: str
    members: tuple[str, ...]
    smart: bool = False


class GroupBook:
    """The groups by id, and the past of every membership that ever changed.

    Raises ClassicRefused 404 for a group that is not there, 409 for what cannot be written.
    """

    def __init__(self, clock: Clock, computers: Mapping[str, LabDevice], groups: Sequence[ComputerGroup]) -> None:
        self._clock, self._computers = clock, computers
        self._groups = {group.id: group for group in groups}
        self._last_id = max((int(group.id) for group in groups), default=0)
        self._first: dict[str, frozenset[str]] = {}
        for group in groups:
            for member in group.members:
                self._first[member] = self._first.get(member, frozenset()) | {group.id}
        self._told = Told[ComputerGroup](clock)
        self._later: dict[str, list[tuple[datetime, frozenset[str]]]] = {}  # only of computers that were moved

    def __iter__(self) -> Iterator[ComputerGroup]:
        ids = tuple(self._groups)
        return iter([group for group_id in ids if (group := self.find(group_id)) is not None])

    def find(self, group_id: str) -> ComputerGroup | None:
        return self._told.shown(group_id, self._groups.get(group_id))

    def get(self, group_id: str) -> ComputerGroup:
        if (group := self.find(group_id)) is None:
            raise ClassicRefused(404, "The server has not found anything matching the request URI")
        return group

    def named(self, name: str) -> ComputerGroup:
        """The group of that name, whatever the case: the server's database compares so."""
        if (group := self._called(name)) is None:
            raise ClassicRefused(404, "The server has not found anything matching the request URI")
        return group

    def groups_of(self, computer: LabDevice) -> frozenset[str]:
        """Ids of the groups that the computer is in now."""
        return self.memberships(computer)[-1][1]

    def memberships(self, computer: LabDevice) -> Sequence[tuple[datetime, frozenset[str]]]:
        """(since, ids of groups) in the order of time, the first since always."""
        return [
            (ALWAYS, self._first.get(computer.jamf_id, frozenset())),
            *self._later.get(computer.jamf_id, ()),
        ]

    def create(self, element: Element) -> ComputerGroup:
        """A new group from its XML."""
        value = self._read(element)
        if not value["name"]:
            raise ClassicRefused(409, "Error: Problem with name")
        if self._called(value["name"]) is not None:
            raise ClassicRefused(409, "Error: Duplicate name")
        self._last_id += 1
        group = ComputerGroup(str(self._last_id), value["name"], (), value["is_smart"])
        return self._keep(replace(group, members=self._members_after(group, element, value)), before=group)

    def update(self, group_id: str, element: Element) -> ComputerGroup:
        """The group with what the XML names; ``computers`` replaces the members, additions and deletions move some."""
        group, value = self.get(group_id), self._read(element)
        name = value["name"] or group.name
        if (other := self._called(name)) is not None and other.id != group_id:
            raise ClassicRefused(409, "Error: Duplicate name")
        changed = replace(group, name=name, members=self._members_after(group, element, value))
        return self._keep(changed, before=group)

    def delete(self, group_id: str) -> ComputerGroup:
        """Take the group away; what its members did until now stays done."""
        group = self.get(group_id)
        self._keep(replace(group, members=()), before=group)
        del self._groups[group_id]
        return group

    def _called(self, name: str) -> ComputerGroup | None:
        return next((group for group in self if group.name.casefold() == name.casefold()), None)

    def _read(self, element: Element) -> dict[str, Any]:
        try:
            return merged(_WRITTEN, blank(_WRITTEN), element)
        except ShapeError as error:
            raise ClassicRefused(409, f"Error: Problem with {error.path}") from error

    def _members_after(self, group: ComputerGroup, element: Element, value: Mapping[str, Any]) -> tuple[str, ...]:
        additions, deletions = (self._ids(value[f"computer_{what}"]) for what in ("additions", "deletions"))
        whole = self._ids(value["computers"])
        if group.smart and (additions or deletions or whole):
            raise ClassicRefused(409, "Error: Problem with computers in a smart group")
        standing = list(group.members) if element.find("computers") is None else whole
        gone = set(deletions)
        return tuple(member for member in dict.fromkeys([*standing, *additions]) if member not in gone)

    def _ids(self, items: Sequence[Mapping[str, Any]]) -> list[str]:
        ids = [str(item["id"]) for item in items]
        if not set(ids) <= self._computers.keys():
            raise ClassicRefused(409, "Error: Unable to match computer")
        return ids

    def _keep(self, group: ComputerGroup, *, before: ComputerGroup) -> ComputerGroup:
        self._told.wrote(group.id, self._groups.get(group.id))
        self._groups[group.id] = group
        now, inside = self._clock.now(), set(group.members)
        for member in inside ^ set(before.members):
            standing = self.groups_of(self._computers[member])
            moved = standing | {group.id} if member in inside else standing - {group.id}
            self._later.setdefault(member, []).append((now, moved))
        return group
