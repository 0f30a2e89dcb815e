"""The memory of what planes hold back for an approval, shared by all replicas: one table, one statement a step."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from eucora.application.held_requests import AskedRequest, HeldRequest, HeldState
from eucora.application.lanes import Lane
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome
from eucora.store.database import Pool

_FIELDS = """id, key, tenant, entity, method, path, content_type, body, state, code, asked_at, expires_at, outcome,
  decided_by, reason, purpose, lane, claimed_until"""
_STANDING = f"""
select {_FIELDS} from held_request where tenant = $1 and entity = $2 and state <> 'ended' order by id
"""
_BEGIN = """
insert into held_request
  (key, tenant, entity, method, path, content_type, body, purpose, lane, state, code, asked_at, decided_by, reason)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'asking', '', $10, '', '')
on conflict (key) where state <> 'ended' do nothing
returning id
"""
_LIVING = f"select {_FIELDS} from held_request where key = $1 and state <> 'ended'"
_HOLD = "update held_request set state = 'open', code = $2, expires_at = $3 where key = $1 and state <> 'ended'"
_FORGET = "delete from held_request where key = $1 and state = 'asking'"
_CLAIM = """
update held_request set claimed_until = $3, decided_by = $4, reason = $5
where id = $1 and state = 'open' and (claimed_until is null or claimed_until <= $2)
"""
_RELEASE = "update held_request set claimed_until = $2 where id = $1 and state = 'open'"
_CARRIED_OUT = """
update held_request set state = 'ended', outcome = 'approved', ended_at = $2
where code = $1 and state = 'open' and claimed_until is not null
"""
_END = """
update held_request set state = 'ended', outcome = $2, decided_by = $3, reason = $4, ended_at = $5
where id = $1 and state <> 'ended'
"""
_ABANDON = """
update held_request set state = 'ended', outcome = 'superseded', reason = $2, ended_at = $3
where code = $1 and state = 'open'
"""
_ENDED = f"select {_FIELDS} from held_request where code = any($1) and state = 'ended' order by id"
_LAST = "select max(asked_at) from held_request where tenant = $1 and code <> ''"
# What a tenant queued last stays: that it queues at all is asked long after.
_PURGE = """
delete from held_request where state = 'ended' and ended_at < $1
  and id not in (
    select distinct on (tenant) id from held_request where code <> '' order by tenant, asked_at desc, id desc
  )
"""


class PostgresHeldRequests:
    """Implements the HeldRequests port on Postgres."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def standing(self, tenant: str, entity: str) -> Sequence[HeldRequest]:
        """What is being asked or waits about one object, in the order of asking."""
        return [_held(row) for row in await self._pool.fetch(_STANDING, tenant, entity)]

    async def begin(self, asked: AskedRequest, at: datetime) -> HeldRequest | None:
        """None: it is on record now as being asked; else what stands for it already."""
        about = (asked.key, asked.tenant, asked.entity, asked.method, asked.path, asked.content_type, asked.body)
        values = (*about, asked.purpose, int(asked.lane), at)
        while True:
            if await self._pool.fetchval(_BEGIN, *values) is not None:
                return None
            if (row := await self._pool.fetchrow(_LIVING, asked.key)) is not None:
                return _held(row)  # else it ended between the two statements, and there is room for ours

    async def hold(self, key: str, code: str, expires_at: datetime | None) -> None:
        """The plane queued it as ``code``."""
        await self._pool.execute(_HOLD, key, code, expires_at)

    async def forget(self, key: str) -> None:
        """Nothing waits for what was being asked."""
        await self._pool.execute(_FORGET, key)

    async def claim(self, id: int, now: datetime, until: datetime, *, by: str = "", reason: str = "") -> bool:
        """Whether the caller alone may complete it until then."""
        return await self._pool.execute(_CLAIM, id, now, until, by, reason) == "UPDATE 1"

    async def release(self, id: int, sent_until: datetime | None = None) -> None:
        """Give the claim back; None: it was not sent, or not taken."""
        await self._pool.execute(_RELEASE, id, sent_until)

    async def carried_out(self, code: str, at: datetime) -> bool:
        """It is over as approved, if it was ever sent as that."""
        return await self._pool.execute(_CARRIED_OUT, code, at) == "UPDATE 1"

    async def end(self, id: int, outcome: PlaneApprovalOutcome, by: str, reason: str, at: datetime) -> None:
        """It is settled; the first end stands."""
        await self._pool.execute(_END, id, outcome.value, by, reason, at)

    async def abandon(self, code: str, reason: str, at: datetime) -> bool:
        """Nobody wants it any more. False: it was over already."""
        return await self._pool.execute(_ABANDON, code, reason, at) == "UPDATE 1"

    async def ended(self, codes: Sequence[str]) -> Sequence[HeldRequest]:
        """Those of the codes that are settled."""
        return [_held(row) for row in await self._pool.fetch(_ENDED, list(codes))]

    async def purge(self, before: datetime) -> int:
        """Forget what ended before; how many there were. The last one that each tenant queued stays."""
        return int((await self._pool.execute(_PURGE, before)).removeprefix("DELETE "))

    async def last_held(self, tenant: str) -> datetime | None:
        """When something was asked last that the tenant queued."""
        at: datetime | None = await self._pool.fetchval(_LAST, tenant)
        return at


def _held(row: asyncpg.Record) -> HeldRequest:
    asked = AskedRequest(
        row["key"], row["tenant"], row["entity"], row["method"], row["path"], row["content_type"], row["body"],
        row["purpose"], Lane(row["lane"]),
    )  # fmt: skip
    return HeldRequest(
        id=row["id"],
        asked=asked,
        state=HeldState(row["state"]),
        asked_at=row["asked_at"],
        code=row["code"],
        expires_at=row["expires_at"],
        outcome=PlaneApprovalOutcome(row["outcome"]) if row["outcome"] else None,
        decided_by=row["decided_by"],
        reason=row["reason"],
        sent_until=row["claimed_until"],
    )
