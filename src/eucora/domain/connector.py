"""A connector's circuit to one upstream of one tenant: when it opened, and when it closed again.

Stream: ``connector-<upstream>:<tenant>``. The calls themselves decide about the circuit, at once and without the log;
what is on record is what became of it, once for all replicas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eucora.domain.decider import Decider


@dataclass(frozen=True, slots=True)
class RecordCircuit:
    """The circuit as the replicas share it: its last opening, and its end where it has come.

    ``failures``: calls in a row that failed until it opened. ``error``: what the last of them came to, redacted.
    """

    upstream: str
    tenant: str
    failures: int
    error: str
    opened_at: datetime
    closed_at: datetime | None = None


Command = RecordCircuit


@dataclass(frozen=True, slots=True)
class CircuitOpened:
    """From here on nothing is sent to the upstream but one probe a minute."""

    upstream: str
    tenant: str
    failures: int
    error: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CircuitClosed:
    """A probe was answered; calls go out again. ``opened_at``: of the opening that this ends."""

    upstream: str
    tenant: str
    opened_at: datetime
    at: datetime


Event = CircuitOpened | CircuitClosed


@dataclass(frozen=True, slots=True)
class Connector:
    """``opened_at``: the last opening on record; ``open``: whether that one has not ended."""

    opened_at: datetime | None = None
    open: bool = False


def decide(state: Connector, command: Command) -> Sequence[Event]:
    """What is not on record yet: an opening, its end, or both where nobody could write between them. Never refuses."""
    events: list[Event] = []
    # whole history is in order of opening; what is told late about an older one changes nothing any more
    if state.opened_at is not None and command.opened_at < state.opened_at:
        return events
    new = command.opened_at != state.opened_at
    if new:
        opened = CircuitOpened(command.upstream, command.tenant, command.failures, command.error, command.opened_at)
        events.append(opened)
    if command.closed_at is not None and (new or state.open):
        events.append(CircuitClosed(command.upstream, command.tenant, command.opened_at, command.closed_at))
    return events


def evolve(state: Connector, event: Event) -> Connector:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case CircuitOpened(at=at):
            return Connector(opened_at=at, open=True)
        case CircuitClosed(opened_at=opened_at):
            return Connector(opened_at=opened_at, open=False)


DECIDER: Final[Decider[Connector, Command, Event]] = Decider(
    noun="connector", initial=Connector(), decide=decide, evolve=evolve
)
