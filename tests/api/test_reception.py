"""Bodies are taken in before a place is: who sends nothing, or slowly, keeps nobody from being served."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from api_rig import ADMIN, NOBODY, OPERATOR, PUBLISHER, Rig
from layered import INTENT, guarded, scope_of
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.api.bodies import BODY_MAX
from eucora.api.deadlines import SLOW_BODY
from eucora.api.limits import HttpLimits
from eucora.api.problems import Problem, Refused
from eucora.api.reception import BEGINNING, CROWD, Arriving, GaveWay, Hall, Reception
from eucora.api.shedding import Shedding
from eucora.api.traffic import Kind

PATH = "/api/v1/evidence-packs"
HOUR_S = 3_600.0


class Sender:
    """One request whose body comes when the test says so."""

    def __init__(
        self, app: ASGIApp, path: str = PATH, address: str = "192.0.2.7", headers: Mapping[str, str] | None = None
    ) -> None:
        sent = {"content-length": "900", "content-type": "application/json", "idempotency-key": "one"} | (headers or {})
        self._scope = scope_of(path, "POST") | {
            "client": (address, 4711),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }
        self._pieces: asyncio.Queue[Message] = asyncio.Queue()
        self.told: list[Message] = []
        self._task = asyncio.create_task(app(self._scope, self._pieces.get, self._send))

    async def _send(self, message: Message) -> None:
        self.told.append(message)

    def send(self, body: bytes, *, more: bool = False) -> None:
        self._pieces.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def hang_up(self) -> None:
        self._pieces.put_nowait({"type": "http.disconnect"})

    @property
    def status(self) -> int | None:
        """Of the answer; None before there is one."""
        return self.told[0]["status"] if self.told else None

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.told)

    async def answered(self) -> None:
        await asyncio.wait_for(asyncio.shield(self._task), 10)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def ending() -> AsyncIterator[list[Sender]]:
    senders: list[Sender] = []
    try:
        yield senders
    finally:
        for sender in senders:
            await sender.end()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def counting(scope: Scope, receive: Receive, send: Send) -> None:
    """Says how many bytes of the body it was given; 400 where the caller hung up before its end."""
    size = 0
    try:
        async for chunk in Request(scope, receive).stream():
            size += len(chunk)
            if size > BODY_MAX:
                break
    except ClientDisconnect:
        await PlainTextResponse("cut off", 400)(scope, receive, send)
        return
    await PlainTextResponse(str(size))(scope, receive, send)


def layered(places: int = 8, held_max: int = 1 << 20, app: ASGIApp = counting, young_s: float = 0.0) -> ASGIApp:
    """With halls of so many places. ``young_s`` 0: no body is young; an hour: all are, as long as the test runs."""
    halls = {kind: Hall(places, held_max, young_s) for kind in (Kind.ORDINARY, Kind.URGENT)}
    return guarded(Reception(Shedding(app, HttpLimits(working=1, waiting=0)), halls))


async def test_whoever_sends_no_body_holds_no_place() -> None:
    app = layered()
    async with ending() as senders:
        senders += [Sender(app, path, f"192.0.2.{at}") for at in range(8) for path in (PATH, f"{INTENT}/halts")]
        await settled()
        for path in (PATH, f"{INTENT}/halts"):
            senders.append(other := Sender(app, path, "198.51.100.9"))
            other.send(b"{}")
            await other.answered()
            assert (other.status, other.body) == (200, b"2")


async def test_where_there_are_too_many_the_oldest_gives_way_and_is_told() -> None:
    app = layered(places=8)
    async with ending() as senders:
        senders += [Sender(app, address=f"192.0.2.{at}") for at in range(9)]
        await settled()
        assert [one.status for one in senders] == [408] + [None] * 8
        assert b"urn:eucora:problem:body-too-slow" in senders[0].body
        headers = senders[0].told[0]["headers"]
        assert (b"connection", b"close") in headers, "the rest of it may still come"
        assert (b"retry-after", b"1") in headers
        senders[1].send(b"{}")
        await senders[1].answered()
        assert senders[1].status == 200


async def test_an_address_that_has_its_share_pushes_out_its_own_only() -> None:
    app = layered(places=8)
    async with ending() as senders:
        senders.append(other := Sender(app, address="198.51.100.9"))
        senders += [Sender(app, address="192.0.2.7") for _ in range(20)]
        await settled()
        assert other.status is None
        assert [one.status for one in senders[1:]] == [408] * 18 + [None] * 2


@pytest.mark.parametrize("path", [PATH, f"{INTENT}/halts"])
@pytest.mark.parametrize("addresses", [1, 20])
async def test_bodies_that_follow_their_heads_after_a_moment_are_all_taken_in(path: str, addresses: int) -> None:
    """As with ``Expect: 100-continue``; of an office behind one address, or a crowd from everywhere."""
    app = layered(places=8, young_s=HOUR_S)
    async with ending() as senders:
        senders += [Sender(app, path, f"192.0.2.{at % addresses}") for at in range(20)]
        await settled()
        assert [one.status for one in senders] == [None] * 20
        for one in senders:
            one.send(b"{}")
            await one.answered()
        assert [one.status for one in senders] == [200] * 20


async def test_a_crowd_that_would_take_all_connections_gives_way_at_once_and_the_address_that_has_most_first() -> None:
    app = layered(places=8, young_s=HOUR_S)
    async with ending() as senders:
        senders.append(other := Sender(app, address="198.51.100.9"))
        senders += [Sender(app, address="192.0.2.7") for _ in range(40)]
        await settled()
        assert other.status is None
        assert [one.status for one in senders[1:]] == [408] * (41 - 8 * CROWD) + [None] * (8 * CROWD - 1)


async def test_who_is_one_too_many_has_until_his_body_is_not_young_any_more_and_stays_when_others_are_gone() -> None:
    hall = Hall(places=8, young_s=2.0)
    async with AsyncExitStack() as stack:
        now = asyncio.get_running_loop().time() + HOUR_S  # nothing runs out while this is tried
        timers = [await stack.enter_async_context(asyncio.timeout(None)) for _ in range(4)]
        bodies = [Arriving("192.0.2.7", timer, now + at) for at, timer in enumerate(timers)]
        for one in bodies[:2]:
            hall.enter(one)
        assert [timer.when() for timer in timers] == [None] * 4, "a quarter of eight places for one address"
        for one in bodies[2:]:
            hall.enter(one)
        assert [timer.when() for timer in timers] == [now + 2, now + 3, None, None]
        hall.arrived(bodies[3])
        assert [timer.when() for timer in timers] == [now + 2, None, None, None]
        hall.answered(bodies[1])
        assert [timer.when() for timer in timers] == [None] * 4


async def test_the_beginning_of_each_body_is_borne_however_much_is_held() -> None:
    hall = Hall(places=8, held_max=0)
    bodies = [Arriving("192.0.2.7", asyncio.timeout(None), 0.0) for _ in range(2)]
    for one in bodies:
        hall.enter(one)
        hall.grow(one, BEGINNING)
    hall.arrived(bodies[0])
    with pytest.raises(GaveWay):
        hall.grow(bodies[1], 1)


async def test_who_was_cut_off_for_another_reason_is_in_nobodys_way() -> None:
    """Its deadline, while it was one too many: the next may come while it is still being told."""
    slow = Refused(Problem(SLOW_BODY, "too slow"))
    layer = Reception(counting, {Kind.ORDINARY: Hall(places=4, young_s=HOUR_S)})
    told: asyncio.Queue[Message] = asyncio.Queue()

    def asked(pieces: asyncio.Queue[Message | Refused], send: Send) -> asyncio.Task[None]:
        async def receive() -> Message:
            piece = await pieces.get()
            if isinstance(piece, Refused):
                raise piece
            return piece

        scope = scope_of(PATH, "POST") | {"headers": [(b"content-length", b"2")]}
        return asyncio.create_task(guarded(layer)(scope, receive, send))

    async def held_up(message: Message) -> None:
        told.put_nowait(message)
        await asyncio.Event().wait()

    first: asyncio.Queue[Message | Refused] = asyncio.Queue()
    others: list[asyncio.Queue[Message | Refused]] = [asyncio.Queue() for _ in range(2)]
    answers: list[Message] = []

    async def send(message: Message) -> None:
        answers.append(message)

    tasks = [asked(first, held_up), asked(others[0], send)]
    await settled()
    first.put_nowait(slow)
    assert (await told.get())["status"] == 408
    tasks.append(asked(others[1], send))
    for pieces in others:
        pieces.put_nowait({"type": "http.request", "body": b"{}", "more_body": False})
    await asyncio.gather(*tasks[1:])
    assert [message["status"] for message in answers if "status" in message] == [200, 200]
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_body_that_is_here_makes_no_other_give_way() -> None:
    app = layered(places=8)
    async with ending() as senders:
        for at in range(20):
            senders.append(one := Sender(app, address=f"192.0.2.{at}"))
            one.send(b"{}")
            await one.answered()
        assert {one.status for one in senders} == {200}


async def test_where_too_much_is_held_the_oldest_that_is_not_here_gives_way_and_what_is_small_is_always_borne() -> None:
    app = layered(held_max=100_000)
    async with ending() as senders:
        for at in range(3):
            senders.append(one := Sender(app, address=f"192.0.2.{at}"))
            one.send(b"x" * (BEGINNING + 40_000), more=True)
        await settled()
        assert [one.status for one in senders] == [408, None, None]
        senders.append(small := Sender(app, address="198.51.100.9"))
        small.send(b"x" * BEGINNING)
        await small.answered()
        assert small.status == 200
        for one in senders[1:3]:
            one.send(b"")
            await one.answered()
            assert one.status == 200
        senders.append(later := Sender(app, address="192.0.2.1"))
        later.send(b"x" * (BEGINNING + 100_000))
        await later.answered()
        assert later.status == 200, "what was answered is held no more"


async def test_what_is_held_for_those_in_work_counts_and_who_finds_no_room_is_told() -> None:
    let_go = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await let_go.wait()
        await counting(scope, receive, send)

    app = layered(held_max=100_000, app=slow)
    async with ending() as senders:
        senders += [Sender(app, address="192.0.2.1"), Sender(app, address="192.0.2.2")]
        for one in senders:
            one.send(b"x" * (BEGINNING + 60_000))
            await settled()
        assert [one.status for one in senders] == [None, 408]
        let_go.set()
        await senders[0].answered()
        assert senders[0].status == 200


async def test_a_body_that_is_too_large_is_not_taken_in() -> None:
    """It goes to whoever refuses it by what he sees: the announced length, or a byte too many."""
    async with ending() as senders:
        app = layered()
        senders.append(announced := Sender(app, headers={"content-length": str(BODY_MAX + 1)}))
        announced.send(b"x" * (BODY_MAX + 1))
        await announced.answered()
        senders.append(unannounced := Sender(app, headers={"content-length": "", "transfer-encoding": "chunked"}))
        for _ in range(2):
            unannounced.send(b"x" * (BODY_MAX // 2 + 1), more=True)
        await unannounced.answered()
        assert [one.body for one in senders] == [b"%d" % (BODY_MAX + 1), b"%d" % (BODY_MAX + 2)]


async def test_who_hangs_up_is_forgotten() -> None:
    app = layered(places=4)
    async with ending() as senders:
        for _ in range(9):
            senders.append(one := Sender(app))
            one.send(b"{", more=True)
            await settled()
            one.hang_up()
            await one.answered()
        assert {one.status for one in senders} == {400}, "none of them was in the way of another"


@pytest.mark.parametrize(("method", "headers"), [("GET", {"content-length": "3"}), ("POST", {}), ("HEAD", {})])
async def test_what_has_no_body_is_not_waited_for(method: str, headers: dict[str, str]) -> None:
    asked: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append({"type": scope["method"]})

    async def never() -> Message:
        raise AssertionError("nobody may wait for it")

    scope = scope_of(PATH, method) | {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}

    async def send(message: Message) -> None: ...

    await guarded(Reception(app))(scope, never, send)
    assert asked == [{"type": method}]


async def test_silent_bodies_hold_up_neither_a_halt_nor_a_reader_nor_an_exchange(rig: Rig) -> None:
    """Of nobody in particular, and of one operator who reports incidents and never says which; from many addresses."""
    bearer = {"authorization": f"Bearer {rig.token(OPERATOR)}"}
    async with ending() as senders:
        for at in range(320):
            senders.append(Sender(rig.app, "/api/v1/token-exchanges", f"192.0.2.{at % 10}"))
            senders.append(Sender(rig.app, "/api/v1/incidents", f"198.51.100.{at % 10}", bearer))
        await settled()
        async with asyncio.timeout(15):
            halt = await rig.post(f"/deployment-intents/{NOBODY}/halts", PUBLISHER, {"reason": "stop"})
            exchange = await rig.post("/token-exchanges", ADMIN, {})
            me = await rig.ask("GET", "/people/me", ADMIN, caught_up=False)
        statuses: list[Any] = [halt.status_code, exchange.status_code, me.status_code]
        assert statuses == [404, 422, 200]
