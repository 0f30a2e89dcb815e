"""Use cases: propose a deployment intent, put it before CAB, start it, move it, stop it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from eucora.application.execute import Executed, VersionMismatch, execute, load
from eucora.application.planes import GroupNotFound
from eucora.application.ports import Write
from eucora.application.react import react
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import cab_review, evidence_pack, gate_policy
from eucora.domain.cab_review import Urgency
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import ChangeKind, Event
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.errors import DomainError
from eucora.domain.gate_policy import active_policy
from eucora.domain.people import Role, Scope
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Measurement, Ring, RingPlan, RingSpec, RingTarget


class UnknownPack(DomainError):
    """An intent names an evidence pack that nobody assembled."""

    def __init__(self, pack: str) -> None:
        super().__init__(f"No evidence pack {pack} was assembled; assemble it first.", evidence_pack=pack)


class UnknownGroup(DomainError):
    """A ring names a group that its plane does not know."""

    def __init__(self, ring: Ring, plane: Plane, group: str) -> None:
        super().__init__(
            f"Ring {ring:d} names the group {group!r}, and {plane} has none of that id; correct the ring plan.",
            ring=int(ring),
            plane=str(plane),
            group=group,
        )


class PlaneNotConnected(DomainError):
    """A ring targets a plane that this installation is not connected to."""

    def __init__(self, plane: Plane) -> None:
        super().__init__(
            f"No connector for {plane} is configured; a platform admin has to connect it.", plane=str(plane)
        )


@dataclass(frozen=True, slots=True)
class TargetRequest:
    """One group of one plane; its devices are counted when the intent is proposed."""

    plane: Plane
    group: str
    site_class: SiteClass = SiteClass.ONLINE
    critical: bool = False


@dataclass(frozen=True, slots=True)
class IntentRequest:
    """What shall be rolled out, to whom, under which policy. ``rings``: (ring, targets), in rollout order."""

    evidence_pack: str
    rings: tuple[tuple[Ring, tuple[TargetRequest, ...]], ...]
    scope: Scope
    gate_policy: str
    change_kind: ChangeKind = ChangeKind.NORMAL


async def propose(world: World, caller: Caller, request: IntentRequest) -> Receipt:
    """Propose a release for rollout: it is scored, routed and, where no CAB is needed, approved in the same decision.

    Raises:
        RoleMissing, UnknownPack, UnknownGroup, PlaneNotConnected, PolicyUnknown, PolicyNotActive, and what the decider
        refuses; PlaneUnavailable and its siblings when a group cannot be counted now.
    """
    require(caller.person, "propose_deployment_intent", Role.PACKAGING_ENGINEER)
    pack = (await load(world.store, evidence_pack.DECIDER, request.evidence_pack)).assembled
    if pack is None:
        raise UnknownPack(request.evidence_pack)
    policy = GATE_POLICY_1_0
    if request.gate_policy != policy.version:
        policy = active_policy(await load(world.store, gate_policy.DECIDER, request.gate_policy))
    plan = RingPlan(tuple([await _counted(world, caller, ring, targets) for ring, targets in request.rings]))
    history = await world.facts.history(pack.application.application_id)
    now, intent_id = world.clock.now(), str(world.ids.new())
    command = commands.ProposeIntent(
        intent_id=intent_id,
        pack=pack,
        ring_plan=plan,
        scope=request.scope,
        change_kind=request.change_kind,
        policy=policy,
        history=history,
        by=caller.person.id,
        at=now,
    )
    return _receipt(intent_id, await _run(world, caller, intent_id, command))


async def _counted(world: World, caller: Caller, ring: Ring, targets: Sequence[TargetRequest]) -> RingSpec:
    counted = []
    for target in targets:
        plane = world.planes.get(target.plane)
        if plane is None:
            raise PlaneNotConnected(target.plane)
        try:
            group = await plane.resolve(target.group, correlation_id=caller.correlation_id)
        except GroupNotFound as error:
            raise UnknownGroup(ring, target.plane, target.group) from error
        counted.append(RingTarget(target.plane, group.ref, len(group.devices), target.site_class, target.critical))
    return RingSpec(ring, tuple(counted))


async def submit_to_cab(
    world: World, caller: Caller, intent_id: str, *, urgency: Urgency, justification: str
) -> Receipt:
    """Put the intent before CAB. One append to both streams: a review without its intent's request, or a request
    without a review, would leave people waiting for nothing. The receipt is the review's."""
    require(caller.person, "submit_to_cab", Role.PACKAGING_ENGINEER)
    now, review_id = world.clock.now(), str(world.ids.new())
    history = await world.store.read(DECIDER.stream(intent_id))
    if caller.expected_version not in (None, history.version):
        raise VersionMismatch(history.stream, caller.expected_version, history.version)
    state = DECIDER.fold(cast("Sequence[Event]", history.events))
    request = commands.RequestCabReview(review_id, caller.person.id, now)
    requested = DECIDER.decide(state, request)
    proposed = state.proposed
    if proposed is None:
        raise AssertionError("decide refuses a request for an intent that was never proposed")
    pack = (await load(world.store, evidence_pack.DECIDER, proposed.release.evidence_pack)).assembled
    if pack is None:
        raise UnknownPack(proposed.release.evidence_pack)
    opening = cab_review.OpenReview(
        review_id=review_id,
        intent_id=intent_id,
        binding=proposed.binding.digest,
        application=proposed.release.application.application_id,
        version=proposed.release.application.version,
        score=str(proposed.risk.score),
        blast_radius_class=proposed.risk.blast_radius_class,
        quorum=proposed.route.quorum,
        ineligible=cab_review.ineligible_persons(proposed.requested_by, pack.assembled_by, pack.packagers),
        urgency=urgency,
        justification=justification,
        by=caller.person.id,
        at=now,
    )
    opened = cab_review.DECIDER.decide(cab_review.DECIDER.initial, opening)
    jobs = [
        *react(DECIDER.fold(requested, state), requested, now),
        *react(cab_review.DECIDER.fold(opened), opened, now),
    ]
    reply = caller.reply_for(review_id)
    appended = await world.store.append(
        [
            Write(cab_review.DECIDER.stream(review_id), 0, opened),
            Write(DECIDER.stream(intent_id), history.version, requested),
        ],
        context=caller.context(intent_id),
        at=now,
        jobs=jobs,
        reply=reply(len(opened)) if reply else None,
    )
    return Receipt(review_id, appended.version, appended.position)


async def start(world: World, caller: Caller, intent_id: str) -> Receipt:
    """Open the lab ring."""
    require(caller.person, "start_rollout", Role.PUBLISHER)
    in_scope = await _in_scope(world, caller, intent_id)
    command = commands.StartRollout(caller.person.id, in_scope, world.clock.now())
    return _receipt(intent_id, await _run(world, caller, intent_id, command))


async def promote(
    world: World, caller: Caller, intent_id: str, to_ring: Ring, acknowledged: tuple[str, ...]
) -> Receipt:
    """Leave the current ring for ``to_ring``; its gates are evaluated now, on a fresh count."""
    require(caller.person, "promote_ring", Role.PUBLISHER)
    state = await load(world.store, DECIDER, intent_id)
    command = commands.PromoteRing(
        to_ring=to_ring,
        by=caller.person.id,
        automatic=False,
        in_scope=await _in_scope(world, caller, intent_id),
        measurement=await measure_now(world, state, state.ring),
        incidents=await world.facts.incidents(intent_id),
        acknowledged=acknowledged,
        at=world.clock.now(),
    )
    return _receipt(intent_id, await _run(world, caller, intent_id, command))


async def pause(world: World, caller: Caller, intent_id: str, reason: str) -> Receipt:
    """Stop offering for now."""
    await _require(world, caller, intent_id, "pause_rollout", Role.PUBLISHER, Role.ENDPOINT_OPERATOR)
    command = commands.PauseRollout(caller.person.id, reason, world.clock.now())
    return _receipt(intent_id, await _run(world, caller, intent_id, command))


async def halt(world: World, caller: Caller, intent_id: str, reason: str) -> Receipt:
    """Stop until somebody decides."""
    await _require(
        world, caller, intent_id, "halt_rollout", Role.PUBLISHER, Role.ENDPOINT_OPERATOR, Role.SECURITY_REVIEWER
    )
    command = commands.HaltRollout("operator", caller.person.id, reason, world.clock.now())
    return _receipt(intent_id, await _run(world, caller, intent_id, command))


async def resume(world: World, caller: Caller, intent_id: str, reason: str) -> Receipt:
    """Go on after a pause or a halt, on a fresh gate run."""
    require(caller.person, "resume_rollout", Role.PUBLISHER)
    state = await load(world.store, DECIDER, intent_id)
    command = commands.ResumeRollout(
        by=caller.person.id,
        reason=reason,
        measurement=await measure_now(world, state, state.ring),
        incidents=await world.facts.incidents(intent_id),
        in_scope=await _in_scope(world, caller, intent_id),
        at=world.clock.now(),
    )
    return _receipt(intent_id, await _run(world, caller, intent_id, command))


async def abort(world: World, caller: Caller, intent_id: str, reason: str) -> Receipt:
    """End the intent for good."""
    await _require(world, caller, intent_id, "abort_rollout", Role.PUBLISHER)
    command = commands.AbortRollout(caller.person.id, reason, world.clock.now())
    return _receipt(intent_id, await _run(world, caller, intent_id, command))


async def roll_back(world: World, caller: Caller, intent_id: str, reason: str) -> Receipt:
    """Take the release off every ring it reached."""
    await _require(world, caller, intent_id, "roll_back", Role.PUBLISHER)
    command = commands.StartRollback(caller.person.id, reason, world.clock.now())
    return _receipt(intent_id, await _run(world, caller, intent_id, command))


async def give_up_rollback(world: World, caller: Caller, intent_id: str) -> Receipt:
    """Stop waiting for the devices that never reported the removal."""
    await _require(world, caller, intent_id, "give_up_rollback", Role.PUBLISHER)
    command = commands.GiveUpRollback(caller.person.id, world.clock.now())
    return _receipt(intent_id, await _run(world, caller, intent_id, command))


async def rehearse(world: World, caller: Caller, intent_id: str) -> Receipt:
    """Rehearse the rollback in the lab ring."""
    await _require(world, caller, intent_id, "rehearse_rollback", Role.PUBLISHER, Role.PACKAGING_ENGINEER)
    command = commands.StartRehearsal(caller.person.id, world.clock.now())
    return _receipt(intent_id, await _run(world, caller, intent_id, command))


async def measure_now(world: World, state: DeploymentIntent, ring: Ring | None) -> Measurement | None:
    """Count a ring as it stands, on the planes that have their cohort; None before the first one has it."""
    if state.proposed is None or ring is None:
        return None
    progress = state.rings.get(ring)
    if progress is None or not progress.cohorts:
        return None
    return await world.devices.measure(
        state.proposed.intent_id,
        ring,
        started_at=progress.measured_from,
        now=world.clock.now(),
        reachable_within_s=state.proposed.policy.reachable_within_s,
    )


async def _require(world: World, caller: Caller, intent_id: str, operation: str, *roles: Role) -> None:
    """A publisher moves what lies in his scope; the other roles that may stop a rollout have none to keep."""
    state = await load(world.store, DECIDER, intent_id)
    require(caller.person, operation, *roles, scope=state.proposed.scope if state.proposed else None)


async def _in_scope(world: World, caller: Caller, intent_id: str) -> bool:
    state = await load(world.store, DECIDER, intent_id)
    return state.proposed is not None and caller.person.holds(Role.PUBLISHER, state.proposed.scope)


async def _run(world: World, caller: Caller, intent_id: str, command: commands.Command) -> Executed[DeploymentIntent]:
    return await execute(
        world.store, DECIDER, intent_id, command,
        context=caller.context(intent_id), at=world.clock.now(), react=react,
        expected_version=caller.expected_version, reply=caller.reply_for(intent_id),
    )  # fmt: skip


def _receipt(id: str, done: Executed[DeploymentIntent]) -> Receipt:
    return Receipt(id, done.version, done.position)
