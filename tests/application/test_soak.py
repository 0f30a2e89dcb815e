"""Every fault at five per cent for half an hour of virtual time, on both planes: all ends well, or says why not.

Some seeds more with EUCORA_TEST_LONG=1.
"""

import os
import random
from pathlib import Path

import pytest
from rollout_world import PLANES, START, Rollouts
from soak_lab import Witness
from soak_world import BRISK, RINGS, Release, Soak, everything

from eucora.cli.simulation.house import Fleet, virtual_house
from eucora.connectors.http import RetrySettings
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.lab.fault_rates import FaultKind
from eucora.store.database import Pool

HALF_AN_HOUR_S = 1800
RARE = {FaultKind.SAS_REFUSED, FaultKind.BATCH_PART_THROTTLED}  # few requests can meet one
RUNS = [(7, True), *([(11, False), (23, True), (47, False)] if os.environ.get("EUCORA_TEST_LONG") else [])]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.machine
@pytest.mark.parametrize(("seed", "guarded"), RUNS)
async def test_all_ends_well_or_says_why_though_everything_fails_at_times(
    pool: Pool, tmp_path: Path, seed: int, guarded: bool
) -> None:
    """``guarded``: Intune wants a second administrator for every change of an app, and has a ready one."""
    random.seed(seed)  # of the waits between two tries
    fleet = Fleet(seed=seed, windows=72, macs=50, pace=60)
    async with virtual_house(pool, tmp_path, START, fleet, retry=RetrySettings()) as made:
        house = Rollouts(made.world, made.worker, made.lab, made.clock, tmp_path / "inputs", made.jamf_breaker)
        await house.activate(BRISK)
        witness = Witness(made.lab)
        made.lab.approvals.switch(on=guarded)
        soak = Soak(house, witness, made.worker)
        await soak.begin(tmp_path / "releases")
        rates = made.lab.faults.rates
        for rate in everything(0.05):
            rates.put(rate)
        await soak.live(HALF_AN_HOUR_S)
        assert {kind for _, kind in rates.struck} >= set(FaultKind) - RARE
        assert all([await soak.explained(release) for release in soak.releases])
        await soak.live(4 * HALF_AN_HOUR_S)  # and nothing is better yet
        assert {one.name: (await house.state(one.id)).status for one in soak.releases} == {
            one.name: one.ends for one in soak.releases
        }
        for release in soak.releases:
            await judge(house, witness, release)
        assert witness.untouched()
        assert bool(made.lab.approvals.requests) is guarded


async def judge(house: Rollouts, witness: Witness, release: Release) -> None:
    """Hold what the vendors saw of a release against what was decided."""
    offering = int(release.ends is IntentStatus.COMPLETED)
    assert witness.copies(release.name) == {"apps": 1, "packages": 1, "offering policies": offering}
    assert len(witness.offered[release.name]) == 1
    assert witness.installed_twice(release.name) == []
    for plane in PLANES:
        frozen = {
            device
            for ring in RINGS
            for device in await house.world.devices.frozen_of(release.id, ring, plane, house.group(plane, ring))
        }
        installed = witness.installed(plane, release.name)
        assert installed, f"{release.name} reached nobody on {plane}, and nothing is proved"
        assert installed <= frozen
    assert bool(witness.holding(release.name)) is (release.ends is not IntentStatus.ROLLED_BACK)
