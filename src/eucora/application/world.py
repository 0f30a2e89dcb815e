"""What every use case is given: the ports, and the caller."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from eucora.application.devices import DeviceTable
from eucora.application.held_requests import HeldRequests
from eucora.application.planes import PlanePort
from eucora.application.ports import ArtifactStore, Clock, Context, EventStore, EvidenceReader, Ids, Reply
from eucora.application.recurrences import Recurrences
from eucora.domain.cab_delegation import Delegated
from eucora.domain.calibration import RolloutRecord
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.errors import DomainError, RefusedOnRecord
from eucora.domain.exception_types import ExceptionFact
from eucora.domain.gate_types import IncidentFacts
from eucora.domain.grounds import Grounds
from eucora.domain.incident import Rollout
from eucora.domain.people import Person, Role, Scope
from eucora.domain.planes import Plane
from eucora.domain.risk_types import History
from eucora.domain.trust_maturity import TrackRecord


class Facts(Protocol):
    """What the log as a whole says, gathered by read models that have caught up with it."""

    async def history(self, application_id: str) -> History:
        """Earlier releases of the application."""
        ...

    async def incidents(self, intent_id: str) -> IncidentFacts:
        """Open incidents that count against the intent's release."""
        ...

    async def grounds(self, state: DeploymentIntent, at: datetime) -> Grounds:
        """What other streams and the device table say about the intent at ``at``, without what its evidence says."""
        ...

    async def exceptions(self, application_id: str) -> tuple[ExceptionFact, ...]:
        """Exceptions for the application, and those for whatever bears one of their subjects."""
        ...

    async def newest_version(self, noun: str) -> str | None:
        """The version that was activated last and is not retired; None: none was, so the product's own 1.0 holds.

        ``noun``: risk_model, gate_policy, governance_policy or role_mapping.
        """
        ...

    async def track_record(self, since: datetime, until: datetime) -> TrackRecord:
        """Releases and incidents after ``since`` and up to ``until`` (inclusive)."""
        ...

    async def rollouts(self, after: int, limit: int) -> Sequence[RolloutRecord]:
        """Proposals at positions above ``after``, in order, with what became of them; at most ``limit``."""
        ...

    async def rollouts_of(self, application_id: str) -> Sequence[Rollout]:
        """Every intent of the application, as an incident sees it."""
        ...

    async def intents_of_release(
        self, application_id: str, version: str, pack: str, files: Collection[str]
    ) -> Sequence[str]:
        """Ids of the application's intents with the version, the pack, or an artifact or file of ``files`` (SHA-256).

        Oldest first.
        """
        ...

    async def applications(self) -> Sequence[str]:
        """Ids of the applications that an evidence pack or an intent names, in order."""
        ...

    async def overdue_retrospectives(self, application_id: str, at: datetime | None = None) -> int:
        """Emergency changes of the application that nobody reviewed in time (by ``at``, where it is named)."""
        ...

    async def delegations(self, *persons: str) -> tuple[Delegated, ...]:
        """Delegations of CAB votes that have not ended and name one of the persons."""
        ...

    async def overdue_debts(self, at: datetime) -> tuple[str, ...]:
        """Break-glass sessions that are over and whose review is overdue at ``at``."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """The ports, joined in :mod:`eucora.bootstrap`."""

    store: EventStore
    artifacts: ArtifactStore
    evidence: EvidenceReader
    recurrences: Recurrences
    devices: DeviceTable
    planes: Mapping[Plane, PlanePort]
    facts: Facts
    clock: Clock
    ids: Ids
    held: HeldRequests | None = None  # what planes hold back for an approval of their own; None: nothing is kept


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how. ``reply`` makes the idempotency record from (id, version) of what was written.

    ``refusal`` makes it of a refusal that goes on record.
    ``break_glass``: the open session that he acts in (see :func:`eucora.application.break_glass.effective`).
    ``still`` judges him again where that was done a while ago, and raises what a new request would be refused with.
    """

    person: Person
    correlation_id: str
    expected_version: int | None = None
    reply: Callable[[str, int], Reply] | None = None
    break_glass: str = ""
    refusal: Callable[[RefusedOnRecord], Reply] | None = None
    still: Callable[[], Awaitable[None]] | None = None

    async def confirm(self) -> None:
        """Return when he may do now what he asked for: right before it is written. Raises what ``still`` raises."""
        if self.still is not None:
            await self.still()

    def context(self, intent_id: str = "") -> Context:
        return Context(
            actor=self.person.actor,
            correlation_id=self.correlation_id,
            intent_id=intent_id,
            break_glass=self.break_glass,
        )

    def reply_for(self, id: str) -> Callable[[int], Reply] | None:
        reply = self.reply
        return (lambda version: reply(id, version)) if reply else None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was written. ``position`` is None when it had been on record before."""

    id: str
    version: int
    position: int | None


class RoleMissing(DomainError):
    """The caller holds none of the roles that may do this."""

    def __init__(self, operation: str, roles: tuple[Role, ...], scope: Scope | None = None) -> None:
        where = f" for {scope.business_unit}/{scope.boundary}/{scope.site}" if scope else ""
        named = " or ".join(roles)
        super().__init__(
            f"This needs the role {named}{where}; ask somebody who holds it.", operation=operation, roles=[*roles]
        )


def require_somewhere(person: Person, operation: str, role: Role) -> None:
    """Raises RoleMissing unless the person holds the role in some scope; the caller asks about the scope himself."""
    if not person.holds_somewhere(role):
        raise RoleMissing(operation, (role,))


def require(person: Person, operation: str, *roles: Role, scope: Scope | None = None) -> None:
    """Raises RoleMissing unless the person holds one of the roles (inside ``scope`` where one is given)."""
    if not any(person.holds(role, scope) for role in roles):
        raise RoleMissing(operation, roles, scope)
