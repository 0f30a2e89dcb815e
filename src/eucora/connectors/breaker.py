"""One circuit breaker for one upstream and tenant: five failures in a row open it, sixty seconds later one probe goes.

aiobreaker keeps the count and the three states. It is fenced here, because by itself it would:
let every concurrent call through when half open; hide the real failure behind its own error; let calls that were
already in flight start the open window anew; count in naive UTC against local time; take a 5xx answer for a success;
and guard nothing when the wrong one of its two call methods is used. So it never waits by itself, the window is
counted here on a monotonic clock, and a failure leaves as what it is.

Where circuits are shared, the word of what is shared holds: another replica's opening stops this one, and of all
replicas one probes. While it cannot be reached, this breaker goes by itself, and tells of its opening later.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import httpx
import structlog
from aiobreaker import CircuitBreaker, CircuitBreakerError

from eucora.application.circuits import Circuits, CircuitsAway, Free, Probe, Stopped
from eucora.connectors.redaction import redact
from eucora.connectors.upstreams import BreakerState, Gauge

__all__ = ["COUNTED", "BreakerSettings", "BreakerState", "BreakerTransport", "CircuitOpen"]

_log = structlog.get_logger(__name__)

# 429 is throttling: the limiter's business, not a broken upstream.
COUNTED: Final = frozenset({408, 425, 500, 502, 503, 504})
PROBE_WAIT_S: Final = 1.0  # what a caller is told while somebody else's probe is on its way

# Set after construction, where zero would mean its default of 60 s; far below zero, so that a wall clock that is set
# back cannot make it wait either.
_NEVER_ITS_OWN: Final = timedelta(days=-3650)


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """Consecutive failures that open the circuit, and how long it stays open."""

    failures_max: int = 5
    reset_s: float = 60.0


class CircuitOpen(Exception):
    """Nothing was sent: the upstream failed too often in a row. ``retry_after_s`` until the next probe may go."""

    def __init__(self, name: str, retry_after_s: float) -> None:
        super().__init__(f"the circuit to {name} is open for {retry_after_s:.0f} s")
        self.name, self.retry_after_s = name, retry_after_s


class _Failed(Exception):
    """Carries a failure through aiobreaker: an answer that counts, or the transport's own error."""

    def __init__(self, outcome: httpx.Response | httpx.TransportError) -> None:
        self.outcome = outcome


class _NoWord(BaseException):
    """Carries past aiobreaker what is no word about the upstream: an oversized answer, our own budget's refusal.

    An exception that it excludes would count there as a success.
    """

    def __init__(self, error: Exception) -> None:
        self.error = error


@dataclass(slots=True)
class _Try:
    """The one call that probes. ``claim``: by which the shared circuit knows it, None for this process's own."""

    claim: int | None
    told: bool = False


class BreakerTransport(httpx.AsyncBaseTransport):
    """Sends through ``inner`` while the circuit lets it.

    ``monotonic`` gives seconds; ``on_change`` hears every change of state. Raises CircuitOpen, and what ``inner``
    raises. Cancelled calls do not count. Not safe over several event loops.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        name: str,
        settings: BreakerSettings,
        *,
        monotonic: Callable[[], float],
        on_change: Callable[[BreakerState], None] | None = None,
        circuits: Circuits | None = None,
        gauge: Gauge | None = None,
    ) -> None:
        self._inner, self._name, self._settings, self._monotonic = inner, name, settings, monotonic
        self._on_change, self._circuits, self._gauge = on_change, circuits, gauge
        self._breaker = CircuitBreaker(fail_max=settings.failures_max)
        self._breaker.timeout_duration = _NEVER_ITS_OWN
        self._opened_at: float | None = None
        self._probing = False
        self._period = 0  # counts openings and closings: an answer to a call of an earlier period changes nothing
        self._untold: str | None = None  # the error of an opening of ours that the shared circuit has not heard of
        self._shared_period = 0  # of the shared circuit, as of its last word that this breaker went by

    @property
    def state(self) -> BreakerState:
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._left_s(self._opened_at) > 0 else BreakerState.HALF_OPEN

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        probe = await self._admitted()
        if probe is None:
            return await self._guarded(request, None)
        try:
            return await self._guarded(request, probe)
        finally:
            self._probing = False
            if self._circuits is not None and probe.claim is not None and not probe.told:
                await self._tell(self._circuits.told_nothing(self._name, probe.claim))

    async def _admitted(self) -> _Try | None:
        """None: send. A try: send, as the probe. Raises CircuitOpen."""
        word = await self._shared_word()
        match word:
            case Free(period=period) if self._opened_at is None or (
                self._untold is None and period > self._shared_period
            ):
                self._shared_period = period
                if self._opened_at is not None:
                    self._turn(BreakerState.CLOSED, opened_at=None)  # another replica's probe was answered
                    self._breaker.close()
                return None
            case Stopped(left_s=left_s, period=period):
                self._follow(left_s, period)
                raise CircuitOpen(self._name, left_s if left_s > 0 else PROBE_WAIT_S)
            case Probe(claim=claim):
                self._follow(0.0, claim)
                return _Try(claim)
        # by ourselves: nothing is shared, it is away, or what it said is older than what we know
        if self._opened_at is None:
            return None
        left_s = self._left_s(self._opened_at)
        if left_s > 0 or self._probing:
            raise CircuitOpen(self._name, left_s if left_s > 0 else PROBE_WAIT_S)
        self._probing = True  # no await between the look and this: exactly one call gets here
        return _Try(None)

    async def _shared_word(self) -> Free | Stopped | Probe | None:
        if self._circuits is None:
            return None
        if self._untold is not None and self._opened_at is not None:
            left_s = max(self._left_s(self._opened_at), 0.0)
            await self._tell(self._tell_opened(self._circuits, left_s, self._untold))
        try:
            return await self._circuits.ask(self._name, lease_s=self._settings.reset_s)
        except CircuitsAway as away:
            _log.warning("breaker.alone", upstream=self._name, error=str(away))
            return None

    async def _guarded(self, request: httpx.Request, probe: _Try | None) -> httpx.Response:
        period = self._period

        async def send() -> httpx.Response | httpx.TransportError:
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = await self._inner.handle_async_request(request)
            except httpx.TransportError as error:
                outcome = error
            except Exception as error:
                raise _NoWord(error) from error
            failed = isinstance(outcome, httpx.TransportError) or outcome.status_code in COUNTED
            if failed and period == self._period:
                raise _Failed(outcome)
            return outcome

        outcome: httpx.Response | httpx.TransportError
        try:
            outcome = await self._breaker.call_async(send)
            if probe is not None and period == self._period:  # else another took the claim over and came first
                await self._answered(probe)
        except _NoWord as carried:
            raise carried.error from carried.error.__cause__
        except _Failed as failure:
            outcome = failure.outcome
            if probe is not None:
                await self._open(outcome, probe)
        except CircuitBreakerError as tripped:
            if not isinstance(tripped.__cause__, _Failed):
                raise CircuitOpen(self._name, PROBE_WAIT_S) from None
            outcome = tripped.__cause__.outcome
            await self._open(outcome, probe)
        if self._gauge is not None and self._opened_at is None:
            self._gauge.failures = self._breaker.fail_counter
        if isinstance(outcome, httpx.TransportError):
            raise outcome
        return outcome

    async def _answered(self, probe: _Try) -> None:
        self._turn(BreakerState.CLOSED, opened_at=None)
        self._breaker.close()
        self._untold = None
        if self._circuits is not None and probe.claim is not None:
            self._shared_period, probe.told = probe.claim + 1, True
            await self._tell(self._circuits.answered(self._name, probe.claim))

    async def _open(self, outcome: httpx.Response | httpx.TransportError, probe: _Try | None) -> None:
        error = _said(outcome)
        if self._gauge is not None:
            self._gauge.failures = self._breaker.fail_counter
        self._turn(BreakerState.OPEN, opened_at=self._monotonic())
        reset_s = self._settings.reset_s
        if self._circuits is None:
            return
        if probe is None or probe.claim is None:
            self._untold = error
            await self._tell(self._tell_opened(self._circuits, reset_s, error))
        else:
            self._shared_period, probe.told = probe.claim + 1, True
            await self._tell(self._circuits.failed(self._name, probe.claim, reset_s=reset_s, error=error))

    async def _tell_opened(self, shared: Circuits, left_s: float, error: str) -> None:
        failures = max(self._breaker.fail_counter, self._settings.failures_max)
        self._shared_period = await shared.opened(self._name, reset_s=left_s, failures=failures, error=error)
        self._untold = None

    async def _tell(self, said: Awaitable[None]) -> None:
        """What a call came to is not lost because the database is: the shared word comes later, or times out."""
        try:
            await said
        except CircuitsAway as away:
            _log.warning("breaker.alone", upstream=self._name, error=str(away))

    def _follow(self, left_s: float, period: int) -> None:
        """Take over an opening of another replica, so that it holds while nothing shared can be reached."""
        self._shared_period = max(self._shared_period, period)
        if self._opened_at is None:
            self._turn(BreakerState.OPEN, opened_at=self._monotonic() - self._settings.reset_s + left_s)

    def _left_s(self, opened_at: float) -> float:
        return opened_at + self._settings.reset_s - self._monotonic()

    def _turn(self, state: BreakerState, *, opened_at: float | None) -> None:
        self._opened_at = opened_at
        self._period += 1
        _log.warning("breaker.changed", upstream=self._name, state=state.value)
        if self._gauge is not None:
            self._gauge.turned(state)
            if state is BreakerState.CLOSED:
                self._gauge.failures = 0
        if self._on_change is not None:
            self._on_change(state)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _said(outcome: httpx.Response | httpx.TransportError) -> str:
    if isinstance(outcome, httpx.TransportError):
        return redact(f"{type(outcome).__name__}: {outcome}")
    return f"{outcome.status_code} {outcome.reason_phrase}".strip()
