"""What the claims of a token must say before anybody is believed to be their subject.

Times are whole seconds since 1970 (NumericDate; fractions are allowed by RFC 7519 and sent by none of our providers).
Clocks may differ by ``SKEW_S``. Sources: RFC 7519 section 4.1, RFC 9068 section 4, OpenID Connect Core sections 2 and
3.1.3, OpenID Connect Back-Channel Logout section 2.4 (``events``), Keycloak's token types (claim ``typ``), Microsoft's
access token reference (up to 28 hours with continuous access evaluation); read 2026-11-23.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from eucora.api.auth.compact import TokenRefused

SKEW_S: Final = 60
LIFETIME_MAX_S: Final = 48 * 3600
AUDIENCES_MAX: Final = 50
NAME_MAX: Final = 200
VALUES_MAX: Final = 2_000
_CLIENT: Final = ("azp", "client_id", "appid", "cid")  # which client asked for the token, provider by provider
_SPACED: Final = frozenset({"scp", "scope"})  # one text, values separated by spaces (RFC 8693 section 4.2)


def check(claims: Mapping[str, Any], *, issuer: str, audience: str, now: datetime) -> None:
    """Raises TokenRefused with the first rule that is broken.

    A list of audiences is fine when ours is in it: Keycloak adds ``account``, and the token was still made for us.
    """
    if claims.get("iss") != issuer:
        raise TokenRefused("the token is of another issuer")
    if audience not in _audiences(claims.get("aud")):
        raise TokenRefused("the token is for another audience")
    _check_times(claims, now.timestamp())
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or not subject.isprintable() or len(subject) > NAME_MAX:
        raise TokenRefused("the subject of the token is not a printable name")
    _check_client(claims)
    _refuse_other_tokens(claims)


def _audiences(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if len(listed) > AUDIENCES_MAX or not all(isinstance(one, str) and one for one in listed):
        raise TokenRefused("the audience of the token is neither a name nor a list of names")
    return tuple(listed)


def _check_times(claims: Mapping[str, Any], now_s: float) -> None:
    for name in ("exp", "nbf", "iat"):
        # A bool is an int to Python, and a null is no number.
        if name in claims and (not isinstance(claims[name], int) or isinstance(claims[name], bool)):
            raise TokenRefused(f"the time {name} of the token is not a whole number of seconds")
    if "exp" not in claims:
        raise TokenRefused("the token has no end")
    if now_s >= claims["exp"] + SKEW_S:
        raise TokenRefused("the token has expired")
    if claims["exp"] > now_s + LIFETIME_MAX_S + SKEW_S:
        raise TokenRefused("the token would live for more than two days")
    for name in ("nbf", "iat"):
        if claims.get(name, 0) > now_s + SKEW_S:
            raise TokenRefused("the token is not valid yet")


def _check_client(claims: Mapping[str, Any]) -> None:
    told = [claims[name] for name in _CLIENT if name in claims]
    if not all(isinstance(one, str) and one and one.isprintable() for one in told):
        raise TokenRefused("the client of the token is not a printable name")
    if len(set(told)) > 1:
        raise TokenRefused("the token names two clients")


def _refuse_other_tokens(claims: Mapping[str, Any]) -> None:
    """ID tokens, logout tokens and refresh tokens are signed with the same keys, and may carry our audience."""
    kind = claims.get("typ", claims.get("token_use"))
    if "events" in claims:
        raise TokenRefused("this is a logout token; send an access token")
    if kind is not None and not (isinstance(kind, str) and kind.lower() in ("bearer", "access")):
        raise TokenRefused("this is another token than an access token")
    # Keycloak before 25 put the nonce into access tokens too, and says Bearer in them.
    if {"at_hash", "c_hash"} & set(claims) or ("nonce" in claims and kind is None):
        raise TokenRefused("this is an ID token; send an access token")


def texts_of(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The values of a claim, none where it is not there. Raises TokenRefused for what is no text and no list of them.

    A name with dots leads into objects (``realm_access.roles``) where no claim has the whole name.
    """
    value: object = claims.get(name)
    if name not in claims and "." in name:
        value = claims
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                return ()
            value = value[part]
    elif name not in claims:
        return ()
    if isinstance(value, str):
        return tuple(value.split(" ")) if name in _SPACED else (value,)
    if isinstance(value, list) and len(value) <= VALUES_MAX and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise TokenRefused(f"the claim {name} is neither a text nor a list of texts")


def name_of(claims: Mapping[str, Any]) -> str:
    """What the person is called; for people to read, and proof of nothing."""
    told = (claims.get(name) for name in ("name", "preferred_username"))
    found = next((text for text in told if isinstance(text, str) and text.isprintable() and text), str(claims["sub"]))
    return found[:NAME_MAX]
