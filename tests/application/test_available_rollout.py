"""A release that people take when they like, and that some groups stay out of, from the plan to the rollback."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from rollout_world import LOW, PACKAGER, PLANES, POLICY, PUBLISHER, RETAIL, Rollouts, rollouts

from eucora.application import deployment_intents
from eucora.application.deployment_intents import IntentRequest, RollbackTo, TargetRequest, UnknownGroup
from eucora.application.planes import Gathering, Inspection, Offer
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.gate_types import Verdict
from eucora.domain.install_needs import InstallNeeds, NeedRule, Restart
from eucora.domain.planes import Plane
from eucora.domain.rings import OfferAs, Ring
from eucora.lab.fleet import OfferKind
from eucora.lab.inputs import ApplicationInputs
from eucora.lab.inputs.application import FIELD_NOTES
from eucora.lab.inputs.story import build_release
from eucora.store.database import Pool

pytestmark = pytest.mark.slow

EASY = tuple(replace(rule, soak_s=3_600, success_min=Decimal("0.8")) for rule in POLICY.rings)
BRIEF = replace(POLICY, version="brief", rings=EASY)
NEEDS = InstallNeeds(memory_mb=4_096, rules=(NeedRule("file", r"C:\Windows\System32", "vcruntime140.dll", "14.30"),))
OUT = 5  # devices of the canary group on each plane that stay out of it


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(BRIEF)
        yield house


async def devices(house: Rollouts, plane: Plane, group: str) -> list[str]:
    found = await house.world.planes[plane].resolve(group, correlation_id="check")
    return [device.id for device in found.devices]


async def left_out(house: Rollouts) -> dict[Plane, str]:
    """A group on each plane with a few devices of the canary group."""
    groups = {}
    for plane in PLANES:
        source = house.group(plane, Ring.CANARY)
        some = (await devices(house, plane, source))[:OUT]
        gathering = Gathering(f"kiosks-{plane}", f"Kiosks {plane}", source, some)
        groups[plane] = (await house.world.planes[plane].gather(gathering, correlation_id="people")).ref
    house.clock.advance(60)
    return groups


async def propose(house: Rollouts, inputs: ApplicationInputs, out: dict[Plane, str]) -> str:
    """The lab must have it; in the canary ring people may take it. The groups of ``out`` get nothing."""

    def targets(ring: Ring, offer_as: OfferAs) -> tuple[TargetRequest, ...]:
        return tuple(
            TargetRequest(plane, house.group(plane, ring), offer_as=offer_as, excluded=(out[plane],))
            for plane in PLANES
        )

    rings = ((Ring.LAB, targets(Ring.LAB, OfferAs.REQUIRED)), (Ring.CANARY, targets(Ring.CANARY, OfferAs.AVAILABLE)))
    pack = await house.assemble(inputs, LOW, needs=NEEDS, restart=Restart.SUPPRESS)
    request = IntentRequest(evidence_pack=pack, rings=rings, scope=RETAIL, gate_policy=BRIEF.version)
    return (await deployment_intents.propose(house.world, house.as_(PACKAGER), request)).id


async def held(house: Rollouts, intent: str, plane: Plane) -> Inspection:
    proposed = (await house.state(intent)).proposed
    assert proposed is not None
    file = next(file for file in proposed.release.artifacts if file.plane is plane)
    application = proposed.release.application
    key = f"eucora:{intent}:{file.artifact}"
    return await house.world.planes[plane].inspect(key, application.name, application.version, correlation_id="check")


async def took(house: Rollouts, intent: str, plane: Plane) -> Sequence[str]:
    return await house.world.devices.having_had(intent, Ring.CANARY, plane, house.group(plane, Ring.CANARY))


async def test_only_attempts_count_and_a_rollback_reaches_only_those_who_took_it(house: Rollouts) -> None:
    out = await left_out(house)
    previous = await propose(house, house.inputs.low, out)
    await house.through_the_lab(previous)
    await house.promote(previous, Ring.CANARY)
    await house.let_pass(1)
    state = await house.state(previous)
    run = state.rings[Ring.CANARY].run
    assert run is not None
    (rate,) = (one for one in run.results if one.gate == "success_rate")
    assert (rate.verdict, state.status) == (Verdict.INCONCLUSIVE, IntentStatus.ROLLING_OUT)
    assert "free to install it and have not tried" in rate.reason
    for plane in PLANES:
        canary, seen = house.group(plane, Ring.CANARY), await held(house, previous, plane)
        assert (canary, Offer.AVAILABLE) in seen.groups
        assert list(seen.excluded) == [out[plane]]
        assert (await house.state(previous)).offers[plane, canary].offer == "available"
        cohort = {*await house.world.devices.frozen_of(previous, Ring.CANARY, plane, canary)}
        assert cohort == {*await devices(house, plane, canary)} - {*await devices(house, plane, out[plane])}
        assert state.proposed is not None
        assert [target.devices for spec in state.proposed.ring_plan.rings for target in spec.targets
                if target.plane is plane and spec.ring is Ring.CANARY] == [len(cohort)]  # fmt: skip
    app = house.lab.tenant.apps[state.published[Ring.LAB, Plane.INTUNE].ref].body
    assert (app["minimumMemoryInMB"], app["minimumSupportedWindowsRelease"]) == (4_096, "1607")
    assert app["installExperience"]["deviceRestartBehavior"] == "suppress"
    assert [rule["ruleType"] for rule in app["rules"]] == ["detection", "requirement"]
    await house.let_pass(24)
    state = await house.state(previous)
    assert state.status is IntentStatus.COMPLETED
    measured = state.rings[Ring.CANARY].measured
    assert measured is not None
    for count in measured.counts:
        assert 3 < count.installed <= len(await took(house, previous, count.plane)), "more took it after it was over"
        assert (count.untried, count.asked) == (count.targeted - count.installed, 0)
        assert count.targeted == count.available

    later = build_release(replace(FIELD_NOTES, version="1.5.0"), house.inputs.low.sbom.parent / "next")
    failing = await propose(house, later, out)
    await house.through_the_lab(failing)
    await house.promote(failing, Ring.CANARY)
    await house.let_pass(5)
    caller = house.as_(PUBLISHER)
    await deployment_intents.roll_back(house.world, caller, failing, "crashes at start", RollbackTo.PREVIOUS)
    await house.let_pass(48)
    state = await house.state(failing)
    assert state.status is IntentStatus.ROLLED_BACK
    for plane in PLANES:
        canary, had = house.group(plane, Ring.CANARY), await took(house, failing, plane)
        assert had
        assert not {*had} & {*await devices(house, plane, out[plane])}
        removed = await held(house, failing, plane)
        (ours,) = (group for group, _ in removed.groups if group not in (canary, house.group(plane, Ring.LAB)))
        assert (ours, Offer.UNINSTALL) in removed.groups
        assert canary not in [group for group, _ in removed.groups]
        assert {*await devices(house, plane, ours)} == {*had}, "and nobody else, whoever took it last"
        offered_again = [group for ring, on, group in state.previous_offers if (ring, on) == (Ring.CANARY, plane)]
        assert offered_again == [ours], "nobody who did not take it is made to have the one before"
        assert list(removed.excluded) == [out[plane]]
    reached = {
        *await took(house, failing, Plane.JAMF),
        *await devices(house, Plane.JAMF, house.group(Plane.JAMF, Ring.LAB)),
    }
    ran = {
        device.jamf_id
        for device in house.lab.jamf.computers.values()
        for history in house.lab.jamf.histories(device)
        if any(run.policy.kind is OfferKind.UNINSTALL for run in history.runs)
    }
    assert ran == reached, "a removal command ran where the release was, and nowhere else"


async def test_a_group_to_leave_out_that_no_plane_knows_is_named(house: Rollouts) -> None:
    with pytest.raises(UnknownGroup, match="424242"):
        await propose(
            house,
            house.inputs.low,
            {Plane.INTUNE: "no-such-group", Plane.JAMF: "424242"}
            | {Plane.INTUNE: house.group(Plane.INTUNE, Ring.PILOT)},
        )
