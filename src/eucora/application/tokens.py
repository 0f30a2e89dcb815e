"""The port to where replicas share access tokens to a vendor, and agree on who renews one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SealedToken:
    """A token that only a holder of the client's credential can read. Times are UTC, by the clock of who had it."""

    sealed: bytes = field(repr=False)
    renew_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Shelved:
    """What lies under a key. ``generation`` counts the tokens that were ever put there."""

    token: SealedToken | None
    generation: int


class TokenShelf(Protocol):
    """Tokens by key, and for each the right of one replica at a time to renew it."""

    async def look(self, key: str) -> Shelved:
        """What lies there now."""
        ...

    async def claim(self, key: str, renewer: str, *, generation: int, now: datetime, until: datetime) -> bool:
        """Whether ``renewer`` may renew until then: nobody else does, and nothing was put after ``generation``."""
        ...

    async def put(self, key: str, renewer: str, token: SealedToken) -> bool:
        """Lay ``token`` there and end the claim; False, and nothing, when the claim is another's by now."""
        ...

    async def release(self, key: str, renewer: str) -> None:
        """End a claim that came to nothing."""
        ...
