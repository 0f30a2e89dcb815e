"""Routes of governance policies: versions of who must approve what."""

from fastapi import Response

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
    fresh,
    receipt,
)
from eucora.api.governance_bodies import GovernancePolicyAsked
from eucora.api.preconditions import UNCHANGED
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits, readers
from eucora.api.versions import RetirementAsked, VersionBody, VersionPath, VersionStatus, one_of, page_of, told
from eucora.api.words import Prose
from eucora.application import policies
from eucora.domain.governance_policy import GovernancePolicyUnknown
from eucora.domain.governance_types import GovernancePolicy
from eucora.domain.people import Role
from eucora.projections.governance_policies import built_in

router = noun("governance-policies")


class GovernancePolicyProposalAsked(Asked):
    """A new version, and why."""

    policy: GovernancePolicyAsked
    reason: Prose


class GovernancePolicyBody(VersionBody):
    """One version. ``status``: proposed, active or retired. ``proposed_at`` is null for what comes with the product."""

    policy: GovernancePolicy
    activated_by: str


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(Role.PLATFORM_ADMIN)
async def propose_governance_policy(
    body: GovernancePolicyProposalAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Propose a version; a CAB approver activates it. What is left out is as in version 1.0.

    A quorum may be 15 at the most. Whether so many people hold the role is not known here: roles come with tokens.
    """
    policy = body.policy.to_policy()
    written = await policies.propose_governance_policy(house.deps.world, caller, policy, body.reason)
    return await receipt(house, response, written)


@router.get("", dependencies=[fresh("governance_policies")])
@readers()
async def list_governance_policies(
    house: HouseDep, page: PagingDep, status: VersionStatus | None = None
) -> Listing[GovernancePolicyBody]:
    """Governance policies, newest first. Version 1.0 comes with the product and is in the list only once retired."""
    return await page_of(house.reads.governance_policies, GovernancePolicyBody, page, status)


@router.get("/{version}", dependencies=[fresh("governance_policies")], responses=problem_responses(404) | UNCHANGED)
@readers()
async def get_governance_policy(version: VersionPath, house: HouseDep, tag: TagDep) -> GovernancePolicyBody:
    """One version, with that of its stream as ETag."""
    view = await one_of(house.reads.governance_policies, built_in(), version)
    if view is None:
        raise GovernancePolicyUnknown(version)
    return told(GovernancePolicyBody, view, tag)


@router.post("/{version}/activations", status_code=201, responses=problem_responses(400, 404, 409, 412, 428))
@permits(Role.CAB_APPROVER)
async def activate_governance_policy(
    version: VersionPath, response: Response, house: HouseDep, caller: DeciderDep
) -> ReceiptBody:
    """Approve a proposed version for CAB; intents may name it from now on."""
    return await receipt(house, response, await policies.activate_governance_policy(house.deps.world, caller, version))


@router.post("/{version}/retirements", status_code=201, responses=problem_responses(400, 404, 409, 412, 413, 415))
@permits(Role.CAB_APPROVER)
async def retire_governance_policy(
    version: VersionPath, body: RetirementAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Take a version out of use for new intents; those that are governed by it keep it."""
    written = await policies.retire_governance_policy(house.deps.world, caller, version, body.reason)
    return await receipt(house, response, written)
