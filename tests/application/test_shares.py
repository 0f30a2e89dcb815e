"""Percentages of one group: each device in exactly one ring, kept in groups of our own, on both planes."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import pytest
from rollout_world import LOW, OPERATOR, PACKAGER, PLANES, POLICY, PUBLISHER, RETAIL, Rollouts, rollouts

from eucora.application import deployment_intents, rollout
from eucora.application.deployment_intents import IntentRequest, RollbackTo, TargetRequest
from eucora.application.drift import remediate_drift
from eucora.application.execute import load
from eucora.application.planes import Gathered, Gathering, Group, GroupNotFound, Offer, PlanePort, Withdrawal
from eucora.application.tasks import Work, task_for
from eucora.application.world import World
from eucora.domain import drift
from eucora.domain.assignment import Share, in_share
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.refusals import RingPlanInvalid
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.drift_compare import DriftKind
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.lab.inputs import ApplicationInputs
from eucora.lab.inputs.application import FIELD_NOTES
from eucora.lab.inputs.story import build_release
from eucora.store.database import Pool

pytestmark = pytest.mark.slow

# A share of a small group holds few devices, and one of them may be away: gates are not what is looked at here.
EASY = tuple(replace(rule, soak_s=3_600, success_min=Decimal("0.8")) for rule in POLICY.rings)
BRIEF = replace(POLICY, version="brief", rings=EASY)
HALVES: Mapping[Ring, Share] = {Ring.LAB: (0, 50), Ring.CANARY: (50, 100)}
BOTH = pytest.mark.parametrize("plane", PLANES)


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(BRIEF)
        yield house


class Interposed:
    """A plane of which single verbs answer otherwise."""

    def __init__(self, port: PlanePort, **verbs: Callable[..., Any]) -> None:
        self._port, self._verbs = port, verbs

    def __getattr__(self, name: str) -> Any:
        return self._verbs.get(name) or getattr(self._port, name)


class Killed(Exception):
    """The worker died here."""


def with_verbs(house: Rollouts, plane: Plane, **verbs: Callable[..., Any]) -> World:
    port = cast("PlanePort", Interposed(house.world.planes[plane], **verbs))
    return replace(house.world, planes={**house.world.planes, plane: port})


async def propose(
    house: Rollouts, shares: Mapping[Ring, Share], source: Ring, inputs: ApplicationInputs | None = None
) -> str:
    """The rings of ``shares`` cut up the fleet's group of ``source``; before them comes the lab as it is."""
    rings: dict[Ring, Share | None] = {Ring.LAB: None, **shares}
    request = IntentRequest(
        evidence_pack=await house.assemble(inputs or house.inputs.low, LOW),
        rings=tuple(
            (ring, tuple(
                TargetRequest(plane, house.group(plane, source if share else ring), share=share) for plane in PLANES
            ))
            for ring, share in rings.items()
        ),
        scope=RETAIL,
        gate_policy=BRIEF.version,
    )  # fmt: skip
    return (await deployment_intents.propose(house.world, house.as_(PACKAGER), request)).id


async def opened(house: Rollouts) -> str:
    """The lab has half of a group; it is opened, and no worker has touched it."""
    intent = await propose(house, HALVES, Ring.CANARY)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    return intent


async def in_the_lab(house: Rollouts) -> str:
    intent = await opened(house)
    await house.let_pass(24)
    return intent


async def resolved(world: World, intent: str, plane: Plane) -> Work:
    """What a worker that opens the lab on the plane would put on record."""
    payload = {"intent_id": intent, "ring": int(Ring.LAB), "plane": plane.value, "offer": "install"}
    return await rollout.resolve_cohort(await task_for(world, payload, "worker"))


async def members(house: Rollouts, plane: Plane, group: str) -> set[str]:
    found = await house.world.planes[plane].resolve(group, correlation_id="check")
    return {device.id for device in found.devices}


async def cohort(house: Rollouts, intent: str, ring: Ring, plane: Plane, source: Ring = Ring.CANARY) -> set[str]:
    return {*await house.world.devices.frozen_of(intent, ring, plane, house.group(plane, source))}


async def kept(house: Rollouts, intent: str, ring: Ring, plane: Plane) -> str:
    """The one group of ours of the ring on the plane."""
    (one,) = (await house.state(intent)).rings[ring].cohorts[plane].kept
    return one.ref


async def offers_on(house: Rollouts, intent: str, plane: Plane) -> Sequence[tuple[str, Offer]]:
    proposed = (await house.state(intent)).proposed
    assert proposed is not None
    file = next(file for file in proposed.release.artifacts if file.plane is plane)
    application = proposed.release.application
    seen = await house.world.planes[plane].inspect(
        f"eucora:{intent}:{file.artifact}", application.name, application.version, correlation_id="check"
    )
    return sorted(seen.groups)


async def test_each_device_of_a_group_is_in_exactly_one_ring(house: Rollouts) -> None:
    shares: Mapping[Ring, Share] = {Ring.CANARY: (0, 10), Ring.PILOT: (10, 50), Ring.DEPARTMENT: (50, 100)}
    intent = await propose(house, shares, Ring.DEPARTMENT)
    await house.through_the_lab(intent)
    for ring in shares:
        await house.promote(intent, ring)
        await house.let_pass(24)
    state = await house.state(intent)
    assert state.proposed is not None
    for plane in PLANES:
        source = house.group(plane, Ring.DEPARTMENT)
        cohorts = {ring: await cohort(house, intent, ring, plane, Ring.DEPARTMENT) for ring in shares}
        assert all(not one & other for one, other in combinations(cohorts.values(), 2))
        assert set.union(*cohorts.values()) == await members(house, plane, source)
        for ring, share in shares.items():
            assert all(in_share(state.proposed.release.application.application_id, id, share) for id in cohorts[ring])
            spec = state.proposed.ring_plan.of(ring)
            assert spec is not None
            assert [one.devices for one in spec.targets if one.plane is plane] == [len(cohorts[ring])]  # as proposed
            assert await members(house, plane, await kept(house, intent, ring, plane)) == cohorts[ring]
        ours = [await kept(house, intent, ring, plane) for ring in shares]
        reached = {(group, Offer.INSTALL) for group in (house.group(plane, Ring.LAB), *ours)}
        assert {*await offers_on(house, intent, plane)} == reached  # and so never to the group itself
    measured = state.rings[Ring.DEPARTMENT].measured
    assert measured is not None
    assert min(count.installed for count in measured.counts) > 0


@BOTH
async def test_a_worker_killed_after_the_freeze_leaves_nothing_to_a_second_resolution(
    house: Rollouts, plane: Plane
) -> None:
    intent, source = await opened(house), house.group(plane, Ring.CANARY)

    async def killed(gathering: Gathering, *, correlation_id: str) -> Gathered:
        raise Killed

    with pytest.raises(Killed):
        await resolved(with_verbs(house, plane, gather=killed), intent, plane)
    frozen = await cohort(house, intent, Ring.LAB, plane)
    assert frozen

    async def changed(group: str, *, correlation_id: str) -> Group:
        found = await house.world.planes[plane].resolve(group, correlation_id=correlation_id)
        others = await house.world.planes[plane].resolve(house.group(plane, Ring.PILOT), correlation_id=correlation_id)
        return replace(found, devices=[*found.devices[:1], *others.devices])

    (fact,) = (await resolved(with_verbs(house, plane, resolve=changed), intent, plane)).facts
    assert isinstance(fact, commands.FreezeCohort)
    (ours,) = fact.kept
    assert ours.group == source
    assert await members(house, plane, ours.ref) == frozen
    # Killed again, before the cohort is on record: the same group is found.
    (again,) = (await resolved(house.world, intent, plane)).facts
    assert again == replace(fact, at=house.clock.now())


async def test_groups_of_ours_are_told_apart_and_tell_whose_they_are(house: Rollouts) -> None:
    asked: list[Gathering] = []

    async def noted(gathering: Gathering, *, correlation_id: str) -> Gathered:
        asked.append(gathering)
        return Gathered("ours", created=True)

    intent = await opened(house)
    for _ in range(2):
        await resolved(with_verbs(house, Plane.INTUNE, gather=noted), intent, Plane.INTUNE)
    another = await opened(house)
    await resolved(with_verbs(house, Plane.INTUNE, gather=noted), another, Plane.INTUNE)
    first, again, other = asked
    assert first == again
    assert first.name != other.name
    assert first.key != other.key
    application = house.inputs.low
    assert first.name.startswith(f"EUCORA {application.name} {application.version} ring 0 share 0-50 {intent}")
    assert first.key.startswith(f"eucora:{intent}:")
    assert list(first.devices) == sorted(await cohort(house, intent, Ring.LAB, Plane.INTUNE))


async def test_a_share_that_cannot_be_kept_is_refused_on_record(house: Rollouts) -> None:
    intent, plane = await opened(house), Plane.JAMF
    source = house.group(plane, Ring.CANARY)

    async def gone(gathering: Gathering, *, correlation_id: str) -> Gathered:
        raise GroupNotFound(plane, "in the words of the plane")

    async def left(gathering: Gathering, *, correlation_id: str) -> Gathered:
        return Gathered("ours", created=True, missing=len(gathering.devices))

    async def shrunk(group: str, *, correlation_id: str) -> Group:
        found = await house.world.planes[plane].resolve(group, correlation_id=correlation_id)
        application = (await house.state(intent)).proposed.release.application.application_id  # type: ignore[union-attr]
        return replace(found, devices=[one for one in found.devices if in_share(application, one.id, (50, 100))])

    for verbs, reason in (
        ({"resolve": shrunk}, "the group holds no enrolled device in its share of 0–50 %"),
        ({"gather": gone}, "the plane knows no such group any more"),
        ({"gather": left}, "every device of its share left the group before it was kept"),
    ):
        work = await resolved(with_verbs(house, plane, **verbs), intent, plane)
        assert work.facts == [commands.RefuseCohort(Ring.LAB, plane, source, reason, house.clock.now())]


async def test_a_share_without_a_device_is_refused_with_the_plan(house: Rollouts) -> None:
    with pytest.raises(RingPlanInvalid, match="in ring 1 holds no device in its share of 0–1 %: make it larger"):
        await propose(house, {Ring.CANARY: (0, 1)}, Ring.CANARY)


async def test_offers_are_taken_back_from_the_groups_of_ours_and_made_again(house: Rollouts) -> None:
    intent = await in_the_lab(house)
    ours = {plane: await kept(house, intent, Ring.LAB, plane) for plane in PLANES}
    for plane in PLANES:
        assert await offers_on(house, intent, plane) == [(ours[plane], Offer.INSTALL)]
    await deployment_intents.pause(house.world, house.as_(PUBLISHER), intent, "month end")
    await house.worker.settle()
    assert [await offers_on(house, intent, plane) for plane in PLANES] == [[], []]
    assert dict((await house.state(intent)).offers) == {}
    await deployment_intents.resume(house.world, house.as_(PUBLISHER), intent, "month is over")
    await house.worker.settle()
    for plane in PLANES:
        assert await offers_on(house, intent, plane) == [(ours[plane], Offer.INSTALL)]


async def test_a_rollback_removes_the_release_from_the_groups_of_ours(house: Rollouts) -> None:
    intent = await in_the_lab(house)
    caller = house.as_(PUBLISHER)
    await deployment_intents.roll_back(house.world, caller, intent, "crashes at start", RollbackTo.NOTHING)
    await house.worker.settle()
    for plane in PLANES:
        ours = await kept(house, intent, Ring.LAB, plane)
        assert await offers_on(house, intent, plane) == [(ours, Offer.UNINSTALL)]
    await house.let_pass(40)
    assert (await house.state(intent)).status is IntentStatus.ROLLED_BACK


async def test_the_previous_release_comes_back_to_the_devices_that_had_the_failing_one(house: Rollouts) -> None:
    previous = await propose(house, {Ring.LAB: (0, 50)}, Ring.CANARY)
    await house.through_the_lab(previous)
    assert (await house.state(previous)).status is IntentStatus.COMPLETED
    later = build_release(replace(FIELD_NOTES, version="1.5.0"), house.inputs.low.sbom.parent / "next")
    failing = await propose(house, {Ring.LAB: (0, 80)}, Ring.CANARY, later)
    caller = house.as_(PUBLISHER)
    await deployment_intents.start(house.world, caller, failing)
    await house.let_pass(24)
    await deployment_intents.roll_back(house.world, caller, failing, "crashes at start", RollbackTo.PREVIOUS)
    await house.let_pass(40)
    state = await house.state(failing)
    assert state.status is IntentStatus.ROLLED_BACK
    assert state.rollback is not None
    assert (state.rollback.reverted > 60, state.rollback.remaining) == (True, 0)  # said by devices of both planes
    for plane in PLANES:
        before, ours = await kept(house, previous, Ring.LAB, plane), await kept(house, failing, Ring.LAB, plane)
        assert await cohort(house, previous, Ring.LAB, plane) < await cohort(house, failing, Ring.LAB, plane)
        assert [group for _, on, group in state.previous_offers if on is plane] == [ours]
        assert await offers_on(house, failing, plane) == [(ours, Offer.UNINSTALL)]
        assert (before, Offer.INSTALL) in await offers_on(house, previous, plane)


@BOTH
async def test_drift_finds_that_the_offer_to_a_group_of_ours_is_gone(pool: Pool, tmp_path: Path, plane: Plane) -> None:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(BRIEF, drift=True)
        intent = await in_the_lab(house)
        ours, state = await kept(house, intent, Ring.LAB, plane), await house.state(intent)
        assert state.proposed is not None
        file = next(file for file in state.proposed.release.artifacts if file.plane is plane)
        application = state.proposed.release.application
        taken = await house.world.planes[plane].withdraw(
            Withdrawal(
                f"eucora:{intent}:{file.artifact}", state.published[Ring.LAB, plane].ref,
                application.name, application.version, [ours],
            ),
            correlation_id="somebody",
        )  # fmt: skip
        assert list(taken.groups) == [ours]
        await house.let_pass(2)
        history = await house.world.store.read(drift.DECIDER.stream(intent))
        found = [event.finding for event in history.events if isinstance(event, drift.DriftFound)]
        assert [(one.kind, one.plane, one.group) for one in found] == [(DriftKind.MISSING_ASSIGNMENT, plane, ours)]
        assert await offers_on(house, intent, plane) == [(ours, Offer.INSTALL)]


async def findings(house: Rollouts, intent: str) -> list[tuple[DriftKind, Plane]]:
    history = await house.world.store.read(drift.DECIDER.stream(intent))
    return [
        (event.finding.kind, event.finding.plane) for event in history.events if isinstance(event, drift.DriftFound)
    ]


def somebody_deletes(house: Rollouts, plane: Plane, ref: str) -> None:
    if plane is Plane.JAMF:
        house.lab.jamf.groups.delete(ref)
    else:
        house.lab.tenant.groups.pop(ref)


async def test_a_group_of_ours_that_somebody_deleted_is_made_again_for_the_frozen_devices(
    pool: Pool, tmp_path: Path
) -> None:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(BRIEF, drift=True)
        intent = await in_the_lab(house)
        before = {plane: await kept(house, intent, Ring.LAB, plane) for plane in PLANES}
        frozen = {plane: await cohort(house, intent, Ring.LAB, plane) for plane in PLANES}
        for plane, ref in before.items():
            somebody_deletes(house, plane, ref)
        await house.let_pass(3)
        assert sorted(await findings(house, intent)) == [(DriftKind.MISSING_GROUP, plane) for plane in sorted(PLANES)]
        assert not (await load(house.world.store, drift.DECIDER, intent)).open
        for plane in PLANES:
            ours = await kept(house, intent, Ring.LAB, plane)
            assert ours != before[plane]
            assert await members(house, plane, ours) == frozen[plane]
            assert await offers_on(house, intent, plane) == [(ours, Offer.INSTALL)]


async def test_who_slipped_into_a_group_of_ours_is_put_out_by_an_operator(pool: Pool, tmp_path: Path) -> None:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(BRIEF, drift=True)
        intent = await in_the_lab(house)
        ref, frozen = (
            await kept(house, intent, Ring.LAB, Plane.INTUNE),
            await cohort(house, intent, Ring.LAB, Plane.INTUNE),
        )
        everybody = await members(house, Plane.INTUNE, house.group(Plane.INTUNE, Ring.CANARY))
        stranger = house.lab.tenant.by_managed_id[min(everybody - frozen)]
        house.lab.tenant.memberships.set(ref, stranger.entra_object_id, house.clock.now(), joins=True)
        await house.let_pass(3)
        (found,) = (await load(house.world.store, drift.DECIDER, intent)).open.values()
        assert (found.finding.kind, found.automatic) == (DriftKind.FOREIGN_MEMBERS, False)
        assert found.finding.found == f"1 more: {stranger.name}"
        await remediate_drift(house.world, house.as_(OPERATOR), found.id)
        await house.let_pass(1)
        assert await members(house, Plane.INTUNE, ref) == frozen
        assert not (await load(house.world.store, drift.DECIDER, intent)).open
