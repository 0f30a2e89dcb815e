"""JSON Web Tokens of the identity provider: which ones are believed, and who they speak of."""

import json
from collections.abc import Sequence
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from eucora.api.auth.grants import grants_of
from eucora.api.auth.keys import OidcSettings, ProviderKeys
from eucora.application.ports import Clock
from eucora.domain.people import Person

ALGORITHMS: Final = ("RS256", "ES256")
SKEW_S: Final = 60
TOKEN_MAX: Final = 16 * 1024  # characters
# Headers that name a key, or where to get one: a token must not choose what it is verified with.
_KEY_CHOOSERS: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64"})
_TYPES: Final = (None, "jwt", "at+jwt", "application/at+jwt")
NAME_MAX: Final = 200


class TokenRefused(Exception):
    """The token is not believed; the message may be shown."""


class TokenReader:
    """Reads access tokens of one issuer for one audience."""

    def __init__(self, settings: OidcSettings, clock: Clock) -> None:
        self._settings, self._clock, self._keys = settings, clock, ProviderKeys(settings, clock)

    async def person(self, token: str) -> Person:
        """Who the token speaks of: ``<iss>|<sub>``. Raises TokenRefused, ProviderAway."""
        if len(token) > TOKEN_MAX:
            raise TokenRefused("the token is too long")
        kid = _kid(token)
        key = await self._keys.key(kid)
        if key is None:
            raise TokenRefused("the token is signed with a key that its issuer does not publish")
        try:
            found = jwt.decode(token, key, algorithms=list(ALGORITHMS))
            _refuse_repeats(token)
            self._registry().validate(found.claims)
        except (JoseError, ValueError) as error:
            raise TokenRefused(_sentence(error)) from error
        return self._named(found.claims)

    def _registry(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=SKEW_S,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    def _named(self, claims: dict[str, Any]) -> Person:
        issuer, subject = str(claims["iss"]), str(claims["sub"])
        if not subject.isprintable() or len(subject) > NAME_MAX:
            raise TokenRefused("the subject is not a printable name")
        groups = claims.get(self._settings.groups_claim)
        listed = groups if isinstance(groups, list) else []
        told = (claims.get(name) for name in ("name", "preferred_username"))
        name = next((text for text in told if isinstance(text, str) and text.isprintable() and text), subject)
        return Person(f"{issuer}|{subject}", name[:NAME_MAX], grants_of(listed))


def _kid(token: str) -> str:
    """The id of the key that signed, from the header, after the header proved harmless."""
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError) as error:
        raise TokenRefused("the token is no signed JSON Web Token") from error
    kind = header.get("typ")
    if header.get("alg") not in ALGORITHMS:
        raise TokenRefused(f"the token is not signed with {' or '.join(ALGORITHMS)}")
    if _KEY_CHOOSERS & set(header):
        raise TokenRefused("the token's header names a key of its own")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES:
        raise TokenRefused("the token is of another type than an access token")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise TokenRefused("the token does not name the key that signed it")
    return kid


def _refuse_repeats(token: str) -> None:
    """Two readers could take different ones of two claims of one name. Raises ValueError."""
    for part in token.split(".")[:2]:
        json.loads(urlsafe_b64decode(part.encode()), object_pairs_hook=_once)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a claim is repeated")
    return found


def _sentence(error: Exception) -> str:
    told = getattr(error, "error", "") or type(error).__name__
    return f"the token is not valid ({told})"
