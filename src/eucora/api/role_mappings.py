"""Routes of role mappings: versions of which claims of a token give which roles."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Request, Response
from pydantic import ConfigDict, Field, model_validator

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
from eucora.api.deployment_intents import ScopeAsked
from eucora.api.preconditions import UNCHANGED
from eucora.api.problems import problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.versions import RetirementAsked, VersionBody, VersionPath, VersionStatus, one_of, page_of, told
from eucora.api.words import Line, Moment, Prose, Version
from eucora.application import role_mappings
from eucora.domain.people import Role, Scope
from eucora.domain.role_mapping import RoleMappingUnknown
from eucora.domain.role_rules import RULES_MAX, RoleMapping, RoleRule
from eucora.projections.role_mappings import built_in

router = noun("role-mappings")


class RoleRuleAsked(Asked):
    """Whoever's token has exactly this value in this claim holds the role. A publisher's scope is written out.

    From ``until`` on the rule gives nothing; null: it has no end. A rule for an auditor has one, within a year.
    """

    claim: Line
    value: Line
    role: Role
    scope: ScopeAsked | None = None
    until: Moment | None = None

    @model_validator(mode="after")
    def _no_publisher_by_omission(self) -> Self:
        if self.role is Role.PUBLISHER and self.scope is None:
            raise ValueError('name the scope of a publisher; {"business_unit": "*"} is everywhere')
        return self

    def to_rule(self) -> RoleRule:
        scope = Scope() if self.scope is None else self.scope.to_scope()
        return RoleRule(self.claim, self.value, self.role, scope, self.until)


class RoleMappingAsked(Asked):
    """A new version. ``convention``: values such as ``eucora-auditor`` in the groups claim count as well."""

    version: Version
    rules: Annotated[tuple[RoleRuleAsked, ...], Field(max_length=RULES_MAX + 1)] = ()
    convention: bool = False

    def to_mapping(self) -> RoleMapping:
        return RoleMapping(self.version, tuple(rule.to_rule() for rule in self.rules), self.convention)


class RoleMappingProposalAsked(Asked):
    """A new version, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "mapping": {
                        "version": "2.0",
                        "convention": True,
                        "rules": [
                            {
                                "claim": "groups",
                                "value": "5ab3c2de-0000-4000-8000-000000000001",
                                "role": "publisher",
                                "scope": {"business_unit": "retail", "boundary": "emea"},
                            }
                        ],
                    },
                    "reason": "retail publishes itself from May on",
                }
            ]
        }
    )

    mapping: RoleMappingAsked
    reason: Prose


class RoleMappingBody(VersionBody):
    """One version. ``based_on``: the version that was in force when it was proposed."""

    mapping: RoleMapping
    based_on: str
    activated_by: str
    replaced_by: str
    replaced_at: datetime | None


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(Role.PLATFORM_ADMIN, where=Where.ANYWHERE)
async def propose_role_mapping(
    body: RoleMappingProposalAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Propose a version; a CAB approver activates it. You hold yourself what it gives beyond the one in force,
    and for as long.

    A version is whole: rules of the one in force that are left out end with its activation.
    """
    mapping = body.mapping.to_mapping()
    written = await role_mappings.propose_role_mapping(house.deps.world, caller, mapping, body.reason)
    return await receipt(house, response, written)


@router.get("", dependencies=[fresh("role_mappings")])
@readers()
async def list_role_mappings(
    house: HouseDep, page: PagingDep, status: VersionStatus | None = None
) -> Listing[RoleMappingBody]:
    """Role mappings, newest first. Version 1.0 comes with the product and is in the list only once replaced or
    retired."""
    return await page_of(house.reads.role_mappings, RoleMappingBody, page, status)


@router.get("/{version}", dependencies=[fresh("role_mappings")], responses=problem_responses(404) | UNCHANGED)
@readers()
async def get_role_mapping(version: VersionPath, house: HouseDep, tag: TagDep) -> RoleMappingBody:
    """One version, with that of its stream as ETag."""
    view = await one_of(house.reads.role_mappings, built_in(), version)
    if view is None:
        raise RoleMappingUnknown(version)
    return told(RoleMappingBody, view, tag)


@router.post("/{version}/activations", status_code=201, responses=problem_responses(400, 404, 409, 412, 428))
@permits(Role.CAB_APPROVER)
async def activate_role_mapping(
    version: VersionPath, request: Request, response: Response, house: HouseDep, caller: DeciderDep
) -> ReceiptBody:
    """Put a proposed version in force: every call is judged by it within a second, on every replica.

    Refused where your own token would make you a CAB approver no more.
    """
    world = house.deps.world
    mapping = await role_mappings.recorded(world, version)
    then = await house.authenticator.person(request.headers.get("authorization"), under=mapping)
    keeps = then.holds(Role.CAB_APPROVER, Scope())
    written = await role_mappings.activate_role_mapping(world, caller, version, keeps=keeps)
    return await receipt(house, response, written)


@router.post("/{version}/retirements", status_code=201, responses=problem_responses(400, 404, 409, 412, 413, 415))
@permits(Role.CAB_APPROVER)
async def retire_role_mapping(
    version: VersionPath, body: RetirementAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Take a version out of use; the one in force is replaced first."""
    written = await role_mappings.retire_role_mapping(house.deps.world, caller, version, body.reason)
    return await receipt(house, response, written)
