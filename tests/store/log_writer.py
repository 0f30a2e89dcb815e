"""A process that appends, for tests: ``python log_writer.py URL NAME TASKS APPENDS [SHARED_STREAM]``.

Each of ``TASKS`` tasks appends ``APPENDS`` events (0: until it is killed) to a stream of its own, and every third one
to the shared stream, deciding again after a conflict. Prints a line for every append once it is acknowledged:
``position stream version``. Ends with ``done``.
"""

import asyncio
import sys
from datetime import UTC, datetime
from itertools import count

from eucora.application.ports import Context, StreamConflict, Write
from eucora.domain.incident import IncidentResolved
from eucora.store.database import connected
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def append(log: EventLog, stream: str, expected: int | None, text: str) -> None:
    """To ``expected``, or to wherever the stream stands."""
    while True:
        version = (await log.read(stream)).version if expected is None else expected
        write = Write(stream, version, [IncidentResolved(text, "ada", AT)])
        try:
            done = await log.append([write], context=Context("ada", "c"), at=AT)
        except StreamConflict:
            if expected is not None:
                raise
        else:
            say(f"{done.position} {stream} {done.version}")
            return


async def main(url: str, name: str, tasks: int, appends: int, shared: str | None) -> None:
    async with connected(url) as pool:
        log = EventLog(pool, RandomIds())

        async def write(task: int) -> None:
            version = 0
            for number in range(appends) if appends else count():
                if shared and number % 3 == 2:
                    await append(log, shared, None, f"{name} {task} {number}")
                else:
                    await append(log, f"incident-{name}-{task}", version, f"{name} {task} {number}")
                    version += 1

        await asyncio.gather(*(write(task) for task in range(tasks)))
        await log.close()
    say("done")


if __name__ == "__main__":
    _, url, name, tasks, appends, *rest = sys.argv
    asyncio.run(main(url, name, int(tasks), int(appends), rest[0] if rest else None))
