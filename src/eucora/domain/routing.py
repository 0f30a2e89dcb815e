"""Which rings need CAB, and how many votes: governance mode ``risk_threshold``."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from eucora.domain.rings import Ring
from eucora.domain.risk_types import ApplicationProfile, ApprovalRoute, BlastRadiusClass, RiskAssessment


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """Thresholds of the route. ``score_max``: the highest score that automated approval may still let through."""

    version: str
    score_max: Decimal
    cab_from_by_score: Ring
    cab_from_always: Ring
    always: frozenset[BlastRadiusClass]
    quorum: Mapping[BlastRadiusClass, int]


ROUTING_1_0: Final = RoutingPolicy(
    version="1.0",
    score_max=Decimal(50),
    cab_from_by_score=Ring.PILOT,
    cab_from_always=Ring.CANARY,
    always=frozenset({BlastRadiusClass.CRITICAL_INFRASTRUCTURE, BlastRadiusClass.BUSINESS_CRITICAL}),
    quorum=MappingProxyType(
        {
            BlastRadiusClass.CRITICAL_INFRASTRUCTURE: 3,
            BlastRadiusClass.BUSINESS_CRITICAL: 2,
            BlastRadiusClass.PRODUCTIVITY_TOOLS: 1,
            BlastRadiusClass.NON_CRITICAL: 1,
        }
    ),
)


def route(profile: ApplicationProfile, risk: RiskAssessment, policy: RoutingPolicy = ROUTING_1_0) -> ApprovalRoute:
    """The first ring that needs CAB (None: automated approval suffices), the quorum, and every rule that applied."""
    reasons: list[str] = []
    from_ring: Ring | None = None
    if risk.score > policy.score_max:
        from_ring = policy.cab_from_by_score
        reasons.append(f"risk score {risk.score} is above {policy.score_max}: CAB from ring {from_ring:d} on")
    if profile.privileged_tooling:
        from_ring = policy.cab_from_always
        reasons.append(f"privileged tooling: CAB from ring {from_ring:d} on, whatever the score")
    if risk.blast_radius_class in policy.always:
        from_ring = policy.cab_from_always
        reasons.append(
            f"blast-radius class {risk.blast_radius_class} ({risk.class_reason}): "
            f"CAB from ring {from_ring:d} on, whatever the score"
        )
    if from_ring is None:
        reasons.append(
            f"risk score {risk.score} is not above {policy.score_max}, no privileged tooling, "
            f"blast-radius class {risk.blast_radius_class} ({risk.class_reason}): automated approval"
        )
    return ApprovalRoute(
        cab_from_ring=None if from_ring is None else int(from_ring),
        quorum=policy.quorum[risk.blast_radius_class],
        reasons=tuple(reasons),
    )
