"""The identity provider's public keys: discovered, cached, rotated, and kept for a day while the provider is away.

A key set is read again when it is five minutes old, and when a token names a key that is not in it: providers publish a
new key before they sign with it, and some do both at once. Reading for unknown keys is bounded, as anybody can invent a
name: five at once, then one in ten seconds, and the same name not twice within ten.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey
from joserfc.util import urlsafe_b64decode

from eucora.api.auth.overage import GroupDirectory
from eucora.application.ports import Clock

TTL: Final = timedelta(minutes=5)
RETRY: Final = timedelta(seconds=10)  # after a failure, and between two searches for unknown keys beyond the burst
SEARCHES: Final = 5  # for unknown keys, at once
OUTAGE_MAX: Final = timedelta(
    hours=24
)  # from the last reading on: then the keys may have been revoked, and nobody knows
MISSING_MAX: Final = 256  # names of unknown keys that are remembered
ANSWER_MAX: Final = 256 * 1024  # bytes
TIMEOUT_S: Final = 5.0  # for both documents together: a request waits
RSA_BITS_MIN: Final = 2048
_TYPES: Final[Mapping[str, type[RSAKey] | type[ECKey]]] = {"RSA": RSAKey, "EC": ECKey}
_ALGORITHM: Final[Mapping[str, str]] = {"RSA": "RS256", "EC": "ES256"}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Where tokens come from. ``http`` is only used for discovery and keys; its owner closes it.

    ``issuer`` with or without a slash at its end, as the provider's discovery document settles it. ``directory`` knows
    the groups of people whose tokens are too small for them. ``console_client_id``: what browsers sign in as.
    """

    issuer: str
    audience: str
    http: httpx.AsyncClient
    groups_claim: str = "groups"
    directory: GroupDirectory | None = None
    console_client_id: str | None = None
    console_scopes: tuple[str, ...] = ("openid", "profile")


class ProviderAway(Exception):
    """No keys were read within the last day, and the provider does not give any now."""


class ProviderKeys:
    """One cache for one issuer. Safe for any number of tasks."""

    def __init__(self, settings: OidcSettings, clock: Clock) -> None:
        self._wanted, self._http, self._clock = settings.issuer.rstrip("/"), settings.http, clock
        self._keys: dict[str, RSAKey | ECKey] = {}
        self._issuer = ""
        self._read_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._trouble = ""
        self._missing: dict[str, datetime] = {}
        self._searches, self._searched_at = float(SEARCHES), clock.now()
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> RSAKey | ECKey | None:
        """The key of that id; None when the provider does not publish it. Raises ProviderAway."""
        # Who has his key does not queue behind a reading that is under way.
        if self._due(kid) and not (kid in self._keys and self._lock.locked()):
            async with self._lock:
                if self._due(kid):  # another task may have read while this one waited
                    if self._read_at is not None and kid not in self._keys:
                        self._take_search(kid)
                    await self._refresh()
        self._require_known()
        return self._keys.get(kid)

    async def issuer(self) -> str:
        """The issuer as its own discovery document writes it. Raises ProviderAway."""
        self._require_known()
        return self._issuer

    async def read_now(self) -> str:
        """Read the keys; empty, or why they cannot be read, in one line."""
        await self._refresh()
        return self._trouble

    def _require_known(self) -> None:
        if self._read_at is None or not self._younger(self._read_at, OUTAGE_MAX):
            raise ProviderAway(self._wanted)

    def _due(self, kid: str) -> bool:
        if self._failed_at is not None and self._younger(self._failed_at, RETRY):
            return False
        if self._read_at is None or not self._younger(self._read_at, TTL):
            return True
        if kid in self._keys:
            return False
        seen = self._missing.get(kid)
        return (seen is None or not self._younger(seen, RETRY)) and self._allowance() >= 1

    def _younger(self, at: datetime, than: timedelta) -> bool:
        # A clock that was set back must not freeze anything: an age below zero counts as old.
        return timedelta(0) <= self._clock.now() - at < than

    def _allowance(self) -> float:
        gained = max(timedelta(0), self._clock.now() - self._searched_at) / RETRY
        return min(float(SEARCHES), self._searches + gained)

    def _take_search(self, kid: str) -> None:
        self._searches, self._searched_at = self._allowance() - 1, self._clock.now()
        self._missing.pop(kid, None)
        self._missing[kid] = self._searched_at
        if len(self._missing) > MISSING_MAX:
            self._missing.pop(next(iter(self._missing)))

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                issuer, found = await self._read()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError, RecursionError) as error:
            self._failed_at, self._trouble = self._clock.now(), str(error) or type(error).__name__
            _log.warning("oidc_keys_not_read", issuer=self._wanted, error=self._trouble)
            return
        self._issuer, self._keys = issuer, found
        self._read_at, self._failed_at, self._trouble = self._clock.now(), None, ""

    async def _read(self) -> tuple[str, dict[str, RSAKey | ECKey]]:
        # The slash is taken off before the path is added (OpenID Connect Discovery, section 4).
        config = await self._get(f"{self._wanted}/.well-known/openid-configuration", "discovery")
        issuer = config.get("issuer")
        if not isinstance(issuer, str) or issuer.removesuffix("/") != self._wanted:
            raise ValueError("the discovery document names another issuer")
        where = config.get("jwks_uri")
        if not isinstance(where, str) or _scheme(where) not in ("https", _scheme(self._wanted)):
            raise ValueError("the discovery document names no usable jwks_uri")
        listed = (await self._get(where, "the jwks_uri of discovery")).get("keys")
        if not isinstance(listed, list):
            raise ValueError("the key set has no keys")
        keys = [key for data in listed if (key := _usable(data)) is not None]
        if not keys:
            raise ValueError("the key set has no key that could sign a token for us")
        return issuer, {str(key.kid): key for key in KeySet(list(keys)).keys if isinstance(key, RSAKey | ECKey)}

    async def _get(self, url: str, what: str) -> dict[str, Any]:
        """The JSON object there. What is said of a failure names ``what`` and not ``url``, which the provider wrote."""
        body = b""
        async with self._http.stream("GET", url, timeout=TIMEOUT_S, follow_redirects=False) as response:
            if response.status_code != 200:
                raise ValueError(f"{what} answered {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_MAX:
                    raise ValueError(f"{what} answered with more than {ANSWER_MAX} bytes")
        value = orjson.loads(body)
        if not isinstance(value, dict):
            raise ValueError(f"{what} answered no object")
        return value


def _scheme(url: str) -> str:
    try:
        return httpx.URL(url).scheme
    except httpx.InvalidURL:  # whose text repeats the address
        return ""


def fits(key: RSAKey | ECKey, algorithm: str) -> bool:
    """Whether tokens of the key are signed with that algorithm: one for each type of key."""
    return _ALGORITHM[key.key_type] == algorithm


def _usable(data: object) -> RSAKey | ECKey | None:
    """A public key that may verify; None for encryption keys, secrets, short or broken keys, and other types."""
    if not isinstance(data, dict) or data.get("use", "sig") != "sig":
        return None
    kind = data.get("kty")
    if not isinstance(kind, str) or kind not in _TYPES or data.get("alg", _ALGORITHM[kind]) != _ALGORITHM[kind]:
        return None
    if kind == "EC" and data.get("crv") != "P-256":  # the one curve of ES256 (RFC 7518 section 3.4)
        return None
    try:
        if kind == "RSA" and int.from_bytes(urlsafe_b64decode(data["n"].encode())).bit_length() < RSA_BITS_MIN:
            return None
        return _TYPES[kind].import_key({name: data[name] for name in data if isinstance(data[name], str)})
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        return None
