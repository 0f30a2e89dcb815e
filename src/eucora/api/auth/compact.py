"""The outside of a JSON Web Token: is it one, in its one canonical form, and does its header leave the key to us.

Sources: RFC 7515 (compact serialization, ``crit``, ``b64``), RFC 7516 (encrypted tokens have five parts), RFC 8725
(best current practice), RFC 9068 section 4 (``at+jwt``). Providers that predate RFC 9068 send ``JWT`` (Microsoft
Entra, Keycloak) or no type at all (Okta).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc.util import urlsafe_b64decode

ALGORITHMS: Final = ("RS256", "ES256")
TOKEN_MAX: Final = 16 * 1024  # characters; 200 groups of Entra take about 10,000
JOSE_HEADER_MAX: Final = 2_048  # characters, as it travels
KID_MAX: Final = 200
# A header that names a key, or where to get one, would let a token choose what it is verified with.
_KEY_CHOOSERS: Final = frozenset({"jwk", "jku", "x5u", "x5c"})
_EXTENSIONS: Final = frozenset({"crit", "b64"})
_ENCRYPTION: Final = frozenset({"enc", "zip"})
_TYPES: Final = (None, "jwt", "at+jwt", "application/at+jwt")
_ALPHABET: Final = re.compile(r"[A-Za-z0-9_.-]+")


class TokenRefused(Exception):
    """The token is not believed; the message may be shown, and stands in a header: plain ASCII without quotes."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A token of which nothing is believed yet. ``payload`` is JSON as it was sent."""

    token: str
    algorithm: str
    kid: str
    payload: bytes


def refuse_long(token: str) -> None:
    """Raises TokenRefused: it is longer than any token that is read, whoever issued it."""
    if len(token) > TOKEN_MAX:
        raise TokenRefused(_too_long("the token", len(token), TOKEN_MAX))


def _too_long(what: str, length: int, most: int) -> str:
    return f"{what} has {length:,} characters and is too long; {most:,} are the most that are read"


def unfolded(token: str) -> Signed:
    """The parts of a compact token whose header is harmless. Raises TokenRefused."""
    refuse_long(token)
    if not _ALPHABET.fullmatch(token):
        raise TokenRefused("the token has characters that none has")
    parts = token.split(".")
    if len(parts) == 5:
        raise TokenRefused("the token is encrypted; send a signed one")
    if len(parts) != 3:
        raise TokenRefused(
            "the token has not three parts, as a signed JSON Web Token does, nor begins with eucora_, as one of ours"
        )
    if len(parts[0]) > JOSE_HEADER_MAX:
        raise TokenRefused(_too_long("the header of the token", len(parts[0]), JOSE_HEADER_MAX))
    header = strict_object(_bytes(parts[0]), "header")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused(f"the token is not signed with {' or '.join(ALGORITHMS)}")
    _refuse_members(header)
    kind = header.get("typ")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES or ("typ" in header and kind is None):
        raise TokenRefused("the token is of another type than an access token")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= KID_MAX:
        raise TokenRefused("the token does not name the key that signed it")
    if not _bytes(parts[2]):
        raise TokenRefused("the token has no signature")
    return Signed(token, algorithm, kid, _bytes(parts[1]))


def _refuse_members(header: dict[str, Any]) -> None:
    members = set(header)
    if members & _KEY_CHOOSERS:
        raise TokenRefused("the header of the token names a key of its own")
    if members & _EXTENSIONS:
        raise TokenRefused("the header of the token asks for an extension that is not known here")
    if members & _ENCRYPTION:
        raise TokenRefused("the token is encrypted; send a signed one")
    if "cty" in members:
        raise TokenRefused("the token holds another token")


def _bytes(part: str) -> bytes:
    """Raises TokenRefused for anything but the one way to write the bytes down: no padding, no stray last bits."""
    try:
        return bytes(urlsafe_b64decode(part.encode("ascii")))
    except ValueError as error:  # binascii.Error is one
        raise TokenRefused("a part of the token is not base64url without padding") from error


def strict_object(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object in UTF-8, each name once. Raises TokenRefused."""
    try:
        # Decoded here: json would guess UTF-16, and so read what others do not.
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise TokenRefused(f"the {what} of the token is no JSON object") from error
    if not isinstance(value, dict):
        raise TokenRefused(f"the {what} of the token is no JSON object")
    return value


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # Two readers could take different ones of two claims of one name.
        raise TokenRefused("a name is repeated in the token")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")
