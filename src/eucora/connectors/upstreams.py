"""The services that we call, and how this process fares with each: for people, for metrics, for the other replicas."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from opentelemetry import metrics

from eucora.application.budgets import Places
from eucora.application.circuits import Circuits, Report
from eucora.connectors.redaction import redact
from eucora.domain.planes import Plane


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service we call. ``name`` and ``tenant`` name its breaker and its budget; ``base_url`` may be empty.

    ``plane``: the one that it serves, where it is shown among the connectors.
    """

    name: str
    base_url: str
    tenant: str
    plane: Plane | None = None

    @property
    def key(self) -> str:
        return f"{self.name}:{self.tenant}"


class BreakerState(StrEnum):
    """``half_open`` from the end of the window until a probe has answered."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Outcome(StrEnum):
    """What came of a call. ``stopped``: nothing was sent, because of the circuit, the budget or the deadline."""

    OK = "ok"
    REFUSED = "refused"
    THROTTLED = "throttled"
    FAILED = "failed"
    STOPPED = "stopped"


_AS_NUMBER: Final = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class Instruments:
    """Metrics of all upstreams of a process. They go nowhere until somebody sets a meter provider."""

    def __init__(self, meter: metrics.Meter | None = None) -> None:
        meter = meter or metrics.get_meter("eucora.connectors")
        self.requests = meter.create_counter(
            "eucora.upstream.requests", "{request}", "Calls to an upstream, by what came of them"
        )
        self.duration = meter.create_histogram(
            "eucora.upstream.duration", "s", "From sending a request until its answer was read"
        )
        self.circuit = meter.create_gauge(
            "eucora.upstream.circuit", "1", "State of the circuit: 0 closed, 1 half open, 2 open"
        )


class Gauge:
    """How this process fares with one upstream; the layers of its stack write here.

    ``in_flight``: sent and not answered; ``waiting``: for the budget or for a connection; ``failures``: in a row.
    """

    def __init__(self, key: str, instruments: Instruments, now: Callable[[], datetime]) -> None:
        self.key, self._instruments, self._now = key, instruments, now
        self.in_flight = self.waiting = self.failures = 0
        self.last_error, self.last_error_at = "", None  # type: str, datetime | None
        self.last_success_at: datetime | None = None

    def answered(self, outcome: Outcome, seconds: float, error: str = "") -> None:
        """One request came back, or was lost. ``error`` is redacted here."""
        self._count(outcome)
        self._instruments.duration.record(seconds, {"upstream": self.key})
        if outcome in (Outcome.FAILED, Outcome.THROTTLED):
            self.last_error, self.last_error_at = redact(error), self._now()
        else:
            self.last_success_at = self._now()

    def stopped(self) -> None:
        """One call ended without a request of its own."""
        self._count(Outcome.STOPPED)

    def turned(self, state: BreakerState) -> None:
        """The circuit changed."""
        self._instruments.circuit.set(_AS_NUMBER[state], {"upstream": self.key})

    def report(self) -> Report:
        return Report(
            self.key, self.failures, self.in_flight, self.waiting,
            self.last_error, self.last_error_at, self.last_success_at,
        )  # fmt: skip

    def _count(self, outcome: Outcome) -> None:
        self._instruments.requests.add(1, {"upstream": self.key, "outcome": outcome.value})


@dataclass(frozen=True, slots=True)
class Connected:
    """An upstream with the budgets that its client keeps to."""

    upstream: Upstream
    requests: tuple[float, int]  # a second on average, at once
    writes: tuple[float, int] | None
    gauge: Gauge


class Switchboard:
    """What all clients of a process share: the circuits of all replicas, and the list of the upstreams.

    ``circuits`` None: each process goes by its own breakers. ``places`` None: each counts its own connections.
    ``meter`` None: the process's own provider.
    """

    def __init__(
        self,
        circuits: Circuits | None = None,
        *,
        places: Places | None = None,
        meter: metrics.Meter | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.circuits, self.places, self._instruments, self._now = circuits, places, Instruments(meter), now
        self._connected: dict[str, Connected] = {}

    def connect(
        self, upstream: Upstream, *, requests: tuple[float, int], writes: tuple[float, int] | None = None
    ) -> Gauge:
        """The gauge of an upstream; the same one for a second client of the same upstream and tenant."""
        if upstream.key not in self._connected:
            gauge = Gauge(upstream.key, self._instruments, self._now)
            self._connected[upstream.key] = Connected(upstream, requests, writes, gauge)
        return self._connected[upstream.key].gauge

    @property
    def connected(self) -> Sequence[Connected]:
        return tuple(self._connected.values())

    def reports(self) -> Sequence[Report]:
        return [one.gauge.report() for one in self._connected.values()]
