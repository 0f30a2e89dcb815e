"""NOTIFY as a hint that events were appended. Losing every hint costs latency, nothing else: the runner polls too."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

CHANNEL = "eucora_event"


async def listen(
    connect: Callable[[], Awaitable[Any]],
    wake: asyncio.Event,
    stop: asyncio.Event,
    *,
    ready: asyncio.Event | None = None,
    retry_s: float = 1.0,
) -> None:
    """Set ``wake`` at every hint until ``stop`` is set; a lost connection is opened again after ``retry_s``.

    ``connect`` opens an asyncpg connection of our own: a pooled one would be reset under the listener. ``ready`` is set
    once the first one listens.
    """
    while not stop.is_set():
        try:
            await _listen_once(connect, wake, stop, ready)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            await first_of(stop, timeout_s=retry_s)


async def _listen_once(
    connect: Callable[[], Awaitable[Any]], wake: asyncio.Event, stop: asyncio.Event, ready: asyncio.Event | None
) -> None:
    connection = await connect()
    lost = asyncio.Event()
    try:
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(CHANNEL, lambda *_: wake.set())
        wake.set()  # whatever was notified before we listened
        if ready is not None:
            ready.set()
        await first_of(stop, lost)
    finally:
        await connection.close(timeout=5)


async def first_of(*events: asyncio.Event, timeout_s: float | None = None) -> None:
    """Return when one of the events is set, or after ``timeout_s``."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
