"""Read model ``tokens``: service tokens, without the secret that nobody keeps."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Text, bindparam, select

from eucora.application.ports import Recorded
from eucora.domain import service_token as e
from eucora.domain.people import Grant
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.paging import Page
from eucora.projections.sql import compiled


@dataclass(frozen=True, slots=True)
class TokenView:
    """``secret_sha256`` is the digest of the whole token. Expiry is judged by the reader, who has a clock.

    ``trust_id``: the workload trust under which it was exchanged, and with which it ends; empty: it was not.
    ``issued_with``: the token with which it was issued, likewise; empty: with none.
    """

    id: str
    position: int
    created: int
    name: str
    grants: tuple[Grant, ...]
    secret_sha256: str
    expires_at: datetime
    issued_by: str
    issued_at: datetime
    revoked_by: str = ""
    revoke_reason: str = ""
    revoked_at: datetime | None = None
    trust_id: str = ""
    issued_with: str = ""

    def valid(self, at: datetime) -> bool:
        """Whether it may be used at a time (UTC)."""
        return self.revoked_at is None and at < self.expires_at


def evolve(view: TokenView | None, recorded: Recorded) -> TokenView | None:
    """The token after an event of its stream."""
    event = recorded.event
    match event:
        case e.ServiceTokenIssued():
            return TokenView(
                id=event.token_id,
                position=recorded.position,
                created=recorded.position,
                name=event.name,
                grants=event.grants,
                secret_sha256=event.secret_sha256,
                expires_at=event.expires_at,
                issued_by=event.by,
                issued_at=event.at,
                trust_id=event.trust_id,
                issued_with=event.issued_with,
            )
        case e.ServiceTokenRevoked() if view:
            view = replace(view, revoked_by=event.by, revoke_reason=event.reason, revoked_at=event.at)
    return view and replace(view, position=recorded.position)


TOKENS = DocumentShape(
    name="tokens",
    table="service_token",
    version=2,
    view=TokenView,
    key=lambda recorded: stream_id(recorded, "service_token"),
    evolve=evolve,
    columns={"secret_sha256": Text(), "issued_with": Text()},
    values=lambda view: {"secret_sha256": view.secret_sha256, "issued_with": view.issued_with},
    indexes=(("secret_sha256",), ("issued_with",)),
)


class Tokens:
    """Queries on service tokens."""

    def __init__(self, pool: Any) -> None:
        self._pool, self._documents = pool, Documents(pool, TOKENS)
        table = TOKENS.live
        self._by_secret = compiled(select(table.c.doc).where(table.c.secret_sha256 == bindparam("sha256")))

    async def get(self, token_id: str) -> TokenView | None:
        return await self._documents.get(token_id)

    async def by_secret(self, sha256: str) -> TokenView | None:
        """The token with this digest, valid or not."""
        doc = await self._by_secret.fetchval(self._pool, sha256=sha256)
        return None if doc is None else self._documents.view(doc)

    async def page(
        self, *, issued_with: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[TokenView]:
        """Newest first. Raises BadCursor."""
        return await self._documents.page({"issued_with": issued_with}, after, limit)
