"""Live changes: what a stream sends is complete and in order, over any number of reconnects to any replica."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import pytest
import structlog
from api_rig import ADMIN, AUDITOR, NOBODY, PACKAGER, PUBLISHER, Rig, problem
from layered import scope_of
from stream_reader import Reader, reading, until

from eucora.api.app import create_app
from eucora.api.event_stream import CHASES_MAX, EventStream, Reached, Streams
from eucora.api.problems import Problem, Refused, Row

LOG = "/api/v1/audit/events/stream"


async def test_nothing_is_missed_or_doubled_over_reconnects_to_two_replicas(rig: Rig) -> None:
    """A writer writes on; the reader leaves after a seeded number of events and comes back, to the other replica."""
    apps = [rig.app, create_app(rig.app.state.house.deps)]
    writes, chance = 40, Random(4711)
    begun = await rig.events()

    async def write() -> None:
        for number in range(writes):
            await token(rig, number)

    seen: list[int] = []
    sessions = 0
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        while not (writing.done() and len(seen) >= await rig.events()):
            back = {"last_event_id": str(seen[-1])} if seen else {}
            stay = chance.randint(1, 6)
            async with reading(apps[sessions % 2], LOG, rig.token(AUDITOR), **back) as reader:
                for _ in range(stay):
                    if writing.done() and len(seen) >= await rig.events():
                        break
                    event = await reader.event()
                    assert event is not None
                    assert event[1]["position"] == event[0]
                    seen.append(event[0])
            sessions += 1
    assert seen == list(range(await rig.events())), "dense from nought, each once, in order"
    assert len(seen) >= begun + writes
    assert sessions > 5


async def token(rig: Rig, number: int) -> None:
    grants, ends = [{"role": "platform_admin"}], rig.clock.now().replace(year=2026, month=12).isoformat()
    body = {"name": f"pipeline {number}", "grants": grants, "expires_at": ends}
    answer = await rig.ask("POST", "/service-tokens", ADMIN, json=body)
    assert answer.status_code == 201, answer.text


async def test_the_log_is_sent_as_it_was_stored(rig: Rig) -> None:
    await token(rig, 1)
    page = (await rig.get("/audit/events")).json()["events"]
    async with reading(rig.app, LOG, rig.token(AUDITOR)) as reader:
        for expected in page:
            assert await reader.event() == (expected["position"], expected)
        assert reader.retry_ms > 0
        assert (reader.status, reader.ended) == (200, False), "it waits for more"
    async with reading(rig.app, f"{LOG}?after={page[-1]['position'] - 1}", rig.token(AUDITOR)) as reader:
        assert await reader.event() == (page[-1]["position"], page[-1])


async def test_a_timeline_is_followed_as_its_read_model_is_folded(rig: Rig) -> None:
    intent = await rig.propose()
    await rig.runner.catch_up_all()
    entries = (await rig.get(f"/deployment-intents/{intent}/timeline")).json()["items"]
    assert entries
    path = f"/api/v1/deployment-intents/{intent}/timeline/stream"
    async with reading(rig.app, path, rig.token(PUBLISHER)) as reader:
        assert [await reader.event() for _ in entries] == [(one["position"], one) for one in entries]
        assert (await rig.post(f"/deployment-intents/{intent}/starts", PUBLISHER)).status_code == 201
        await rig.runner.catch_up_all()
        event = await reader.event()
        assert event is not None
        assert event[0] > entries[-1]["position"]
        assert event[1]["summary"]


async def test_who_may_not_read_may_not_listen(rig: Rig) -> None:
    path = "/api/v1/audit/events/stream"
    problem(await rig.ask("GET", path), 401, "unauthenticated")
    problem(await rig.ask("GET", path, PACKAGER), 403, "role-missing")
    nowhere = f"/deployment-intents/{NOBODY}/timeline/stream"
    answer = await rig.ask("GET", nowhere, AUDITOR, headers={"Accept": "text/event-stream"})
    assert answer.status_code == 404
    for bad in ("x", "-2", "1.5", str(2**64)):
        headers = {"Last-Event-ID": bad}
        problem(await rig.ask("GET", path, AUDITOR, headers=headers), 422, "request-invalid")
        problem(await rig.ask("GET", f"{path}?after={bad}", AUDITOR), 422, "request-invalid")


async def test_who_does_not_ask_for_a_stream_gets_a_page_and_the_end(rig: Rig) -> None:
    await token(rig, 1)
    answer = await rig.ask("GET", LOG, AUDITOR)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert "content-encoding" not in answer.headers
    assert answer.text.count("\nid: ") + answer.text.startswith("id: ") == await rig.events()


async def test_a_server_that_stops_sends_its_readers_away(rig: Rig) -> None:
    await token(rig, 1)
    await rig.get("/audit/events")  # the first reading of an hour is an event itself
    async with reading(rig.app, LOG, rig.token(AUDITOR)) as reader:
        for _ in range(await rig.events()):
            assert await reader.event() is not None
        rig.app.state.house.lifecycle.draining = True
        assert await reader.event() is None
        assert reader.retry_ms > 0, "and they come back soon"


class Source:
    """A log in memory, the streams that follow it, and what their callers may."""

    def __init__(self, most: int = 2, **times: float) -> None:
        self.events: list[bytes] = []
        self.down = self.stale = False
        self.looks = self.fetches = self.judged = 0
        self.lost: Refused | None = None
        self.fault: Exception | None = None
        self.sleeps: list[float] = []
        self.wake, self.stopping = asyncio.Event(), asyncio.Event()
        usual = {"poll_s": 0.0, "gap_s": 0.0}
        self.streams = Streams(self.look, self.stopping, most, self.hear, **(usual | times), sleep=self.sleep)

    async def hear(self, wake: asyncio.Event) -> None:
        self.wake = wake
        await asyncio.Event().wait()

    async def sleep(self, pause_s: float) -> None:
        self.sleeps.append(pause_s)
        await asyncio.sleep(0)

    async def look(self) -> Reached:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        self._there()
        return Reached(len(self.events) - 1, -1 if self.stale else len(self.events) - 1)

    async def fetch(self, after: int) -> list[tuple[int, bytes]]:
        self.fetches += 1
        self._there()
        return [(at, body) for at, body in enumerate(self.events) if at > after][:3]

    async def hold(self, *, sending: bool) -> None:
        self.judged += 1
        if self.lost is not None:
            raise self.lost

    def stream(self, principal: str = "ada", after: int = -1) -> EventStream:
        return EventStream(self.streams, principal, after, self.fetch, self, stays=True)

    def _there(self) -> None:
        if self.down:
            raise OSError("the database is away")


async def test_a_caller_has_so_many_streams_and_gets_one_back_when_one_ends() -> None:
    source = Source(most=2)
    source.events.append(b"{}")
    scope: Mapping[str, Any] = scope_of(LOG)
    async with reading(source.stream(), LOG, "") as first, reading(source.stream(), LOG, "") as second:
        assert await first.event() == await second.event() == (0, {})
        with pytest.raises(Refused) as refused:
            await source.stream()(dict(scope), Reader().receive, Reader().send)
        assert (refused.value.problem.row.status, refused.value.problem.row.slug) == (429, "too-many-streams")
        async with reading(source.stream("eve"), LOG, "") as other:
            assert await other.event() == (0, {})
    async with reading(source.stream(), LOG, "") as again:
        assert await again.event() == (0, {})


async def test_a_stream_whose_database_goes_away_ends_and_is_resumed() -> None:
    source = Source()
    source.events.append(b'"first"')
    async with reading(source.stream(), LOG, "") as reader:
        assert await reader.event() == (0, "first")
        source.down = True
        assert await reader.event() is None
    source.down = False
    source.events.append(b'"second"')
    async with reading(source.stream(after=0), LOG, "") as reader:
        assert await reader.event() == (1, "second")


async def test_a_stream_does_not_live_for_ever() -> None:
    source = Source(life_s=0.0)
    source.events.append(b"{}")
    async with reading(source.stream(), LOG, "") as reader:
        assert await reader.event() == (0, {})
        assert await reader.event() is None


async def test_news_between_a_look_and_the_wait_is_not_slept_over() -> None:
    """Events appended at any step of the loop arrive without a heartbeat's wait."""
    source, chance = Source(), Random(7)
    async with reading(source.stream(), LOG, "") as reader:

        async def write() -> None:
            for number in range(60):
                for _ in range(chance.randrange(12)):
                    await asyncio.sleep(0)
                source.events.append(b"%d" % number)

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            assert [await reader.event() for _ in range(60)] == [(number, number) for number in range(60)]
        assert reader.comments == 0


async def test_streams_that_wait_ask_nothing_and_one_hint_wakes_them_all() -> None:
    source = Source(most=5, poll_s=3_600.0, judge_s=0.0)
    source.events.append(b'"first"')
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(reading(source.stream(), LOG, "")) for _ in range(5)]
        assert [await reader.event() for reader in readers] == [(0, "first")] * 5
        await until(lambda: source.looks == 1 and source.fetches == 3 * 5)  # the beginning, what is new, and the news
        before = source.judged
        await until(lambda: source.judged > before + 100)
        assert (source.looks, source.fetches) == (1, 15), "time passes, and nobody looks"
        source.events.append(b'"second"')
        source.wake.set()
        assert [await reader.event() for reader in readers] == [(1, "second")] * 5
        assert source.looks == 2


async def test_a_read_model_that_is_behind_is_looked_after_for_a_while_only() -> None:
    source = Source(poll_s=3_600.0)
    source.events.append(b"{}")
    source.stale = True
    async with reading(source.stream(), LOG, "") as reader:
        assert await reader.event() == (0, {})
        await until(lambda: source.looks == 1 + CHASES_MAX)
        for _ in range(100):
            await asyncio.sleep(0)
        assert source.looks == 1 + CHASES_MAX
        source.events.append(b"{}")
        source.wake.set()
        assert await reader.event() == (1, {})
        await until(lambda: source.looks == 2 * (1 + CHASES_MAX))


async def test_when_the_last_stream_has_ended_nobody_looks_any_more() -> None:
    source = Source()
    source.events.append(b"{}")
    for _ in range(2):
        async with reading(source.stream(), LOG, "") as reader:
            assert await reader.event() == (0, {})
            await until(lambda: source.looks > 10)
        source.looks = 0
        for _ in range(20):
            await asyncio.sleep(0)
        assert source.looks == 0


async def test_who_may_no_more_is_told_so_before_anything_else_and_nothing_after() -> None:
    refusal = Refused(Problem(Row(401, "token-refused", "No"), "It was revoked."))
    for sending in (True, False):
        source = Source(judge_s=3_600.0 if sending else 0.0)
        source.events.append(b'"first"')
        async with reading(source.stream(), LOG, "") as reader:
            assert await reader.event() == (0, "first")
            source.lost = refusal
            if sending:
                source.events.append(b'"second"')
            assert await reader.event() is None
            assert reader.problem is not None
            assert reader.problem["type"] == "urn:eucora:problem:token-refused"
            assert reader.problem["instance"] == LOG


async def test_a_server_that_stops_waits_for_no_look() -> None:
    source = Source(poll_s=3_600.0)
    source.events.append(b"{}")
    async with reading(source.stream(), LOG, "") as reader:
        assert await reader.event() == (0, {})
        source.stopping.set()
        assert await reader.event() is None
        assert reader.problem is None


async def test_a_look_that_fails_of_itself_is_a_record_and_open_streams_go_on_with_the_next_good_one() -> None:
    source = Source(poll_s=3_600.0, gap_s=450.0)  # nobody sleeps so long here
    source.events.append(b'"first"')
    with structlog.testing.capture_logs() as records:
        async with reading(source.stream(), LOG, "") as reader:
            assert await reader.event() == (0, "first")
            await until(lambda: source.sleeps == [450.0])
            source.fault = KeyError("unforeseen")
            source.wake.set()
            await until(lambda: len(source.sleeps) > 6)
            source.fault = None
            assert source.sleeps[1:6] == [900.0, 1_800.0, 3_600.0, 3_600.0, 3_600.0]
            source.events.append(b'"second"')
            assert await reader.event() == (1, "second")
            await until(lambda: source.sleeps[-1] == 450.0)
            failed = len(source.sleeps) - 2
    assert [(one["event"], one["log_level"], one["exc_info"]) for one in records] == [
        ("stream_look_failed", "error", True)
    ] * failed


async def test_a_listener_that_fails_of_itself_is_a_record_and_listens_anew() -> None:
    source, heard = Source(), 0
    broken = asyncio.Event()

    async def hear(wake: asyncio.Event) -> None:
        nonlocal heard
        heard += 1
        if heard == 1:
            await broken.wait()
            raise KeyError("unforeseen")
        await source.hear(wake)

    source.streams = Streams(
        source.look, source.stopping, 1, hear, poll_s=3_600.0, gap_s=0.0, judge_s=3_600.0, sleep=source.sleep
    )
    source.events.append(b'"first"')
    with structlog.testing.capture_logs() as records:
        async with reading(source.stream(), LOG, "") as reader:
            assert await reader.event() == (0, "first")
            broken.set()
            await until(lambda: heard == 2)
            await until(lambda: source.looks > 0)
            source.events.append(b'"second"')
            source.wake.set()
            assert await reader.event() == (1, "second")
    assert [one["event"] for one in records] == ["stream_hints_failed"]
    assert 3_600.0 in source.sleeps
