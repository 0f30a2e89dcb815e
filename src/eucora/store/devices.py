"""Cohorts and per-device install states in Postgres. Implements the DeviceTable port."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import asyncpg

from eucora.application.devices import CohortDevice, Frozen, Removal, Reverted
from eucora.application.planes import Observation, Offer
from eucora.domain.planes import InstallState, Plane, SiteClass
from eucora.domain.rings import CohortCount, Counts, Measurement, Ring
from eucora.domain.verification import Offered, since, verified
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
_FROZEN_OF = """
select device_id from ring_cohort where intent_id = $1 and ring = $2 and plane = $3 and group_ref = $4
order by device_id
"""


def _verified(released_at: str, offered_at: str) -> str:
    """The rule of ``eucora.domain.verification`` on a row ``i`` of device_install; false where a time is unknown.

    The cohort's own check-in is not asked: it is older than every offer.
    """
    stated = f"coalesce(i.observed_at, i.last_check_in) >= {released_at}"
    return f"coalesce({stated} and coalesce(i.last_check_in, i.observed_at) >= {offered_at}, false)"


_HAVING_HAD = """
select c.device_id from ring_cohort c join device_install i using (intent_id, ring, plane, device_id)
where c.intent_id = $1 and c.ring = $2 and c.plane = $3 and c.group_ref = $4 and i.installed_at is not null
order by c.device_id
"""
_GOAL = {Offer.INSTALL: "installed", Offer.UNINSTALL: "not_installed"}
_WATCHED = {
    offer: f"""
select c.device_id from ring_cohort c left join device_install i using (intent_id, ring, plane, device_id)
where c.intent_id = $1 and c.ring = $2 and c.plane = $3 and (
  coalesce(i.state, '') not in ('{goal}', 'not_applicable')
  or coalesce(greatest(i.last_check_in, c.last_check_in) < $4, true)
  or ($5::timestamptz is not null and i.state = '{goal}' and not {_verified("$5", "$6::timestamptz")}))
order by c.device_id
"""
    for offer, goal in _GOAL.items()
}
# Older news never overwrites newer; news without a time counts as current. The first install time is kept: the clock
# for compliance starts once. The lateral limit looks each device up by its key: a join would read the whole cohort for
# every batch as long as a cohort just frozen has no statistics.
_RECORD = """
insert into device_install as i
  (intent_id, ring, plane, device_id, state, code, detail, observed_at, installed_at, last_check_in)
select $1, $2, $3, o.id, o.state, o.code, o.detail, o.observed_at,
  case when o.state = 'installed' then coalesce(o.observed_at, $9) end, o.last_check_in
from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $10::timestamptz[])
  as o (id, state, code, detail, observed_at, last_check_in)
cross join lateral (select from ring_cohort c
  where c.intent_id = $1 and c.ring = $2 and c.plane = $3 and c.device_id = o.id limit 1) of_cohort
on conflict (intent_id, ring, plane, device_id) do update set
  state = excluded.state, code = excluded.code, detail = excluded.detail, observed_at = excluded.observed_at,
  installed_at = coalesce(i.installed_at, excluded.installed_at),
  last_check_in = greatest(i.last_check_in, excluded.last_check_in)
where (excluded.observed_at is null or i.observed_at is null or excluded.observed_at >= i.observed_at)
  and (i.state, i.code, i.observed_at, i.last_check_in)
    is distinct from (excluded.state, excluded.code, excluded.observed_at, excluded.last_check_in)
"""
# $9, $10: planes and groups of available targets. Only an attempt that is over counts there; one that is not verified
# stays unknown, as everywhere.
_MEASURE = f"""
with word as (
  select c.plane, c.site_class, coalesce(greatest(i.last_check_in, c.last_check_in) >= $4, false) as reachable,
    i.installed_at, s.at, a.of_group is not null as free,
    case when a.of_group is not null and coalesce(i.state, '') not in ('installed', 'failed') then 'untried'
      when i.state in ('installed', 'failed') and not ($8 or {_verified("s.released_at", "s.offered_at")})
      then 'unknown' else coalesce(i.state, 'unknown') end as state
  from unnest($3::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
    as s (of_plane, at, released_at, offered_at)
  join ring_cohort c on c.intent_id = $1 and c.ring = $2 and c.plane = s.of_plane
  left join device_install i using (intent_id, ring, plane, device_id)
  left join unnest($9::text[], $10::text[]) as a (of_plane, of_group)
    on a.of_plane = c.plane and a.of_group = c.group_ref
), device as (
  select plane, site_class, state, reachable, free,
    case when state = 'installed' then extract(epoch from installed_at - at)::float8 else 'infinity' end as took_s
  from word
)
select plane, site_class, count(*) as targeted,
  count(*) filter (where state in ('not_applicable', 'untried')) as exempt,
  count(*) filter (where state = 'installed') as installed,
  count(*) filter (where state = 'failed') as failed,
  count(*) filter (where state = 'pending') as pending,
  count(*) filter (where state = 'not_installed') as not_installed,
  count(*) filter (where state = 'unknown') as unknown,
  count(*) filter (where state not in ('not_applicable', 'untried') and reachable) as reachable,
  count(*) filter (where state not in ('not_applicable', 'untried', 'unknown') and reachable) as reported,
  count(*) filter (where free) as available,
  count(*) filter (where state = 'untried') as untried,
  percentile_disc(0.9) within group (order by took_s) filter (where state <> 'not_applicable' and not free) as p90
from device group by plane, site_class order by plane, site_class
"""
_FAILURES = f"""
select coalesce(nullif(i.code, ''), nullif(i.detail, ''), 'no code') as code, count(*) as devices
from unnest($3::text[], $4::timestamptz[], $5::timestamptz[]) as s (of_plane, released_at, offered_at)
join device_install i on i.intent_id = $1 and i.ring = $2 and i.plane = s.of_plane
where i.state = 'failed' and ($6 or {_verified("s.released_at", "s.offered_at")})
group by 1 order by 2 desc, 1 limit $7
"""
# $3: when the removal was asked for (null: believe the planes), $4 and $5: where the previous release comes back,
# $6: planes without a removal.
_REVERTED = f"""
select count(*) filter (where back) as reverted, count(*) filter (where not back) as remaining from (
  select (i.plane = any($6) or (i.state = 'not_installed' and ($3::timestamptz is null or {_verified("$3", "$3")})))
    and (i.restored_at is not null
      or not exists (select from unnest($4::int[], $5::text[]) as t (of_ring, of_plane)
        where t.of_ring = i.ring and t.of_plane = i.plane)) as back
  from device_install i where i.intent_id = $1 and i.ring = any($2) and i.installed_at is not null
) had
"""
_AWAITED_BACK = """
select device_id from device_install where intent_id = $1 and ring = $2 and plane = $3
  and installed_at is not null and restored_at is null order by device_id
"""
# A device that says later that it lost the previous release again is a matter of that release's own rollout.
_RESTORED = """
update device_install i set restored_at = coalesce(o.observed_at, o.last_check_in)
from unnest($4::text[], $5::timestamptz[], $6::timestamptz[]) as o (id, observed_at, last_check_in)
where i.intent_id = $1 and i.ring = $2 and i.plane = $3 and i.device_id = o.id and i.restored_at is null
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

    async def frozen_of(self, intent_id: str, ring: Ring, plane: Plane, group: str) -> Sequence[str]:
        rows = await self._pool.fetch(_FROZEN_OF, intent_id, int(ring), plane.value, group)
        return [row["device_id"] for row in rows]

    async def having_had(self, intent_id: str, ring: Ring, plane: Plane, group: str) -> Sequence[str]:
        rows = await self._pool.fetch(_HAVING_HAD, intent_id, int(ring), plane.value, group)
        return [row["device_id"] for row in rows]

    async def watched(
        self,
        intent_id: str,
        ring: Ring,
        plane: Plane,
        offer: Offer,
        *,
        stale_before: datetime,
        offered: Offered | None = None,
    ) -> Sequence[str]:
        times = (offered.released_at, offered.offered_at) if offered else (None, None)
        rows = await self._pool.fetch(_WATCHED[offer.goal], intent_id, int(ring), plane.value, stale_before, *times)
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
        offered: Mapping[Plane, Offered] | None = None,
        available: Collection[tuple[Plane, str]] = (),
    ) -> Measurement:
        heard_since = datetime.fromtimestamp(now.timestamp() - reachable_within_s, tz=now.tzinfo)
        planes = [plane.value for plane in started_at]
        known = [(offered or {}).get(plane) for plane in started_at]
        times = ([one and one.released_at for one in known], [one and one.offered_at for one in known])
        rows = await self._pool.fetch(
            _MEASURE,
            intent_id,
            int(ring),
            planes,
            heard_since,
            list(started_at.values()),
            *times,
            offered is None,
            [plane.value for plane, _ in available],
            [group for _, group in available],
        )
        failures = await self._pool.fetch(
            _FAILURES, intent_id, int(ring), planes, *times, offered is None, FAILURE_CODES_MAX
        )
        return Measurement(
            tuple(_counts(dict(row)) for row in rows), tuple((row["code"], row["devices"]) for row in failures)
        )

    async def reverted(self, intent_id: str, rings: Sequence[Ring], removal: Removal | None = None) -> Reverted:
        coming_back = sorted(removal.coming_back) if removal else []
        row = await self._pool.fetchrow(
            _REVERTED,
            intent_id,
            [int(ring) for ring in rings],
            removal and removal.asked_at,
            [int(ring) for ring, _ in coming_back],
            [plane.value for _, plane in coming_back],
            [plane.value for plane in removal.irremovable] if removal else [],
        )
        return Reverted(row["reverted"], row["remaining"]) if row else Reverted(0, 0)

    async def awaited_back(self, intent_id: str, ring: Ring, plane: Plane) -> Sequence[str]:
        rows = await self._pool.fetch(_AWAITED_BACK, intent_id, int(ring), plane.value)
        return [row["device_id"] for row in rows]

    async def restored(
        self, intent_id: str, ring: Ring, plane: Plane, observations: Sequence[Observation], *, asked_at: datetime
    ) -> int:
        there = [
            seen
            for seen in observations
            if seen.state is InstallState.INSTALLED and verified(since(asked_at), seen.observed_at, seen.last_check_in)
        ]
        status = await self._pool.execute(
            _RESTORED,
            intent_id,
            int(ring),
            plane.value,
            [seen.device_id for seen in there],
            [seen.observed_at for seen in there],
            [seen.last_check_in for seen in there],
        )
        return int(status.rsplit(" ", 1)[-1])


def _counts(row: dict[str, object]) -> Counts:
    p90 = row.pop("p90")
    plane, site = Plane(str(row.pop("plane"))), SiteClass(str(row.pop("site_class")))
    numbers = {name: int(str(value)) for name, value in row.items()}
    reached = isinstance(p90, float) and p90 != float("inf")
    return Counts(plane, site, **numbers, compliance_p90_s=max(0, round(float(str(p90)))) if reached else None)
