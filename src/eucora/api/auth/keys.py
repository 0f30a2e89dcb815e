"""The identity provider's public keys: discovered, cached, rotated, and kept while the provider is away."""

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

from eucora.application.ports import Clock

TTL: Final = timedelta(minutes=5)
RETRY: Final = timedelta(seconds=10)  # between two refreshes for keys that are not there, or that failed
ANSWER_MAX: Final = 256 * 1024  # bytes
TIMEOUT_S: Final = 5.0
RSA_BITS_MIN: Final = 2048
_TYPES: Final[Mapping[str, type[RSAKey] | type[ECKey]]] = {"RSA": RSAKey, "EC": ECKey}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Where tokens come from. ``http`` is only used for discovery and keys; its owner closes it."""

    issuer: str
    audience: str
    http: httpx.AsyncClient
    groups_claim: str = "groups"


class ProviderAway(Exception):
    """No keys were ever read, and the provider does not give any now."""


class ProviderKeys:
    """One cache for one issuer. Safe for any number of tasks."""

    def __init__(self, settings: OidcSettings, clock: Clock) -> None:
        self._issuer, self._http, self._clock = settings.issuer.rstrip("/"), settings.http, clock
        self._given_issuer = settings.issuer
        self._keys: dict[str, RSAKey | ECKey] = {}
        self._read_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> RSAKey | ECKey | None:
        """The key of that id; None when the provider does not publish it. Raises ProviderAway."""
        known = self._keys.get(kid)
        if self._due(known is not None) and not (known is not None and self._lock.locked()):
            async with self._lock:
                if self._due(kid in self._keys):  # another task may have refreshed while this one waited
                    await self._refresh()
        if self._read_at is None:
            raise ProviderAway(self._issuer)
        return self._keys.get(kid)

    def _due(self, known: bool) -> bool:
        now = self._clock.now()
        # A clock that was set back must not freeze the cache: an age below zero counts as old.
        tried = None if self._tried_at is None else now - self._tried_at
        if tried is not None and timedelta(0) <= tried < RETRY:
            return False
        if self._read_at is None or not known:
            return True
        return not timedelta(0) <= now - self._read_at < TTL

    async def _refresh(self) -> None:
        self._tried_at = self._clock.now()
        try:
            found = await self._read()
        except (httpx.HTTPError, ValueError) as error:
            _log.warning("oidc_keys_not_read", issuer=self._issuer, error=str(error)[:200])
            return
        self._keys, self._read_at = found, self._clock.now()

    async def _read(self) -> dict[str, RSAKey | ECKey]:
        config = await self._get(f"{self._issuer}/.well-known/openid-configuration")
        if config.get("issuer") != self._given_issuer:
            raise ValueError("the discovery document names another issuer")
        where = config.get("jwks_uri")
        scheme = httpx.URL(self._issuer).scheme
        if not isinstance(where, str) or httpx.URL(where).scheme not in ("https", scheme):
            raise ValueError("the discovery document names no usable jwks_uri")
        listed = (await self._get(where)).get("keys")
        if not isinstance(listed, list):
            raise ValueError("the key set has no keys")
        keys = [key for data in listed if (key := _usable(data)) is not None]
        if not keys:
            raise ValueError("the key set has no key that could sign a token for us")
        return {str(key.kid): key for key in KeySet(list(keys)).keys if isinstance(key, RSAKey | ECKey)}

    async def _get(self, url: str) -> dict[str, Any]:
        body = b""
        async with self._http.stream("GET", url, timeout=TIMEOUT_S, follow_redirects=False) as response:
            if response.status_code != 200:
                raise ValueError(f"{url} answered {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_MAX:
                    raise ValueError(f"{url} answered with more than {ANSWER_MAX} bytes")
        value = orjson.loads(body)
        if not isinstance(value, dict):
            raise ValueError(f"{url} answered no object")
        return value


def _usable(data: object) -> RSAKey | ECKey | None:
    """A public key that may verify; None for encryption keys, secrets, short or broken keys, and other types."""
    if not isinstance(data, dict) or data.get("use", "sig") != "sig" or data.get("kty") not in _TYPES:
        return None
    try:
        if data["kty"] == "RSA" and int.from_bytes(urlsafe_b64decode(data["n"].encode())).bit_length() < RSA_BITS_MIN:
            return None
        return _TYPES[data["kty"]].import_key({name: data[name] for name in data if isinstance(data[name], str)})
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        return None
