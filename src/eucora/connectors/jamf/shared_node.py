"""One node of a Jamf cluster for all replicas.

A node shows another's writes up to a minute late, and a policy can only be read, merged and written back as a whole: a
replica whose node has not heard of the last change would write the scope back without it. A process stays with its
node by the balancer's cookies; so these are shared, sealed like an access token, and the replicas stay together.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import httpx

from eucora.application.tokens import TokenShelf
from eucora.connectors.jamf.sign_in import Credentials, SignIn
from eucora.connectors.token_cache import Sealer, Token, TokenCache

# Cookies by which balancers in front of Jamf Pro know the node. Jamf's guide names the first; the others are in the
# tests of grahampugh/jamf-upload and in deploymenttheory/go-sdk-jamfpro-v2 (read 2026-11-22). A session's is not one.
_OF_BALANCERS: Final = frozenset({"apbalanceid", "awsalb", "awsalbcors", "jpro-ingress"})
# A node that went away is left behind by whoever meets it; within this time the others are told.
_KEPT_S: Final = 3_600


class SharedNode:
    """Keeps the client's cookies with those of the other replicas."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        sign_in: SignIn,
        credentials: Credentials,
        shelf: TokenShelf,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http, self._sign_in, self._now = http, sign_in, now

        def sealer() -> Sealer:
            return Sealer(credentials.secret.encode(), ("jamf-node", str(http.base_url)))

        self._cookies = TokenCache(self._told, now=now, sleep=sleep, shelf=shelf, sealer=sealer)
        self._taken: str | None = None

    async def settle(self) -> None:
        """Take the node that the replicas agreed on; the first of them finds one.

        Raises:
            PlaneError: as for signing in, which is what shows a node.
        """
        told = await self._cookies.token()
        if told == self._taken:
            return
        for cookie in [one for one in self._http.cookies.jar if one.name.lower() in _OF_BALANCERS]:
            self._http.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)  # two of one name contradict
        for name, value in json.loads(told).items():
            self._http.cookies.set(name, value, domain=self._http.base_url.host)
        self._taken = told

    async def _told(self) -> Token:
        """The node that we are with, or that the balancer gives us; a server without one shares nothing."""
        asked_at = self._now()
        await self._sign_in.revoke(await self._sign_in.fetch("sign in"))
        found = {
            cookie.name: cookie.value or "" for cookie in self._http.cookies.jar if cookie.name.lower() in _OF_BALANCERS
        }
        return Token.lasting(json.dumps(found, sort_keys=True), asked_at, _KEPT_S)
