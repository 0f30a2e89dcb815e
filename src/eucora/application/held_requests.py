"""Changes that a plane holds back until one of its own administrators approves them, and how we remember them.

Intune's Multi Admin Approval queues a write and wants the identical one sent again once a second administrator approved
it. So what was asked is kept byte for byte, beside the code that the plane gave it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import Any, Protocol, runtime_checkable

from eucora.application.lanes import Lane
from eucora.application.planes import PlaneError
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome
from eucora.domain.planes import Plane


class PlaneAwaitingApproval(PlaneError):
    """The plane queued the change until one of its own administrators approves it. Not a failure: nothing was changed.

    ``code`` is the plane's name of the request; empty: it holds the object for a request that is not ours.
    ``request_id`` is the vendor's own id of the exchange, ``expires_at`` (UTC) what the vendor says of the request.
    """

    kind = "awaiting_approval"

    def __init__(
        self,
        plane: Plane,
        operation: str,
        detail: str,
        *,
        code: str,
        status: int | None = None,
        request_id: str = "",
        expires_at: datetime | None = None,
    ) -> None:
        super().__init__(plane, operation, detail, status=status)
        self.code, self.request_id, self.expires_at = code, request_id, expires_at
        self.done: Sequence[Any] = ()  # commands: what the job did before it came to this


@runtime_checkable
class HoldsBack(Protocol):
    """A plane that can be asked after one of its requests alone, without the work that led to it."""

    async def undecided(self, code: str, *, correlation_id: str) -> PlaneAwaitingApproval | None:
        """Why the request still waits; None: it was decided, or is not listed."""
        ...

    async def take_back(self, code: str, *, correlation_id: str) -> None:
        """Cancel the request, if the plane lets us. Never fails: one that stays is approved in vain."""
        ...


class HeldState(StrEnum):
    """``asking``: sent, or about to be, and the answer is not known here; ``open``: it waits; ``ended``: settled."""

    ASKING = "asking"
    OPEN = "open"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class AskedRequest:
    """A write as it is about to be sent. ``key`` is the SHA-256 over tenant, method, address and body.

    ``entity`` names the vendor's object that it changes; requests that make new objects have one each. ``body`` is None
    where it holds secrets: then only its digest is kept, inside ``key``. ``purpose`` tells what it is for, ``lane`` how
    urgent that is (see :class:`eucora.application.lanes.Lane`).
    """

    key: str
    tenant: str
    entity: str
    method: str
    path: str  # with its query, below the vendor's root
    content_type: str
    body: bytes | None
    purpose: str = ""
    lane: Lane = Lane.ROLLOUT

    def gives_way_to(self, other: "AskedRequest") -> bool:
        """Whether it may be taken back for ``other``, which is about the same object: a plane holds one at a time.

        One for the same purpose is out of date. What stops harm, or undoes it, goes before the rest. Two of one lane
        are asked one after the other: each would take the other back for ever.
        """
        urgent = other.lane in (Lane.HALT, Lane.ROLLBACK)
        return self.purpose == other.purpose or (urgent and self.lane is not other.lane)


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """A write on record. ``code`` is the plane's name of it, empty while it is being asked. Times are UTC.

    ``sent_until``: it was sent again as approved, and this is until when nobody else does; in the past, what came of it
    is not known here.
    """

    id: int
    asked: AskedRequest
    state: HeldState
    asked_at: datetime
    code: str = ""
    expires_at: datetime | None = None
    outcome: PlaneApprovalOutcome | None = None  # once it ended
    decided_by: str = ""
    reason: str = ""
    sent_until: datetime | None = None


class HeldRequests(Protocol):
    """The memory that all replicas share."""

    async def standing(self, tenant: str, entity: str) -> Sequence[HeldRequest]:
        """What is being asked or waits about one object, in the order of asking."""
        ...

    async def begin(self, asked: AskedRequest, at: datetime) -> HeldRequest | None:
        """Put on record that the request is about to be asked. None: it is; else what stands for it already."""
        ...

    async def hold(self, key: str, code: str, expires_at: datetime | None) -> None:
        """The plane queued what was being asked, or has said now when it expires."""
        ...

    async def forget(self, key: str) -> None:
        """What was being asked was done, or refused for good: nothing waits."""
        ...

    async def claim(self, id: int, now: datetime, until: datetime, *, by: str = "", reason: str = "") -> bool:
        """Whether the caller alone may complete it until then, as ``by`` approved it. False: somebody else does."""
        ...

    async def release(self, id: int, sent_until: datetime | None = None) -> None:
        """Give the claim back. ``sent_until``: since when nobody knows whether it was completed; None: it was not."""
        ...

    async def carried_out(self, code: str, at: datetime) -> bool:
        """What it asks for stands: one that was sent as approved is over as that. False: it was not sent."""
        ...

    async def end(self, id: int, outcome: PlaneApprovalOutcome, by: str, reason: str, at: datetime) -> None:
        """It is settled. Ended twice, the first end stands."""
        ...

    async def abandon(self, code: str, reason: str, at: datetime) -> bool:
        """Nobody wants it any more: it is over as superseded. False: it was over already."""
        ...

    async def ended(self, codes: Sequence[str]) -> Sequence[HeldRequest]:
        """Those of the codes that are settled."""
        ...

    async def last_held(self, tenant: str) -> datetime | None:
        """When something was asked last that the tenant queued; None: it never queued anything."""
        ...


@dataclass(slots=True)
class HeldHere:
    """The memory of one process, for those that have no database: it ends with the process."""

    _rows: dict[int, HeldRequest] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    async def standing(self, tenant: str, entity: str) -> Sequence[HeldRequest]:
        return [row for row in self._living() if (row.asked.tenant, row.asked.entity) == (tenant, entity)]

    async def begin(self, asked: AskedRequest, at: datetime) -> HeldRequest | None:
        if (found := self._by_key(asked.key)) is not None:
            return found
        row = HeldRequest(next(self._ids), asked, HeldState.ASKING, at)
        self._rows[row.id] = row
        return None

    async def hold(self, key: str, code: str, expires_at: datetime | None) -> None:
        if (row := self._by_key(key)) is not None:
            self._rows[row.id] = replace(row, state=HeldState.OPEN, code=code, expires_at=expires_at)

    async def forget(self, key: str) -> None:
        row = self._by_key(key)
        if row is not None and row.state is HeldState.ASKING:
            del self._rows[row.id]

    async def claim(self, id: int, now: datetime, until: datetime, *, by: str = "", reason: str = "") -> bool:
        row = self._rows.get(id)
        if row is None or row.state is not HeldState.OPEN or (row.sent_until is not None and row.sent_until > now):
            return False
        self._rows[id] = replace(row, sent_until=until, decided_by=by, reason=reason)
        return True

    async def release(self, id: int, sent_until: datetime | None = None) -> None:
        row = self._rows.get(id)
        if row is not None and row.state is HeldState.OPEN:
            self._rows[id] = replace(row, sent_until=sent_until)

    async def carried_out(self, code: str, at: datetime) -> bool:
        row = next((one for one in self._living() if one.code == code and one.sent_until is not None), None)
        if row is not None:
            await self.end(row.id, PlaneApprovalOutcome.APPROVED, row.decided_by, row.reason, at)
        return row is not None

    async def end(self, id: int, outcome: PlaneApprovalOutcome, by: str, reason: str, at: datetime) -> None:
        row = self._rows.get(id)
        if row is not None and row.state is not HeldState.ENDED:
            self._rows[id] = replace(row, state=HeldState.ENDED, outcome=outcome, decided_by=by, reason=reason)

    async def abandon(self, code: str, reason: str, at: datetime) -> bool:
        row = next((one for one in self._living() if one.code == code), None)
        if row is not None:
            await self.end(row.id, PlaneApprovalOutcome.SUPERSEDED, "", reason, at)
        return row is not None

    async def ended(self, codes: Sequence[str]) -> Sequence[HeldRequest]:
        return [row for row in self._rows.values() if row.state is HeldState.ENDED and row.code in codes]

    async def last_held(self, tenant: str) -> datetime | None:
        queued = [row.asked_at for row in self._rows.values() if row.asked.tenant == tenant and row.code]
        return max(queued, default=None)

    def _living(self) -> list[HeldRequest]:
        return [row for row in self._rows.values() if row.state is not HeldState.ENDED]

    def _by_key(self, key: str) -> HeldRequest | None:
        return next((row for row in self._living() if row.asked.key == key), None)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a write is for: shown to the plane's administrator who is asked to approve it."""

    intent_id: str
    operation: str  # publish, assign, withdraw, restore
    ring: str

    def __str__(self) -> str:
        return f"{self.intent_id}: {self.operation} for {self.ring}"


@contextmanager
def so_far(done: Sequence[Any]) -> Iterator[None]:
    """What a job did before a change of it was queued goes with the word of it: commands, to be put on record."""
    try:
        yield
    except PlaneAwaitingApproval as waiting:
        waiting.done = tuple(done)
        raise


_purpose: ContextVar[Purpose | None] = ContextVar("eucora_write_purpose", default=None)


@contextmanager
def on_behalf_of(purpose: Purpose) -> Iterator[None]:
    """Every write inside says what it is for."""
    token = _purpose.set(purpose)
    try:
        yield
    finally:
        _purpose.reset(token)


def purpose_of_write() -> Purpose | None:
    """What the write in progress is for; None outside of a job."""
    return _purpose.get()
