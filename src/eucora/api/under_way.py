"""Requests with an Idempotency-Key that this process is answering now."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Running:
    """One that is being answered. ``over`` is set when it was, or when it was refused."""

    fingerprint: str
    over: asyncio.Event = field(default_factory=asyncio.Event)


class UnderWay:
    """By whose key it is. Twins at another replica are told apart when they write: one of them gets the key.

    ``patience_s``: how long a twin waits for the answer of the first.
    """

    def __init__(self, patience_s: float = 2.0) -> None:
        self.patience_s = patience_s
        self._running: dict[tuple[str, str], Running] = {}

    def twin(self, owner: str, key: str) -> Running | None:
        """The request with this key that is being answered."""
        return self._running.get((owner, key))

    @contextmanager
    def answering(self, owner: str, key: str, fingerprint: str) -> Iterator[None]:
        """Hold the key for the block. Raises ValueError: somebody else holds it."""
        if (owner, key) in self._running:
            raise ValueError("the key is held by another request")
        running = self._running[owner, key] = Running(fingerprint)
        try:
            yield
        finally:
            del self._running[owner, key]
            running.over.set()
