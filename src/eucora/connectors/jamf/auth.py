"""The one token that all calls of a process share.

Replicas do not share it, since an account's ends with the process that asked for it; what they may share is the node.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import httpx

from eucora.application.planes import PlaneForbidden
from eucora.application.tokens import TokenShelf
from eucora.connectors.jamf.shared_node import SharedNode
from eucora.connectors.jamf.sign_in import ApiClient, Credentials, Token, sign_in_with

# How long a client whose secret was refused goes on with a token that still lasts before it asks again.
_RETRY: Final = timedelta(seconds=2)


class JamfTokens:
    """Keeps one token. One refresh at a time; the others wait for it.

    Over ``shelf`` the replicas stay with one node of the cluster; without one, each process with its own.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        credentials: Credentials,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        shelf: TokenShelf | None = None,
    ) -> None:
        self._sign_in, self._now = sign_in_with(http, credentials, now), now
        self._node: SharedNode | None = None
        if shelf is not None:
            self._node = SharedNode(http, self._sign_in, credentials, shelf, now=now, sleep=sleep)
        self._outlasts = isinstance(credentials, ApiClient) and credentials.kept is not None
        self._token: Token | None = None
        self._retry_at: datetime | None = None
        self._refreshing = asyncio.Lock()

    async def token(self, operation: str) -> Token:
        """A token that is still fresh.

        Raises:
            PlaneForbidden: Jamf does not know who we are, or refuses us. The token of an API client whose secret
                is kept is used to its end first: whoever changes it at the server needs a moment to tell us.
            PlaneUnavailable, PlaneRejected: as for any call.
        """
        async with self._refreshing:
            held = self._token
            if held is not None and self._now() < (self._retry_at or held.fresh_until):
                return held
            self._retry_at = None
            if self._node is not None:
                await self._node.settle()
            self._token = None  # should the renewal be cut, nobody knows whether the old one still stands
            renewed = None if held is None else await self._sign_in.renew(operation, held)
            try:
                self._token = renewed or await self._sign_in.fetch(operation)
            except PlaneForbidden:
                retry_at = self._now() + _RETRY
                if held is None or not self._outlasts or held.ends_at <= retry_at:
                    raise
                self._token, self._retry_at = held, retry_at
            return self._token

    def discard(self, token: Token) -> None:
        """Forget ``token``, which Jamf refused; a newer one that another call fetched meanwhile stays."""
        if self._token is token:
            self._token = self._retry_at = None

    async def aclose(self) -> None:
        """End what we hold, for ways in whose tokens would outlive us."""
        held, self._token = self._token, None
        if held is not None and self._now() < held.ends_at:
            await self._sign_in.revoke(held)
