"""``python -m bench``: about four minutes. ``--long`` adds latency at 10,000 against 1,000,000 events."""

import argparse
import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import uvloop

from bench import appends, governance, http, lag, latency, library, planes, reads, report
from bench.report import Comparison, compare
from eucora.store import migrate
from eucora.store.embedded import EmbeddedPostgres, Server

Result = TypeVar("Result")
RESULTS = Path(__file__).with_name("results.json")
WRITERS = (1, 8, 32)
APPEND_TARGETS = {1: 0.5, 32: 1.1}  # of raw inserts; DESIGN 11
READ_EVENTS = 20_000
DATABASES = ("appends", "reads", "web", "lags", "devices", "planes", "latencies")
# Room in the log so that no checkpoint falls on one side only; durability is as in production.
SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "8GB", "max_connections": "200"}


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """On uvloop, whoever's work it is."""
    return uvloop.run(work)


def append_comparisons(
    server: Server, database: str, rounds: int, seconds: float, notes: list[str]
) -> list[Comparison]:
    """Every side takes its turn in every round."""
    if why := library.missing():
        notes.append(f"eventsourcing 9.5.6 was not measured: {why}")
    found = []
    for writers in WRITERS:
        say(f"append, {writers} at once")
        rates: dict[str, list[float]] = {"ours": [], "raw": [], "pgbench": [], "library": []}
        run(appends.floor(server, database, writers, seconds=0.3))  # caches and plans, once for each
        run(appends.ours(server, database, writers, seconds=0.3))
        for _ in range(rounds):
            before = run(appends.floor(server, database, writers, seconds=seconds / 2)).per_s
            rates["ours"].append(run(appends.ours(server, database, writers, seconds=seconds)).per_s)
            after = run(appends.floor(server, database, writers, seconds=seconds / 2)).per_s
            rates["raw"].append((before + after) / 2)
            if (rate := appends.pgbench(server, database, writers, seconds=seconds)) is not None:
                rates["pgbench"].append(rate)
            if why is None and writers != 8:
                rates["library"].append(library.measure(server, database, writers, seconds=seconds).per_s)
        name = f"append, {writers} writer{'s' if writers > 1 else ''}"
        found.append(compare(f"{name} / raw asyncpg insert", rates["ours"], rates["raw"], APPEND_TARGETS.get(writers)))
        if rates["pgbench"]:
            found.append(compare(f"{name} / pgbench insert", rates["ours"], rates["pgbench"], None))
        if rates["library"]:
            target = 10.0 if writers == max(WRITERS) else None
            found.append(compare(f"{name} / eventsourcing 9.5.6", rates["ours"], rates["library"], target))
    return found


def read_comparisons(server: Server, database: str, rounds: int) -> list[Comparison]:
    """Over one log, filled once."""
    say(f"reads and rebuild, {READ_EVENTS:,} events")
    run(reads.fill(server, database, READ_EVENTS))
    rates: dict[str, list[float]] = {name: [] for name in ("floor", "raw", "all", "streams", "insert", "rebuild")}
    for _ in range(rounds):
        rates["floor"].append(run(reads.floor(server, database)))
        rates["raw"].append(run(reads.ours(server, database, raw=True)))
        rates["all"].append(run(reads.ours(server, database, raw=False)))
        rates["streams"].append(run(reads.streams(server, database)))
        rates["insert"].append(run(reads.decode_and_insert(server, database)))
        rates["rebuild"].append(run(reads.rebuild(server, database)))
    return [
        compare("read all, stored bytes / raw pages", rates["raw"], rates["floor"], 0.6),
        compare("read all, as events / raw pages", rates["all"], rates["floor"], None),
        compare("streams of 3, as events / raw pages", rates["streams"], rates["floor"], None),
        compare("rebuild of a read model / decode and insert", rates["rebuild"], rates["insert"], 0.5),
    ]


async def over_http(
    server: Server, folder: Path, rounds: int, seconds: float
) -> tuple[list[Comparison], dict[str, object]]:
    """What the API takes beside its floor, and how soon a worker's read models show what was committed."""
    found, facts = await http.measure(server, "web", folder, rounds, seconds)
    return found, facts | {"projection lag": await lag.measure(server, "lags", folder, seconds=4 * seconds)}


def say(text: str) -> None:
    print(f"… {text}", flush=True)


async def create(server: Server, database: str) -> str:
    """A fresh database; the server's version."""
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        await connection.execute(f"create database {database}")
        return str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of which the median is told")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one repetition of one side")
    parser.add_argument("--long", action="store_true", help="also latency at 10,000 against 1,000,000 events")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go as JSON")
    arguments = parser.parse_args()
    notes: list[str] = []
    facts: dict[str, object] = {}
    with (
        tempfile.TemporaryDirectory(prefix="eucora-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "pg", settings=SETTINGS) as server,
    ):
        versions = {asyncio.run(create(server, name)) for name in DATABASES}
        about = report.machine(versions.pop())
        for name in DATABASES:
            migrate.upgrade(server.dsn(name))
        found = append_comparisons(server, "appends", arguments.rounds, arguments.seconds, notes)
        say("a subscriber beside 8 writers")
        appended, missed = run(appends.misses(server, "appends", 8, seconds=arguments.seconds))
        facts["subscriber"] = {"events": appended, "missed": missed, "target": 0, "met": missed == 0}
        found += read_comparisons(server, "reads", arguments.rounds)
        say("the API over HTTP beside a bare FastAPI, and the lag of the read models")
        compared, measured = run(over_http(server, Path(folder), arguments.rounds, arguments.seconds))
        found += compared
        facts |= measured
        say(f"gates over {governance.DEVICES:,} devices")
        compared, counted = run(governance.devices(server, "devices", arguments.rounds))
        found += compared
        measured |= counted
        facts |= counted
        say(f"scans of {governance.FINDINGS:,} findings")
        found += governance.evidence(Path(folder), arguments.rounds)
        say(f"vendors' limits: {planes.WINDOWS:,} Windows devices and {planes.MACS:,} Macs in virtual time")
        compared, counted = run(planes.both(server, "planes", Path(folder)))
        found += compared
        facts |= counted
        measured |= counted
        if arguments.long:
            say("latency at 10,000 and at 1,000,000 events")
            found += run(latency.flatness(server, "latencies"))
    print()
    print(report.table(found))
    print(f"{'subscriber beside 8 writers':44}{appended:>10,} events, {missed} missed")
    for name, fact in measured.items():
        print(f"{name:44}{fact}")
    for note in notes:
        print(note)
    report.write(arguments.out, about, found, facts, notes)


if __name__ == "__main__":
    main()
