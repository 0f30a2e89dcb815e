"""The ``eventsourcing`` library beside ours: its Postgres recorder as it comes, which locks the table and is ordered.

Only its recorder is measured, with the bytes made beforehand: no aggregate, no mapper. Pinned in
``requirements/bench.txt``; left out where it is not installed.
"""

import importlib
import importlib.util
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from bench.workload import AT, CONTEXT, EVENT, STREAM_LENGTH, Rate, rate_of
from eucora.codec.envelope import seal
from eucora.store.embedded import Server
from eucora.store.ids import RandomIds


def missing() -> str | None:
    """Why it cannot be measured here; None when it can."""
    for module in ("eventsourcing", "psycopg"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed: pip install --require-hashes -r requirements/bench.txt"
    try:
        importlib.import_module("psycopg")  # needs libpq of the system
    except ImportError as error:
        return str(error).splitlines()[0]
    return None


def measure(server: Server, database: str, writers: int, *, seconds: float) -> Rate:
    """Threads, as the library is synchronous; a connection each; one event a commit."""
    from eventsourcing.persistence import StoredEvent
    from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

    body = seal(EVENT, id=RandomIds().new(), stream="incident-0", version=1, at=AT, context=CONTEXT).body
    datastore: Any = PostgresDatastore(
        database, str(server.socket_dir), 5432, "eucora", "unused", pool_size=writers, max_overflow=0
    )
    took: list[list[float]] = [[] for _ in range(writers)]
    try:
        recorder = PostgresApplicationRecorder(datastore, events_table_name="library_event")
        recorder.create_table()
        begin = threading.Barrier(writers + 1)

        def write(writer: int) -> None:
            begin.wait()
            now = time.perf_counter()
            end, stream, count = now + seconds, uuid4(), 0
            while now < end:
                if count % STREAM_LENGTH == 0:
                    stream = uuid4()
                recorder.insert_events([StoredEvent(stream, count % STREAM_LENGTH + 1, "bench", body)])
                before, now = now, time.perf_counter()
                took[writer].append(now - before)
                count += 1

        with ThreadPoolExecutor(writers) as threads:
            running = [threads.submit(write, writer) for writer in range(writers)]
            begin.wait()
            start = time.perf_counter()
            for thread in running:
                thread.result()
        return rate_of([step for steps in took for step in steps], time.perf_counter() - start)
    finally:
        datastore.close()
