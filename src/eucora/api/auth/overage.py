"""Groups of people who are in more of them than a token of Entra holds (200): asked of the directory itself.

Such a token has a pointer in place of the claim: ``_claim_names`` with the claim's name, or ``hasgroups``. The address
in ``_claim_sources`` is never called: it is the old Graph's, and a token does not say where we send requests. Only ids
count. Names of groups are not unique in Entra, and by default everybody may create a group. Source: Microsoft Entra,
"Configure group claims" and "Access token claims reference", read 2026-11-23.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from eucora.application.planes import PlaneError
from eucora.application.ports import Clock, Ids

KEPT: Final = timedelta(minutes=5)
FAILED_KEPT: Final = timedelta(seconds=10)  # so that Graph is not asked for each of the many calls of a person
PEOPLE_MAX: Final = 10_000


class KnownGroup(Protocol):
    """A group of the directory."""

    @property
    def id(self) -> str: ...


class GroupDirectory(Protocol):
    """The directory that people are in."""

    async def groups_of(self, person: str, *, correlation_id: str) -> Sequence[KnownGroup] | None:
        """Every group of the person with that object id; None when there is no such person. Raises PlaneError."""
        ...


class GroupsUnavailable(Exception):
    """The groups of a person are not to be had now; the message says what helps."""


def named_elsewhere(claims: Mapping[str, Any], name: str) -> bool:
    """Whether the token says that the claim has values and does not hold them."""
    if name in claims:
        return False
    names = claims.get("_claim_names")
    return (isinstance(names, dict) and name in names) or (name == "groups" and bool(claims.get("hasgroups")))


class GroupsElsewhere:
    """The groups of such people, by their object ids, each remembered for five minutes."""

    def __init__(self, directory: GroupDirectory | None, clock: Clock, ids: Ids) -> None:
        self._directory, self._clock, self._ids = directory, clock, ids
        self._known: dict[str, tuple[datetime, tuple[str, ...]]] = {}
        self._failed: dict[str, tuple[datetime, str]] = {}
        self._asking: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    async def ids_of(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """The ids of all groups of the person that the token speaks of. Raises GroupsUnavailable."""
        person = claims.get("oid")
        if not isinstance(person, str) or not person:
            raise GroupsUnavailable("the token has no claim oid, by which Microsoft Graph knows the person")
        known, failed, now = self._known.get(person), self._failed.get(person), self._clock.now()
        if known is not None and timedelta(0) <= now - known[0] < KEPT:
            return known[1]
        if failed is not None and timedelta(0) <= now - failed[0] < FAILED_KEPT:
            raise GroupsUnavailable(failed[1])
        asking = self._asking.get(person)
        if asking is None:
            asking = self._asking[person] = asyncio.create_task(self._asked(person))
            asking.add_done_callback(lambda done: self._answered(person, done))
        # Shielded: who hangs up must not take the answer away from the others.
        return await asyncio.shield(asking)

    def _answered(self, person: str, done: "asyncio.Task[tuple[str, ...]]") -> None:
        self._asking.pop(person, None)
        self._failed.pop(person, None)
        # Looked at in any case, so that nothing is said of it when everybody who asked has gone.
        if not done.cancelled() and isinstance(error := done.exception(), GroupsUnavailable):
            self._failed[person] = self._clock.now(), str(error)
            if len(self._failed) > PEOPLE_MAX:
                self._failed.pop(next(iter(self._failed)))

    async def _asked(self, person: str) -> tuple[str, ...]:
        if self._directory is None:
            raise GroupsUnavailable(
                "no directory is connected to ask for them: connect Microsoft Graph (INTUNE_...), or let the "
                "application registration emit only groups that are assigned to the application"
            )
        asked_at = self._clock.now()
        try:
            groups = await self._directory.groups_of(person, correlation_id=str(self._ids.new()))
        except PlaneError as error:
            raise GroupsUnavailable(
                f"Microsoft Graph was asked and did not tell: {error.detail}; the application permission User.Read.All "
                "is needed for it"
            ) from error
        if groups is None:
            raise GroupsUnavailable(
                "Microsoft Graph knows no such person; it must be of the tenant that signs people in"
            )
        found = tuple(group.id for group in groups)
        self._known.pop(person, None)
        self._known[person] = asked_at, found
        if len(self._known) > PEOPLE_MAX:
            self._known.pop(next(iter(self._known)))
        return found
