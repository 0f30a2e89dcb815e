"""Routes of gate policies: versions of the thresholds."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import Response
from pydantic import Field

from eucora.api.asking import (
    Asked,
    CallerDep,
    DeciderDep,
    HouseDep,
    Listing,
    MoverDep,
    PagingDep,
    ReceiptBody,
    TagDep,
    Told,
    fresh,
    receipt,
)
from eucora.api.outcomes import OutcomeBody, ReplayAsked
from eucora.api.preconditions import UNCHANGED
from eucora.api.problems import problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.versions import RetirementAsked, VersionBody, VersionPath, VersionStatus, one_of, page_of, told
from eucora.api.words import Number, Prose, Version, Whole
from eucora.application import backtests, policies
from eucora.domain.backtest import Skipped, Tally
from eucora.domain.gate_backtest import GateChange
from eucora.domain.gate_policy import PolicyUnknown
from eucora.domain.gate_types import GatePolicy, HaltRule, OverlapRule, RingRule, SuccessRule, Verdict
from eucora.domain.people import Role
from eucora.domain.planes import SiteClass
from eucora.domain.rings import Ring
from eucora.projections.gate_policies import built_in

router = noun("gate-policies")


class RingRuleAsked(Asked):
    """What a ring asks before it may be left. ``success_min``: 0..1."""

    ring: Ring
    success_min: Number
    soak_s: Whole
    automatic: bool = False


class HaltRuleAsked(Asked):
    """Halt when at least ``finished_min`` devices finished and failures reach ``failure_max`` of them.

    A ring in which nobody must install the release is not left before so many have finished, either.
    """

    finished_min: Whole = 10
    failure_max: Number = Decimal("0.10")


class GatePolicyAsked(Asked):
    """Thresholds of every gate. ``time_to_compliance_s``: seconds by site class.

    ``sample_min``: devices that must have finished before a ring may pass; 0 asks for none. ``per_plane``: every plane
    must pass by itself. ``soak_needs_coverage``: time under ``coverage_min`` is no soak. ``overlap``: what other
    rollouts on the same devices mean.
    """

    version: Version
    rings: Annotated[list[RingRuleAsked], Field(max_length=5)]
    time_to_compliance_s: dict[SiteClass, Whole]
    coverage_min: Number = Decimal("0.90")
    reachable_within_s: Whole = 86_400
    success_rule: SuccessRule = SuccessRule.POINT
    halt: HaltRuleAsked = HaltRuleAsked()
    measure_every_s: Whole = 300
    rehearsal_min: Number = Decimal("0.95")
    sample_min: Whole = 0
    per_plane: bool = False
    soak_needs_coverage: bool = False
    overlap: OverlapRule = OverlapRule.WARN

    def to_policy(self) -> GatePolicy:
        return GatePolicy(
            version=self.version,
            rings=tuple(RingRule(one.ring, one.success_min, one.soak_s, one.automatic) for one in self.rings),
            time_to_compliance_s=tuple(sorted(self.time_to_compliance_s.items())),
            coverage_min=self.coverage_min,
            reachable_within_s=self.reachable_within_s,
            success_rule=self.success_rule,
            halt=HaltRule(self.halt.finished_min, self.halt.failure_max),
            measure_every_s=self.measure_every_s,
            rehearsal_min=self.rehearsal_min,
            sample_min=self.sample_min,
            per_plane=self.per_plane,
            soak_needs_coverage=self.soak_needs_coverage,
            overlap=self.overlap,
        )


class GatePolicyProposalAsked(Asked):
    """A new version, and why."""

    policy: GatePolicyAsked
    reason: Prose


class GatePolicyBody(VersionBody):
    """One version. ``status``: proposed, active or retired. ``proposed_at`` is null for what comes with the product."""

    policy: GatePolicy
    activated_by: str


class RunDifferenceBody(Told):
    """A gate run that would have ended otherwise. ``version``: where it stands in the intent's stream."""

    intent_id: str
    version: int
    ring: Ring
    at: datetime
    policy: str
    was: Verdict
    would_be: Verdict
    gates: Sequence[GateChange]
    outcome: OutcomeBody


class HaltDifferenceBody(Told):
    """A ring that the halt rule would have stopped at another measurement, or at none (null)."""

    intent_id: str
    ring: Ring
    policy: str
    was_at: datetime | None
    would_be_at: datetime | None
    reason: str
    outcome: OutcomeBody


class GateBacktestBody(Told):
    """``replayed``: gate runs. ``skipped``: what cannot be replayed. ``next_after`` null: this was the last window."""

    policy: str
    replayed: int
    differences: Sequence[RunDifferenceBody]
    halts: Sequence[HaltDifferenceBody]
    tallies: Sequence[Tally]
    skipped: Sequence[Skipped]
    next_after: int | None


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(Role.PLATFORM_ADMIN)
async def propose_gate_policy(
    body: GatePolicyProposalAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Propose a version of the thresholds; somebody else activates it."""
    policy = body.policy.to_policy()
    written = await policies.propose_gate_policy(house.deps.world, caller, policy, body.reason)
    return await receipt(house, response, written)


@router.get("", dependencies=[fresh("gate_policies")])
@readers()
async def list_gate_policies(
    house: HouseDep, page: PagingDep, status: VersionStatus | None = None
) -> Listing[GatePolicyBody]:
    """Gate policies, newest first. Version 1.0 comes with the product and is in the list only once it is retired."""
    return await page_of(house.reads.gate_policies, GatePolicyBody, page, status)


@router.get("/{version}", dependencies=[fresh("gate_policies")], responses=problem_responses(404) | UNCHANGED)
@readers()
async def get_gate_policy(version: VersionPath, house: HouseDep, tag: TagDep) -> GatePolicyBody:
    """One version, with that of its stream as ETag."""
    view = await one_of(house.reads.gate_policies, built_in(), version)
    if view is None:
        raise PolicyUnknown
    return told(GatePolicyBody, view, tag)


@router.post("/{version}/activations", status_code=201, responses=problem_responses(400, 404, 409, 412, 428))
@permits(Role.CAB_APPROVER)
async def activate_gate_policy(
    version: VersionPath, response: Response, house: HouseDep, caller: DeciderDep
) -> ReceiptBody:
    """Approve a proposed version; intents may name it from now on."""
    return await receipt(house, response, await policies.activate_gate_policy(house.deps.world, caller, version))


@router.post("/{version}/retirements", status_code=201, responses=problem_responses(400, 404, 409, 412, 413, 415))
@permits(Role.CAB_APPROVER)
async def retire_gate_policy(
    version: VersionPath, body: RetirementAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Take a version out of use for new intents; those that are judged by it keep it."""
    written = await policies.retire_gate_policy(house.deps.world, caller, version, body.reason)
    return await receipt(house, response, written)


@router.post("/{version}/backtests", responses=problem_responses(400, 404, 413, 415))
@readers(Where.INSTALLATION)
async def backtest_gate_policy(version: VersionPath, body: ReplayAsked, house: HouseDep) -> GateBacktestBody:
    """Replay recorded gate runs and measurements under a version of any status. Nothing is stored.

    Measurements stand as they were counted: what the version would have counted otherwise is not known.
    """
    found = await backtests.backtest_gate_policy(house.deps.world, version, after=body.after, limit=body.limit)
    result = found.result
    return GateBacktestBody(
        policy=result.policy,
        replayed=result.replayed,
        differences=[RunDifferenceBody.model_validate(one) for one in result.differences],
        halts=[HaltDifferenceBody.model_validate(one) for one in result.halts],
        tallies=result.tallies,
        skipped=found.skipped,
        next_after=found.next_after,
    )
