"""Service tokens: from the secret that a program shows to the person whom it acts for."""

import hmac
from datetime import datetime, timedelta
from typing import Final, Protocol

from eucora.api.auth.compact import TokenRefused
from eucora.application.execute import load
from eucora.application.handing_on import credential_of, void_by
from eucora.application.ports import Clock, EventStore
from eucora.application.service_tokens import digest_secret, token_named, well_formed
from eucora.domain import service_token
from eucora.domain.people import Person
from eucora.projections.tokens import TokenView

TOUCHED_EVERY: Final = timedelta(minutes=1)
REMEMBERED_MAX: Final = 10_000  # tokens of which this replica knows when it last noted a use


class TokenLookup(Protocol):
    """The read model of service tokens."""

    async def by_secret(self, sha256: str) -> TokenView | None: ...


class Uses(Protocol):
    """Where the last use of each token is kept."""

    async def touch(self, token_id: str, at: datetime, every: timedelta) -> None: ...


class Programs:
    """Who a service token speaks for.

    The token's own stream says whether it is good: it may be used from its commit on, and a revocation counts from its
    commit on, in every replica. What a token rests on, the token with which it was issued or the trust under which it
    was exchanged, is asked in the same way, so no issue that is under way in the moment of a revocation gets past it.
    """

    def __init__(self, tokens: TokenLookup, store: EventStore, clock: Clock, uses: Uses) -> None:
        self._tokens, self._store, self._clock, self._uses = tokens, store, clock, uses
        self._touched: dict[str, datetime] = {}

    async def person(self, secret: str, in_time_at: datetime | None = None) -> Person:
        """The issuer, with the grants and the name of the token. Raises TokenRefused.

        ``in_time_at``: when it, and what it rests on, must not have been over; None: now. A revocation counts always.
        """
        if not secret.isascii() or not well_formed(secret):
            raise TokenRefused("the service token is cut off or mistyped")
        digest = digest_secret(secret)
        token_id = token_named(secret) or await self._of_earlier_version(digest)
        state = await load(self._store, service_token.DECIDER, token_id)
        issued = state.issued
        if issued is None or not hmac.compare_digest(issued.secret_sha256, digest):
            raise TokenRefused("no such service token was issued")
        now = self._clock.now()
        in_time_at = in_time_at or now
        if not state.valid(in_time_at):
            raise TokenRefused("the service token has expired or was revoked")
        if why := await void_by(self._store, issued_with=issued.issued_with, trust_id=issued.trust_id, at=in_time_at):
            raise TokenRefused(why)
        await self._note(token_id, now)
        return Person(
            issued.by, issued.name, issued.grants, credential=credential_of(token_id), until=issued.expires_at
        )

    async def _of_earlier_version(self, digest: str) -> str:
        view = await self._tokens.by_secret(digest)
        if view is None:
            raise TokenRefused("no such service token was issued")
        return view.id

    async def _note(self, token_id: str, now: datetime) -> None:
        before = self._touched.get(token_id)
        if before is not None and timedelta(0) <= now - before < TOUCHED_EVERY:
            return
        if len(self._touched) >= REMEMBERED_MAX:
            self._touched.clear()
        await self._uses.touch(token_id, now, TOUCHED_EVERY)
        self._touched[token_id] = now
