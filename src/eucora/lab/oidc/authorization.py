"""The authorization endpoint of the lab's provider: a form, and the code that a browser carries back.

Only the code flow with PKCE and S256. Sources: RFC 6749 section 4.1, RFC 7636, RFC 9207 (``iss`` in the answer), RFC
9700 (best current practice: exact redirect addresses, a code once, no redirect to an address that is not registered).
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from eucora.lab.clock import Clock
from eucora.lab.oidc.forms import FormRefused, read_form
from eucora.lab.oidc.issuer import Issuer

CODE_LIFE: Final = timedelta(seconds=60)
SCOPES: Final = ("openid", "profile")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_ASKED: Final = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
)  # fmt: skip
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Code:
    """What a code stands for; it is good until ``ends``, once, for who proves to have asked."""

    subject: str
    client_id: str
    redirect_uri: str
    scope: str
    nonce: str
    challenge: str
    ends: datetime


class AuthorizationRefused(Exception):
    """The browser goes back to the client with this error of RFC 6749 section 4.1.2.1."""


class Authorization:
    """The endpoint, and the codes that it gave out."""

    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self._issuer, self._clock = issuer, clock
        self._codes: dict[str, Code] = {}

    async def show(self, request: Request) -> Response:
        """The form in which people give name and password."""
        asked = _asked(request.query_params)
        return self._strange(asked) or self._wrong(asked) or _page(asked)

    async def answer(self, request: Request) -> Response:
        """Back to the client with a code; the form again where name and password do not fit."""
        try:
            form = await read_form(request)
        except FormRefused as refused:
            return HTMLResponse(f"<p>{escape(str(refused))}</p>", refused.status, headers=_HEADERS)
        asked = _asked(form)
        if (refusal := self._strange(asked) or self._wrong(asked)) is not None:
            return refusal
        person = self._issuer.person(form.get("username", ""), form.get("password", ""))
        if person is None:
            return _page(asked, "Unknown name, or wrong password.")
        now = self._clock.now()
        self._codes = {code: one for code, one in self._codes.items() if now < one.ends}
        code = secrets.token_urlsafe(32)
        self._codes[code] = Code(
            subject=person.subject,
            client_id=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            scope=asked["scope"],
            nonce=asked["nonce"],
            challenge=asked["code_challenge"],
            ends=now + CODE_LIFE,
        )
        return self._back(asked, code=code)

    def redeem(self, code: str, *, client_id: str, redirect_uri: str, verifier: str) -> Code | None:
        """What the code stands for, once; None when it does not stand for this. It is used up either way."""
        found = self._codes.pop(code, None)
        if found is None or not _VERIFIER.fullmatch(verifier) or self._clock.now() >= found.ends:
            return None
        proof = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        same = (found.client_id, found.redirect_uri) == (client_id, redirect_uri)
        return found if same and hmac.compare_digest(proof, found.challenge) else None

    def _strange(self, asked: Mapping[str, str]) -> Response | None:
        """Nobody is sent to an address that its client did not register: it would be an open redirect."""
        client = self._issuer.client(asked["client_id"])
        if client is not None and asked["redirect_uri"] in client.redirect_uris:
            return None
        return HTMLResponse("<p>Unknown client, or an address that it did not register.</p>", 400, headers=_HEADERS)

    def _wrong(self, asked: Mapping[str, str]) -> Response | None:
        try:
            _check(asked)
        except AuthorizationRefused as refused:
            error, _, description = str(refused).partition(": ")
            return self._back(asked, error=error, error_description=description)
        return None

    def _back(self, asked: Mapping[str, str], **told: str) -> Response:
        state = {"state": asked["state"]} if asked["state"] else {}
        query = urlencode(told | state | {"iss": self._issuer.url})
        return RedirectResponse(f"{asked['redirect_uri']}?{query}", 303, headers=_HEADERS)


def _asked(given: Mapping[str, str] | QueryParams) -> dict[str, str]:
    return {name: given.get(name, "") for name in _ASKED}


def _check(asked: Mapping[str, str]) -> None:
    if asked["response_type"] != "code":
        raise AuthorizationRefused("unsupported_response_type: code")
    if asked["code_challenge_method"] != "S256" or not _CHALLENGE.fullmatch(asked["code_challenge"]):
        raise AuthorizationRefused("invalid_request: PKCE with S256 is required")
    if not set(asked["scope"].split()) <= set(SCOPES):
        raise AuthorizationRefused("invalid_scope: " + " ".join(SCOPES))


def _page(asked: Mapping[str, str], told: str = "") -> Response:
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in asked.items())
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in to the lab</title></head><body>'
        f"<h1>Sign in to the lab</h1><p>{escape(told)}</p>"
        f'<form method="post" action="authorize">{hidden}'
        '<p><label>Name <input name="username" autocomplete="username" required></label></p>'
        '<p><label>Password <input name="password" type="password" required></label></p>'
        '<p><button type="submit">Sign in</button></p></form></body></html>'
    )
    return HTMLResponse(body, 401 if told else 200, headers=_HEADERS)
