"""JSON Web Tokens of the identity provider: which ones are believed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from eucora.api.auth.claims import check
from eucora.api.auth.compact import ALGORITHMS, JOSE_HEADER_MAX, TokenRefused, strict_object, unfolded
from eucora.api.auth.keys import OidcSettings, ProviderKeys, fits
from eucora.application.ports import Clock


@dataclass(frozen=True, slots=True)
class Believed:
    """A token that is believed. ``subject``: ``<iss>|<sub>``, whom the rules bind."""

    subject: str
    claims: dict[str, Any]


class TokenReader:
    """Reads access tokens of one issuer for one audience."""

    def __init__(self, settings: OidcSettings, clock: Clock) -> None:
        self._audience, self._clock, self._keys = settings.audience, clock, ProviderKeys(settings, clock)
        # Members that are not known are ignored (RFC 7515 section 4): Entra adds x5t. Harmful ones were refused before.
        self._registry = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
        self._registry.max_header_length = JOSE_HEADER_MAX

    async def read(self, token: str, in_time_at: datetime | None = None) -> Believed:
        """The claims of a token that is believed; ``in_time_at``: when by its times, None: now.

        Raises TokenRefused, ProviderAway.
        """
        signed = unfolded(token)
        key = await self._keys.key(signed.kid)
        if key is None:
            raise TokenRefused("the token is signed with a key that its issuer does not publish")
        if not fits(key, signed.algorithm):
            raise TokenRefused("the token is signed with another algorithm than its key is for")
        try:
            jws.deserialize_compact(token, key, algorithms=[signed.algorithm], registry=self._registry)
        except (JoseError, ValueError) as error:
            raise TokenRefused("the signature of the token does not fit") from error
        claims = strict_object(signed.payload, "body")
        check(claims, issuer=await self._keys.issuer(), audience=self._audience, now=in_time_at or self._clock.now())
        return Believed(f"{claims['iss']}|{claims['sub']}", claims)
