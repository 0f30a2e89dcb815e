"""A bounded number of requests in work and in line; beyond that a refusal at once, which is kinder than a timeout."""

from collections.abc import Callable, Mapping
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.api.layers import refuse
from eucora.api.limits import HttpLimits
from eucora.api.lines import Line, LineFull, Place, ShareTaken
from eucora.api.problems import Problem, Row
from eucora.api.throttling import address_of
from eucora.api.traffic import Kind
from eucora.store.reserve import goes_first

SHED: Final = Row(503, "temporary-reduced-capacity", "The service has too much to do right now")
AT_ONCE: Final = Row(429, "too-many-at-once", "The caller has too many requests under way at once")
LONG_WAITING: Final = 64  # who waits here waits for minutes or for seconds, and has sent no file yet
# Seconds after which a place may be free: a file is minutes on its way, what is derived from evidence takes seconds.
RETRY_S: Final = {Kind.UPLOAD: 30, Kind.EVIDENCE: 5, Kind.STREAM: 5}
_UNSHARED: Final = frozenset({Kind.STREAM})  # streams have a bound for each principal of their own


def lines(limits: HttpLimits) -> Mapping[Kind, Line]:
    """A line for each kind of request. Their places together bound what is under way in one process."""
    return {
        Kind.ORDINARY: Line(limits.working, limits.waiting),
        Kind.URGENT: Line(max(4, limits.working // 2), limits.waiting),
        Kind.UPLOAD: Line(max(4, limits.working // 4), LONG_WAITING),
        Kind.EVIDENCE: Line(max(4, limits.working // 4), LONG_WAITING),
        Kind.STREAM: Line(limits.streams_in_all, 0),
    }


class Shedding:
    """Each kind of request has a line of its own, so that a crowd in one keeps nobody out of another.

    Nobody waits for a place for an event stream: it might come free in five minutes. What stops harm goes first to the
    database, too, and so do probes: a server that is only busy must not be taken from those who want to stop something.
    Probes pass no line: they share what they learn (:mod:`eucora.api.readiness`), so a crowd of them costs little.

    A place is held while we work: what a request sends is here by then, save the file of an upload (see
    :mod:`eucora.api.reception`), and who waits for news leaves it. ``whose`` says of which caller a request is, as far
    as that is known by its head: nobody keeps others out of a line.
    """

    def __init__(self, app: ASGIApp, limits: HttpLimits, whose: Callable[[Scope], str] = address_of) -> None:
        self._app, self._lines, self._whose = app, lines(limits), whose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kind: Kind = scope["state"]["kind"]
        if kind is Kind.HEALTH:
            with goes_first():
                await self._app(scope, receive, send)
            return
        place = Place(self._lines[kind], self._whose(scope) if kind not in _UNSHARED else "")
        try:
            await place.take()
        except (LineFull, ShareTaken) as error:
            problem = no_place(error, kind)
            await refuse(scope, send, problem, close=scope["method"] not in ("GET", "HEAD"))
            return
        scope["state"]["place"] = place
        try:
            with goes_first(kind is Kind.URGENT):
                await self._app(scope, receive, send)
        finally:
            place.give_up()


def no_place(error: LineFull | ShareTaken, kind: Kind) -> Problem:
    """What whoever has no place, or may not wait for one, is told."""
    headers = {"Retry-After": str(RETRY_S.get(kind, 1))}
    if isinstance(error, ShareTaken):
        detail = (
            "You have as many requests under way here as one caller may; nothing was done. Wait for the answer to one "
            "of them, then repeat this one."
        )
        return Problem(AT_ONCE, detail, headers=headers)
    if kind is Kind.STREAM:
        detail = "This server has as many event streams open as it bears; open yours in a moment, at whichever answers."
        return Problem(SHED, detail, headers=headers)
    detail = "As many requests as can be borne are under way; nothing was done. Repeat this one in a moment."
    return Problem(SHED, detail, headers=headers)
