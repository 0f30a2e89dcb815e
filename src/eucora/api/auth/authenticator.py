"""From an Authorization header to a person."""

import hmac
from typing import Final, Protocol

from eucora.api.auth.keys import OidcSettings, ProviderAway
from eucora.api.auth.tokens import TokenReader, TokenRefused
from eucora.api.problems import Problem, Refused, Row
from eucora.application.execute import load
from eucora.application.ports import Clock, EventStore
from eucora.application.service_tokens import TOKEN_PREFIX, digest_secret, well_formed
from eucora.domain import service_token
from eucora.domain.people import Person
from eucora.projections.tokens import TokenView

MISSING: Final = Row(401, "unauthenticated", "The request has no bearer token")
REFUSED: Final = Row(401, "token-refused", "The bearer token is not accepted")
AWAY: Final = Row(503, "identity-provider-away", "The identity provider does not answer")
HEADER_MAX: Final = 20_000


class TokenLookup(Protocol):
    """The read model of service tokens."""

    async def by_secret(self, sha256: str) -> TokenView | None: ...


class Authenticator:
    """Bearer tokens only: ours by their prefix, everything else as a JWT of the provider."""

    def __init__(self, tokens: TokenLookup, store: EventStore, clock: Clock, oidc: OidcSettings | None) -> None:
        self._tokens, self._store, self._clock = tokens, store, clock
        self._reader = None if oidc is None else TokenReader(oidc, clock)

    async def person(self, authorization: str | None) -> Person:
        """Raises Refused: 401 for no token or one that is not accepted, 503 when it cannot be judged now."""
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > HEADER_MAX:
            detail = "Send an Authorization header: Bearer, then a token of the identity provider or a service token."
            raise Refused(Problem(MISSING, detail, headers={"WWW-Authenticate": 'Bearer realm="eucora"'}))
        if token.startswith(TOKEN_PREFIX):
            return await self._program(token)
        if self._reader is None:
            raise _refused("this installation has no identity provider; use a service token")
        try:
            return await self._reader.person(token)
        except TokenRefused as error:
            raise _refused(str(error)) from error
        except ProviderAway as error:
            detail = "The keys of the identity provider cannot be read; ask again in a moment."
            raise Refused(Problem(AWAY, detail, headers={"Retry-After": "10"})) from error

    async def _program(self, secret: str) -> Person:
        if not secret.isascii() or not well_formed(secret):
            raise _refused("the service token is cut off or mistyped")
        digest = digest_secret(secret)
        view = await self._tokens.by_secret(digest)
        if view is None or not hmac.compare_digest(view.secret_sha256, digest):
            raise _refused("no such service token was issued")
        # The read model finds the token, its stream says whether it is good: a revocation counts from its commit on.
        state = await load(self._store, service_token.DECIDER, view.id)
        if not state.valid(self._clock.now()):
            raise _refused("the service token has expired or was revoked")
        if state.issued is None:
            raise AssertionError("a valid token was issued")
        return Person(state.issued.by, view.name, view.grants, credential=f"eucora|{view.id}")


def _refused(why: str) -> Refused:
    challenge = f'Bearer realm="eucora", error="invalid_token", error_description="{why}"'
    return Refused(Problem(REFUSED, f"{why[0].upper()}{why[1:]}.", headers={"WWW-Authenticate": challenge}))
