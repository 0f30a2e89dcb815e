"""Planes of one ring whose cohorts were frozen at different times: each is counted and watched for itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from eucora.application.devices import CohortDevice
from eucora.application.planes import Observation, Offer
from eucora.domain.planes import InstallState, Plane, SiteClass
from eucora.domain.rings import Ring
from eucora.store.database import Pool
from eucora.store.devices import PostgresDevices

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def device(id: str, plane: Plane = Plane.INTUNE) -> CohortDevice:
    return CohortDevice(plane, id, f"host {id}", f"s-{id}", SiteClass.ONLINE, False, "g", NOON)


async def test_the_clock_of_compliance_runs_for_each_plane_from_its_own_cohort(pool: Pool) -> None:
    devices = PostgresDevices(pool)
    for plane, installed_at in ((Plane.INTUNE, NOON + HOUR), (Plane.JAMF, NOON + 10 * HOUR)):
        await devices.freeze("i-1", Ring.LAB, plane, [device("a", plane)])
        seen = Observation("a", InstallState.INSTALLED, installed_at, installed_at)
        await devices.record("i-1", Ring.LAB, plane, [seen], now=installed_at)
    both = {Plane.INTUNE: NOON, Plane.JAMF: NOON + 8 * HOUR}
    now, within = NOON + 11 * HOUR, 86_400
    whole = await devices.measure("i-1", Ring.LAB, started_at=both, now=now, reachable_within_s=within)
    assert [(count.plane, count.compliance_p90_s) for count in whole.counts] == [("intune", 3_600), ("jamf", 7_200)]
    half = await devices.measure("i-1", Ring.LAB, started_at={Plane.INTUNE: NOON}, now=now, reachable_within_s=within)
    assert half.counts == whole.counts[:1]


async def test_failures_are_those_of_the_planes_that_are_measured(pool: Pool) -> None:
    devices = PostgresDevices(pool)
    for plane in Plane:
        await devices.freeze("i-1", Ring.LAB, plane, [device("a", plane)])
        failed = Observation("a", InstallState.FAILED, NOON, NOON, code=f"{plane}-1")
        await devices.record("i-1", Ring.LAB, plane, [failed], now=NOON)
    measured = await devices.measure(
        "i-1", Ring.LAB, started_at={Plane.JAMF: NOON}, now=NOON, reachable_within_s=86_400
    )
    assert measured.failures == (("jamf-1", 1),)


async def test_a_removal_watches_every_device_that_is_not_known_to_be_free_of_the_release(pool: Pool) -> None:
    devices = PostgresDevices(pool)
    await devices.freeze("i-1", Ring.LAB, Plane.INTUNE, [device(id) for id in ("free", "has", "silent")])
    seen = Observation("has", InstallState.INSTALLED, NOON, NOON)
    free = replace(seen, device_id="free", state=InstallState.NOT_INSTALLED)
    await devices.record("i-1", Ring.LAB, Plane.INTUNE, [seen, free], now=NOON)
    asked = await devices.watched("i-1", Ring.LAB, Plane.INTUNE, Offer.UNINSTALL, stale_before=NOON - HOUR)
    assert list(asked) == ["has", "silent"]
