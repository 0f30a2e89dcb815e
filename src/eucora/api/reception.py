"""Bodies are taken in before their request has a place in a line: nobody waits for us because a caller is slow.

So many may be on their way at once, and so much of them be held. Where that is not enough, whoever has been at it for
longest gives way: an honest body is here in a moment, and one that never ends only gets older.
"""

import asyncio
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
BEGINNING: Final = 16 << 10  # bytes of each body that are always borne: the lines bound how many there are
COMING: Final = 64  # bodies on their way at once
COMING_URGENT: Final = 32


class GaveWay(Exception):
    """Others came, and this body was not here yet."""


class Arriving:
    """One body. ``size``: bytes of it that are here."""

    def __init__(self, address: str, timer: asyncio.Timeout) -> None:
        self.address, self.size, self._timer = address, 0, timer

    @property
    def counted(self) -> int:
        return max(0, self.size - BEGINNING)

    def give_way(self) -> None:
        self._timer.reschedule(asyncio.get_running_loop().time())


class Hall:
    """Bodies on their way, at most ``places`` at once and a share of them from each address, and what is held of them.

    ``held_max``: bytes of all bodies together, from their beginning until their requests are answered.
    """

    def __init__(self, places: int, held_max: int = HELD_MAX) -> None:
        self.places, self._held_max = places, held_max
        self._coming: dict[Arriving, None] = {}  # in the order in which they came
        self._held = 0

    def enter(self, one: Arriving) -> None:
        """Somebody's body begins; the oldest that is in its way gives way."""
        same = [other for other in self._coming if other.address == one.address]
        if len(same) >= max(1, self.places // SHARE):
            self._send_off(same[0])
        elif len(self._coming) >= self.places:
            self._send_off(next(iter(self._coming)))
        self._coming[one] = None

    def grow(self, one: Arriving, size: int) -> None:
        """So many bytes more are here. Raises GaveWay: nobody else is here whom they could replace."""
        before = one.counted
        one.size += size
        self._held += one.counted - before
        while self._held > self._held_max and one.counted:
            oldest = next((other for other in self._coming if other is not one and other.counted), None)
            if oldest is None:
                self._coming.pop(one, None)
                raise GaveWay
            self._send_off(oldest)

    def arrived(self, one: Arriving) -> None:
        """It is here as a whole, or as much of it as will be looked at."""
        self._coming.pop(one, None)

    def answered(self, one: Arriving) -> None:
        """Nothing of it is needed any more."""
        self._coming.pop(one, None)
        self._held -= one.counted
        one.size = 0

    def _send_off(self, one: Arriving) -> None:
        one.give_way()
        self.answered(one)


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
        one = Arriving(address_of(scope), timer)
        try:
            try:
                async with timer:
                    hall.enter(one)
                    here = await _taken_in(hall, one, receive)
            except (GaveWay, TimeoutError):
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
    while True:
        message = await receive()
        here.append(message)
        hall.grow(one, len(message.get("body", b"")))
        if not message.get("more_body", False) or one.size > BODY_MAX:
            hall.arrived(one)
            return here


def _replayed(here: list[Message], receive: Receive) -> Receive:
    waiting = iter(here)

    async def replaying() -> Message:
        for message in waiting:
            return message
        return await receive()

    return replaying


def _gave_way() -> Problem:
    detail = "Others came while the body of this request was still on its way; nothing was done. Send it again, faster."
    return Problem(SLOW_BODY, detail)
