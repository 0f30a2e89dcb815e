"""One circuit breaker for one upstream and tenant: five failures in a row open it, sixty seconds later one probe goes.

aiobreaker keeps the count and the three states. It is fenced here, because by itself it would:
let every concurrent call through when half open; hide the real failure behind its own error; let calls that were
already in flight start the open window anew; count in naive UTC against local time; take a 5xx answer for a success;
and guard nothing when the wrong one of its two call methods is used. So it never waits by itself, the window is
counted here on a monotonic clock, and a failure leaves as what it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

import httpx
import structlog
from aiobreaker import CircuitBreaker, CircuitBreakerError

_log = structlog.get_logger(__name__)

# 429 is throttling: the limiter's business, not a broken upstream.
COUNTED: Final = frozenset({408, 425, 500, 502, 503, 504})
PROBE_WAIT_S: Final = 1.0  # what a caller is told while somebody else's probe is on its way

# Set after construction, where zero would mean its default of 60 s; far below zero, so that a wall clock that is set
# back cannot make it wait either.
_NEVER_ITS_OWN: Final = timedelta(days=-3650)


class BreakerState(StrEnum):
    """``half_open`` from the end of the window until a probe has answered."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


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
    ) -> None:
        self._inner, self._name, self._settings, self._monotonic = inner, name, settings, monotonic
        self._on_change = on_change
        # whatever else is raised (an oversized answer, our own budget's database) is no word about the upstream
        self._breaker = CircuitBreaker(
            fail_max=settings.failures_max, exclude=[lambda error: not isinstance(error, _Failed)]
        )
        self._breaker.timeout_duration = _NEVER_ITS_OWN
        self._opened_at: float | None = None
        self._probing = False
        self._period = 0  # counts openings and closings: an answer to a call of an earlier period changes nothing

    @property
    def state(self) -> BreakerState:
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._left_s(self._opened_at) > 0 else BreakerState.HALF_OPEN

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._opened_at is None:
            return await self._guarded(request, probe=False)
        left_s = self._left_s(self._opened_at)
        if left_s > 0 or self._probing:
            raise CircuitOpen(self._name, left_s if left_s > 0 else PROBE_WAIT_S)
        self._probing = True  # no await between the look and this: exactly one call gets here
        try:
            return await self._guarded(request, probe=True)
        finally:
            self._probing = False

    async def _guarded(self, request: httpx.Request, *, probe: bool) -> httpx.Response:
        period = self._period

        async def send() -> httpx.Response | httpx.TransportError:
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = await self._inner.handle_async_request(request)
            except httpx.TransportError as error:
                outcome = error
            failed = isinstance(outcome, httpx.TransportError) or outcome.status_code in COUNTED
            if failed and period == self._period:
                raise _Failed(outcome)
            return outcome

        outcome: httpx.Response | httpx.TransportError
        try:
            outcome = await self._breaker.call_async(send)
            if probe:
                self._turn(BreakerState.CLOSED, opened_at=None)
        except _Failed as failure:
            outcome = failure.outcome
            if probe:
                self._turn(BreakerState.OPEN, opened_at=self._monotonic())
        except CircuitBreakerError as tripped:
            if not isinstance(tripped.__cause__, _Failed):
                raise CircuitOpen(self._name, PROBE_WAIT_S) from None
            outcome = tripped.__cause__.outcome
            self._turn(BreakerState.OPEN, opened_at=self._monotonic())
        if isinstance(outcome, httpx.TransportError):
            raise outcome
        return outcome

    def _left_s(self, opened_at: float) -> float:
        return opened_at + self._settings.reset_s - self._monotonic()

    def _turn(self, state: BreakerState, *, opened_at: float | None) -> None:
        self._opened_at = opened_at
        self._period += 1
        _log.warning("breaker.changed", upstream=self._name, state=state.value)
        if self._on_change is not None:
            self._on_change(state)

    async def aclose(self) -> None:
        await self._inner.aclose()
