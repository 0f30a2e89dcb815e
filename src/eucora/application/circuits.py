"""What replicas share about the upstreams that they call: circuits, and how each of them fares."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from eucora.application.execute import execute
from eucora.application.ports import Clock, Context, EventStore, Ids
from eucora.application.react import react
from eucora.domain import connector
from eucora.domain.deployment_intent.events import SERVICE


class CircuitsAway(Exception):
    """What is shared cannot be reached now; each replica has its own breaker to go by."""


@dataclass(frozen=True, slots=True)
class Free:
    """The circuit is closed: send. ``period`` grows with every change, so an old word can be told from a new one."""

    period: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """The circuit is open: do not send. ``left_s``: until a probe may go, 0 while one is on its way."""

    left_s: float
    period: int


@dataclass(frozen=True, slots=True)
class Probe:
    """The circuit is open and this caller, of all replicas, is the one to try. ``claim`` goes with what came of it."""

    claim: int


class Circuits(Protocol):
    """The state of every circuit, ``key`` being ``<upstream>:<tenant>``. Each method raises CircuitsAway."""

    async def ask(self, key: str, *, lease_s: float) -> Free | Stopped | Probe:
        """Whether a call may go out. A probe is given to one caller; after ``lease_s`` of silence to the next."""
        ...

    async def opened(self, key: str, *, reset_s: float, failures: int, error: str) -> int:
        """Open it for everybody, unless it is open; its period."""
        ...

    async def answered(self, key: str, claim: int) -> None:
        """The probe was answered: close it. A claim that another took over has no say, here and below."""
        ...

    async def failed(self, key: str, claim: int, *, reset_s: float, error: str) -> None:
        """The probe failed: a whole new window."""
        ...

    async def told_nothing(self, key: str, claim: int) -> None:
        """The probe never came to an answer; the next caller may try at once."""
        ...


@dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit that opened at least once. ``probe_at`` None: it is closed."""

    key: str
    period: int
    failures: int
    error: str
    opened_at: datetime
    closed_at: datetime | None
    probe_at: datetime | None

    @property
    def upstream(self) -> str:
        return self.key.partition(":")[0]

    @property
    def tenant(self) -> str:
        return self.key.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Report:
    """How one replica fares with one upstream. ``failures``: in a row, at this moment; ``in_flight`` were sent and not
    answered, ``waiting`` wait for the budget or for a connection. ``last_error`` is redacted, at most 500 characters.
    """

    key: str
    failures: int
    in_flight: int
    waiting: int
    last_error: str
    last_error_at: datetime | None
    last_success_at: datetime | None


class CircuitBook(Protocol):
    """The shared circuits and reports as the application keeps and shows them."""

    async def unrecorded(self) -> Sequence[Circuit]:
        """Circuits with a change that no event tells yet."""
        ...

    async def recorded(self, circuit: Circuit) -> None:
        """The event is on record; a change that came meanwhile stays unrecorded."""
        ...

    async def all(self) -> Sequence[Circuit]: ...

    async def report(self, replica: str, reports: Sequence[Report], at: datetime) -> None:
        """Put how ``replica`` fares in the place of what it said before."""
        ...

    async def reports(self, since: datetime) -> Sequence[Report]:
        """Over all replicas, one a key. Calls in flight and waiting only of those that reported ``since`` then."""
        ...


async def record_circuits(book: CircuitBook, store: EventStore, clock: Clock, ids: Ids) -> int:
    """Put on record what happened to circuits since the last time; how many there were.

    Every replica does so: whoever comes second finds it on record, and nothing is lost with the one that saw it.
    """
    found = await book.unrecorded()
    for circuit in found:
        command = connector.RecordCircuit(
            circuit.upstream, circuit.tenant, circuit.failures, circuit.error, circuit.opened_at, circuit.closed_at
        )
        await execute(
            store, connector.DECIDER, circuit.key, command,
            context=Context(SERVICE, str(ids.new())), at=clock.now(), react=react,
        )  # fmt: skip
        await book.recorded(circuit)
    return len(found)
