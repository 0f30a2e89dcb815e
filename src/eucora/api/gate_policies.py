"""Routes of gate policies: versions of the thresholds."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import Path, Response
from pydantic import Field

from eucora.api.asking import Asked, CallerDep, HouseDep, Listing, PagingDep, ReceiptBody, Told, fresh, receipt
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits, readers
from eucora.api.words import Prose, Version
from eucora.application import records
from eucora.domain.gate_types import GatePolicy, HaltRule, RingRule, SuccessRule
from eucora.domain.people import Role
from eucora.domain.planes import SiteClass
from eucora.domain.rings import Ring

router = noun("gate-policies")
# Bounds of what can be recorded; whether a share or a time makes sense is the domain's to say.
Share = Annotated[Decimal, Field(ge=-1_000, le=1_000, max_digits=12, decimal_places=8)]
Seconds = Annotated[int, Field(ge=-(10**9), le=10**9)]


class RuleAsked(Asked):
    """What a ring asks before it may be left. ``success_min``: 0..1."""

    ring: Ring
    success_min: Share
    soak_s: Seconds
    automatic: bool = False


class HaltAsked(Asked):
    """Halt when at least ``finished_min`` devices finished and failures reach ``failure_max`` of them."""

    finished_min: Seconds = 10
    failure_max: Share = Decimal("0.10")


class PolicyAsked(Asked):
    """Thresholds of every gate. ``time_to_compliance_s``: seconds by site class."""

    version: Version
    rings: Annotated[list[RuleAsked], Field(max_length=5)]
    time_to_compliance_s: dict[SiteClass, Seconds]
    coverage_min: Share = Decimal("0.90")
    reachable_within_s: Seconds = 86_400
    success_rule: SuccessRule = SuccessRule.POINT
    halt: HaltAsked = HaltAsked()
    measure_every_s: Seconds = 300
    rehearsal_min: Share = Decimal("0.95")

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
        )


class ProposalAsked(Asked):
    """A new version, and why."""

    policy: PolicyAsked
    reason: Prose


class PolicyBody(Told):
    """One version. ``status``: proposed or active."""

    id: str
    version: int
    status: str
    policy: GatePolicy
    reason: str
    proposed_by: str
    proposed_at: datetime
    activated_by: str
    activated_at: datetime | None


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(Role.PLATFORM_ADMIN)
async def propose_gate_policy(
    body: ProposalAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Propose a version of the thresholds; somebody else activates it."""
    policy = body.policy.to_policy()
    written = await records.propose_gate_policy(house.deps.world, caller, policy, body.reason)
    return await receipt(house, response, written)


@router.get("", dependencies=[fresh("gate_policies")])
@readers()
async def list_gate_policies(
    house: HouseDep, page: PagingDep, status: Literal["proposed", "active"] | None = None
) -> Listing[PolicyBody]:
    """Gate policies, newest first. Version 1.0 comes with the product and is not in the list."""
    found = await house.reads.gate_policies.page(status=status, after=page.after, limit=page.limit)
    items = [PolicyBody.model_validate(view) for view in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.post("/{version}/activations", status_code=201, responses=problem_responses(400, 404, 409))
@permits(Role.CAB_APPROVER)
async def activate_gate_policy(
    version: Annotated[Version, Path(examples=["1.1"])], response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Approve a proposed version; intents may name it from now on."""
    return await receipt(house, response, await records.activate_gate_policy(house.deps.world, caller, version))
