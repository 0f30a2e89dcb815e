"""Devices and installs: queries on the tables that the planes feed, device by device, outside the log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, SmallInteger, Text, and_, bindparam, func, select, tuple_

from eucora.domain.planes import InstallState, Plane, SiteClass
from eucora.domain.rings import Ring
from eucora.projections.paging import Page, decode_cursor, encode_cursor
from eucora.projections.sql import Statement, compiled
from eucora.store.tables import device_install, ring_cohort

LIMIT_MAX = 1_000
_KEY = ("intent_id", "ring", "plane", "device_id")
_STATE = func.coalesce(device_install.c.state, InstallState.UNKNOWN.value)
_JOINED = ring_cohort.outerjoin(device_install, and_(*(ring_cohort.c[name] == device_install.c[name] for name in _KEY)))


@dataclass(frozen=True, slots=True)
class DeviceInstall:
    """One device of a ring's frozen cohort and the plane's latest word about it; ``unknown`` where there is none."""

    plane: Plane
    device_id: str
    name: str
    serial: str
    site_class: SiteClass
    critical: bool
    group_ref: str
    state: InstallState
    code: str
    detail: str
    observed_at: datetime | None
    installed_at: datetime | None
    last_check_in: datetime | None  # the later of the cohort's and the install's


@dataclass(frozen=True, slots=True)
class StateCount:
    ring: Ring
    plane: Plane
    state: InstallState
    devices: int


class Installs:
    """Queries on devices and installs; nothing here waits for a projection."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._pages: dict[frozenset[str], Statement] = {}
        groups = (ring_cohort.c.ring, ring_cohort.c.plane, _STATE)
        self._counts = compiled(
            select(ring_cohort.c.ring, ring_cohort.c.plane, _STATE.label("state"), func.count().label("devices"))
            .select_from(_JOINED)
            .where(ring_cohort.c.intent_id == bindparam("intent"))
            .group_by(*groups)
            .order_by(*groups)
        )

    async def counts(self, intent_id: str) -> list[StateCount]:
        """Devices by ring, plane and state, in that order; states without a device are left out."""
        rows = await self._counts.fetch(self._pool, intent=intent_id)
        return [
            StateCount(Ring(row["ring"]), Plane(row["plane"]), InstallState(row["state"]), row["devices"])
            for row in rows
        ]

    async def page(
        self,
        intent_id: str,
        ring: Ring,
        *,
        plane: Plane | None = None,
        state: InstallState | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[DeviceInstall]:
        """Devices of a ring by plane and device id. Raises BadCursor."""
        limit = max(1, min(limit, LIMIT_MAX))
        asked: dict[str, object] = {"plane": plane, "state": state}
        if after is not None:
            asked["after_plane"], asked["after_device"] = decode_cursor(after, str, str)
        values = {name: value for name, value in asked.items() if value is not None}
        known = frozenset(values)
        if known not in self._pages:
            self._pages[known] = _page(known)
        found = await self._pages[known].fetch(
            self._pool, intent=intent_id, of_ring=int(ring), limit=limit + 1, **values
        )
        items = [_device(row) for row in found[:limit]]
        last = items[-1] if len(found) > limit else None
        return Page(items, None if last is None else encode_cursor(last.plane.value, last.device_id))


def _page(filters: frozenset[str]) -> Statement:
    cohort, install = ring_cohort.c, device_install.c
    check_in = func.greatest(cohort.last_check_in, install.last_check_in).label("last_check_in")
    shown = [cohort[name] for name in ("plane", "device_id", "name", "serial", "site_class", "critical", "group_ref")]
    told = [func.coalesce(install[name], "").label(name) for name in ("code", "detail")]
    query = (
        select(*shown, _STATE.label("state"), *told, install.observed_at, install.installed_at, check_in)
        .select_from(_JOINED)
        .where(cohort.intent_id == bindparam("intent"), cohort.ring == bindparam("of_ring", type_=SmallInteger))
        .order_by(cohort.plane, cohort.device_id)
        .limit(bindparam("limit", type_=Integer))
    )
    if "plane" in filters:
        query = query.where(cohort.plane == bindparam("plane"))
    if "state" in filters:
        query = query.where(bindparam("state", type_=Text) == _STATE)
    if "after_plane" in filters:
        key = tuple_(bindparam("after_plane", type_=Text), bindparam("after_device", type_=Text))
        query = query.where(tuple_(cohort.plane, cohort.device_id) > key)
    return compiled(query)


def _device(row: Any) -> DeviceInstall:
    words = {
        "plane": Plane(row["plane"]),
        "site_class": SiteClass(row["site_class"]),
        "state": InstallState(row["state"]),
    }
    return DeviceInstall(**dict(row) | words)
