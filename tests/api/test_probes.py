"""Probes: whoever asks, and however many, they cost next to nothing, hold nobody up and tell next to nothing."""

import asyncio

import asyncpg
import pytest
from api_rig import ADMIN, AUDITOR, Rig, problem
from layered import answering, caller, guarded
from starlette.types import Receive, Scope, Send

from eucora.api.app import ROUTERS
from eucora.api.limits import KEPT_BACK, HttpLimits
from eucora.api.readiness import FRESH_S, SILENT, WAITING_MAX, Readiness
from eucora.api.routes import GuardedRoute
from eucora.api.shedding import Shedding, lines
from eucora.api.traffic import Kind
from eucora.settings import read_settings
from eucora.store.reserve import is_first


class Look:
    """A look at the database that ends when it is let, with what it is to find."""

    def __init__(self, *found: str) -> None:
        self.found, self.looks, self.first, self.let_go = [*found], 0, False, asyncio.Event()

    async def __call__(self) -> list[str]:
        self.looks += 1
        self.first = is_first()
        await self.let_go.wait()
        return self.found


class Watch:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_all_who_ask_within_a_second_share_one_look_that_goes_first() -> None:
    watch, look = Watch(), Look("it is a standby")
    readiness = Readiness(watch)
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(readiness.problems(look)) for _ in range(WAITING_MAX)]
        await settled()
        look.let_go.set()
    assert {one.result() for one in asking} == {("it is a standby",)}
    watch.seconds += FRESH_S * 0.9
    look.found = []
    assert await readiness.problems(look) == ("it is a standby",)
    assert (look.looks, look.first) == (1, True)
    watch.seconds += FRESH_S
    assert await readiness.problems(look) == ()
    assert look.looks == 2


async def test_a_crowd_at_a_slow_database_is_told_what_was_found_the_last_time() -> None:
    watch, look = Watch(), Look()
    readiness = Readiness(watch)
    async with asyncio.TaskGroup() as group:
        first = [group.create_task(readiness.problems(look)) for _ in range(WAITING_MAX)]
        await settled()
        assert await readiness.problems(look) == SILENT, "nothing is known yet"
        look.let_go.set()
    assert {one.result() for one in first} == {()}
    look.let_go.clear()
    watch.seconds += 2 * FRESH_S
    async with asyncio.TaskGroup() as group:
        for _ in range(WAITING_MAX):
            group.create_task(readiness.problems(look))
        await settled()
        assert await readiness.problems(look) == ()
        look.let_go.set()
    assert look.looks == 2


async def test_who_goes_away_takes_the_look_from_nobody() -> None:
    look, readiness = Look(), Readiness(Watch())
    async with asyncio.TaskGroup() as group:
        impatient = group.create_task(readiness.problems(look))
        await settled()
        patient = group.create_task(readiness.problems(look))
        await settled()
        impatient.cancel()
        await settled()
        look.let_go.set()
        assert await patient == ()
    assert look.looks == 1


@pytest.mark.parametrize(
    "fault", [ConnectionRefusedError("10.0.0.7:5432"), TimeoutError(), asyncpg.UndefinedTableError("alembic_version")]
)
async def test_of_a_fault_it_tells_no_word(fault: Exception) -> None:
    async def look() -> list[str]:
        raise fault

    assert await Readiness(Watch()).problems(look) == SILENT


async def test_probes_pass_no_line() -> None:
    inside, let_go = 0, asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal inside
        if scope["path"] not in ("/livez", "/startupz", "/readyz"):
            inside += 1
            await let_go.wait()
        await answering()(scope, receive, send)

    limits = HttpLimits(working=1, waiting=0, streams_in_all=1)
    async with caller(guarded(Shedding(app, limits))) as http, asyncio.TaskGroup() as group:
        held = [group.create_task(http.get("/api/v1/incidents"))]
        held += [group.create_task(http.get("/api/v1/audit/events/stream"))]
        await settled()
        assert inside == 2
        assert (await http.get("/api/v1/incidents")).status_code in (429, 503), "the line is full"
        probes = [group.create_task(http.get(path)) for path in ("/livez", "/readyz", "/startupz") * 100]
        assert [(await one).status_code for one in probes] == [200] * 300
        let_go.set()
    assert [one.result().status_code for one in held] == [200, 200]
    assert Kind.HEALTH not in lines(limits)


def test_those_who_wait_for_a_look_leave_connections_for_others() -> None:
    """A connection in whose request somebody works is nobody's to take (eucora.cli.connections)."""
    in_line = sum(line.places for line in lines(HttpLimits()).values())
    assert in_line + WAITING_MAX < read_settings().connections_max


async def test_readiness_shows_nothing_of_the_log_and_its_projections(rig: Rig) -> None:
    await rig.propose()
    answer = await rig.ask("GET", "/readyz")
    assert answer.json() == {"status": "ok"}


async def test_a_full_pool_is_busy_and_not_broken(rig: Rig) -> None:
    pool = rig.app.state.house.deps.pool
    held: list[asyncpg.pool.PoolConnectionProxy] = []
    while len(held) < pool.get_max_size() - KEPT_BACK:
        held.append(await pool.acquire())
    for path in ("/readyz", "/startupz"):
        assert (await rig.ask("GET", path, caught_up=False)).status_code == 200
    for connection in held:
        await pool.release(connection)


async def test_what_is_public_never_reaches_the_database(rig: Rig) -> None:
    """Nor what is refused before anybody has signed in; a pool that is closed is noticed by whoever asks it."""
    await rig.app.state.house.deps.pool.close()
    problem(await rig.ask("GET", "/incidents", ADMIN, caught_up=False), 503, "database-away")
    asked = 0
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, GuardedRoute)]
    for path in {route.path for route in routes}:
        at = path.replace("{", "").replace("}", "")
        methods = {method for route in routes if route.path == path for method in route.methods or ()}
        for method in methods | {"OPTIONS", "HEAD", "PROPFIND", "DELETE"}:
            if path in ("/readyz", "/startupz") or (path, method) == ("/api/v1/token-exchanges", "POST"):
                continue  # these ask the database, the first two at most once a second
            answer = await rig.http.request(method, at, headers={"Idempotency-Key": "k"})
            assert answer.status_code < 500, (method, path, answer.text)
            asked += 1
    for path in ("/nowhere", "/api/v1/nowhere"):
        assert (await rig.http.get(path)).status_code == 404
    assert asked > 300
    problem(await rig.ask("GET", "/readyz", AUDITOR, caught_up=False), 503, "not-ready")
