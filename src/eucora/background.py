"""Work that goes on beside what a process is for: it ends with it, and never unheard before."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

import structlog

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def beside(work: Coroutine[object, object, None], name: str) -> AsyncIterator[None]:
    """Let ``work`` run while the block does. It is for good: that it ended by itself is a record ``background_ended``.

    ``name``: what the record calls it.
    """
    running = asyncio.create_task(work, name=name)
    running.add_done_callback(_tell)
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _tell(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        _log.error("background_ended", name=task.get_name(), exc_info=task.exception())
