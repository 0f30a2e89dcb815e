"""Quotas: what an honest caller never sees, a guesser meets soon, and no replica hands out twice."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import asyncpg
import httpx
import pytest
from api_rig import ADMIN, AUDITOR, OPERATOR, Rig, problem
from hypothesis import given, settings
from hypothesis import strategies as st
from layered import INTENT, caller, guarded, nothing_more, problem_of, scope_of
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.api.app import create_app
from eucora.api.layers import header, refuse
from eucora.api.limits import HttpLimits
from eucora.api.problems import Problem, Refused, Row
from eucora.api.quotas import Policy, Quotas
from eucora.api.throttling import JUDGED_AT_ONCE, JUDGED_LATER, Throttle, Throttling, address_of
from eucora.api.traffic import Kind
from eucora.cli.http_server import server
from eucora.domain.people import Person
from eucora.settings import read_settings
from eucora.store.quotas import SharedQuotas

# RFC 9651: a list of strings with integer parameters, which is all that these two fields are.
ITEM = r'"[\x20-\x21\x23-\x5b\x5d-\x7e]*"(?:;[a-z*][a-z0-9_.*-]*=-?[0-9]{1,15})*'
FIELD = re.compile(rf"{ITEM}(?:[ \t]*,[ \t]*{ITEM})*")
SLOW = Policy("default", 10, 60_000)  # six thousand seconds each: a test's own time does not count


class Watch:
    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


def fields_of(value: str) -> Mapping[str, Mapping[str, int]]:
    """Name to parameters, of a structured field."""
    assert FIELD.fullmatch(value), value
    items = [item.strip().split(";") for item in value.split(",")]
    return {
        name.strip('"'): {key: int(number) for key, _, number in (pair.partition("=") for pair in pairs)}
        for name, *pairs in items
    }


def person(name: str = "ada") -> Person:
    return Person(f"https://idp|{name}", name, ())


def test_a_quota_may_be_spent_at_once_and_comes_back_evenly() -> None:
    watch, policy = Watch(), Policy("default", 60, 60)
    quotas = Quotas(now=watch)
    standings = [quotas.take("ada", policy) for _ in range(61)]
    assert [one.admitted for one in standings] == [True] * 60 + [False]
    assert [one.left for one in standings[:60]] == list(range(59, -1, -1))
    assert standings[-1].more_in_s == 1
    watch.at += 1
    assert quotas.take("ada", policy).admitted
    assert not quotas.take("ada", policy).admitted
    assert quotas.take("eve", policy).left == 59, "everybody has his own"
    watch.at += 3_600
    assert quotas.look("ada", policy).left == 60, "more than the quota is never saved up"


@given(
    quota=st.integers(1, 50),
    window=st.integers(1, 120),
    steps=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=80),
)
@settings(max_examples=60, deadline=None)
def test_in_no_stretch_of_time_is_more_let_in_than_the_quota_and_what_came_back(
    quota: int, window: int, steps: list[float]
) -> None:
    watch, policy = Watch(), Policy("default", quota, window)
    quotas, admitted = Quotas(now=watch), []
    for step in steps:
        watch.at += step
        before = quotas.look("ada", policy)
        standing = quotas.take("ada", policy)
        assert standing.admitted is before.admitted is (before.left > 0)
        if standing.admitted:
            admitted.append(watch.at)
        else:
            # Whoever heeds Retry-After is let in.
            watch.at += before.more_in_s
            assert quotas.look("ada", policy).admitted
    for first, start in enumerate(admitted):
        for last, end in enumerate(admitted[first:], first):
            assert last - first + 1 <= quota + (end - start) / policy.each_s + 1e-6


GUESSES = Policy("refused-sign-ins", 10, 60_000, of_anybody=True)


def test_no_crowd_of_addresses_lets_in_a_caller_over_his_quota() -> None:
    quotas = Quotas(now=Watch(), most=100)
    assert [quotas.take("ada", SLOW).admitted for _ in range(11)] == [True] * 10 + [False]
    for number in range(1_000):
        quotas.take(f"address:{number}", GUESSES)
    assert not quotas.look("ada", SLOW).admitted


def test_of_a_crowd_of_principals_nobody_over_his_quota_is_forgotten() -> None:
    watch = Watch()
    quotas = Quotas(now=watch, most=100)
    for number in range(10):
        for _ in range(10):
            quotas.take(f"spent {number}", SLOW)
    for number in range(1_000):
        watch.at += 0.1
        quotas.take(f"somebody {number}", SLOW)
    assert not any(quotas.look(f"spent {number}", SLOW).admitted for number in range(10))
    assert quotas.look("somebody 0", SLOW).left == 10, "of those with room the least spent was forgotten"
    assert quotas.look("somebody 999", SLOW).left == 9


def test_of_a_crowd_of_addresses_the_worst_guesser_is_remembered_and_their_number_is_bounded() -> None:
    quotas = Quotas(now=Watch(), most=100)
    for _ in range(10):
        quotas.take("address:worst", GUESSES)
    for number in range(1_000):
        quotas.take(f"address:{number}", GUESSES)
    assert not quotas.look("address:worst", GUESSES).admitted
    assert sum(quotas.look(f"address:{number}", GUESSES).left < 10 for number in range(1_000)) <= 100


async def test_what_was_not_told_to_the_others_is_not_forgotten() -> None:
    class Told:
        """A book that hears everything, and says that each is as far ahead as it told."""

        def __init__(self) -> None:
            self.heard: dict[str, float] = {}

        async def spend(self, costs: Mapping[str, float]) -> Mapping[str, float]:
            self.heard |= costs
            return costs

        async def purge(self) -> None:
            raise AssertionError("not asked")

    book = Told()
    quotas = Quotas(book, Watch(), most=100)
    for number in range(300):
        quotas.take(f"somebody {number}", SLOW)
    await quotas.settle()
    assert book.heard == {f"somebody {number}": SLOW.each_s for number in range(300)}
    book.heard.clear()
    for number in range(300, 1_000):
        quotas.take(f"somebody {number}", SLOW)
        await quotas.settle()
    assert len(book.heard) == 700
    known = sum(quotas.look(f"somebody {number}", SLOW).left < 10 for number in range(1_000))
    assert known <= 330, "once they are settled they make room"


async def test_replicas_hear_of_each_other_and_the_long_run_is_exact(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    watches = [Watch(), Watch()]
    one, two = (Quotas(SharedQuotas(pool), watch) for watch in watches)
    assert [one.take("ada", SLOW).admitted for _ in range(6)] == [True] * 6
    assert [two.take("ada", SLOW).admitted for _ in range(6)] == [True] * 6, "before they settle: at most two quotas"
    await one.settle()
    await two.settle()
    assert not two.look("ada", SLOW).admitted
    assert one.look("ada", SLOW).left == 4, "it has not heard of the other's yet"
    assert one.take("ada", SLOW).admitted
    await one.settle()
    standing = one.take("ada", SLOW)
    assert not standing.admitted
    assert standing.more_in_s == pytest.approx(4 * SLOW.each_s, abs=60), "three too many are paid back before the next"
    assert one.take("eve", SLOW).admitted


async def test_what_could_not_be_settled_is_settled_later(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    class Line:
        """The way to the database, which may be down."""

        down = True

        async def spend(self, costs: Mapping[str, float]) -> Mapping[str, float]:
            if self.down:
                raise OSError("the database is away")
            return await SharedQuotas(pool).spend(costs)

        async def purge(self) -> None:
            raise AssertionError("not asked")

    book = Line()
    quotas = Quotas(book, Watch())
    quotas.take("ada", SLOW)
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            await quotas.settle()
    assert quotas.look("ada", SLOW).left == 9, "here it counts all the same"
    book.down = False
    await quotas.settle()
    other = Quotas(SharedQuotas(pool), Watch())
    other.take("ada", SLOW)
    await other.settle()
    assert other.look("ada", SLOW).left == 8


async def test_unused_budgets_are_forgotten_here_and_there(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    watch, quick = Watch(), Policy("default", 1_000, 1)
    quotas = Quotas(SharedQuotas(pool), watch)
    quotas.take("ada", quick)
    quotas.take("eve", SLOW)
    await quotas.settle()
    watch.at += 10
    await quotas.settle()
    await pool.execute("update rate_bucket set tat = tat - interval '2 hours' where key = 'http:ada'")
    await pool.execute("insert into rate_bucket values ('graph', now() - interval '2 hours')")
    await SharedQuotas(pool).purge()
    left = {row["key"] for row in await pool.fetch("select key from rate_bucket")}
    assert left == {"http:eve", "graph"}, "what connectors share is theirs"


def test_a_caller_over_his_quota_can_still_stop_a_rollout() -> None:
    throttle = Throttle(HttpLimits(rate=60), Quotas(now=Watch()))
    ordinary: dict[str, Any] = {"kind": Kind.ORDINARY}
    for _ in range(60):
        throttle.admit(ordinary, person().actor)
    with pytest.raises(Refused) as refused:
        throttle.admit(ordinary, person().actor)
    told = refused.value.problem
    assert (told.row.status, told.row.slug) == (429, "quota-exceeded")
    assert told.facts == {"violated-policies": ["default"]}
    throttle.admit({"kind": Kind.URGENT}, person().actor)
    throttle.admit(ordinary, person("eve").actor)


class Door:
    """An app that signs in whoever shows ``good`` while it is open, and tells the throttle as a route does."""

    def __init__(self, throttle: Throttle) -> None:
        self.throttle, self.asked, self.open = throttle, 0, True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        good = self.open and header(scope, b"authorization").startswith(b"good")
        if good:
            scope["state"]["person"] = person()
            self.throttle.admit(scope["state"], person().actor)
        await send({"type": "http.response.start", "status": 200 if good else 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def test_guessing_is_slow_and_costs_the_neighbours_who_are_signed_in_nothing() -> None:
    watch = Watch()
    throttle = Throttle(HttpLimits(guesses=60), Quotas(now=watch))
    door = Door(throttle)
    app = guarded(Throttling(door, throttle))
    good, other = {"Authorization": "good"}, {"Authorization": "good, and new here"}
    async with caller(app) as http, caller(app, "192.0.2.8") as elsewhere:
        assert (await http.get("/", headers=good)).status_code == 200
        for number in range(60):
            assert (await http.get("/", headers={"Authorization": f"guess {number}"})).status_code == 401
        asked = door.asked
        refused = await http.get("/", headers={"Authorization": "guess 60"})
        told = problem_of(refused, 429, "abnormal-usage-detected")
        assert told["violated-policies"] == ["refused-sign-ins"]
        assert int(refused.headers["retry-after"]) == 1
        assert door.asked == asked, "a refused guess is not even looked at"
        assert (await http.get("/", headers=other)).status_code == 429, "who was never seen cannot be told apart"
        assert (await http.get("/", headers=good)).status_code == 200
        assert (await http.get("/livez")).status_code == 401, "probes are not held up"
        assert (await elsewhere.get("/", headers=other)).status_code == 200
        watch.at += 3
        assert (await http.get("/", headers=other)).status_code == 200


URGENT = f"{INTENT}/halts"


class Judging:
    """An app that has the throttle judge who calls, as every route does. Who shows ``good`` is believed once let go."""

    def __init__(self, throttle: Throttle) -> None:
        self.throttle, self.judged, self.let_go = throttle, 0, asyncio.Event()
        self.let_go.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def judge() -> Person:
            self.judged += 1
            await self.let_go.wait()
            if header(scope, b"authorization").startswith(b"good"):
                return person()
            raise Refused(Problem(Row(401, "token-refused", "No"), "No."))

        try:
            scope["state"]["person"] = await self.throttle.judged(scope["state"], judge)
        except Refused as refused:
            await refuse(scope, send, refused.problem)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def judging(guesses: int = 3) -> tuple[Judging, ASGIApp]:
    throttle = Throttle(HttpLimits(guesses=guesses), Quotas(now=Watch()))
    app = Judging(throttle)
    return app, guarded(Throttling(app, throttle))


async def test_no_guesser_keeps_a_neighbour_from_stopping_harm() -> None:
    _, app = judging()
    async with caller(app) as http:
        for number in range(3):
            answer = await http.post(URGENT, headers={"Authorization": f"guess {number}"})
            assert answer.status_code == 401
        fresh = {"Authorization": "good, and never seen here"}
        problem_of(await http.get("/", headers=fresh), 429, "abnormal-usage-detected")
        told = problem_of(await http.post(URGENT, headers={"Authorization": "guess 3"}), 429, "abnormal-usage-detected")
        assert told["violated-policies"] == ["refused-sign-ins"], "not even whether it was a good guess"
        assert (await http.post(URGENT, headers=fresh)).status_code == 200
        assert (await http.get("/", headers=fresh)).status_code == 200, "from here on the token is known"


async def test_what_a_guesser_costs_there_is_bounded() -> None:
    door, app = judging(guesses=1)
    async with caller(app) as http, asyncio.TaskGroup() as group:
        assert (await http.post(URGENT, headers={"Authorization": "guess"})).status_code == 401
        door.let_go.clear()
        room = JUDGED_AT_ONCE + JUDGED_LATER
        asked = [
            group.create_task(http.post(URGENT, headers={"Authorization": "good" if number == room - 1 else "guess"}))
            for number in range(room)
        ]
        for _ in range(500):
            await asyncio.sleep(0)
        assert door.judged == 1 + JUDGED_AT_ONCE, "the others wait in line"
        one_more = await http.post(URGENT, headers={"Authorization": "guess"})
        problem_of(one_more, 429, "abnormal-usage-detected")
        door.let_go.set()
        answers = [(await one).status_code for one in asked]
    assert answers == [429] * (room - 1) + [200]


async def test_a_token_that_has_expired_and_no_token_at_all_are_no_guesses() -> None:
    throttle = Throttle(HttpLimits(guesses=1), Quotas(now=Watch()))
    door = Door(throttle)
    async with caller(guarded(Throttling(door, throttle))) as http:
        assert (await http.get("/", headers={"Authorization": "good"})).status_code == 200
        door.open = False
        for _ in range(3):
            assert (await http.get("/", headers={"Authorization": "good"})).status_code == 401
            assert (await http.get("/")).status_code == 401
        door.open = True
        assert (await http.get("/", headers={"Authorization": "good, and new here"})).status_code == 200


async def test_one_token_is_one_credential_however_it_is_spelt_and_whatever_comes_with_it() -> None:
    """Or one caller could fill with it what the throttle remembers of all others."""
    throttle = Throttle(HttpLimits(guesses=1), Quotas(now=Watch()))
    async with caller(guarded(Throttling(Door(throttle), throttle))) as http:
        assert (await http.get("/", headers={"Authorization": "good one"})).status_code == 200
        assert (await http.get("/", headers={"Authorization": "guess"})).status_code == 401
        assert (await http.get("/", headers={"Authorization": "good two"})).status_code == 429
        for spelt in ({"Authorization": "good   one"}, {"Authorization": "good one", "Cookie": "theme=dark"}):
            assert (await http.get("/", headers=spelt)).status_code == 200, spelt


@pytest.mark.parametrize(
    ("client", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_who_is_counted_together(client: str, counted: str) -> None:
    assert address_of({"client": (client, 1)}) == counted
    assert address_of({"client": None}) == ""


class Stopping:
    draining = False


@pytest.mark.parametrize(
    ("trusted", "peer", "seen", "scheme"),
    [
        ("", "10.0.0.9", "10.0.0.9", "http"),
        ("", "127.0.0.1", "127.0.0.1", "http"),
        ("10.0.0.0/8", "10.0.0.9", "198.51.100.1", "https"),
        ("10.0.0.9, 192.0.2.0/24", "10.0.0.9", "198.51.100.1", "https"),
        ("10.0.0.0/8", "192.0.2.1", "192.0.2.1", "http"),
    ],
)
async def test_who_a_caller_says_that_he_is_counts_only_from_a_trusted_proxy(
    monkeypatch: pytest.MonkeyPatch, trusted: str, peer: str, seen: str, scheme: str
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # the server's own variable decides nothing here
    found: list[tuple[Any, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append((scope["client"][0], scope["scheme"]))

    config = server(app, Stopping(), read_settings(EUCORA_TRUSTED_PROXIES=trusted)).config
    config.load()
    # The caller added the first address himself.
    headers = [(b"x-forwarded-for", b"203.0.113.66, 198.51.100.1"), (b"x-forwarded-proto", b"https")]
    await config.loaded_app(scope_of("/") | {"client": (peer, 1), "headers": headers}, nothing_more, ANY)
    assert found == [(seen, scheme)]


async def test_guesses_at_one_replica_bar_the_address_at_the_other(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    # Twenty seconds each: a test's own time does not count.
    one, two = (Throttle(HttpLimits(guesses=3), Quotas(SharedQuotas(pool), Watch())) for _ in range(2))
    for _ in range(3):
        one.refused("192.0.2.7", b"a guess")
    two.refused("192.0.2.7", b"a guess")
    assert two.barred("192.0.2.7", b"good, and new here") is None, "before they settle it has seen one guess"
    await one.quotas.settle()
    await two.quotas.settle()
    problem_there = two.barred("192.0.2.7", b"good, and new here")
    assert problem_there is not None
    assert problem_there.row.slug == "abnormal-usage-detected"
    assert two.barred("192.0.2.8", b"good, and new here") is None


async def test_a_halt_gets_through_where_somebody_guesses(rig: Rig) -> None:
    app = create_app(replace(rig.app.state.house.deps, limits=HttpLimits(guesses=3)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://eucora.test") as http:
        there = replace(rig, http=http)
        for number in range(3):
            guess = {"Authorization": f"Bearer guess-{number}"}
            problem(await there.ask("GET", "/people/me", headers=guess), 401, "token-refused")
        problem(await there.get("/people/me", OPERATOR), 429, "abnormal-usage-detected")
        halted = await there.post(f"{INTENT}/halts", OPERATOR, {"reason": "It breaks logins"})
        problem(halted, 404, "deployment-intent-unknown")
        problem(await there.post(f"{INTENT}/halts", AUDITOR, {"reason": "Let me"}), 403, "role-missing")
        guess = {"Authorization": "Bearer guess-3"}
        refused = await there.ask("POST", f"{INTENT}/halts", headers=guess, json={"reason": "Let me"})
        problem(refused, 429, "abnormal-usage-detected")


async def test_a_caller_is_told_how_his_quota_stands(rig: Rig) -> None:
    first, second = await rig.get("/people/me", ADMIN), await rig.get("/people/me", ADMIN)
    policies = fields_of(first.headers["RateLimit-Policy"])
    assert policies == {"default": {"q": HttpLimits().rate, "w": 60}}
    lefts = [fields_of(one.headers["RateLimit"])["default"] for one in (first, second)]
    assert HttpLimits().rate > lefts[0]["r"] >= lefts[1]["r"] > 0
    assert all(one["t"] >= 1 for one in lefts)
    assert "RateLimit" not in (await rig.ask("GET", "/people/me")).headers
    refused = await rig.post("/incidents", AUDITOR, {})
    assert (refused.status_code, "RateLimit" in refused.headers) == (403, True), "refusals are counted, too"


async def test_a_caller_who_asked_too_often_elsewhere_is_told_when_to_come_back(
    rig: Rig, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    me = (await rig.get("/people/me", ADMIN)).json()["id"]
    spent = "insert into rate_bucket values ($1, clock_timestamp() + interval '1 hour')"
    await pool.execute(spent, f"http:default:{me}")
    await rig.app.state.house.throttle.quotas.settle()
    answer = await rig.get("/people/me", ADMIN)
    told = problem(answer, 429, "quota-exceeded")
    assert told["violated-policies"] == ["default"]
    standing = fields_of(answer.headers["RateLimit"])["default"]
    assert standing["r"] == 0
    assert int(answer.headers["Retry-After"]) >= standing["t"] > 3_000
    assert (await rig.get("/people/me", OPERATOR)).status_code == 200
    halted = await rig.ask("POST", f"{INTENT}/halts", ADMIN, json={"reason": "It breaks logins"})
    assert halted.status_code != 429
    assert set(fields_of(halted.headers["RateLimit"])) == {"urgent"}


async def test_a_message_is_passed_on_as_it_is() -> None:
    """Without a principal there is no quota to tell."""
    throttle, told = Throttle(HttpLimits(), Quotas()), list[Message]()

    async def send(message: Message) -> None:
        told.append(message)

    await guarded(Throttling(Door(throttle), throttle))(scope_of("/"), nothing_more, send)
    assert [message["type"] for message in told] == ["http.response.start", "http.response.body"]
    assert b"ratelimit" not in dict(told[0]["headers"])
