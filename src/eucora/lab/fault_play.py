"""How the faults that strike at random are played: each kind is a layer around the vendor for one request."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import Final

import orjson
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.lab import blob
from eucora.lab.clock import Clock, ManualClock, told_wrong
from eucora.lab.fault_rates import FaultKind, Hit, RetryAfter

LATE: Final = "eucora.lab.late"  # in the scope of a request whose answer comes after any client has gone
_FORMS: Final = (RetryAfter.NONE, RetryAfter.SECONDS, RetryAfter.DECIMAL, RetryAfter.DATE)
_WAIT_S: Final = (1.0, 30.0)
_STATUSES: Final = (500, 502, 503, 504)
_SLOW_S: Final = 20.0  # below every client's own patience of 30 s for one answer
_APPS: Final = "/deviceAppManagement/mobileApps"
_BODY_MAX: Final = 1 << 20

Failure = Callable[[str, str, int], Response]  # upstream, path, status


@dataclass(slots=True)
class Spells:
    """What a fault may do to the vendors, by upstream; an upstream that is missing has no such thing."""

    revoke: dict[str, Callable[[], None]] = field(default_factory=dict)
    lie: dict[str, Callable[[], AbstractContextManager[None]]] = field(default_factory=dict)
    ignore_filters: dict[str, Callable[[], AbstractContextManager[None]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a fault is played. ``failure`` words a status as the upstream does."""

    clock: Clock
    spells: Spells
    failure: Failure

    def layered(self, app: ASGIApp, hits: Sequence[Hit]) -> ASGIApp:
        """``app`` behind every one of ``hits``, the last one innermost."""
        for hit in reversed(hits):
            app = _PLAYED[hit.rate.kind](self, app, hit)
        return app

    async def let_pass(self, seconds: float) -> None:
        """In the lab's own time: a clock that is moved by hand is moved."""
        if isinstance(self.clock, ManualClock):
            self.clock.advance(seconds)
        else:
            await asyncio.sleep(seconds)


async def cut(send: Send) -> None:
    """Half an answer; the server closes the connection under one that is never finished."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})


def _throttled(stage: Stage, _: ASGIApp, hit: Hit) -> ASGIApp:
    async def play(scope: Scope, receive: Receive, send: Send) -> None:
        answer = stage.failure(hit.rate.upstream, scope["path"], 429)
        form = hit.rate.retry_after
        if form is RetryAfter.ANY:
            form = _FORMS[int(hit.share("form") * len(_FORMS))]
        least, most = _WAIT_S
        wait_s = least + hit.share("wait") * (most - least)
        match form:
            case RetryAfter.SECONDS:
                answer.headers["retry-after"] = str(round(wait_s))
            case RetryAfter.DECIMAL:  # Graph's throttling page shows one
                answer.headers["retry-after"] = f"{wait_s:.3f}"
            case RetryAfter.DATE:
                at = stage.clock.now() + timedelta(seconds=wait_s)
                answer.headers["retry-after"] = format_datetime(at, usegmt=True)
        await answer(scope, receive, send)

    return play


def _server_error(stage: Stage, _: ASGIApp, hit: Hit) -> ASGIApp:
    async def play(scope: Scope, receive: Receive, send: Send) -> None:
        await stage.failure(hit.rate.upstream, scope["path"], _status(hit))(scope, receive, send)

    return play


def _html_error(_: Stage, __: ASGIApp, hit: Hit) -> ASGIApp:
    status = _status(hit)
    page = f"<!DOCTYPE html><html><head><title>{status}</title></head><body><h1>Bad gateway</h1></body></html>"
    return HTMLResponse(page, status)


def _sas_refused(_: Stage, __: ASGIApp, hit: Hit) -> ASGIApp:
    return blob.error_response(403, "AuthenticationFailed", "Signature not valid in the specified time frame.")


def _cut_before(_: Stage, __: ASGIApp, hit: Hit) -> ASGIApp:
    async def play(scope: Scope, receive: Receive, send: Send) -> None:
        await cut(send)

    return play


def _cut_after(_: Stage, app: ASGIApp, hit: Hit) -> ASGIApp:
    async def play(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _unheard)
        await cut(send)

    return play


def _timeout(stage: Stage, app: ASGIApp, hit: Hit) -> ASGIApp:
    async def play(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _unheard)
        scope[LATE] = True
        await stage.let_pass(hit.rate.delay_s)
        await cut(send)

    return play


def _slow(stage: Stage, app: ASGIApp, hit: Hit) -> ASGIApp:
    async def play(scope: Scope, receive: Receive, send: Send) -> None:
        await stage.let_pass(min(hit.rate.delay_s, _SLOW_S))
        await app(scope, receive, send)

    return play


def _clock_skew(_: Stage, app: ASGIApp, hit: Hit) -> ASGIApp:
    seconds = hit.rate.skew_s if hit.share("way") < 0.5 else -hit.rate.skew_s
    return _under(app, lambda: told_wrong(seconds))


def _tokens_revoked(stage: Stage, app: ASGIApp, hit: Hit) -> ASGIApp:
    async def play(scope: Scope, receive: Receive, send: Send) -> None:
        if (revoke := stage.spells.revoke.get(hit.rate.upstream)) is not None:
            revoke()
        await app(scope, receive, send)

    return play


def _lying_status(stage: Stage, app: ASGIApp, hit: Hit) -> ASGIApp:
    return _under(app, stage.spells.lie.get(hit.rate.upstream, nullcontext))


def _ignored_filter(stage: Stage, app: ASGIApp, hit: Hit) -> ASGIApp:
    return _under(app, stage.spells.ignore_filters.get(hit.rate.upstream, nullcontext))


def _duplicate_name(_: Stage, app: ASGIApp, hit: Hit) -> ASGIApp:
    async def play(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST" or not scope["path"].endswith(_APPS):
            await app(scope, receive, send)
            return
        body = await _read(receive)
        theirs = _as_somebody_elses(body)
        if theirs is not None:
            headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
            await app({**scope, "headers": headers}, _given(theirs), _unheard)
        await app(scope, _given(body), send)

    return play


_PLAYED: Final[Mapping[FaultKind, Callable[[Stage, ASGIApp, Hit], ASGIApp]]] = {
    FaultKind.THROTTLED: _throttled,
    FaultKind.SERVER_ERROR: _server_error,
    FaultKind.HTML_ERROR: _html_error,
    FaultKind.CUT_BEFORE: _cut_before,
    FaultKind.CUT_AFTER: _cut_after,
    FaultKind.TIMEOUT: _timeout,
    FaultKind.SAS_REFUSED: _sas_refused,
    FaultKind.BATCH_PART_THROTTLED: _throttled,
    FaultKind.SLOW: _slow,
    FaultKind.CLOCK_SKEW: _clock_skew,
    FaultKind.TOKENS_REVOKED: _tokens_revoked,
    FaultKind.LYING_STATUS: _lying_status,
    FaultKind.IGNORED_FILTER: _ignored_filter,
    FaultKind.DUPLICATE_NAME: _duplicate_name,
}


def _status(hit: Hit) -> int:
    return _STATUSES[int(hit.share("status") * len(_STATUSES))]


def _under(app: ASGIApp, spell: Callable[[], AbstractContextManager[None]]) -> ASGIApp:
    async def play(scope: Scope, receive: Receive, send: Send) -> None:
        with spell():
            await app(scope, receive, send)

    return play


async def _unheard(_: Message) -> None:
    return None


async def _read(receive: Receive) -> bytes:
    """The whole body; one longer than any app's is cut off, and refused as unreadable by who gets it."""
    body = bytearray()
    while True:
        message = await receive()
        if len(body) <= _BODY_MAX:
            body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            return bytes(body)


def _given(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _as_somebody_elses(body: bytes) -> bytes | None:
    """The same app without a word of whose it is; None: the body is no app."""
    try:
        app = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return orjson.dumps(app | {"notes": "made by hand"}) if isinstance(app, dict) else None
