"""Bodies are taken in before their request has a place in a line: nobody waits for us because a caller is slow.

So many may be on their way at once, and so much of them be held. Where that is not enough, whoever has been at it for
longest gives way: an honest body is here in a moment, and one that never ends only gets older. So nobody gives way for
the sake of places before he had that moment, save to a crowd that would take all connections.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.api.bodies import BODY_MAX
from eucora.api.deadlines import SLOW_BODY
from eucora.api.layers import header, refuse
from eucora.api.lines import SHARE
from eucora.api.problems import Problem, Refused
from eucora.api.throttling import address_of
from eucora.api.traffic import Kind

HELD_MAX: Final = 64 << 20  # bytes of the bodies of all requests under way, without the beginning of each
BEGINNING: Final = 16 << 10  # bytes of each body that are always borne: there are as many as connections at most
COMING: Final = 64  # bodies on their way at once, save those that are young
COMING_URGENT: Final = 32
YOUNG_S: Final = 2.0  # a body that was announced is here after a round trip or two, or is a slow one
CROWD: Final = 3  # times as many with the young ones: with all lines full, still fewer than there are connections


class GaveWay(Exception):
    """Others came, and this body was not here yet."""


class Arriving:
    """One body. ``began``: on the clock of the loop, in seconds; ``size``: bytes of it that are here."""

    def __init__(self, address: str, timer: asyncio.Timeout, began: float) -> None:
        self.address, self.began, self.size, self._timer = address, began, 0, timer

    @property
    def counted(self) -> int:
        return max(0, self.size - BEGINNING)

    def give_way(self, at: float | None) -> None:
        """Not later than then, on the clock of the loop, unless it is here by then; None: it may stay."""
        if not self._timer.expired() and self._timer.when() != at:
            self._timer.reschedule(at)


class Hall:
    """Bodies on their way, at most ``places`` at once and a share of them from each address, and what is held of them.

    ``held_max``: bytes of all bodies together, from their beginning until their requests are answered. ``young_s``: how
    long a body has its place whoever else comes, as long as there is no crowd of them.
    """

    def __init__(self, places: int, held_max: int = HELD_MAX, young_s: float = YOUNG_S) -> None:
        self.places, self._held_max, self._young_s = places, held_max, young_s
        self._share, self._crowd = max(1, places // SHARE), places * CROWD
        self._coming: dict[Arriving, None] = {}  # in the order in which they came
        self._held = 0

    def enter(self, one: Arriving) -> None:
        """Somebody's body begins. The oldest that are too many give way once they are not young any more."""
        if len(self._coming) >= self._crowd:
            most = Counter(other.address for other in self._coming).most_common(1)[0][0]
            self._send_off(next(other for other in self._coming if other.address == most))
        self._coming[one] = None
        self._seat()

    def grow(self, one: Arriving, size: int) -> None:
        """So many bytes more are here. Raises GaveWay: nobody else is here whom they could replace."""
        before = one.counted
        one.size += size
        self._held += one.counted - before
        while self._held > self._held_max and one.counted:
            oldest = next((other for other in self._coming if other is not one and other.counted), None)
            if oldest is None:
                raise GaveWay
            self._send_off(oldest)

    def arrived(self, one: Arriving) -> None:
        """It is here as a whole, or as much of it as will be looked at, or nobody waits for it any more."""
        if one in self._coming:
            full = len(self._coming) > self._share  # else nobody was one too many
            del self._coming[one]
            if full:
                self._seat()

    def answered(self, one: Arriving) -> None:
        """Nothing of it is needed any more."""
        self.arrived(one)
        self._held -= one.counted
        one.size = 0

    def _seat(self) -> None:
        """The newest of each address, and of all, have a place; the others until they are not young any more."""
        seated: Counter[str] = Counter()
        in_all = 0
        for one in reversed(self._coming):
            if in_all < self.places and seated[one.address] < self._share:
                seated[one.address] += 1
                in_all += 1
                one.give_way(None)
            else:
                one.give_way(one.began + self._young_s)

    def _send_off(self, one: Arriving) -> None:
        self.answered(one)
        one.give_way(one.began)


class Reception:
    """Takes in the whole body of what is no upload, then asks the app. What stops harm has a hall of its own.

    A body that is too large is not read to its end: whoever reads it refuses it by what he sees of it.
    """

    def __init__(self, app: ASGIApp, halls: Mapping[Kind, Hall] | None = None) -> None:
        self._app, self._halls = app, halls or halls_of()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _comes(scope):
            await self._app(scope, receive, send)
            return
        hall = self._halls[Kind.URGENT if scope["state"]["kind"] is Kind.URGENT else Kind.ORDINARY]
        timer = asyncio.timeout(None)
        one = Arriving(address_of(scope), timer, asyncio.get_running_loop().time())
        try:
            try:
                async with timer:
                    here = await _taken_in(hall, one, receive)
            except (GaveWay, TimeoutError):
                hall.answered(one)
                await refuse(scope, send, _gave_way(), close=True)
                return
            except Refused as slow:
                await refuse(scope, send, slow.problem, close=False)
                return
            await self._app(scope, _replayed(here, receive), send)
        finally:
            hall.answered(one)


def halls_of() -> Mapping[Kind, Hall]:
    return {Kind.ORDINARY: Hall(COMING), Kind.URGENT: Hall(COMING_URGENT)}


def _comes(scope: Scope) -> bool:
    """Whether there is a body to wait for, of a size that may be looked at."""
    if scope["method"] in ("GET", "HEAD") or scope["state"]["kind"] is Kind.UPLOAD:
        return False
    length = header(scope, b"content-length")
    if length.isdigit():
        return 0 < int(length) <= BODY_MAX
    return bool(header(scope, b"transfer-encoding"))


async def _taken_in(hall: Hall, one: Arriving, receive: Receive) -> list[Message]:
    """The messages of the body, as far as it will be looked at. Raises Refused (too slow), GaveWay."""
    here: list[Message] = []
    hall.enter(one)
    try:
        while True:
            message = await receive()
            here.append(message)
            hall.grow(one, len(message.get("body", b"")))
            if not message.get("more_body", False) or one.size > BODY_MAX:
                return here
    finally:
        hall.arrived(one)  # while its timer runs, which the next newcomer would set


def _replayed(here: list[Message], receive: Receive) -> Receive:
    waiting = iter(here)

    async def replaying() -> Message:
        for message in waiting:
            return message
        return await receive()

    return replaying


def _gave_way() -> Problem:
    detail = "Others came while the body of this request was still on its way; nothing was done. Send it again, faster."
    return Problem(SLOW_BODY, detail, headers={"Retry-After": "1"})
