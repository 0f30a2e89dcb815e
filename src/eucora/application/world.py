"""What every use case is given: the ports, and the caller."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from eucora.application.devices import DeviceTable
from eucora.application.planes import PlanePort
from eucora.application.ports import ArtifactStore, Clock, Context, EventStore, EvidenceReader, Ids, Reply
from eucora.domain.errors import DomainError
from eucora.domain.gate_types import IncidentFacts
from eucora.domain.people import Person, Role, Scope
from eucora.domain.planes import Plane
from eucora.domain.risk_types import History


class Facts(Protocol):
    """What the log as a whole says, gathered by read models that have caught up with it."""

    async def history(self, application_id: str) -> History:
        """Earlier releases of the application."""
        ...

    async def incidents(self, intent_id: str) -> IncidentFacts:
        """Open incidents that count against the intent's release."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """The ports, joined in :mod:`eucora.bootstrap`."""

    store: EventStore
    artifacts: ArtifactStore
    evidence: EvidenceReader
    devices: DeviceTable
    planes: Mapping[Plane, PlanePort]
    facts: Facts
    clock: Clock
    ids: Ids


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how. ``reply`` makes the idempotency record from (id, version) of what was written."""

    person: Person
    correlation_id: str
    expected_version: int | None = None
    reply: Callable[[str, int], Reply] | None = None

    def context(self, intent_id: str = "") -> Context:
        return Context(actor=self.person.actor, correlation_id=self.correlation_id, intent_id=intent_id)

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


def require(person: Person, operation: str, *roles: Role, scope: Scope | None = None) -> None:
    """Raises RoleMissing unless the person holds one of the roles (inside ``scope`` where one is given)."""
    if not any(person.holds(role, scope) for role in roles):
        raise RoleMissing(operation, roles, scope)
