"""Devices of a ring and what their planes say, read from the tables that the planes feed."""

from collections import Counter

import pytest
from projection_story import T0, at

from eucora.domain.planes import InstallState, Plane
from eucora.domain.rings import Ring
from eucora.projections.installs import Installs
from eucora.store.database import Pool

COHORT = [("intune", f"d-{n}", n) for n in range(5)] + [("jamf", f"m-{n}", n) for n in range(4)]
STATES = {("intune", "d-0"): "installed", ("intune", "d-1"): "failed", ("jamf", "m-0"): "installed"}


@pytest.fixture
async def installs(pool: Pool) -> Installs:
    await pool.executemany(
        "insert into ring_cohort values ('i-1', 1, $1, $2, $3, 's-' || $2, 'online', false, 'g', $4)",
        [(plane, device, f"host {number}", T0) for plane, device, number in COHORT],
    )
    await pool.execute(
        "insert into ring_cohort select 'i-2', ring, plane, device_id, name, serial, site_class, critical, group_ref, "
        "last_check_in from ring_cohort"
    )
    await pool.executemany(
        "insert into device_install values ('i-1', 1, $1, $2, $3, '0x87D1041C', 'not detected', $4, null, $4)",
        [(plane, device, state, at(5)) for (plane, device), state in STATES.items()],
    )
    return Installs(pool)


async def test_a_device_without_a_word_is_unknown_not_missing(installs: Installs) -> None:
    found = (await installs.page("i-1", Ring.CANARY)).items
    assert [(one.plane, one.device_id) for one in found] == [(plane, device) for plane, device, _ in COHORT]
    assert {(one.plane.value, one.device_id): one.state for one in found if one.state != "unknown"} == STATES
    failed, silent = found[1], found[2]
    assert (failed.code, failed.detail, failed.last_check_in) == ("0x87D1041C", "not detected", at(5))
    assert (silent.code, silent.observed_at, silent.last_check_in) == ("", None, T0)


async def test_pages_of_a_filter_hold_each_device_once(installs: Installs) -> None:
    seen, after = [], None
    while True:
        page = await installs.page("i-1", Ring.CANARY, state=InstallState.UNKNOWN, after=after, limit=2)
        seen += [one.device_id for one in page.items]
        if (after := page.next) is None:
            break
    assert seen == ["d-2", "d-3", "d-4", "m-1", "m-2", "m-3"]
    jamf = await installs.page("i-1", Ring.CANARY, plane=Plane.JAMF, state=InstallState.INSTALLED)
    assert [one.device_id for one in jamf.items] == ["m-0"]
    assert (await installs.page("i-1", Ring.LAB)).items == []


async def test_counts_add_up_to_the_cohort(installs: Installs) -> None:
    counts = await installs.counts("i-1")
    expected = Counter((plane, STATES.get((plane, device), "unknown")) for plane, device, _ in COHORT)
    assert {(one.plane.value, one.state.value): one.devices for one in counts} == expected
    assert {one.ring for one in counts} == {Ring.CANARY}
    assert [(one.state, one.devices) for one in await installs.counts("i-2")] == [("unknown", 5), ("unknown", 4)]
    assert await installs.counts("i-9") == []
