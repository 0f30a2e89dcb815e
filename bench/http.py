"""Commands and reads over HTTP: the API as ``eucora serve`` runs it, signed in, beside a bare FastAPI on asyncpg.

Both sides are processes of their own on the same Postgres, asked by the same callers in turn. The command adds a note
to an incident; the reads are an incident and a page of fifty. The floor's reads hand out the bytes that ours answered.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from bench import http_floor
from bench.callers import Request, call
from bench.processes import resident_mb, running
from bench.report import Comparison, compare
from bench.workload import AT, CONTEXT, Rate
from eucora.application.ports import Write
from eucora.application.service_tokens import digest_secret, make_secret
from eucora.bootstrap import SystemClock
from eucora.cli.stack import free_port
from eucora.domain.incident import Attributable, IncidentKind, IncidentReported, IncidentSeverity
from eucora.domain.people import Grant, Role
from eucora.domain.service_token import ServiceTokenIssued
from eucora.projections.catalogue import all_projections
from eucora.projections.runner import ProjectionRunner
from eucora.store.database import APP, connected
from eucora.store.embedded import Server
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

INCIDENTS: Final = 2_000
CALLERS: Final = 16
PAGE: Final = 50
LIST: Final = f"list of {PAGE}"
MODELLED: Final = "modelled"  # of the floor alone: the list by way of our model
TARGETS: Final = {"command": 0.5, "detail": 0.6, LIST: 0.6}  # DESIGN 11
MEMORY_MB_MAX: Final = 200.0  # DESIGN 11
FLAT_MB: Final = 10.0  # what the allocator may keep between the first round and the last
NOTE: Final = json.dumps({"text": "the client stops after sleep, seen again on fourteen devices; " * 12}).encode()
_HEAD: Final = b"Host: 127.0.0.1\r\nAccept: application/json\r\n"
_JSON: Final = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(NOTE)
_GREATEST: Final = {"EUCORA_RATE_LIMIT": "1000000", "EUCORA_DRAIN_S": "0"}  # one caller asks for many here


async def measure(
    server: Server, database: str, folder: Path, rounds: int, seconds: float
) -> tuple[list[Comparison], dict[str, object]]:
    """Ratios of requests a second, floor and ours taking turns; and the memory of the API under that load."""
    ids, tokens = await fill(server, database)
    with ExitStack() as stack:
        port, process = stack.enter_context(api(server, database, folder))
        floor_port = stack.enter_context(floor(server, database))
        await _same_bytes(server, database, port, ids, tokens[0])
        ours, beside = requests(ids, tokens, "/api/v1"), requests(ids, [], "")
        rates: dict[str, tuple[list[Rate], list[Rate]]] = {name: ([], []) for name in TARGETS}
        before_mb, resident = resident_mb(process.pid), []
        for name in TARGETS:  # caches and plans, once for each
            for side, asked in ((port, ours), (floor_port, beside)):
                await _rate(side, asked, name, seconds / 3)
        models: list[float] = []
        for _ in range(rounds):
            models.append((await _rate(floor_port, beside, MODELLED, seconds / 2)).per_s)
            for name, (mine, others) in rates.items():
                first = await _rate(floor_port, beside, name, seconds / 2)
                mine.append(await _rate(port, ours, name, seconds))
                second = await _rate(floor_port, beside, name, seconds / 2)
                others += [_between(first, second)]
                resident.append(resident_mb(process.pid))
    found = [
        compare(
            f"{name} over HTTP / bare FastAPI",
            [rate.per_s for rate in rates[name][0]],
            [rate.per_s for rate in rates[name][1]],
            target,
            unit="requests/s",
        )
        for name, target in TARGETS.items()
    ]
    lists = [rate.per_s for rate in rates[LIST][0]]
    found.append(compare(f"{LIST} over HTTP / the same by FastAPI's models", lists, models, None, unit="requests/s"))
    facts: dict[str, object] = {
        "latency over HTTP": {name: _latency(mine) for name, (mine, _) in rates.items()} | {"callers": CALLERS},
        "memory of the API": {
            "idle_mb": round(before_mb, 1),
            "first_round_mb": round(resident[len(TARGETS) - 1], 1),
            "last_round_mb": round(resident[-1], 1),
            "at_most_mb": MEMORY_MB_MAX,
            "met": max(resident) <= MEMORY_MB_MAX and resident[-1] - resident[len(TARGETS) - 1] <= FLAT_MB,
        },
    }
    return found, facts


def requests(ids: Sequence[str], tokens: Sequence[str], prefix: str) -> dict[str, tuple[Request, int]]:
    """By name: the requests of a workload, and the status that each has to get. ``tokens``: by caller, or none."""
    heads = [signed(token) for token in tokens] or [b""]
    run, counter = uuid4().hex, iter(range(1 << 60))

    def told(caller: int, line: str, more: bytes = b"", body: bytes = b"") -> bytes:
        return b"%s HTTP/1.1\r\n%s%s%s\r\n%s" % (line.encode(), _HEAD, heads[caller % len(heads)], more, body)

    def note(caller: int, _: int) -> bytes:
        # Every incident gets a note in turn, and no two callers are at the same one.
        number = next(counter)
        key = b"Idempotency-Key: %s-%d\r\n" % (run.encode(), number)
        return told(caller, f"POST {prefix}/incidents/{ids[number % len(ids)]}/notes", key + _JSON, NOTE)

    def detail(caller: int, count: int) -> bytes:
        return told(caller, f"GET {prefix}/incidents/{ids[(caller * 7919 + count * 104_729) % len(ids)]}")

    def listing(caller: int, _: int) -> bytes:
        return told(caller, f"GET {prefix}/incidents?limit={PAGE}")

    def modelled(caller: int, _: int) -> bytes:
        return told(caller, f"GET {prefix}/modelled?limit={PAGE}")

    return {
        "command": (note, 201),
        "detail": (detail, 200),
        LIST: (listing, 200),
        MODELLED: (modelled, 200),
    }


def signed(token: str) -> bytes:
    """The header that signs a caller in."""
    return f"Authorization: Bearer {token}\r\n".encode()


async def _rate(port: int, asked: dict[str, tuple[Request, int]], name: str, seconds: float) -> Rate:
    request, status = asked[name]
    return await call(port, request, callers=CALLERS, seconds=seconds, status=status)


def _between(first: Rate, second: Rate) -> Rate:
    return Rate(*((a + b) / 2 for a, b in zip(_figures(first), _figures(second), strict=True)))


def _figures(rate: Rate) -> tuple[float, float, float]:
    return rate.per_s, rate.p50_ms, rate.p99_ms


def _latency(rates: Sequence[Rate]) -> dict[str, float]:
    return {
        "p50_ms": round(median(rate.p50_ms for rate in rates), 2),
        "p99_ms": round(median(rate.p99_ms for rate in rates), 2),
    }


async def fill(server: Server, database: str) -> tuple[list[str], list[str]]:
    """Incidents that the read models show, and a service token for each caller: nobody may have all places at once."""
    ids = RandomIds()
    async with connected(server.dsn(database, APP)) as pool:
        log = EventLog(pool, ids)
        secrets = [await _issued(log, str(ids.new())) for _ in range(CALLERS)]
        names = [str(ids.new()) for _ in range(INCIDENTS)]
        for start in range(0, INCIDENTS, 100):
            writes = [Write(f"incident-{name}", 0, [reported(name)]) for name in names[start : start + 100]]
            await log.append(writes, context=CONTEXT, at=AT)
        runner = ProjectionRunner(pool, log, all_projections())
        await runner.ensure()
        await runner.catch_up_all()
        await log.close()
    return names, secrets


async def _issued(log: EventLog, token_id: str) -> str:
    """The secret of a token that may do what is measured."""
    now, secret = SystemClock().now(), make_secret(token_id)
    grants = (Grant(Role.ENDPOINT_OPERATOR), Grant(Role.AUDITOR))
    digest, end = digest_secret(secret), now + timedelta(days=1)
    issued = ServiceTokenIssued(token_id, "bench", grants, digest, end, CONTEXT.actor, now)
    await log.append([Write(f"service_token-{token_id}", 0, [issued])], context=CONTEXT, at=now)
    return secret


def reported(name: str) -> IncidentReported:
    """An incident as operators report them."""
    return IncidentReported(
        name, "", "edge-tunnel", IncidentSeverity.P3, IncidentKind.STABILITY, Attributable.UNKNOWN, 14,
        "The client stops after sleep and comes back only after a restart of the machine", "ada", AT,
    )  # fmt: skip


async def _same_bytes(server: Server, database: str, port: int, ids: Sequence[str], token: str) -> None:
    """What ours answers, laid ready for the floor: whole incidents, and the items of the list."""
    connection = await asyncpg.connect(server.dsn(database))
    try:
        await connection.execute(http_floor.TABLES)
        rows = []
        for number, name in enumerate(ids):
            whole = await _body(port, f"/api/v1/incidents/{name}", token)
            rows.append((UUID(name), number, "{}", whole.decode()))
        await connection.executemany("insert into floor_item values ($1, $2, $3, $4)", rows)
        page = json.loads(await _body(port, f"/api/v1/incidents?limit={PAGE}", token))
        items = [(UUID(item["id"]), json.dumps(item, separators=(",", ":"))) for item in page["items"]]
        await connection.executemany("update floor_item set item = $2 where id = $1", items)
        await connection.execute("vacuum analyze floor_item")
    finally:
        await connection.close()


async def _body(port: int, path: str, token: str) -> bytes:
    """Of one answer. Raises RuntimeError when it is not 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = _HEAD + signed(token)
        writer.write(f"GET {path} HTTP/1.1\r\nConnection: close\r\n".encode() + head + b"\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        if head[9:12] != b"200":
            raise RuntimeError(f"{path}: {head[:200]!r} {body[:500]!r}")
        return body
    finally:
        writer.close()


@contextmanager
def api(server: Server, database: str, folder: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """The API on a port of loopback, as the command line runs it; its log goes to a file."""
    port, home = free_port(), folder / "api"
    home.mkdir(exist_ok=True)
    told = os.environ | _GREATEST | {"EUCORA_DATABASE_URL": server.dsn(database, APP), "EUCORA_DATA_DIR": str(home)}
    with (home / "log").open("ab") as log:
        command = [sys.executable, "-m", "eucora.cli.main", "serve", "--port", str(port)]
        with running(command, port, told, log) as process:
            yield port, process


@contextmanager
def floor(server: Server, database: str) -> Iterator[int]:
    """The bare app on a port of loopback."""
    port = free_port()
    command = [sys.executable, "-m", "bench.http_floor", server.dsn(database), str(port)]
    with running(command, port, dict(os.environ), None):
        yield port
