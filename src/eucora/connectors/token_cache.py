"""An access token kept until shortly before its end, in this process and, sealed, for all replicas.

One caller renews while the others use the token that still lasts, or wait. A token's end is reckoned on our own clock
from the moment it was asked for, so the vendor's clock does not matter; those of replicas may differ by less than the
buffer.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from eucora.application.planes import PlaneForbidden, PlaneUnavailable
from eucora.application.tokens import SealedToken, TokenShelf
from eucora.connectors.redaction import known_secret

BUFFER: Final = timedelta(minutes=5)  # a token this close to its end is renewed
LAST_USE: Final = timedelta(seconds=30)  # and this close it is not used any more, renewed or not
LIFETIME_MAX_S: Final = 86_400  # whatever the vendor says, a day is long enough to ask again
RENEWAL: Final = timedelta(seconds=30)  # a replica that took longer is taken for dead
RETRY: Final = timedelta(seconds=15)  # between two attempts to renew a token that still lasts
_POLL_S, _POLL_MAX_S = 0.05, 1.0
_WAIT_MAX_S: Final = 2 * RENEWAL.total_seconds()
_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and when to renew it and to stop using it (UTC, our clock). The value never shows in a repr."""

    value: str = field(repr=False)
    renew_at: datetime
    expires_at: datetime

    @classmethod
    def lasting(cls, value: str, asked_at: datetime, lifetime_s: int) -> "Token":
        """A token that was asked for at ``asked_at``, good for so many seconds from then."""
        lifetime = timedelta(seconds=min(lifetime_s, LIFETIME_MAX_S))
        # a lifetime under ten minutes would otherwise be spent on nothing but asking
        return cls(known_secret(value), asked_at + lifetime - min(BUFFER, lifetime / 2), asked_at + lifetime)

    def fresh(self, now: datetime) -> bool:
        return now < self.renew_at

    def lasts(self, now: datetime) -> bool:
        """Whether it may still be used, although it should be renewed."""
        return now < self.expires_at - min(LAST_USE, (self.expires_at - self.renew_at) / 2)


class Sealer:
    """Seals tokens under a key that comes from the client's own credential.

    Who can read a sealed token could have asked the vendor for one, so a database may hold it. ``about`` says what the
    token is for and is bound to it: a row that was moved to another key, or given another end, does not open.
    """

    def __init__(self, secret: bytes, about: Sequence[str]) -> None:
        self._about = json.dumps(list(about)).encode()
        self._cipher = AESGCM(self._derive(secret, b"seal", 32))
        self.key = f"{about[0]}:{self._derive(secret, b'name', 16).hex()}"

    def _derive(self, secret: bytes, use: bytes, size: int) -> bytes:
        info = b"eucora token cache 1\0" + use + b"\0" + self._about
        return HKDF(SHA256(), size, salt=None, info=info).derive(secret)

    def seal(self, token: Token) -> SealedToken:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        bound = self._bound(token.renew_at, token.expires_at)
        sealed = _VERSION + nonce + self._cipher.encrypt(nonce, token.value.encode(), bound)
        return SealedToken(sealed, token.renew_at, token.expires_at)

    def open(self, sealed: SealedToken) -> Token | None:
        """The token; None for bytes that are not what ``seal`` made, which is logged."""
        body = sealed.sealed
        nonce, text = body[1 : 1 + _NONCE_BYTES], body[1 + _NONCE_BYTES :]
        try:
            if body[:1] != _VERSION or len(nonce) < _NONCE_BYTES:
                raise InvalidTag
            value = self._cipher.decrypt(nonce, text, self._bound(sealed.renew_at, sealed.expires_at)).decode()
        except InvalidTag:
            _log.warning("token_cache.unreadable", key=self.key)
            return None
        return Token(value, sealed.renew_at, sealed.expires_at)

    def _bound(self, *times: datetime) -> bytes:
        return b"\0".join((self._about, *(time.astimezone(UTC).isoformat().encode() for time in times)))


class TokenCache:
    """One token for all callers; ``fetch`` asks the vendor for another one.

    ``shelf`` and ``sealer`` are given together where replicas share the token, and left out where they cannot. The
    sealer is asked for each time, because the secret it comes from may be another one meanwhile.

    ``outlasts_refusals``: a refusal, too, is no matter while the token lasts, because whoever changes our secret at the
    vendor needs a moment to tell us the new one.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Token]],
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        shelf: TokenShelf | None = None,
        sealer: Callable[[], Sealer] | None = None,
        outlasts_refusals: bool = False,
    ) -> None:
        self._fetch, self._now, self._sleep = fetch, now, sleep
        self._outlasts = outlasts_refusals
        self._shared = (shelf, sealer) if shelf is not None and sealer is not None else None
        self._renewer = secrets.token_hex(8)
        self._held: Token | None = None
        self._retry_at: datetime | None = None
        self._renewing = asyncio.Lock()

    async def token(self, *, refused: str | None = None) -> str:
        """A token to use now; never ``refused``, which the vendor has just turned down.

        Raises:
            PlaneError: what ``fetch`` raised, unless it was an outage and the token that we hold still lasts.
        """
        if (value := self._fresh(refused)) is not None:
            return value
        if self._renewing.locked() and (value := self._lasting(refused)) is not None:
            return value
        async with self._renewing:
            if (value := self._fresh(refused)) is not None:
                return value  # somebody renewed it while we waited
            try:
                self._held = await self._renewed(refused)
            except (PlaneUnavailable, PlaneForbidden) as error:
                if isinstance(error, PlaneForbidden) and not self._outlasts:
                    raise
                if (value := self._lasting(refused)) is None:
                    raise
                self._retry_at = self._now() + RETRY
                return value
            self._retry_at = None
            return self._held.value

    def _fresh(self, refused: str | None) -> str | None:
        held, now = self._held, self._now()
        if held is None or held.value == refused:
            return None
        if held.fresh(now):
            return held.value
        waits = self._retry_at is not None and now < self._retry_at
        return held.value if waits and held.lasts(now) else None

    def _lasting(self, refused: str | None) -> str | None:
        held = self._held
        return held.value if held is not None and held.value != refused and held.lasts(self._now()) else None

    async def _renewed(self, refused: str | None) -> Token:
        if self._shared is None:
            return await self._fetch()
        shelf, sealer = self._shared[0], self._shared[1]()
        waited, pause = 0.0, _POLL_S
        while waited < _WAIT_MAX_S:
            shelved = await shelf.look(sealer.key)
            token = None if shelved.token is None else sealer.open(shelved.token)
            if token is not None and token.value == refused:
                token = None
            now = self._now()
            if token is not None and token.fresh(now):
                return token
            claimed = await shelf.claim(
                sealer.key, self._renewer, generation=shelved.generation, now=now, until=now + RENEWAL
            )
            if claimed:
                return await self._renew_for_all(shelf, sealer)
            if token is not None and token.lasts(now):
                return token  # another replica renews it; this call need not wait for that
            await self._sleep(pause)
            waited, pause = waited + pause, min(2 * pause, _POLL_MAX_S)
        # Whoever renews is neither done nor gone. One request too many is better than none.
        return await self._fetch()

    async def _renew_for_all(self, shelf: TokenShelf, sealer: Sealer) -> Token:
        done = False
        try:
            token = await self._fetch()
            # Not under a secret that is none any more: whoever still knows it could read the token of its successor.
            if self._shared is not None and self._shared[1]().key == sealer.key:
                done = await shelf.put(sealer.key, self._renewer, sealer.seal(token))
        finally:
            if not done:
                await shelf.release(sealer.key, self._renewer)
        return token
