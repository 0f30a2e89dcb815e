"""What a deployment intent refuses because of what is known outside its own stream."""

from eucora.domain.deployment_intent.events import ApprovalGroundsChanged
from eucora.domain.errors import DomainError, RefusedOnRecord
from eucora.domain.gate_types import IncidentFacts


class ProposalTooLarge(DomainError):
    """A proposal is one entry of the log, with its plan and the policies that judge it."""

    def __init__(self, size: int, size_max: int, targets: int) -> None:
        super().__init__(
            f"This proposal takes {size} bytes, and {size_max} can be recorded: name fewer than its {targets} targets "
            "(one larger group in the place of several), and shorten their texts.",
            size=size,
            size_max=size_max,
            targets=targets,
        )


class BoundaryCrossed(DomainError):
    """The target lies outside the application's scope, and no exception waives that."""

    def __init__(self, target: str, home: str) -> None:
        super().__init__(
            f"The target {target} lies outside the application's scope {home}; request a cross-boundary exception for "
            f"{target}, and propose again once it is approved.",
            target=target,
            application_scope=home,
        )


class IncidentOpen(DomainError):
    """The rollout is not started while incidents are open that would stop it at once."""

    def __init__(self, incidents: IncidentFacts) -> None:
        severe, security = incidents.p1_p2, incidents.attributable_security
        super().__init__(
            f"Incidents are open against this release (P1 or P2: {severe}, security incidents that it caused: "
            f"{security}); resolve them first, or propose a release that mends them.",
            p1_p2=severe,
            attributable_security=security,
        )


class GroundsChanged(RefusedOnRecord):
    """What the approval rested on no longer holds; its end is on record."""

    def __init__(self, changed: ApprovalGroundsChanged) -> None:
        super().__init__(
            f"What the approval rested on has changed: {'; '.join(changed.reasons)}. "
            "Ask CAB for a review of what holds now.",
            record=changed,
            reasons=list(changed.reasons),
        )
