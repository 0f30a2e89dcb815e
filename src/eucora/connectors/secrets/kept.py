"""Secrets as they stand now: read again when an upstream refuses one, and from time to time.

Who uses one asks for ``value`` each time, and after a refusal whether there is ``another_than`` the one refused.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from eucora.connectors.redaction import known_secret
from eucora.connectors.secrets.references import SecretUnavailable

AGAIN_S: Final = 1.0  # a refused secret is not read more often than this, however many requests were refused

_log = structlog.get_logger(__name__)


class KeptSecret:
    """One secret by the name of its setting. ``read`` gets it anew; without it the value stays for good."""

    def __init__(
        self,
        name: str,
        value: str,
        read: Callable[[], Awaitable[str]] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._value, self._read, self._monotonic = name, known_secret(value, name), read, monotonic
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    def __repr__(self) -> str:
        return f"KeptSecret({self.name})"

    @property
    def value(self) -> str:
        """As last read."""
        return self._value

    async def another_than(self, refused: str) -> bool:
        """Whether there is another value than ``refused``, which an upstream has just turned down; it is read anew."""
        async with self._reading:
            waits = self._read_at is not None and self._monotonic() - self._read_at < AGAIN_S
            if self._value == refused and not waits:
                await self._anew()
            return self._value != refused

    async def refresh(self) -> None:
        """Read it anew. One that cannot be read stays as it was, which is logged."""
        async with self._reading:
            await self._anew()

    async def _anew(self) -> None:
        if self._read is None:
            return
        try:
            found = await self._read()
        except SecretUnavailable as error:
            _log.warning("secret.not_read", setting=self.name, reason=str(error))
            return
        except Exception as error:  # a keeper's library may raise anything; the other secrets are still to be read
            _log.warning("secret.not_read", setting=self.name, reason=type(error).__name__)
            return
        finally:
            self._read_at = self._monotonic()
        if found != self._value:
            self._value = known_secret(found, self.name)
            _log.info("secret.changed", setting=self.name)


async def keep(
    secrets: Iterable[KeptSecret], every_s: float, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Read all of them anew every ``every_s`` seconds, until cancelled."""
    kept = tuple(secrets)
    while True:
        await sleep(every_s)
        for secret in kept:
            await secret.refresh()
