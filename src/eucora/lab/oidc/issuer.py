"""Keys and access tokens of the lab's OpenID provider."""

import hmac
from collections.abc import Mapping
from datetime import timedelta
from threading import Lock
from typing import Any, Final
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import RSAKey

from eucora.lab.clock import Clock
from eucora.lab.oidc.people import CLIENTS, PEOPLE, Client, Person, client_secret_for, password_for

ALGORITHM: Final = "RS256"
_KEY_BITS: Final = 2048
_KEYS_PUBLISHED: Final = 2  # the one that signs and the one before it, whose tokens may still be good


class Issuer:
    """Signs access tokens (RFC 9068) for ``audience``.

    Keys live in memory only; the first is made when it is first asked for, because most labs never sign a thing.
    """

    def __init__(self, issuer_url: str, seed: int, clock: Clock, *, audience: str, lifetime: timedelta) -> None:
        self.url, self.audience, self.lifetime = issuer_url.rstrip("/"), audience, lifetime
        self._seed, self._clock = seed, clock
        self._made: list[RSAKey] = []
        self._making = Lock()  # a test asks from its own thread while the server answers in another
        self._people: Mapping[str, Person] = {person.subject: person for person in PEOPLE}
        self._clients: Mapping[str, Client] = {client.client_id: client for client in CLIENTS}

    @property
    def _keys(self) -> list[RSAKey]:
        """The keys that are published; the last one signs."""
        with self._making:
            if not self._made:
                self._made = [new_key()]
            return self._made

    @property
    def kid(self) -> str:
        """The id of the key that signs."""
        return str(self._keys[-1].kid)

    def jwks(self) -> dict[str, Any]:
        """The public keys, as a JSON Web Key Set."""
        return {"keys": [key.as_dict(private=False) for key in self._keys]}

    def adopt(self, key: RSAKey) -> str:
        """Sign with ``key`` from now on and retire all but the one before it; the new kid."""
        self._made = [*self._keys, key][-_KEYS_PUBLISHED:]
        return self.kid

    def person(self, username: str, password: str) -> Person | None:
        """Who signs in so, or None."""
        found = next((person for person in self._people.values() if person.username == username), None)
        right = hmac.compare_digest(password.encode(), password_for(username, self._seed).encode())
        return found if right else None

    def client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def client_proved(self, client: Client, secret: str) -> bool:
        """Whether ``secret`` is the client's; never for one that has none."""
        right = hmac.compare_digest(secret.encode(), client_secret_for(client.client_id, self._seed).encode())
        return right and client.confidential

    def mint(
        self,
        subject: str,
        /,
        *,
        signed_by: RSAKey | None = None,
        header: dict[str, Any] | None = None,
        **claims: object,
    ) -> str:
        """An access token for a person's subject or a client's id, good from now on.

        ``claims`` and ``header`` replace what would stand there and None takes it out; ``signed_by`` is a key to sign
        with in place of ours, under our key's id. So a test makes a token that is expired, meant for somebody else or
        forged. Raises KeyError for a subject that is nobody's.
        """
        now = int(self._clock.now().timestamp())
        body = self._identity(subject) | {
            "iss": self.url,
            "aud": self.audience,
            "iat": now,
            "nbf": now,
            "exp": now + int(self.lifetime.total_seconds()),
            "jti": str(uuid4()),
        }
        head = {"alg": ALGORITHM, "typ": "at+jwt", "kid": self.kid} | (header or {})
        return jwt.encode(_without_none(head), _without_none(body | claims), signed_by or self._keys[-1])

    def id_token(self, subject: str, client_id: str, nonce: str) -> str:
        """What tells a client who signed in: for the client, and no key to any API."""
        person, now = self._people[subject], int(self._clock.now().timestamp())
        body = {
            "iss": self.url,
            "sub": subject,
            "aud": client_id,
            "iat": now,
            "exp": now + int(self.lifetime.total_seconds()),
            "name": person.name,
            "preferred_username": person.username,
            "nonce": nonce or None,
        }
        head = {"alg": ALGORITHM, "typ": "JWT", "kid": self.kid}
        return jwt.encode(head, _without_none(body), self._keys[-1])

    def _identity(self, subject: str) -> dict[str, Any]:
        if client := self._clients.get(subject):
            return {"sub": subject, "client_id": subject, "name": client.name, "groups": list(client.groups)}
        person = self._people[subject]
        return {
            "sub": subject,
            "client_id": CLIENTS[0].client_id,
            "name": person.name,
            "preferred_username": person.username,
            "groups": list(person.groups),
        }


def new_key() -> RSAKey:
    """A fresh signing key, its thumbprint (RFC 7638) as key id."""
    return RSAKey.generate_key(_KEY_BITS, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
