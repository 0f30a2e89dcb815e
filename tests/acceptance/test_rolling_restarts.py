"""Two replicas are restarted in turn under load, and no caller notices. 100 restarts with EUCORA_TEST_LONG=1."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from killed_house import tokens
from replica_pair import Listener, Pair, load, replica_pair

from databases import Database
from eucora.domain.people import Role
from eucora.store.database import Pool

LONG = bool(os.environ.get("EUCORA_TEST_LONG"))
ROUNDS, RESTARTS = (4, 25) if LONG else (1, 3)
DRAIN_S = 0.6  # the balancer looks ten times a second
WRITERS = 4
pytestmark = [pytest.mark.slow, pytest.mark.timeout(420 if LONG else 240)]


@asynccontextmanager
async def under_load(database: Database, pool: Pool, folder: Path) -> AsyncIterator[tuple[Pair, Listener]]:
    """A pair with writers at work, and somebody who follows the log."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EUCORA_", "INTUNE_", "JAMF_"))}
    environment = kept | {
        "EUCORA_DATABASE_URL": database.url,
        "EUCORA_DATA_DIR": str(folder),
        "EUCORA_LOG_LEVEL": "warning",
        "EUCORA_DRAIN_S": str(DRAIN_S),
    }
    secrets = await tokens(pool, admin=Role.PLATFORM_ADMIN, auditor=Role.AUDITOR)
    async with replica_pair(environment, folder) as pair:
        enough, listener = asyncio.Event(), Listener(pair, secrets["auditor"])
        listening = asyncio.create_task(listener.listen())
        writers = [
            asyncio.create_task(load(pair, secrets["admin"], secrets["auditor"], enough)) for _ in range(WRITERS)
        ]
        try:
            yield pair, listener
        finally:
            enough.set()
            for task in (listening, *writers):
                task.cancel()
            await asyncio.gather(listening, *writers, return_exceptions=True)


@pytest.mark.parametrize("round", range(ROUNDS))
async def test_no_request_fails_while_replicas_are_restarted(
    database: Database, pool: Pool, tmp_path: Path, round: int
) -> None:
    took: list[float] = []
    async with under_load(database, pool, tmp_path) as (pair, listener):
        for number in range(RESTARTS):
            before = pair.answered
            code, seconds = await restart(pair, number, signal.SIGTERM)
            assert code == 0, pair.replicas[number % 2].log.read_text()[-2_000:]
            took.append(seconds)
            assert pair.answered > before, "the other one served on"
        sys.stdout.write(f"{RESTARTS} restarts, {pair.answered} requests, slowest stop {max(took):.1f} s\n")
        assert pair.failures == []
        assert max(took) <= 30
        await listener.reached(await pool.fetchval("select max(position) from event"))
        assert listener.connections > 1, "its stream was ended, and taken up again, at least once"
        assert listener.seen == list(range(len(listener.seen))), "nothing missed, nothing doubled"

        # What the counting is worth: a server that just ends is noticed.
        for number in range(10):
            await restart(pair, number, signal.SIGKILL)
            if pair.failures:
                break
        assert pair.failures, "callers of a server that was killed were cut off"


async def restart(pair: Pair, number: int, how: signal.Signals) -> tuple[int, float]:
    """Exit code, and the seconds until it had ended; the replica is ready again then."""
    replica = pair.replicas[number % 2]
    ended = await replica.stop(how)
    replica.ready = False
    replica.start()
    await pair.all_ready()
    return ended
