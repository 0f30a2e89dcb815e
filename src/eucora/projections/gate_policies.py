"""Read model ``gate_policies``: versions of the thresholds."""

from dataclasses import dataclass, replace
from typing import Any

from eucora.application.ports import Recorded
from eucora.domain import gate_policy as e
from eucora.domain.gate_types import GatePolicy
from eucora.domain.policies import GATE_POLICY_1_0
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
class GatePolicyView(VersionView):
    policy: GatePolicy
    activated_by: str = ""


def built_in(position: int = 0, version: int = 0) -> GatePolicyView:
    """Version 1.0, as it stands while no event speaks of it."""
    return GatePolicyView(policy=GATE_POLICY_1_0, **from_product(GATE_POLICY_1_0.version, position, version))


def evolve(view: GatePolicyView | None, recorded: Recorded) -> GatePolicyView | None:
    """The version after an event of its stream."""
    match recorded.event:
        case e.GatePolicyProposed() as event:
            view = GatePolicyView(policy=event.policy, **from_proposal(event.policy.version, recorded, event))
        case e.GatePolicyActivated(by=by, at=at) if view:
            view = replace(activated(view, recorded, at), activated_by=by)
        case e.GatePolicyRetired() as event:
            view = retired(view or built_in(recorded.position, recorded.version), event)
    return after(view, recorded)


GATE_POLICIES = versions_shape("gate_policies", "gate_policy", 2, GatePolicyView, evolve)


class GatePolicies(Versions[GatePolicyView]):
    """Queries on gate policies."""

    def __init__(self, pool: Any) -> None:
        super().__init__(pool, GATE_POLICIES)
