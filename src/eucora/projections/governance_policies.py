"""Read model ``governance_policies``: versions of who must approve what."""

from dataclasses import dataclass, replace
from typing import Any

from eucora.application.ports import Recorded
from eucora.domain import governance_policy as e
from eucora.domain.governance_types import GOVERNANCE_1_0, GovernancePolicy
from eucora.projections.versions import (
    Versions,
    VersionView,
    activated,
    after,
    from_product,
    from_proposal,
    retired,
    versions_shape,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernancePolicyView(VersionView):
    policy: GovernancePolicy
    activated_by: str = ""


def built_in(position: int = 0, version: int = 0) -> GovernancePolicyView:
    """Version 1.0, as it stands while no event speaks of it."""
    return GovernancePolicyView(policy=GOVERNANCE_1_0, **from_product(GOVERNANCE_1_0.version, position, version))


def evolve(view: GovernancePolicyView | None, recorded: Recorded) -> GovernancePolicyView | None:
    """The version after an event of its stream."""
    match recorded.event:
        case e.GovernancePolicyProposed() as event:
            view = GovernancePolicyView(policy=event.policy, **from_proposal(event.policy.version, recorded, event))
        case e.GovernancePolicyActivated(by=by, at=at) if view:
            view = replace(activated(view, recorded, at), activated_by=by)
        case e.GovernancePolicyRetired() as event:
            view = retired(view or built_in(recorded.position, recorded.version), event)
    return after(view, recorded)


GOVERNANCE_POLICIES = versions_shape("governance_policies", "governance_policy", 1, GovernancePolicyView, evolve)


class GovernancePolicies(Versions[GovernancePolicyView]):
    """Queries on governance policies."""

    def __init__(self, pool: Any) -> None:
        super().__init__(pool, GOVERNANCE_POLICIES)
