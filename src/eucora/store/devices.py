"""Cohorts and per-device install states in Postgres. Implements the DeviceTable port."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from eucora.application.devices import CohortDevice, Frozen, Reverted
from eucora.application.planes import Observation, Offer
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.rings import CohortCount, Counts, Measurement, Ring
from eucora.store.database import Pool

FAILURE_CODES_MAX = 10  # distinct failure codes that a measurement lists
FREEZE_ATTEMPTS_MAX = 5  # two workers at one cohort are an accident already; more would be a fault of ours

_FREEZE = """
insert into ring_cohort
  (intent_id, ring, plane, device_id, name, serial, site_class, critical, group_ref, last_check_in)
select $1, $2, $3, d.id, d.name, d.serial, d.site_class, d.critical, d.group_ref, d.last_check_in
from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::bool[], $9::text[], $10::timestamptz[])
  as d (id, name, serial, site_class, critical, group_ref, last_check_in)
where not exists (select from ring_cohort c where c.intent_id = $1 and c.ring = $2 and c.plane = $3)
on conflict do nothing
"""
_COHORT = "select device_id, site_class from ring_cohort where intent_id = $1 and ring = $2 and plane = $3"
_WATCHED = {
    Offer.INSTALL: """
select c.device_id from ring_cohort c left join device_install i using (intent_id, ring, plane, device_id)
where c.intent_id = $1 and c.ring = $2 and c.plane = $3 and (
  coalesce(i.state, '') not in ('installed', 'not_applicable')
  or coalesce(greatest(i.last_check_in, c.last_check_in) < $4, true))
order by c.device_id
""",
    Offer.UNINSTALL: """
select c.device_id from ring_cohort c left join device_install i using (intent_id, ring, plane, device_id)
where c.intent_id = $1 and c.ring = $2 and c.plane = $3 and (
  coalesce(i.state, '') not in ('not_installed', 'not_applicable')
  or coalesce(greatest(i.last_check_in, c.last_check_in) < $4, true))
order by c.device_id
""",
}
# Older news never overwrites newer; news without a time counts as current. The first install time is kept: the clock
# for compliance starts once.
_RECORD = """
insert into device_install as i
  (intent_id, ring, plane, device_id, state, code, detail, observed_at, installed_at, last_check_in)
select $1, $2, $3, o.id, o.state, o.code, o.detail, o.observed_at,
  case when o.state = 'installed' then coalesce(o.observed_at, $9) end, o.last_check_in
from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $10::timestamptz[])
  as o (id, state, code, detail, observed_at, last_check_in)
join ring_cohort c on c.intent_id = $1 and c.ring = $2 and c.plane = $3 and c.device_id = o.id
on conflict (intent_id, ring, plane, device_id) do update set
  state = excluded.state, code = excluded.code, detail = excluded.detail, observed_at = excluded.observed_at,
  installed_at = coalesce(i.installed_at, excluded.installed_at),
  last_check_in = greatest(i.last_check_in, excluded.last_check_in)
where (excluded.observed_at is null or i.observed_at is null or excluded.observed_at >= i.observed_at)
  and (i.state, i.code, i.observed_at, i.last_check_in)
    is distinct from (excluded.state, excluded.code, excluded.observed_at, excluded.last_check_in)
"""
_MEASURE = """
with device as (
  select c.plane, c.site_class, coalesce(i.state, 'unknown') as state,
    coalesce(greatest(i.last_check_in, c.last_check_in) >= $4, false) as reachable,
    case when i.state = 'installed' then extract(epoch from i.installed_at - s.at)::float8 else 'infinity' end as took_s
  from unnest($3::text[], $5::timestamptz[]) as s (of_plane, at)
  join ring_cohort c on c.intent_id = $1 and c.ring = $2 and c.plane = s.of_plane
  left join device_install i using (intent_id, ring, plane, device_id)
)
select plane, site_class, count(*) as targeted,
  count(*) filter (where state = 'not_applicable') as exempt,
  count(*) filter (where state = 'installed') as installed,
  count(*) filter (where state = 'failed') as failed,
  count(*) filter (where state = 'pending') as pending,
  count(*) filter (where state = 'not_installed') as not_installed,
  count(*) filter (where state = 'unknown') as unknown,
  count(*) filter (where state <> 'not_applicable' and reachable) as reachable,
  count(*) filter (where state not in ('not_applicable', 'unknown') and reachable) as reported,
  percentile_disc(0.9) within group (order by took_s) filter (where state <> 'not_applicable') as p90
from device group by plane, site_class order by plane, site_class
"""
_FAILURES = """
select coalesce(nullif(code, ''), nullif(detail, ''), 'no code') as code, count(*) as devices from device_install
where intent_id = $1 and ring = $2 and plane = any($3) and state = 'failed' group by 1 order by 2 desc, 1 limit $4
"""
_REVERTED = """
select count(*) filter (where state = 'not_installed') as reverted, count(*) filter (where state <> 'not_installed') as
  remaining from device_install where intent_id = $1 and ring = any($2) and installed_at is not null
"""


class PostgresDevices:
    """Set-based: a batch of any size is one statement."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def freeze(self, intent_id: str, ring: Ring, plane: Plane, devices: Sequence[CohortDevice]) -> Frozen:
        """Freeze the plane's cohort; a ring that has one there keeps it, whatever ``devices`` says.

        Raises:
            ValueError: a device belongs to another plane.
        """
        if strangers := [device.id for device in devices if device.plane is not plane]:
            raise ValueError(f"devices of another plane than {plane}: {', '.join(strangers[:5])}")
        columns = (
            [device.id for device in devices],
            [device.name for device in devices],
            [device.serial for device in devices],
            [device.site_class.value for device in devices],
            [device.critical for device in devices],
            [device.group for device in devices],
            [device.last_check_in for device in devices],
        )
        rows = await self._frozen((intent_id, int(ring), plane.value), columns)
        lines = sorted(f"{plane}:{row['device_id']}\n" for row in rows)
        counts = Counter(row["site_class"] for row in rows)
        return Frozen(
            hashlib.sha256("".join(lines).encode()).hexdigest(),
            tuple(CohortCount(plane, SiteClass(site), n) for site, n in sorted(counts.items())),
        )

    async def _frozen(self, cohort: tuple[str, int, str], columns: Sequence[object]) -> Sequence[asyncpg.Record]:
        """The cohort's rows, these or those that were there before.

        Serializable, because each of two workers with different lists would see no cohort yet, and the union of both
        lists would be what neither of them froze.
        """
        for attempt in range(1, FREEZE_ATTEMPTS_MAX + 1):
            try:
                async with self._pool.acquire() as connection, connection.transaction(isolation="serializable"):
                    await connection.execute(_FREEZE, *cohort, *columns)
                    return await connection.fetch(_COHORT, *cohort)
            except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                if attempt == FREEZE_ATTEMPTS_MAX:
                    raise
        raise AssertionError("FREEZE_ATTEMPTS_MAX must be at least 1")

    async def watched(
        self, intent_id: str, ring: Ring, plane: Plane, offer: Offer, *, stale_before: datetime
    ) -> Sequence[str]:
        rows = await self._pool.fetch(_WATCHED[offer], intent_id, int(ring), plane.value, stale_before)
        return [row["device_id"] for row in rows]

    async def record(
        self, intent_id: str, ring: Ring, plane: Plane, observations: Sequence[Observation], *, now: datetime
    ) -> int:
        status = await self._pool.execute(
            _RECORD,
            intent_id,
            int(ring),
            plane.value,
            [seen.device_id for seen in observations],
            [seen.state.value for seen in observations],
            [seen.code for seen in observations],
            [seen.detail for seen in observations],
            [seen.observed_at for seen in observations],
            now,
            [seen.last_check_in for seen in observations],
        )
        return int(status.rsplit(" ", 1)[-1])

    async def measure(
        self,
        intent_id: str,
        ring: Ring,
        *,
        started_at: Mapping[Plane, datetime],
        now: datetime,
        reachable_within_s: int,
    ) -> Measurement:
        since = datetime.fromtimestamp(now.timestamp() - reachable_within_s, tz=now.tzinfo)
        planes = [plane.value for plane in started_at]
        rows = await self._pool.fetch(_MEASURE, intent_id, int(ring), planes, since, list(started_at.values()))
        failures = await self._pool.fetch(_FAILURES, intent_id, int(ring), planes, FAILURE_CODES_MAX)
        return Measurement(
            tuple(_counts(dict(row)) for row in rows), tuple((row["code"], row["devices"]) for row in failures)
        )

    async def reverted(self, intent_id: str, rings: Sequence[Ring]) -> Reverted:
        row = await self._pool.fetchrow(_REVERTED, intent_id, [int(ring) for ring in rings])
        return Reverted(row["reverted"], row["remaining"]) if row else Reverted(0, 0)


def _counts(row: dict[str, object]) -> Counts:
    p90 = row.pop("p90")
    plane, site = Plane(str(row.pop("plane"))), SiteClass(str(row.pop("site_class")))
    numbers = {name: int(str(value)) for name, value in row.items()}
    reached = isinstance(p90, float) and p90 != float("inf")
    return Counts(plane, site, **numbers, compliance_p90_s=max(0, round(float(str(p90)))) if reached else None)
