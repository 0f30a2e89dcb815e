"""How the upstreams behind the planes fare, over all replicas: what a person on call looks at first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from eucora.application.circuits import Circuit, CircuitBook, Report
from eucora.application.ports import Clock
from eucora.domain.planes import Plane

# A replica reports every two seconds; one that was silent for so long has nothing in flight any more.
REPORT_LASTS: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A request budget: ``per_s`` requests a second on average, ``burst`` at once."""

    key: str
    per_s: float
    burst: int


@dataclass(frozen=True, slots=True)
class KnownUpstream:
    """An upstream that this installation is connected to. ``writes``: the smaller budget of what changes something;
    ``questions``: one like it, of POSTs that only ask.
    """

    plane: Plane
    upstream: str
    tenant: str
    requests: Allowance
    writes: Allowance | None = None
    questions: Allowance | None = None

    @property
    def key(self) -> str:
        return f"{self.upstream}:{self.tenant}"


@dataclass(frozen=True, slots=True)
class Spent:
    """A budget at this moment. ``used``: requests of the burst that are not earned back yet. ``paused_s``: seconds for
    which nothing goes out, because the upstream asked for patience.
    """

    per_s: float
    burst: int
    used: float
    paused_s: float


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """``state``: closed, open or half_open. ``failures``: in a row. ``in_flight`` and ``waiting``: of all replicas."""

    plane: Plane
    key: str
    upstream: str
    tenant: str
    state: str
    failures: int
    opened_at: datetime | None
    next_probe_at: datetime | None
    last_error: str
    last_error_at: datetime | None
    last_success_at: datetime | None
    in_flight: int
    waiting: int
    requests: Spent
    writes: Spent | None
    questions: Spent | None = None


class BudgetLevels(Protocol):
    """How far budgets are spent."""

    async def ahead_s(self, keys: Sequence[str]) -> Mapping[str, float]:
        """Seconds of its rate by which each is spent ahead of time; one that nobody used is left out."""
        ...


class ConnectorHealth:
    """Query over what replicas share. ``known``: the upstreams, asked anew each time."""

    def __init__(
        self, known: Callable[[], Sequence[KnownUpstream]], book: CircuitBook, budgets: BudgetLevels, clock: Clock
    ) -> None:
        self._known, self._book, self._budgets, self._clock = known, book, budgets, clock

    async def states(self) -> Sequence[UpstreamState]:
        """Every upstream, by plane and name."""
        now, known = self._clock.now(), sorted(self._known(), key=lambda one: (one.plane, one.key))
        circuits = {circuit.key: circuit for circuit in await self._book.all()}
        reports = {report.key: report for report in await self._book.reports(now - REPORT_LASTS)}
        allowances = [each for one in known for each in (one.requests, one.writes, one.questions)]
        keys = [allowance.key for allowance in allowances if allowance is not None]
        ahead = await self._budgets.ahead_s(keys)
        return [_state(one, circuits.get(one.key), reports.get(one.key), ahead, now) for one in known]


def _state(
    one: KnownUpstream, circuit: Circuit | None, report: Report | None, ahead: Mapping[str, float], now: datetime
) -> UpstreamState:
    opened = circuit if circuit is not None and circuit.probe_at is not None else None
    failures = max(report.failures if report else 0, opened.failures if opened else 0)
    return UpstreamState(
        plane=one.plane,
        key=one.key,
        upstream=one.upstream,
        tenant=one.tenant,
        state=_word(opened, now),
        failures=failures,
        opened_at=opened.opened_at if opened else None,
        next_probe_at=opened.probe_at if opened else None,
        last_error=(report.last_error if report else "") or (circuit.error if circuit else ""),
        last_error_at=report.last_error_at if report else None,
        last_success_at=report.last_success_at if report else None,
        in_flight=report.in_flight if report else 0,
        waiting=report.waiting if report else 0,
        requests=_spent(one.requests, ahead),
        writes=None if one.writes is None else _spent(one.writes, ahead),
        questions=None if one.questions is None else _spent(one.questions, ahead),
    )


def _word(opened: Circuit | None, now: datetime) -> str:
    if opened is None or opened.probe_at is None:
        return "closed"
    return "open" if now < opened.probe_at else "half_open"


def _spent(allowance: Allowance, ahead: Mapping[str, float]) -> Spent:
    """Spent further ahead than the whole burst, a budget stands still until it is back there."""
    ahead_s, whole_s = ahead.get(allowance.key, 0.0), allowance.burst / allowance.per_s
    used = min(ahead_s, whole_s) * allowance.per_s
    return Spent(allowance.per_s, allowance.burst, round(used, 1), round(max(ahead_s - whole_s, 0.0), 1))
