"""The people of the story, signed in with their passwords, which only the lab's provider takes."""

import time
from typing import Final

import httpx

from eucora.client import Away, Failed

TIMEOUT_S: Final = 30.0
TOKEN_MARGIN_S: Final = 60.0  # a token this close to its end is not sent any more


class SignIn:
    """One person's access token from the OpenID provider, asked for again before it runs out."""

    def __init__(self, http: httpx.AsyncClient, token_url: str, username: str, password: str) -> None:
        self._http, self._url, self._password = http, token_url, password
        self.username = username
        self._token, self._until = "", 0.0

    async def token(self) -> str:
        """Raises Failed when the provider does not sign the person in."""
        if time.monotonic() >= self._until:
            form = {
                "grant_type": "password",
                "client_id": "eucora-cli",
                "username": self.username,
                "password": self._password,
            }
            try:
                answer = await self._http.post(self._url, data=form, timeout=TIMEOUT_S)
            except httpx.TransportError as error:
                raise Away("lab", f"the identity provider does not answer ({type(error).__name__})") from error
            if answer.is_error:
                raise Failed(f"{self.username} could not sign in: {answer.text[:200]}")
            given = answer.json()
            self._token = str(given["access_token"])
            self._until = time.monotonic() + float(given["expires_in"]) - TOKEN_MARGIN_S
        return self._token
