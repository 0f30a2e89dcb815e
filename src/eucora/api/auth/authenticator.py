"""From an Authorization header to a person."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, Protocol

from eucora.api.auth.claims import name_of
from eucora.api.auth.compact import TokenRefused, refuse_long
from eucora.api.auth.grants import held_under
from eucora.api.auth.keys import OidcSettings, ProviderAway
from eucora.api.auth.overage import GroupsElsewhere, GroupsUnavailable
from eucora.api.auth.programs import Programs, TokenLookup, Uses
from eucora.api.auth.tokens import Believed, TokenReader
from eucora.api.problems import CHALLENGE, Problem, Refused, Row
from eucora.application.ports import Clock, EventStore, Ids
from eucora.application.service_tokens import TOKEN_PREFIX
from eucora.domain.people import Person
from eucora.domain.role_rules import RoleMapping

MISSING: Final = Row(401, "unauthenticated", "The request has no bearer token")
REFUSED: Final = Row(401, "token-refused", "The bearer token is not accepted")
AWAY: Final = Row(503, "identity-provider-away", "The identity provider does not answer")
NO_GROUPS: Final = Row(503, "groups-unavailable", "The groups of the caller are not to be had")


class Mappings(Protocol):
    """Where the role mapping in force is known."""

    async def get(self) -> RoleMapping: ...


class Authenticator:
    """Bearer tokens only: ours by their prefix, everything else as a JWT of the provider."""

    def __init__(
        self,
        tokens: TokenLookup,
        store: EventStore,
        clock: Clock,
        oidc: OidcSettings | None,
        mappings: Mappings,
        ids: Ids,
        uses: Uses,
    ) -> None:
        self._clock, self._mappings, self._programs = clock, mappings, Programs(tokens, store, clock, uses)
        self._reader = None if oidc is None else TokenReader(oidc, clock)
        self._groups_claim = "groups" if oidc is None else oidc.groups_claim
        self._elsewhere = GroupsElsewhere(None if oidc is None else oidc.directory, clock, ids)

    async def person(
        self, authorization: str | None, *, under: RoleMapping | None = None, in_time_at: datetime | None = None
    ) -> Person:
        """Who calls; ``under`` another mapping than the one in force where one is given.

        ``in_time_at``: when the token must have been neither early nor over, for who asked then and is judged again;
        None: now. That is all that it says: revocations and roles are those of now.

        Raises Refused: 401 for no token or one that is not accepted, 503 when it cannot be judged now.
        """
        with _refusals():
            token = _shown(authorization)
            if token.startswith(TOKEN_PREFIX):
                return await self._programs.person(token, in_time_at)
            return await self._somebody(token, under, in_time_at)

    async def still_believed(self, authorization: str | None) -> None:
        """Return when a token of the provider is as good as ever, by its keys and its times; no database is asked.

        Nothing is said of the roles that it leads to. Raises as :meth:`person`.
        """
        with _refusals():
            await self._believed(_shown(authorization))

    async def _believed(self, token: str, in_time_at: datetime | None = None) -> Believed:
        if self._reader is None:
            raise TokenRefused("this installation has no identity provider; use a service token")
        return await self._reader.read(token, in_time_at)

    async def _somebody(self, token: str, under: RoleMapping | None, in_time_at: datetime | None) -> Person:
        believed = await self._believed(token, in_time_at)
        mapping = await self._mappings.get() if under is None else under
        held = await held_under(mapping, believed.claims, self._groups_claim, self._elsewhere, now=self._clock.now())
        return Person(believed.subject, name_of(believed.claims), held.grants, ends=held.ends)


def _shown(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        detail = "Send an Authorization header: Bearer, then a token of the identity provider or a service token."
        raise Refused(Problem(MISSING, detail))
    refuse_long(token)
    return token


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except TokenRefused as error:
        raise _refused(str(error)) from error
    except ProviderAway as error:
        detail = "The keys of the identity provider cannot be read; ask again in a moment."
        raise Refused(Problem(AWAY, detail, headers={"Retry-After": "10"})) from error
    except GroupsUnavailable as error:
        detail = f"Your token does not hold your groups, and without them nobody knows your roles: {error}."
        raise Refused(Problem(NO_GROUPS, detail, headers={"Retry-After": "30"})) from error


def _refused(why: str) -> Refused:
    challenge = f'{CHALLENGE}, error="invalid_token", error_description="{why}"'
    return Refused(Problem(REFUSED, f"{why[0].upper()}{why[1:]}.", headers={"WWW-Authenticate": challenge}))
