"""Use cases: propose a deployment intent, put it before CAB, start it, move it, stop it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from eucora.application.cab_conflicts import conflicts_now, reviews_of, voters_in
from eucora.application.carry_out import carry_out
from eucora.application.execute import PerTry, Resting, VersionMismatch, folded, load
from eucora.application.grounds import grounds_of
from eucora.application.planes import GroupNotFound
from eucora.application.policies import gate_policy_for, governance_for, not_in_force, risk_model_for
from eucora.application.ports import Write
from eucora.application.precedents import precedents_of
from eucora.application.react import react
from eucora.application.rollbacks import RollbackTo as RollbackTo
from eucora.application.rollbacks import roll_back as roll_back
from eucora.application.shares import Groups, devices_in
from eucora.application.trust_maturity import maturity_of
from eucora.application.world import Caller, Receipt, World, require, require_somewhere
from eucora.domain import cab_review, evidence_pack
from eucora.domain.assignment import Share
from eucora.domain.binding import digest_of
from eucora.domain.cab_review import Urgency
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import ChangeKind, Purpose
from eucora.domain.deployment_intent.grounds import changes_since
from eucora.domain.deployment_intent.offered import offered_in
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.errors import DomainError
from eucora.domain.exception_needs import declared_scope
from eucora.domain.governance_types import GOVERNANCE_1_0
from eucora.domain.people import Role, Scope
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.rings import Measurement, OfferAs, Ring, RingPlan, RingSpec, RingTarget


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
    """One group of one plane, or a share of it; its devices are counted when the intent is proposed."""

    plane: Plane
    group: str
    site_class: SiteClass = SiteClass.ONLINE
    critical: bool = False
    share: Share | None = None  # in whole percent, as of a RingTarget
    offer_as: OfferAs = OfferAs.REQUIRED
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IntentRequest:
    """What shall be rolled out, to whom, under which policies. ``rings``: (ring, targets), in rollout order.

    ``gate_policy``, ``risk_model`` and ``governance_policy`` None: the version in force. ``application_scope``: where
    the application belongs, as declared; a target outside it needs a cross-boundary exception.
    """

    evidence_pack: str
    rings: tuple[tuple[Ring, tuple[TargetRequest, ...]], ...]
    scope: Scope
    gate_policy: str | None = None
    change_kind: ChangeKind = ChangeKind.NORMAL
    purpose: Purpose = Purpose.REGULAR
    risk_model: str | None = None
    governance_policy: str | None = None
    application_scope: Scope | None = None


async def propose(world: World, caller: Caller, request: IntentRequest) -> Receipt:
    """Propose a release for rollout: it is scored, routed and, where no CAB is needed, approved in the same decision.

    Raises:
        RoleMissing, UnknownPack, UnknownGroup, PlaneNotConnected, PolicyUnknown, PolicyNotActive, and what the decider
        refuses; PlaneUnavailable and its siblings when a group cannot be counted now.
    """
    require(caller.person, "propose_deployment_intent", Role.PACKAGING_ENGINEER, scope=request.scope)
    intent_id = str(world.ids.new())
    command = await proposal_of(world, caller, request, intent_id)
    return await _run(world, caller, intent_id, command)


async def proposal_of(world: World, caller: Caller, request: IntentRequest, intent_id: str) -> commands.ProposeIntent:
    """The proposal with everything that it is judged by, as it stands now. Raises as :func:`propose`."""
    evidence = await load(world.store, evidence_pack.DECIDER, request.evidence_pack)
    pack = evidence.assembled
    if pack is None:
        raise UnknownPack(request.evidence_pack)
    policy = await gate_policy_for(world, request.gate_policy)
    application = pack.application.application_id
    groups = Groups(caller.correlation_id)
    rings = [await counted_ring(world, groups, application, ring, targets) for ring, targets in request.rings]
    named = {
        "gate_policy": request.gate_policy,
        "risk_model": request.risk_model,
        "governance_policy": request.governance_policy,
    }
    newest = evidence.latest_findings
    return commands.ProposeIntent(
        intent_id=intent_id,
        pack=pack,
        ring_plan=RingPlan(tuple(rings)),
        scope=request.scope,
        change_kind=request.change_kind,
        policy=policy,
        history=await world.facts.history(application),
        by=caller.person.id,
        at=world.clock.now(),
        risk_model=await risk_model_for(world, request.risk_model),
        governance=await governance_for(world, request.governance_policy),
        maturity=(await maturity_of(world)).level,
        purpose=request.purpose,
        exceptions=await world.facts.exceptions(application),
        findings=newest,
        critical_findings=None if newest is None else evidence.latest_critical,
        application_scope=request.application_scope,
        not_in_force=await not_in_force(world, named),
        precedents=(await precedents_of(world, pack)).clauses,
    )


async def counted_ring(
    world: World, groups: Groups, application: str, ring: Ring, targets: Sequence[TargetRequest]
) -> RingSpec:
    """The ring with the groups' own ids and the devices in each. Raises PlaneNotConnected, UnknownGroup, PlaneError."""
    counted = []
    for target in targets:
        plane = world.planes.get(target.plane)
        if plane is None:
            raise PlaneNotConnected(target.plane)
        try:
            group = await groups.of(plane, target.group)
            excluded = [await groups.of(plane, one) for one in target.excluded]
        except GroupNotFound as error:
            raise UnknownGroup(ring, target.plane, error.group) from error
        devices = devices_in(group, application, target.share, excluded)
        wanted = RingTarget(target.plane, group.ref, len(devices), target.site_class, target.critical, target.share)
        named = tuple(sorted({one.ref for one in excluded}))
        counted.append(replace(wanted, offer_as=target.offer_as, excluded=named))
    return RingSpec(ring, tuple(counted))


async def submit_to_cab(
    world: World, caller: Caller, intent_id: str, *, urgency: Urgency, justification: str
) -> Receipt:
    """Put the intent before CAB. One append to both streams: a review without its intent's request, or a request
    without a review, would leave people waiting for nothing. The receipt is the review's."""
    require(caller.person, "submit_to_cab", Role.PACKAGING_ENGINEER)
    now, review_id = world.clock.now(), str(world.ids.new())
    history = await world.store.read(DECIDER.stream(intent_id))
    if history.version and caller.expected_version not in (None, history.version):
        raise VersionMismatch(history.stream, caller.expected_version, history.version)
    state = folded(DECIDER, history)
    grounds = await grounds_of(world, state, now)
    requested = DECIDER.decide(state, commands.RequestCabReview(review_id, caller.person.id, now, grounds))
    proposed, asked = state.proposed, DECIDER.fold(requested, state).asked
    if proposed is None or asked is None:
        raise AssertionError("decide refuses a request for an intent that was never proposed")
    pack = (await load(world.store, evidence_pack.DECIDER, proposed.release.evidence_pack)).assembled
    if pack is None:
        raise UnknownPack(proposed.release.evidence_pack)
    application, governance = proposed.release.application, proposed.governance or GOVERNANCE_1_0
    changes = changes_since(state, proposed, grounds, now)
    told, before = declared_scope(proposed.application_scope, proposed.scope), await precedents_of(world, pack)
    askers = before.askers(proposed.binding.digest)
    opening = cab_review.OpenReview(
        review_id=review_id,
        intent_id=intent_id,
        binding=proposed.binding.digest,
        application=application.application_id,
        version=application.version,
        score=str(proposed.risk.score),
        blast_radius_class=proposed.risk.blast_radius_class,
        quorum=proposed.route.quorum,
        ineligible=(
            *cab_review.ineligible_persons(proposed.requested_by, pack.assembled_by, pack.packagers),
            *await conflicts_now(world, intent_id, now),
        ),
        urgency=urgency,
        justification=justification,
        by=caller.person.id,
        at=now,
        change_kind=proposed.change_kind,
        ring=asked.ring,
        rules=governance.review,
        grounds=digest_of((proposed.binding.digest, asked.ring, asked.basis, changes, told, before.clauses, askers)),
        changes=changes,
        overdue_retrospectives=await world.facts.overdue_retrospectives(application.application_id, now),
        always=proposed.risk.blast_radius_class in governance.always,
        declared_scope=told,
        precedents=before.clauses,
        asked_for_changes=askers,
    )
    opened = cab_review.DECIDER.decide(cab_review.DECIDER.initial, opening)
    jobs = [
        *react(DECIDER.fold(requested, state), requested, now),
        *react(cab_review.DECIDER.fold(opened), opened, now),
    ]
    reply = caller.reply_for(review_id)
    await caller.confirm()
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
    require_somewhere(caller.person, "start_rollout", Role.PUBLISHER)
    now = world.clock.now()

    async def asked(state: DeploymentIntent) -> Resting[commands.Command]:
        reviews = await reviews_of(world, state)
        command = commands.StartRollout(
            by=caller.person.id,
            in_scope=_in_scope(caller, state),
            at=now,
            grounds=await grounds_of(world, state, now),
            voters=voters_in(reviews),
        )
        return Resting(command, reviews)

    return await _run(world, caller, intent_id, PerTry(asked))


async def promote(
    world: World, caller: Caller, intent_id: str, to_ring: Ring, acknowledged: tuple[str, ...]
) -> Receipt:
    """Leave the current ring for ``to_ring``; its gates are evaluated now, on a fresh count."""
    require_somewhere(caller.person, "promote_ring", Role.PUBLISHER)
    now = world.clock.now()

    async def asked(state: DeploymentIntent) -> Resting[commands.Command]:
        reviews = await reviews_of(world, state)
        command = commands.PromoteRing(
            to_ring=to_ring,
            by=caller.person.id,
            automatic=False,
            in_scope=_in_scope(caller, state),
            measurement=await measure_now(world, state, state.ring),
            grounds=await grounds_of(world, state, now),
            acknowledged=acknowledged,
            at=now,
            voters=voters_in(reviews),
        )
        return Resting(command, reviews)

    return await _run(world, caller, intent_id, PerTry(asked))


async def pause(world: World, caller: Caller, intent_id: str, reason: str) -> Receipt:
    """Stop offering for now."""
    await _require(world, caller, intent_id, "pause_rollout", Role.PUBLISHER, Role.ENDPOINT_OPERATOR)
    command = commands.PauseRollout(caller.person.id, reason, world.clock.now())
    return await _run(world, caller, intent_id, command)


async def halt(world: World, caller: Caller, intent_id: str, reason: str) -> Receipt:
    """Stop until somebody decides."""
    await _require(
        world, caller, intent_id, "halt_rollout", Role.PUBLISHER, Role.ENDPOINT_OPERATOR, Role.SECURITY_REVIEWER
    )
    command = commands.HaltRollout("operator", caller.person.id, reason, world.clock.now())
    return await _run(world, caller, intent_id, command)


async def resume(world: World, caller: Caller, intent_id: str, reason: str) -> Receipt:
    """Go on after a pause or a halt, on a fresh gate run."""
    require_somewhere(caller.person, "resume_rollout", Role.PUBLISHER)
    now = world.clock.now()

    async def asked(state: DeploymentIntent) -> Resting[commands.Command]:
        reviews = await reviews_of(world, state)
        command = commands.ResumeRollout(
            by=caller.person.id,
            reason=reason,
            measurement=await measure_now(world, state, state.ring),
            grounds=await grounds_of(world, state, now),
            in_scope=_in_scope(caller, state),
            at=now,
            voters=voters_in(reviews),
        )
        return Resting(command, reviews)

    return await _run(world, caller, intent_id, PerTry(asked))


async def abort(world: World, caller: Caller, intent_id: str, reason: str) -> Receipt:
    """End the intent for good."""
    await _require(world, caller, intent_id, "abort_rollout", Role.PUBLISHER)
    command = commands.AbortRollout(caller.person.id, reason, world.clock.now())
    return await _run(world, caller, intent_id, command)


async def give_up_rollback(world: World, caller: Caller, intent_id: str) -> Receipt:
    """Stop waiting for the devices that never reported the removal."""
    await _require(world, caller, intent_id, "give_up_rollback", Role.PUBLISHER)
    command = commands.GiveUpRollback(caller.person.id, world.clock.now())
    return await _run(world, caller, intent_id, command)


async def rehearse(world: World, caller: Caller, intent_id: str) -> Receipt:
    """Rehearse the rollback in the lab ring."""
    await _require(world, caller, intent_id, "rehearse_rollback", Role.PUBLISHER, Role.PACKAGING_ENGINEER)
    command = commands.StartRehearsal(caller.person.id, world.clock.now())
    return await _run(world, caller, intent_id, command)


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
        offered=offered_in(state, ring),
    )


async def _require(world: World, caller: Caller, intent_id: str, operation: str, *roles: Role) -> None:
    """A publisher moves what lies in his scope; the other roles that may stop a rollout have none to keep."""
    state = await load(world.store, DECIDER, intent_id)
    require(caller.person, operation, *roles, scope=state.proposed.scope if state.proposed else None)


def _in_scope(caller: Caller, state: DeploymentIntent) -> bool:
    return state.proposed is not None and caller.person.holds(Role.PUBLISHER, state.proposed.scope)


async def _run(
    world: World, caller: Caller, intent_id: str, command: commands.Command | PerTry[DeploymentIntent, commands.Command]
) -> Receipt:
    return await carry_out(world, caller, DECIDER, intent_id, command, at=world.clock.now(), intent_id=intent_id)
