"""Who is in which group of the directory, and since when: the rings as they began, and every change made to them.

Members are named by their directory object id, as in Entra.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from eucora.lab.roster import LabDevice, LabGroup

_EVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Spell:
    """A time that one object was a member of ``group``; ``until`` None: it still is. Times UTC."""

    group: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class MadeGroup:
    """What a client wrote into a group that it created; the name is in the LabGroup."""

    description: str
    mail_nickname: str
    created: datetime  # UTC


class Memberships:
    """The members of ``groups`` from the beginning on. Nothing is forgotten, so that offers can be judged later."""

    def __init__(self, groups: Iterable[LabGroup], devices: Sequence[LabDevice]) -> None:
        object_ids = {device.index: device.entra_object_id for device in devices}
        self._object_ids = object_ids
        self._first: dict[str, tuple[str, ...]] = {}
        self._ever: dict[str, Spell] = {}  # made once: reports ask for them by the hundred thousand
        for group in groups:
            self._ever[group.id] = Spell(group.id, _EVER, None)
            for member in (*(object_ids[index] for index in group.devices), *group.strangers):
                self._first[member] = (*self._first.get(member, ()), group.id)
        self._changes: dict[str, dict[str, list[tuple[datetime, bool]]]] = {}
        self._touched: dict[str, set[str]] = {}

    def knows(self, member: str) -> bool:
        """Whether the directory has such an object, as far as groups tell."""
        return member in self._first

    def set(self, group: str, member: str, at: datetime, *, joins: bool) -> None:
        """Let ``member`` join or leave at ``at``; changes come in the order of time."""
        self._changes.setdefault(group, {}).setdefault(member, []).append((at, joins))
        self._touched.setdefault(member, set()).add(group)

    def holds(self, group: str, member: str, at: datetime) -> bool:
        """Whether ``member`` was in ``group`` at ``at``."""
        held = group in self._first.get(member, ())
        for when, joins in self._changes.get(group, {}).get(member, ()):
            if when > at:
                break
            held = joins
        return held

    def members(self, group: LabGroup, at: datetime) -> list[str]:
        """Who was in ``group`` at ``at``: first those of the beginning, then the others in the order they came."""
        first = [*(self._object_ids[index] for index in group.devices), *group.strangers]
        changed = self._changes.get(group.id)
        if not changed:
            return first
        return [one for one in dict.fromkeys([*first, *changed]) if self.holds(group.id, one, at)]

    def changed(self, group: str) -> Iterator[tuple[datetime, str]]:
        """Every change of ``group``'s members so far, as its time and the member."""
        for member, changes in self._changes.get(group, {}).items():
            for at, _ in changes:
                yield at, member

    def spells(self, member: str) -> list[Spell]:
        """Every time that ``member`` was in any group."""
        first = self._first.get(member, ())
        touched = self._touched.get(member, ())
        found = [self._ever[group] for group in first if group not in touched]
        for group in sorted(touched):
            since = _EVER if group in first else None
            for at, joins in self._changes[group][member]:
                if joins and since is None:
                    since = at
                elif not joins and since is not None:
                    found.append(Spell(group, since, at))
                    since = None
            if since is not None:
                found.append(Spell(group, since, None))
        return found
