"""The one token that all calls of a process share.

Replicas do not share it, since an account's ends with the process that asked for it; what they may share is the node.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import httpx

from eucora.application.tokens import TokenShelf
from eucora.connectors.jamf.shared_node import SharedNode
from eucora.connectors.jamf.sign_in import Credentials, Token, sign_in_with


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
        self._token: Token | None = None
        self._refreshing = asyncio.Lock()

    async def token(self, operation: str) -> Token:
        """A token that is still fresh.

        Raises:
            PlaneForbidden: Jamf does not know who we are, or refuses us.
            PlaneUnavailable, PlaneRejected: as for any call.
        """
        async with self._refreshing:
            held = self._token
            if held is not None and self._now() < held.fresh_until:
                return held
            if self._node is not None:
                await self._node.settle()
            self._token = None  # should the renewal be cut, nobody knows whether the old one still stands
            renewed = None if held is None else await self._sign_in.renew(operation, held)
            self._token = renewed or await self._sign_in.fetch(operation)
            return self._token

    def discard(self, token: Token) -> None:
        """Forget ``token``, which Jamf refused; a newer one that another call fetched meanwhile stays."""
        if self._token is token:
            self._token = None

    async def aclose(self) -> None:
        """End what we hold, for ways in whose tokens would outlive us."""
        held, self._token = self._token, None
        if held is not None and self._now() < held.ends_at:
            await self._sign_in.revoke(held)
