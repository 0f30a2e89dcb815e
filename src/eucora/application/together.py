"""One piece of work for all who ask for the same while it is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Running(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class Together(Generic[T]):
    """Nothing is kept once it is done, so what is held is bounded by what is under way."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _Running[T]] = {}

    async def of(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """What the work under the key comes to; it is begun where nobody waits for it yet, and ended with the last.

        Raises what the work raises.
        """
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = _Running(asyncio.ensure_future(_of(work)))
        running.waiting += 1
        try:
            return await asyncio.shield(running.task)
        finally:
            running.waiting -= 1
            if self._running.get(key) is running and (running.task.done() or not running.waiting):
                del self._running[key]
                running.task.cancel()


async def _of(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
