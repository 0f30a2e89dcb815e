"""Circuits to the upstreams, shared by all replicas: one row a circuit, and updates that one of many callers wins."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from eucora.application.circuits import Circuit, CircuitsAway, Free, Probe, Report, Stopped
from eucora.store.database import CONNECTION_LOST, Pool

# The server's clock, so that replicas need not agree on the time; tests hand in their own.
_NOW = "coalesce($1::timestamptz, clock_timestamp())"
_ASK = f"""
select period, probe_at is not null as open, probing_until > {_NOW} as probing,
  extract(epoch from probe_at - {_NOW})::float8 as left_s
from circuit where key = $2
"""
_CLAIM = f"""
update circuit set probing_until = {_NOW} + make_interval(secs => $4), period = period + 1
where key = $2 and period = $3 and probe_at <= {_NOW} and (probing_until is null or probing_until <= {_NOW})
returning period
"""
_OPEN = f"""
insert into circuit as c (key, period, failures, error, opened_at, probe_at, recorded)
values ($2, 1, $4, $5, {_NOW}, {_NOW} + make_interval(secs => $3), false)
on conflict (key) do update set period = c.period + 1, failures = excluded.failures, error = excluded.error,
  opened_at = excluded.opened_at, closed_at = null, probe_at = excluded.probe_at, probing_until = null, recorded = false
where c.probe_at is null
returning period
"""
_PERIOD = "select period from circuit where key = $1"
_MINE = "key = $2 and period = $3 and probe_at is not null"
_ANSWERED = f"""
update circuit set period = period + 1, closed_at = {_NOW}, probe_at = null, probing_until = null, recorded = false
where {_MINE}
"""
_FAILED = f"""
update circuit set period = period + 1, probe_at = {_NOW} + make_interval(secs => $4), probing_until = null,
  failures = failures + 1, error = $5
where {_MINE}
"""
_TOLD_NOTHING = "update circuit set period = period + 1, probing_until = null where key = $1 and period = $2"
_COLUMNS = "key, period, failures, error, opened_at, closed_at, probe_at"
_REPORT = """
insert into upstream_report (replica, at, key, failures, in_flight, waiting, last_error, last_error_at, last_success_at)
select $1, $2, * from unnest(
  $3::text[], $4::int[], $5::int[], $6::int[], $7::text[], $8::timestamptz[], $9::timestamptz[])
on conflict (key, replica) do update set at = excluded.at, failures = excluded.failures,
  in_flight = excluded.in_flight, waiting = excluded.waiting, last_error = excluded.last_error,
  last_error_at = excluded.last_error_at, last_success_at = excluded.last_success_at
"""
_FORGET = "delete from upstream_report where at < $1"
_REPORTS = """
select key,
  coalesce(max(failures) filter (where at >= $1), 0) as failures,
  coalesce(sum(in_flight) filter (where at >= $1), 0) as in_flight,
  coalesce(sum(waiting) filter (where at >= $1), 0) as waiting,
  coalesce((array_agg(last_error order by last_error_at desc nulls last))[1], '') as last_error,
  max(last_error_at) as last_error_at, max(last_success_at) as last_success_at
from upstream_report group by key order by key
"""
# A process has a new name after every start; what one said last is worth knowing for a while after its end.
REPORTS_KEPT = timedelta(days=7)


class SharedCircuits:
    """Implements the ports Circuits and CircuitBook on Postgres. ``now`` None: the server's clock."""

    def __init__(self, pool: Pool, now: Callable[[], datetime] | None = None) -> None:
        self._pool, self._clock = pool, now

    async def ask(self, key: str, *, lease_s: float) -> Free | Stopped | Probe:
        """One read; an update besides where a probe is due."""
        try:
            row = await self._pool.fetchrow(_ASK, self._now(), key)
            if row is None or not row["open"]:
                return Free(0 if row is None else row["period"])
            if row["left_s"] > 0 or row["probing"]:
                return Stopped(max(row["left_s"], 0.0), row["period"])
            claim = await self._pool.fetchval(_CLAIM, self._now(), key, row["period"], lease_s)
        except CONNECTION_LOST as error:
            raise CircuitsAway(type(error).__name__) from error
        return Stopped(0.0, row["period"]) if claim is None else Probe(claim)

    async def opened(self, key: str, *, reset_s: float, failures: int, error: str) -> int:
        try:
            period = await self._pool.fetchval(_OPEN, self._now(), key, reset_s, failures, error)
            if period is None:  # somebody was first
                period = await self._pool.fetchval(_PERIOD, key)
        except CONNECTION_LOST as lost:
            raise CircuitsAway(type(lost).__name__) from lost
        return int(period)

    async def answered(self, key: str, claim: int) -> None:
        await self._say(_ANSWERED, self._now(), key, claim)

    async def failed(self, key: str, claim: int, *, reset_s: float, error: str) -> None:
        await self._say(_FAILED, self._now(), key, claim, reset_s, error)

    async def told_nothing(self, key: str, claim: int) -> None:
        await self._say(_TOLD_NOTHING, key, claim)

    async def unrecorded(self) -> Sequence[Circuit]:
        return await self._circuits(f"select {_COLUMNS} from circuit where not recorded order by key")

    async def recorded(self, circuit: Circuit) -> None:
        # by what was recorded and not by the period, which a probe moves too
        known = "key = $1 and opened_at = $2 and closed_at is not distinct from $3"
        await self._pool.execute(
            f"update circuit set recorded = true where {known}", circuit.key, circuit.opened_at, circuit.closed_at
        )

    async def all(self) -> Sequence[Circuit]:
        return await self._circuits(f"select {_COLUMNS} from circuit order by key")

    async def report(self, replica: str, reports: Sequence[Report], at: datetime) -> None:
        columns = [
            [report.key for report in reports],
            [report.failures for report in reports],
            [report.in_flight for report in reports],
            [report.waiting for report in reports],
            [report.last_error for report in reports],
            [report.last_error_at for report in reports],
            [report.last_success_at for report in reports],
        ]
        await self._pool.execute(_REPORT, replica, at, *columns)
        await self._pool.execute(_FORGET, at - REPORTS_KEPT)

    async def reports(self, since: datetime) -> Sequence[Report]:
        return [Report(**row) for row in await self._pool.fetch(_REPORTS, since)]

    def _now(self) -> datetime | None:
        return None if self._clock is None else self._clock()

    async def _say(self, statement: str, *values: object) -> None:
        try:
            await self._pool.execute(statement, *values)
        except CONNECTION_LOST as error:
            raise CircuitsAway(type(error).__name__) from error

    async def _circuits(self, statement: str) -> Sequence[Circuit]:
        return [Circuit(**row) for row in await self._pool.fetch(statement)]
